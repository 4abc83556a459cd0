//! Which way a model is sampled: small ones in lanes, dear Gaussian ones by a guide of their scales, the others by trajectories.

use crate::density::Model;
use crate::error::Result;
use crate::guided;
use crate::run::{Output, Progress, lockstep, on_workers};
use crate::spec::Settings;
use std::sync::Arc;

/// Samples a model; `watch` as in [`on_workers`].
///
/// # Errors
/// As [`crate::run::sample_settled`].
pub fn sample(model: Model, settings: &Settings, watch: impl FnMut(Progress) -> bool) -> Result<Output> {
    settings.check()?;
    on_workers(settings.threads, settings.chains * settings.iter, watch, |shared| {
        let model = Arc::new(model);
        if let Some(output) = lockstep::sample(&model, settings, shared) {
            return Ok(output);
        }
        shared.restart(0);
        guided::sample(&model, settings, shared)
    })
}
