//! Horseshoe priors: global, local and slab scales, and what they cover.

use super::{ScaleGradient, ScalePriors, Scales, SdPrior};
use crate::elementary::softplus_logistic;
use crate::error::{Error, Result};
use crate::layout::HorseshoePlaces;
use crate::prior::{Positive, log_half_student_t};
use crate::spec::{HorseshoeSpec, HorseshoeTarget, ModelSpec};
use crate::special::ln_gamma;

impl ScalePriors {
    pub(super) fn horseshoe_forward(&self, h: usize, spec: &HorseshoeSpec, theta: &[f64], out: &mut Scales) {
        let places = &self.layout.horseshoes[h];
        let (global, slab) = (theta[places.global], theta[places.slab]);
        let log_tau = global + spec.scale_global.ln() + self.log_sigma(spec, theta);
        let log_c2 = slab + 2.0 * spec.scale_slab.ln();
        let half_df = 0.5 * spec.df_slab;
        out.log_jacobian += log_half_student_t(spec.df_global, global)[0];
        out.log_jacobian += half_df * half_df.ln() - ln_gamma(half_df) - half_df * slab - half_df * (-slab).exp();
        out.shrinkage[h].clear();
        out.slab_share[h].clear();
        for &log_lambda in &theta[places.local.clone()] {
            out.log_jacobian += log_half_student_t(spec.df, log_lambda)[0];
            let (above, share) = softplus_logistic(2.0 * (log_tau + log_lambda) - log_c2);
            let log_scale = log_tau + log_lambda - 0.5 * above;
            out.shrinkage[h].push(log_scale.exp());
            out.slab_share[h].push(share);
        }
    }

    pub(super) fn horseshoe_backward(
        &self, h: usize, spec: &HorseshoeSpec, theta: &[f64], at: &Scales, upstream: &mut ScaleGradient,
        d_theta: &mut [f64],
    ) {
        let HorseshoePlaces { global, slab, local } = &self.layout.horseshoes[h];
        let half_df = 0.5 * spec.df_slab;
        let (mut d_tau, mut d_slab) = (0.0, half_df * ((-theta[*slab]).exp() - 1.0));
        for (i, place) in local.clone().enumerate() {
            let (g, share) = (upstream.log_shrinkage[h][i], at.slab_share[h][i]);
            d_theta[place] += g * (1.0 - share) + log_half_student_t(spec.df, theta[place])[1];
            d_tau += g * (1.0 - share);
            d_slab += 0.5 * g * share;
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

    fn log_sigma(&self, spec: &HorseshoeSpec, theta: &[f64]) -> f64 {
        if spec.autoscale && self.has_constant_sigma() { theta[self.layout.dispersion.start] } else { 0.0 }
    }

    /// Global scale and slab scale of each horseshoe, for the draws.
    pub fn horseshoe_draw(&self, theta: &[f64]) -> impl Iterator<Item = f64> {
        let specs = self.horseshoes.iter().zip(&self.layout.horseshoes);
        specs.flat_map(move |(s, p)| {
            let global = theta[p.global].exp() * s.scale_global * self.log_sigma(s, theta).exp();
            [global, (0.5 * theta[p.slab]).exp() * s.scale_slab]
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

/// `sd = exp(t) scale` under a half-normal of that scale.
pub(super) fn half_normal(t: f64, scale: f64) -> Positive<f64> {
    let constant = 0.5 * (2.0 / std::f64::consts::PI).ln();
    let (ratio, log_scale) = (t.exp(), scale.ln());
    let squared = ratio * ratio;
    Positive {
        value: ratio * scale,
        d_log: 1.0,
        lprior: constant - log_scale - 0.5 * squared,
        log_jacobian: t + log_scale,
        slope: 1.0 - squared,
    }
}
