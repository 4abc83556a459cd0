//! Horseshoe priors: global, local and slab scales, and what they cover.

use super::sd::SdPrior;
use super::{ScaleGradient, ScalePriors, Scales};
use crate::error::{Error, Result};
use crate::layout::HorseshoePlaces;
use crate::number::Real;
use crate::prior::log_half_student_t;
use crate::spec::{HorseshoeSpec, HorseshoeTarget, ModelSpec};
use crate::special::ln_gamma;

impl ScalePriors {
    #[inline(always)]
    pub(super) fn horseshoe_forward<T: Real>(&self, h: usize, spec: &HorseshoeSpec, theta: &[T], out: &mut Scales<T>) {
        let places = &self.layout.horseshoes[h];
        let (global, slab) = (theta[places.global], theta[places.slab]);
        let log_tau = global + T::splat(spec.scale_global.ln()) + self.log_sigma(spec, out);
        let log_c2 = slab + T::splat(2.0 * spec.scale_slab.ln());
        let half_df = 0.5 * spec.df_slab;
        let constant = half_df * half_df.ln() - ln_gamma(half_df);
        out.log_jacobian += log_half_student_t(spec.df_global, global)[0];
        out.log_jacobian += T::splat(constant) - slab * half_df - (-slab).exp() * half_df;
        out.shrinkage[h].clear();
        out.slab_share[h].clear();
        for &log_lambda in &theta[places.local.clone()] {
            out.log_jacobian += log_half_student_t(spec.df, log_lambda)[0];
            let log_r = log_tau + log_lambda;
            let [above, share] = (log_r * 2.0 - log_c2).softplus_logistic();
            out.shrinkage[h].push((log_r - above * 0.5).exp());
            out.slab_share[h].push(share);
        }
    }

    #[inline(always)]
    pub(super) fn horseshoe_backward<T: Real>(
        &self, h: usize, spec: &HorseshoeSpec, theta: &[T], at: &Scales<T>, upstream: &mut ScaleGradient<T>,
        d_theta: &mut [T],
    ) {
        let HorseshoePlaces { global, slab, local } = &self.layout.horseshoes[h];
        let (half_df, one) = (0.5 * spec.df_slab, T::splat(1.0));
        let (mut d_tau, mut d_slab) = (T::ZERO, ((-theta[*slab]).exp() - one) * half_df);
        for (i, place) in local.clone().enumerate() {
            let (g, share) = (upstream.log_shrinkage[h][i], at.slab_share[h][i]);
            d_theta[place] += g * (one - share) + log_half_student_t(spec.df, theta[place])[1];
            d_tau += g * (one - share);
            d_slab += g * share * 0.5;
        }
        d_theta[*global] += d_tau + log_half_student_t(spec.df_global, theta[*global])[1];
        d_theta[*slab] += d_slab;
        if spec.autoscale && self.has_constant_sigma() {
            upstream.dispersion[0] += d_tau;
        }
    }

    fn has_constant_sigma(&self) -> bool {
        self.constant_dispersion && self.layout.dispersion.len() == 1
    }

    fn log_sigma<T: Real>(&self, spec: &HorseshoeSpec, at: &Scales<T>) -> T {
        if spec.autoscale && self.has_constant_sigma() { at.dispersion[0] } else { T::ZERO }
    }

    /// Global scale and slab scale of each horseshoe, for the draws.
    pub fn horseshoe_draw<'a>(&'a self, at: &'a Scales) -> impl Iterator<Item = f64> + 'a {
        let specs = self.horseshoes.iter().zip(&self.layout.horseshoes);
        specs.flat_map(move |(s, p)| {
            let global = at.theta[p.global].exp() * s.scale_global * self.log_sigma(s, at).exp();
            [global, (0.5 * at.theta[p.slab]).exp() * s.scale_slab]
        })
    }
}

/// Puts the standard deviations that horseshoe `h` covers under it.
pub(super) fn cover(sds: &mut [Vec<SdPrior>], h: usize, s: &HorseshoeSpec, spec: &ModelSpec) -> Result<()> {
    let missing = || Error::Spec("a horseshoe covers a parameter that does not exist".into());
    match &s.target {
        HorseshoeTarget::B { columns } if columns.iter().all(|&j| j < spec.coefficients.len()) => Ok(()),
        HorseshoeTarget::B { .. } => Err(missing()),
        HorseshoeTarget::Sd { sds: covered } => {
            for (place, &[k, c]) in covered.iter().enumerate() {
                *sds.get_mut(k).and_then(|t| t.get_mut(c)).ok_or_else(missing)? = SdPrior::Horseshoe { h, place };
            }
            Ok(())
        }
    }
}
