//! Means and standard deviations of predictors that are measured with error.

use super::{ScaleGradient, ScalePriors, Scales};
use crate::error::Result;
use crate::number::Real;
use crate::prior::Prior;
use crate::spec::LatentScaleSpec;

/// Priors of one predictor, and where its mean is measured from and in what.
#[derive(Debug, Clone)]
pub(super) struct LatentPriors {
    mean: Prior,
    sd: Prior,
    centre: f64,
    scale: f64,
}

impl LatentPriors {
    pub(super) fn new(spec: &LatentScaleSpec) -> Result<Self> {
        let (mean, sd) = (Prior::new(&spec.mean, false)?, Prior::new(&spec.sd, true)?);
        Ok(Self { mean, sd, centre: spec.centre, scale: spec.scale })
    }
}

/// Mean and standard deviation of one predictor.
#[derive(Debug, Clone, Copy)]
pub struct LatentScale<T> {
    /// Its mean.
    pub mean: T,
    /// Its standard deviation.
    pub sd: T,
    /// Derivative of its log in its unconstrained value.
    d_log: T,
    /// Derivatives of the priors with the Jacobians in the unconstrained values.
    slopes: [T; 2],
}

impl ScalePriors {
    /// About what they are in the data.
    pub fn rough_latents(&self, theta: &mut [f64]) {
        for (priors, [mean, sd]) in self.latents.iter().zip(&self.layout.latents) {
            (theta[*mean], theta[*sd]) = (0.0, priors.scale.ln());
        }
    }

    #[inline(always)]
    pub(super) fn latents_forward<T: Real>(&self, theta: &[T], out: &mut Scales<T>) {
        out.latents.clear();
        for (priors, places) in self.latents.iter().zip(&self.layout.latents) {
            let sd = priors.sd.positive(theta[places[1]]);
            out.lprior += sd.lprior;
            out.log_jacobian += sd.log_jacobian;
            let (mean, slope) = match priors.mean.constant() {
                Some(value) => (T::splat(value), T::ZERO),
                None => {
                    let mean = theta[places[0]] * priors.scale + T::splat(priors.centre);
                    let [lprior, slope] = priors.mean.log_density(mean);
                    out.lprior += lprior;
                    out.log_jacobian += T::splat(priors.scale.ln());
                    (mean, slope)
                }
            };
            out.latents.push(LatentScale {
                mean,
                sd: sd.value,
                d_log: sd.d_log,
                slopes: [slope * priors.scale, sd.slope],
            });
        }
    }

    #[inline(always)]
    pub(super) fn latents_backward<T: Real>(&self, at: &Scales<T>, upstream: &ScaleGradient<T>, d_theta: &mut [T]) {
        for (k, (priors, places)) in self.latents.iter().zip(&self.layout.latents).enumerate() {
            let ([d_mean, d_log_sd], [mean, log_sd]) = (upstream.latents[k], at.latents[k].slopes);
            d_theta[places[0]] += d_mean * priors.scale + mean;
            d_theta[places[1]] += d_log_sd * at.latents[k].d_log + log_sd;
        }
    }
}
