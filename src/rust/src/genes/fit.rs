//! The posterior of one gene: settled, then sampled or approximated, then judged.

use super::chains::{Counts, METRIC_WARMUP, Try};
use super::input::GeneMethod;
use super::record::{MAX_RHAT, Recorder, Report, Slot, Status};
use super::task::Task;
use super::walks::{Less, Outcome};
use crate::density::{LogDensity, Model};
use crate::diagnostics::Diagnostics;
use crate::draws::Draw;
use crate::error::{Error, Result};
use crate::run::{Prepared, prepare_settled};
use crate::settle::settle_on;
use crate::spec::{Engine, Metric};
use crate::whiten::Whitened;
use std::sync::Arc;

/// Acceptance aimed at by the last try.
const LAST_TARGET: f64 = 0.95;

impl Task<'_> {
    /// Fits the gene; its draws go to `slot`.
    ///
    /// # Errors
    /// What stops this gene.
    pub fn fit(&self, slot: Slot, diagnostics: &mut Diagnostics) -> Result<Report> {
        let mut recorder = Recorder::new(&self.blueprint.variables, slot, self.settings.n_saved());
        let model = Arc::new(self.blueprint.model(self.set, self.gene)?);
        let mut report = match self.in_lanes(&model, &mut recorder, diagnostics)? {
            Outcome::Enough(report) => report,
            Outcome::Poor(less) => self.prepared(&model, less, &mut recorder, diagnostics)?,
        };
        (report.effects_mean, report.effects_sd) = recorder.effects();
        Ok(report)
    }

    /// In settled coordinates.
    fn prepared(
        &self, model: &Arc<Model>, less: Less, recorder: &mut Recorder, diagnostics: &mut Diagnostics,
    ) -> Result<Report> {
        let settled = settle_on(model, self.blueprint.assembly(model), Engine::Auto, self.cancel);
        match prepare_settled(settled, Engine::Auto, Metric::Auto, self.cancel)? {
            Prepared::Collapsed(target) => self.by_method(target, less, recorder, diagnostics),
            Prepared::Full(_, target) => self.by_method(target, less, recorder, diagnostics),
        }
    }

    fn by_method<D: Draw + Clone>(
        &self, mut target: Whitened<D>, less: Less, recorder: &mut Recorder, diagnostics: &mut Diagnostics,
    ) -> Result<Report> {
        if self.is_cancelled() {
            return Err(Error::Interrupt);
        }
        let theta = target.posterior().model.layout.n_theta;
        let dim = target.dim();
        target.stretch(dim - theta..dim);
        let approximate = match (self.settings.method, less.approximate) {
            (GeneMethod::Hmc | GeneMethod::Nuts, _) => return self.sample(&target, less.walked, recorder, diagnostics),
            (_, Some(approximate)) => approximate,
            (GeneMethod::Svi, None) => self.guided(&mut target, recorder)?,
            _ => self.approximate(&mut target, recorder)?,
        };
        if !self.is_refined(&approximate) {
            return Ok(approximate);
        }
        Ok(self.sample(&target, less.walked, recorder, diagnostics)?.refines(approximate))
    }

    /// As asked, unless `first` is that; where that does not suffice, longer, and where that does not either, longer by NUTS.
    fn sample<D: Draw + Clone>(
        &self, target: &Whitened<D>, first: Option<Report>, recorder: &mut Recorder, diagnostics: &mut Diagnostics,
    ) -> Result<Report> {
        let s = self.settings;
        let mut report = match first {
            Some(first) => first,
            None => self.attempt(target, &self.first_try(), recorder, diagnostics)?,
        };
        if !s.retry || !report.is_poor(s.n_saved()) {
            return Ok(report);
        }
        // Divergences ask for smaller steps, not for more of them.
        if s.method != GeneMethod::Nuts && report.divergent == 0 {
            let how = Try { number: 3, warmup: 2 * s.warmup, thin: 2 * s.thin, ..self.first_try() };
            report = report.then(self.attempt(target, &how, recorder, diagnostics)?);
            if !report.is_poor(s.n_saved()) {
                return Ok(report);
            }
        }
        report = report.then(self.attempt(target, &self.last_try(), recorder, diagnostics)?);
        if report.rhat.iter().any(|&r| r > MAX_RHAT) {
            report.status = Status::HighRhat;
        }
        Ok(report)
    }

    fn first_try(&self) -> Try {
        let s = self.settings;
        let by_nuts = s.method == GeneMethod::Nuts;
        Try { number: 0, by_nuts, warmup: s.warmup, thin: s.thin, adapt_delta: s.adapt_delta }
    }

    fn last_try(&self) -> Try {
        let s = self.settings;
        let (warmup, adapt_delta) = (METRIC_WARMUP.max(2 * s.warmup), LAST_TARGET.max(s.adapt_delta));
        Try { number: 1, by_nuts: true, warmup, thin: 2 * s.thin, adapt_delta }
    }

    fn attempt<D: Draw + Clone>(
        &self, target: &Whitened<D>, how: &Try, recorder: &mut Recorder, diagnostics: &mut Diagnostics,
    ) -> Result<Report> {
        recorder.restart();
        let counts = if how.by_nuts { self.chains(target, how, recorder)? } else { self.walks(target, how, recorder)? };
        Ok(self.judge(counts, recorder, diagnostics))
    }

    fn judge(&self, counts: Counts, recorder: &Recorder, diagnostics: &mut Diagnostics) -> Report {
        let (rhat, ess) = recorder.draws().map(|x| diagnostics.of(x)).unzip();
        let Counts { divergent, n_gradients } = counts;
        Report { khat: f64::NAN, divergent, n_gradients, rhat, ess, ..Report::default() }
    }
}
