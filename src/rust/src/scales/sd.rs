//! Standard deviations of a term's effects.

use super::{ScaleGradient, ScalePriors, Scales};
use crate::number::Real;
use crate::prior::{Positive, Prior};

/// Prior of one standard deviation.
#[derive(Debug, Clone)]
pub(super) enum SdPrior {
    /// Its own.
    Own(Prior),
    /// Half-normal with the scale of coefficient `place` of horseshoe `h`.
    Horseshoe { h: usize, place: usize },
}

impl ScalePriors {
    /// Priors of the standard deviations, term by term; `None` if some are under a horseshoe.
    pub fn own_sds(&self) -> Option<Vec<Prior>> {
        let own = |prior: &SdPrior| match prior {
            SdPrior::Own(prior) => Some(prior.clone()),
            SdPrior::Horseshoe { .. } => None,
        };
        self.sds.iter().flatten().map(own).collect()
    }

    #[inline(always)]
    pub(super) fn sd_forward<T: Real>(&self, k: usize, theta: &[T], out: &mut Scales<T>) {
        out.sd[k].clear();
        out.sd_slopes[k].clear();
        for (prior, &t) in self.sds[k].iter().zip(&theta[self.layout.sds[k].clone()]) {
            let sd = match prior {
                SdPrior::Own(prior) => prior.positive(t),
                SdPrior::Horseshoe { h, place } => half_normal(t, out.shrinkage[*h][*place]),
            };
            out.sd[k].push(sd.value);
            out.sd_slopes[k].push([sd.d_log, sd.slope]);
            out.lprior += sd.lprior;
            out.log_jacobian += sd.log_jacobian;
        }
    }

    #[inline(always)]
    pub(super) fn sd_backward<T: Real>(
        &self, k: usize, at: &Scales<T>, upstream: &mut ScaleGradient<T>, d_theta: &mut [T],
    ) {
        let q = self.layout.n_coefs[k];
        for (i, place) in self.layout.sds[k].clone().enumerate() {
            let (row, mut d_log_sd) = (i * q..i * q + i % q + 1, upstream.log_sd[k][i]);
            for (l, g) in at.of_classes(k)[row.clone()].iter().zip(&upstream.factor[k][row]) {
                d_log_sd += *g * *l;
            }
            let [d_log, slope] = at.sd_slopes[k][i];
            d_theta[place] += d_log_sd * d_log + slope;
            if let SdPrior::Horseshoe { h, place } = self.sds[k][i] {
                // The half-normal's own scale cancels between density and Jacobian.
                upstream.log_shrinkage[h][place] += d_log_sd;
            }
        }
    }
}

/// `sd = exp(t) scale` under a half-normal of that scale.
#[inline(always)]
fn half_normal<T: Real>(t: T, scale: T) -> Positive<T> {
    let constant = 0.5 * (2.0 / std::f64::consts::PI).ln();
    let (ratio, log_scale, one) = (t.exp(), scale.ln(), T::splat(1.0));
    let squared = ratio * ratio;
    Positive {
        value: ratio * scale,
        log: t + log_scale,
        d_log: one,
        lprior: T::splat(constant) - log_scale - squared * 0.5,
        log_jacobian: t + log_scale,
        slope: one - squared,
    }
}
