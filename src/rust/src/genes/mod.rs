//! Many genes under one design: the same model for each, on threads, one gene at a time on each.
//!
//! A gene's draws follow from the seed and the gene's index alone, so they are the same for any
//! number of threads and any cut into blocks. What goes wrong in one gene is that gene's status.

mod approximate;
pub mod blueprint;
mod chains;
mod fit;
pub mod found;
pub mod input;
pub mod on_device;
pub mod record;
mod task;
mod walks;

use crate::device::{self, machine::Machine};
use crate::diagnostics::Diagnostics;
use crate::error::{Error, Result, panic_text};
use crate::run::{Progress, Shared, on_workers};
use blueprint::Blueprint;
use input::{Device, GeneSet, GeneSettings};
use rayon::prelude::*;
use record::{Report, Slot, Status};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::time::Instant;
use task::Task;

/// Reports of all genes.
#[derive(Debug)]
pub struct GenesOutput {
    /// One per gene.
    pub reports: Vec<Report>,
    /// Whether the run was stopped early.
    pub interrupted: bool,
}

/// Fits all genes. `slots` has a place for the draws of each; `watch` is called on this thread about
/// ten times a second with the number of genes done; `false` stops the run.
///
/// # Errors
/// [`Error::Spec`] if a setting is out of range or threads cannot be started, [`Error::Device`] if there is no such device
/// or it fails; never because of a gene.
pub fn fit(
    blueprint: &Blueprint, set: &GeneSet, settings: &GeneSettings, slots: Vec<Slot>,
    watch: impl FnMut(Progress) -> bool,
) -> Result<GenesOutput> {
    let is_there = settings.device == Device::Cuda && on_device::takes(settings.method);
    let machine = if is_there { Some(device::open(&settings.kernel_cache)?) } else { None };
    fit_on(machine.as_deref(), blueprint, set, settings, slots, watch)
}

/// As [`fit`], with the guides of variational fits and the chains of HMC by a device.
///
/// # Errors
/// As [`fit`].
pub fn fit_on(
    machine: Option<&dyn Machine>, blueprint: &Blueprint, set: &GeneSet, settings: &GeneSettings, slots: Vec<Slot>,
    watch: impl FnMut(Progress) -> bool,
) -> Result<GenesOutput> {
    settings.check()?;
    on_workers(settings.threads, set.len(), watch, |shared| {
        let found = machine.map(|machine| on_device::found(machine, blueprint, set, settings, &shared.cancel));
        let found = found.transpose()?.unwrap_or_default();
        let diagnostics = Diagnostics::new(settings.chains, settings.n_kept());
        let genes = slots.into_par_iter().enumerate().with_max_len(1);
        let reports = genes.map_init(
            || diagnostics.clone(),
            |diagnostics, (gene, slot)| {
                let found = found.get(gene).and_then(Option::as_ref);
                let task = Task { blueprint, set, gene, settings, found, cancel: &shared.cancel };
                contained(&task, slot, diagnostics, shared)
            },
        );
        let reports = reports.collect();
        Ok(GenesOutput { reports, interrupted: shared.cancel.load(Ordering::Relaxed) })
    })
}

/// A gene's fit, with errors and panics as its status.
fn contained(task: &Task, slot: Slot, diagnostics: &mut Diagnostics, shared: &Shared) -> Report {
    if shared.cancel.load(Ordering::Relaxed) {
        return task.without_draws(Status::Unfinished, String::new());
    }
    let clock = Instant::now();
    let own = Slot { draws: &mut *slot.draws, effects: &mut *slot.effects };
    let fitted = catch_unwind(AssertUnwindSafe(|| task.fit(own, diagnostics)));
    let mut report = match fitted {
        Ok(Ok(report)) => report,
        Ok(Err(Error::Interrupt)) => task.without_draws(Status::Unfinished, String::new()),
        Ok(Err(Error::Start(message))) => task.without_draws(Status::NoStart, message),
        Ok(Err(Error::Spec(message) | Error::Exact(message) | Error::Device(message))) => {
            task.without_draws(Status::Failed, message)
        }
        Err(panic) => task.without_draws(Status::Failed, panic_text(panic.as_ref())),
    };
    if matches!(report.status, Status::NoStart | Status::Unfinished | Status::Failed) {
        slot.draws.fill(f64::NAN);
        slot.effects.fill(f64::NAN);
    }
    report.seconds = clock.elapsed().as_secs_f64();
    shared.count_divergent(report.divergent);
    shared.tick();
    report
}

impl Task<'_> {
    fn without_draws(&self, status: Status, message: String) -> Report {
        let variables = &self.blueprint.variables;
        let missing = |n: usize| vec![f64::NAN; n];
        let (v, e) = (variables.names.len(), variables.effect_names.len());
        Report {
            status,
            message,
            khat: f64::NAN,
            rhat: missing(v),
            ess: missing(v),
            effects_mean: missing(e),
            effects_sd: missing(e),
            ..Report::default()
        }
    }
}
