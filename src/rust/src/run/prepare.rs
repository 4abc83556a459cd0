//! From a model to the target that is sampled or approximated: coordinates that are settled, bent and whitened.

use crate::collapse::Collapsed;
use crate::density::{LogDensity, Model, Posterior};
use crate::error::{Error, Result};
use crate::settle::whitening::whitening;
use crate::settle::{Settled, settle};
use crate::spec::{Engine, Metric};
use crate::transport::Transport;
use crate::whiten::bend::Bent;
use crate::whiten::{Whitened, Whitening};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Why a model has no collapsed target.
const NOT_COLLAPSIBLE: &str = "engines 'collapsed' and 'guided' need a Gaussian model with one residual sd, or a \
     few (one for each response, or for each of up to 16 groups of rows), or known standard errors, normal or flat priors on the population-level coefficients, and no prior of an intercept at the means \
     of columns with a horseshoe (intercept = 'raw' has none); use engine 'auto'";

/// A target in whitened coordinates.
pub enum Prepared {
    /// The scales of a Gaussian model.
    Collapsed(Whitened<Bent<Collapsed>>),
    /// All parameters, and the name of the transport.
    Full(&'static str, Whitened<Bent<Posterior>>),
}

/// Settles a model and whitens its target at the mode.
///
/// # Errors
/// [`Error::Spec`] if the engine asked for does not fit the model.
pub fn prepare(model: Arc<Model>, engine: Engine, metric: Metric, cancel: &AtomicBool) -> Result<Prepared> {
    prepare_settled(settle(&model, engine, cancel), engine, metric, cancel)
}

/// As [`prepare`], from a settled model.
///
/// # Errors
/// As there.
pub fn prepare_settled(settled: Settled, engine: Engine, metric: Metric, cancel: &AtomicBool) -> Result<Prepared> {
    let Settled { posterior, mode, assembly } = settled;
    let theta = posterior.model.layout.theta();
    let may_collapse = matches!(engine, Engine::Auto | Engine::Collapsed | Engine::Guided);
    if let Some(target) = may_collapse.then(|| Collapsed::new(posterior.clone())).flatten() {
        let (mode, all) = (mode[theta.clone()].to_vec(), 0..theta.len());
        let by_hessian = |target: &mut Bent<_>, mode| Whitening::at_mode(target, mode, cancel);
        return Ok(Prepared::Collapsed(whitened(target, mode, all, metric, cancel, by_hessian)));
    }
    if matches!(engine, Engine::Collapsed | Engine::Guided) {
        return Err(Error::Spec(NOT_COLLAPSIBLE.into()));
    }
    let name = if matches!(*posterior.transport, Transport::Joint(_)) { "joint" } else { "levels" };
    let as_affordable = |target: &mut Bent<_>, mode| whitening(target, mode, &assembly, cancel);
    Ok(Prepared::Full(name, whitened(posterior, mode, theta, metric, cancel, as_affordable)))
}

/// Bends the `scales` of a target and whitens it at its mode, unless `metric` leaves it as it is.
fn whitened<D: LogDensity>(
    target: D, mode: Vec<f64>, scales: Range<usize>, metric: Metric, cancel: &AtomicBool,
    whitening: impl FnOnce(&mut Bent<D>, Vec<f64>) -> Whitening,
) -> Whitened<Bent<D>> {
    let (target, map) = match metric {
        Metric::Diag => (Bent::straight(target), Whitening::shift(mode)),
        Metric::Auto => {
            let mut target = Bent::at_mode(target, &mode, scales, cancel);
            let map = whitening(&mut target, mode);
            (target, map)
        }
    };
    Whitened::new(target, Arc::new(map))
}
