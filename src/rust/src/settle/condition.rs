//! Effects and coefficients at their conditional mode given the scales, before scales move: penalised iteratively reweighted
//! least squares (Bates and others 2015, section 5) with steps that are shortened until the density grows.
//!
//! The rough start has no effects. Climbing from there in all coordinates at once drives the standard deviations of effects
//! to zero, for no effects are most probable with none; once they are below what the data can say the density is flat, and
//! the climb ends there.

use crate::density::{LogDensity, Posterior};
use crate::kernels::dot;
use crate::optimise::search;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

/// Newton steps at most.
const STEPS: usize = 30;
/// A step that promises less ends them, in units of log density per coordinate.
const SMALLEST_GAIN: f64 = 1e-3;

/// Steps until the effects are settled. `recentred` gives the posterior in coordinates whose centre is the last evaluation; in
/// them the Hessian is nearly the identity, so that the gradient is Newton's step. `position` is the centre, and stays it.
pub fn settle_effects(
    mut posterior: Posterior, position: &[f64], theta: Range<usize>, cancel: &AtomicBool,
    recentred: impl Fn(Posterior, &[f64]) -> Posterior,
) -> Posterior {
    let mut gradient = vec![0.0; position.len()];
    for _ in 0..STEPS {
        let value = posterior.evaluate(position, &mut gradient);
        gradient[theta.clone()].fill(0.0);
        let promised = dot(&gradient, &gradient);
        let is_settled = promised < SMALLEST_GAIN * position.len() as f64;
        if !promised.is_finite() || is_settled || cancel.load(Ordering::Relaxed) {
            break;
        }
        let Some((next, ..)) = search(&mut posterior, position, value, &gradient, &gradient, 1.0) else { break };
        posterior = recentred(posterior, &next);
    }
    posterior
}
