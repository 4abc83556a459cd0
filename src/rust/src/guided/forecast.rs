//! How long a surrogate of a large Gaussian model would take, and trajectories level by level.

use super::surrogate;
use crate::collapse::blocks::Blocked;
use crate::density::LogDensity;
use crate::run::Predicted;
use crate::settle::are_crossed;
use crate::settle::assembly::Assembly;
use crate::spec::Settings;
use crate::values::mode;

/// Seconds of a multiplication in a gradient level by level.
const SECONDS: f64 = 3e-9;
/// Gradients for an iteration level by level: where terms are crossed, and where one is nested in another.
const GRADIENTS: [f64; 2] = [15.0, 60.0];
/// Steps to the mode.
const STEPS: usize = 5;
/// Seconds of a value below which a chain may as well ask for each.
const CHEAP: f64 = 1e-4;

/// Of the processor, for all chains together.
pub fn predicted(blocked: &Blocked, assembly: &Assembly, settings: &Settings) -> Predicted {
    let (n, kept) = (settings.chains * settings.iter, settings.chains * (settings.iter - settings.warmup));
    let values = surrogate::n_values(blocked.dim()) + STEPS * mode::n_values(blocked.dim());
    let [value, draw] = blocked.seconds();
    let gradients = GRADIENTS[usize::from(!are_crossed(&blocked.posterior.model))] * n as f64;
    let products = (2 * assembly.incidence.n_values) as f64;
    Predicted { guided: value * values as f64 + draw * kept as f64, levels: SECONDS * gradients * products }
}

/// Whether fewer values teach a surrogate than chains would ask for, and they are dear.
pub fn is_worth_a_surrogate(blocked: &Blocked, settings: &Settings) -> bool {
    let by_chains = settings.chains * (settings.iter - settings.warmup);
    blocked.seconds()[0] > CHEAP && surrogate::n_values(blocked.dim()) < by_chains
}
