//! The posterior of one gene: settled, then sampled or approximated, then judged.

use super::blueprint::Blueprint;
use super::input::{GeneSet, GeneSettings, Method};
use super::lanes::{Found, Less};
use super::on_device::Guided;
use super::record::{Recorder, Report, Slot, Status};
use super::summary::Diagnostics;
use crate::adapt::{Stage, schedule};
use crate::density::{LogDensity, Model};
use crate::draws::Draw;
use crate::error::{Error, Result};
use crate::hmc::Sampler;
use crate::hmc::chain::Chain;
use crate::hmc::fixed::Walk;
use crate::run::{Prepared, prepare_settled, start};
use crate::settle::settle_on;
use crate::spec::{Engine, InitSpec, Metric};
use crate::whiten::Whitened;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Above this R-hat or share of divergences a gene is sampled again, longer.
const MAX_RHAT: f64 = 1.05;
const MAX_DIVERGENT: f64 = 0.02;
/// Acceptance aimed at by the last try.
const LAST_TARGET: f64 = 0.95;
/// Shorter warm-ups adapt the step size alone: a metric from so few positions is worse than what the whitening
/// left (pseudobulk, 100 iterations: half of the effective draws per gradient, and divergences).
const METRIC_WARMUP: usize = 150;
/// Chains after the first, tuned as it is, forget their start in this part of its warm-up.
const LATER_WARMUP: usize = 4;
/// Bits of a stream that belong to tries and chains of one gene.
const STREAM_BITS: u32 = 12;

/// One gene's task.
pub struct Task<'a> {
    /// What genes share.
    pub blueprint: &'a Blueprint,
    /// All genes.
    pub set: &'a GeneSet,
    /// Which of them.
    pub gene: usize,
    /// How.
    pub settings: &'a GeneSettings,
    /// What a device has found for it.
    pub guided: Option<&'a Guided>,
    /// Read before every gradient.
    pub cancel: &'a AtomicBool,
}

/// How long and how carefully a try samples.
struct Try {
    number: u64,
    by_nuts: bool,
    warmup: usize,
    /// Keep each so many.
    thin: usize,
    adapt_delta: f64,
}

/// What a gene's first chain adapts for all of them.
struct Tuning {
    step_size: f64,
    inverse_mass: Vec<f64>,
}

/// What a try's chains report.
#[derive(Default)]
struct Counts {
    divergent: usize,
    n_gradients: usize,
}

impl Task<'_> {
    /// Fits the gene; its draws go to `slot`.
    ///
    /// # Errors
    /// What stops this gene.
    pub fn fit(&self, slot: Slot, diagnostics: &mut Diagnostics) -> Result<Report> {
        let mut recorder = Recorder::new(&self.blueprint.variables, slot, self.settings.n_saved());
        let model = Arc::new(self.blueprint.model(self.set, self.gene)?);
        let mut report = match self.in_lanes(&model, &mut recorder, diagnostics)? {
            Found::Enough(report) => report,
            Found::Poor(less) => self.prepared(&model, less, &mut recorder, diagnostics)?,
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
        let theta = target.posterior().model.layout.n_theta;
        let dim = target.dim();
        target.stretch(dim - theta..dim);
        let approximate = match (self.settings.method, less.approximate) {
            (Method::Hmc | Method::Nuts, _) => return self.sample(&target, less.walked, recorder, diagnostics),
            (_, Some(approximate)) => approximate,
            (Method::Svi, None) => self.guided(&mut target, recorder)?,
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
        if s.method != Method::Nuts && report.divergent == 0 {
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
        let by_nuts = s.method == Method::Nuts;
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

    /// Trajectories of one length, as whitened coordinates allow for nearly all genes. The first chain finds the number
    /// of steps for all.
    fn walks<D: Draw + Clone>(&self, target: &Whitened<D>, how: &Try, recorder: &mut Recorder) -> Result<Counts> {
        let (mut counts, mut rung) = (Counts::default(), None);
        for c in 0..self.settings.chains {
            self.walk(target.clone(), how, c, &mut rung, recorder, &mut counts)?;
        }
        Ok(counts)
    }

    fn walk<D: Draw>(
        &self, mut target: Whitened<D>, how: &Try, c: usize, rung: &mut Option<usize>, recorder: &mut Recorder,
        counts: &mut Counts,
    ) -> Result<()> {
        let mut rng = self.rng(how.number, c);
        let start = start(&mut target, &InitSpec::Mode, &mut rng)?;
        let mut walk = Walk::new(target, start, rung.unwrap_or(0), self.cancel);
        let adapted = if rung.is_none() { how.warmup } else { 0 };
        walk.adapt(adapted, how.adapt_delta, &mut rng, |t| counts.n_gradients += t.n_leapfrog);
        let forgotten = if rung.is_none() { 0 } else { how.warmup.div_ceil(LATER_WARMUP) };
        (0..forgotten).for_each(|_| _ = walk.step(&mut rng, &mut counts.n_gradients));
        *rung = Some(walk.rung());
        self.keep(&mut walk, how, c, &mut rng, recorder, counts)
    }

    fn chains<D: Draw + Clone>(&self, target: &Whitened<D>, how: &Try, recorder: &mut Recorder) -> Result<Counts> {
        let (mut counts, mut tuning) = (Counts::default(), None);
        for c in 0..self.settings.chains {
            self.chain(target.clone(), how, c, &mut tuning, recorder, &mut counts)?;
        }
        Ok(counts)
    }

    fn chain<D: Draw>(
        &self, mut target: Whitened<D>, how: &Try, c: usize, tuning: &mut Option<Tuning>, recorder: &mut Recorder,
        counts: &mut Counts,
    ) -> Result<()> {
        let mut rng = self.rng(how.number, c);
        let start = start(&mut target, &InitSpec::Mode, &mut rng)?;
        let mut chain = Chain::new(target, start, self.settings.max_treedepth, self.cancel);
        self.warm_up(&mut chain, how, tuning, &mut rng, counts);
        self.keep(&mut chain, how, c, &mut rng, recorder, counts)
    }

    /// The draws after warm-up.
    fn keep<D: Draw, S: Sampler<Target = Whitened<D>>>(
        &self, sampler: &mut S, how: &Try, c: usize, rng: &mut ChaCha8Rng, recorder: &mut Recorder, counts: &mut Counts,
    ) -> Result<()> {
        let n_kept = self.settings.n_kept();
        for i in 0..n_kept * how.thin {
            let t = sampler.step(rng, &mut counts.n_gradients);
            if self.is_cancelled() {
                return Err(Error::Interrupt);
            }
            counts.divergent += usize::from(t.divergent);
            if i % how.thin != 0 {
                continue;
            }
            let place = c * n_kept + i / how.thin;
            if how.thin == 1 && i > 0 && !D::IS_PARTIAL && !sampler.has_moved() {
                recorder.repeat(place);
                continue;
            }
            let density = sampler.current(&mut counts.n_gradients);
            density.complete(&[], rng);
            recorder.push(density.posterior(), place);
        }
        Ok(())
    }

    /// The first chain adapts; the others take that over and only forget their start.
    fn warm_up<D: Draw>(
        &self, chain: &mut Chain<Whitened<D>>, how: &Try, tuning: &mut Option<Tuning>, rng: &mut ChaCha8Rng,
        counts: &mut Counts,
    ) {
        if let Some(tuning) = tuning {
            chain.tune_as(tuning.step_size, &tuning.inverse_mass);
            for _ in 0..how.warmup.div_ceil(LATER_WARMUP) {
                chain.step(rng, &mut counts.n_gradients);
            }
            return;
        }
        let stages = if how.warmup < METRIC_WARMUP { vec![Stage::StepSize; how.warmup] } else { schedule(how.warmup) };
        chain.adapt(&stages, how.adapt_delta, rng, |_, t, _| {
            counts.n_gradients += t.n_leapfrog + 1;
            !self.is_cancelled()
        });
        *tuning = Some(Tuning { step_size: chain.step_size(), inverse_mass: chain.inverse_mass().to_vec() });
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    /// Stream of one chain of one try of this gene.
    pub(super) fn rng(&self, attempt: u64, chain: usize) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.settings.seed);
        rng.set_stream((self.set.index[self.gene] << STREAM_BITS) + (attempt << (STREAM_BITS - 2)) + chain as u64 + 1);
        rng
    }
}

impl Report {
    /// What a further try found, with the gradients of this one.
    fn then(self, mut later: Self) -> Self {
        later.n_gradients += self.n_gradients;
        later
    }

    /// Draws in the place of an approximation.
    pub(super) fn refines(self, approximate: Self) -> Self {
        let status = if self.status == Status::Ok { Status::Refined } else { self.status };
        let n_gradients = self.n_gradients + approximate.n_gradients;
        Self { status, n_gradients, khat: approximate.khat, elbo: approximate.elbo, ..self }
    }

    /// Whether the draws ask for a longer run.
    pub(super) fn is_poor(&self, n_saved: usize) -> bool {
        self.rhat.iter().any(|&r| r > MAX_RHAT) || self.divergent as f64 > MAX_DIVERGENT * n_saved as f64
    }
}
