//! Approximations of a posterior by a guide: Laplace at the mode or variational, with the ratios that
//! say how good they are.

mod by_blocks;
pub mod marginals;
mod natural;
mod placing;

use crate::density::batch::Batch;
use crate::density::{LogDensity, Model, Posterior};
use crate::device::machine::Machine;
use crate::error::{Error, Result};
use crate::laplace;
use crate::natural::guide::Guide as FullRank;
use crate::run::{Prepared, Progress, Shared, on_workers, prepare_settled};
use crate::settle::assembly::Assembly;
use crate::settle::settle_on;
use crate::spec::{ApproximationSettings, Device, Engine, Family, GuideKind, Method, Metric};
use crate::svi::guide::{GuideShape, ShapedGuide};
use crate::svi::{AdamSettings, Targets, fit};
use crate::whiten::Whitened;
use crate::whiten::bend::Bent;
use marginals::Marginals;
use placing::{Drawing, Place};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Up to here a dense guide has affordable steps.
const MAX_FULL_RANK: usize = 100;
/// Factors of a low-rank guide.
const RANK: usize = 10;

/// Draws of an approximation.
#[derive(Debug, Default)]
pub struct Approximation {
    /// Values, `n_variables` per draw.
    pub values: Vec<f64>,
    /// Log of target over approximation, per draw: the mean of their exponentials estimates the evidence.
    pub log_ratios: Vec<f64>,
    /// ELBO per step; empty for Laplace.
    pub elbo: Vec<f64>,
    /// What has fitted the guide, `"natural"` gradients or `"adam"`; empty for Laplace.
    pub optimiser: &'static str,
    /// Whether the ascent met its stopping rule.
    pub converged: bool,
    /// Whether the run was stopped early.
    pub interrupted: bool,
    /// Name of the coordinates.
    pub engine: &'static str,
    /// Parameters approximated.
    pub dim: usize,
    /// Rows after compression.
    pub rows: usize,
    /// Whether a gradient goes through them, rather than through cross-products.
    pub uses_rows: bool,
    /// What the rows were on, `"cpu"` or `"cuda"`.
    pub device: &'static str,
    /// Why not on the device that was there; or empty.
    pub note: String,
    /// Where blocks of effects have normal distributions of their own: of each the term and number of a level, and k-hat.
    pub blocks: Vec<((usize, usize), f64)>,
    /// Variance of the log evidence that ratios do not show, as they share it.
    pub evidence_noise: f64,
}

/// Approximates a model's posterior.
///
/// # Errors
/// As [`crate::run::sample_settled`]; and [`crate::error::Error::Device`] if there is no such device, it fails, or it has nothing
/// to do for this model and `fallback` is not set.
pub fn approximate(
    model: Model, settings: &ApproximationSettings, watch: impl FnMut(Progress) -> bool,
) -> Result<Approximation> {
    let is_there = settings.device == Device::Cuda && settings.method == Method::Svi;
    let machine = if is_there { Some(crate::device::open(&settings.kernel_cache)?) } else { None };
    approximate_on(machine.as_deref(), model, settings, watch)
}

/// As [`approximate`], with the rows of a variational fit on a device.
///
/// # Errors
/// As there.
pub fn approximate_on(
    machine: Option<&dyn Machine>, model: Model, settings: &ApproximationSettings, watch: impl FnMut(Progress) -> bool,
) -> Result<Approximation> {
    settings.check()?;
    let steps = if settings.method == Method::Svi { settings.max_steps } else { 0 };
    on_workers(settings.threads, steps + settings.draws, watch, |shared| {
        let n_theta = model.layout.n_theta;
        let is_laplace = settings.method == Method::Laplace;
        let uses_batches = settings.method == Method::Svi && (1..model.design.n()).contains(&settings.batch);
        if uses_batches && !model.design.latents.is_empty() {
            return Err(Error::Spec("predictors measured with error need all rows: leave 'batch' out".into()));
        }
        if uses_batches && model.design.errors.is_some() {
            return Err(Error::Spec(
                "rows with related errors belong together: 'batch' cannot draw some of them".into(),
            ));
        }
        let engine = if uses_batches { engine_of_rows(&model, settings.engine) } else { settings.engine };
        let model = Arc::new(model);
        let assembly = Assembly::new(&model);
        let by_blocks = || by_blocks::approximate(&model, &assembly, settings, shared);
        if let Some(out) = machine.is_none().then(by_blocks).flatten() {
            return Ok(out);
        }
        if settings.engine == Engine::Guided {
            return Err(Error::Spec(by_blocks::NOT_BY_BLOCKS.into()));
        }
        let settled = settle_on(&model, assembly, engine, &shared.cancel);
        let mut prepared = prepare_settled(settled, engine, Metric::Auto, &shared.cancel)?;
        let place = placing::place(machine, &mut prepared, settings)?;
        let job = Job { n_theta, settings, shared, place };
        match prepared {
            Prepared::Collapsed(target) if is_laplace => job.run("collapsed", target),
            Prepared::Full(name, target) if is_laplace => job.run(name, target),
            Prepared::Collapsed(target) => job.run("collapsed", Marginals::fit(target, 0..n_theta, &shared.cancel)),
            Prepared::Full(name, target) => {
                let dim = LogDensity::dim(&target);
                let mut target = Marginals::fit(target, dim - n_theta..dim, &shared.cancel);
                if uses_batches {
                    let batches = batches(&mut target, settings);
                    return job.run_with(name, target, Some(batches));
                }
                match job.on_device(&target)? {
                    Some(there) => job.run(name, there),
                    None => job.run(name, target),
                }
            }
        }
    })
}

/// Effects that are integrated out leave no sum over rows.
fn engine_of_rows(model: &Model, engine: Engine) -> Engine {
    if engine == Engine::Auto && model.family() == Family::Gaussian { Engine::Joint } else { engine }
}

/// The target estimated from batches, centred at the mode.
fn batches(target: &mut Full, settings: &ApproximationSettings) -> Full {
    let dim = LogDensity::dim(target);
    target.evaluate(&vec![0.0; dim], &mut vec![0.0; dim]);
    let mut out = target.clone();
    out.inner.inner.inner.batch = Some(Box::new(Batch::new(&target.inner.inner.inner, settings.batch, settings.seed)));
    out
}

/// A target of all parameters.
type Full = Marginals<Whitened<Bent<Posterior>>>;

/// What a run needs beside its target.
struct Job<'a> {
    n_theta: usize,
    settings: &'a ApproximationSettings,
    shared: &'a Shared,
    place: Place<'a>,
}

/// Where proposals come from.
enum Proposals {
    Laplace { n_theta: usize },
    Guide(ShapedGuide),
    FullRank(FullRank),
}

impl Job<'_> {
    fn run<T: Drawing>(&self, engine: &'static str, target: T) -> Result<Approximation> {
        self.run_with::<T, T>(engine, target, None)
    }

    /// Where there are `batches`, they stand for the target during the ascent.
    fn run_with<T: Drawing, B: Targets>(
        &self, engine: &'static str, mut target: T, batches: Option<B>,
    ) -> Result<Approximation> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.settings.seed);
        let mut out = self.empty(engine, &target);
        let proposals = match self.settings.method {
            Method::Laplace => Proposals::Laplace { n_theta: self.n_theta },
            Method::Svi => match batches {
                Some(mut batches) => self.ascend(&mut batches, &mut rng, &mut out)?,
                None if self.takes_natural_gradients(target.dim()) => self.ascend_naturally(&mut target, &mut out)?,
                None => self.ascend(&mut target, &mut rng, &mut out)?,
            },
        };
        self.draw(&mut target, &proposals, &mut rng, &mut out)?;
        let constant = target.log_constant();
        out.log_ratios.iter_mut().chain(&mut out.elbo).for_each(|value| *value += constant);
        out.interrupted = self.shared.cancel.load(Ordering::Relaxed);
        Ok(out)
    }

    fn empty<T: Drawing>(&self, engine: &'static str, target: &T) -> Approximation {
        let posterior = target.posterior_at(0);
        Approximation {
            converged: true,
            engine,
            dim: target.dim(),
            rows: posterior.model.design.n(),
            uses_rows: engine != "collapsed" && posterior.sums.is_none(),
            device: if self.place.machine.is_some() { "cuda" } else { "cpu" },
            note: self.place.note.clone(),
            ..Approximation::default()
        }
    }

    /// Batches would add their noise to steps that are too long for it; other guides have no such gradient here.
    fn takes_natural_gradients(&self, dim: usize) -> bool {
        self.settings.natural && kind(self.settings.guide, dim) == GuideShape::FullRank
    }

    fn ascend_naturally<T: Targets>(&self, target: &mut T, out: &mut Approximation) -> Result<Proposals> {
        let (steps, seed) = (self.settings.max_steps, self.settings.seed);
        let fitted = natural::fit(target, steps, seed, || self.shared.tick())?;
        (out.elbo, out.converged, out.optimiser) = (fitted.elbo, fitted.converged, "natural");
        Ok(Proposals::FullRank(fitted.guide))
    }

    fn ascend<T: Targets>(&self, target: &mut T, rng: &mut ChaCha8Rng, out: &mut Approximation) -> Result<Proposals> {
        let start = ShapedGuide::standard(kind(self.settings.guide, target.dim()), target.dim());
        let fitted = fit(target, start, ascent(self.settings), rng, &self.shared.cancel, || self.shared.tick())?;
        (out.elbo, out.converged, out.optimiser) = (fitted.elbo, fitted.converged, "adam");
        Ok(Proposals::Guide(fitted.guide))
    }

    /// Draws and their ratios, as many at a time as the target takes.
    fn draw<T: Drawing>(
        &self, target: &mut T, proposals: &Proposals, rng: &mut ChaCha8Rng, out: &mut Approximation,
    ) -> Result<()> {
        let n_draws = proposals.number(self.settings.draws);
        while out.log_ratios.len() < n_draws {
            let n = target.width().min(n_draws - out.log_ratios.len());
            let (positions, log_q): (Vec<_>, Vec<_>) = (0..n).map(|_| proposals.propose(target.dim(), rng)).unzip();
            let values = target.values(&positions)?;
            for (i, (value, log_q)) in values.iter().zip(log_q).enumerate() {
                let ratio = value - log_q;
                out.log_ratios.push(if ratio.is_nan() { f64::NEG_INFINITY } else { ratio });
                target.push_draw(i, self.settings.save_effects, rng, &mut out.values);
                if !self.shared.tick() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

impl Proposals {
    /// How many are made where `n` are asked for: a full-rank guide is so near that resampling needs half of them.
    fn number(&self, n: usize) -> usize {
        match self {
            Self::FullRank(_) => n.div_ceil(2),
            _ => n,
        }
    }

    /// A position and its log density.
    fn propose<R: Rng>(&self, dim: usize, rng: &mut R) -> (Vec<f64>, f64) {
        match self {
            Self::Laplace { n_theta } => {
                let mut y = vec![0.0; dim];
                let log_q = laplace::propose(dim, *n_theta, rng, &mut y);
                (y, log_q)
            }
            Self::FullRank(guide) => natural::draw(guide, rng),
            Self::Guide(guide) => {
                let drawn = guide.draw(rng);
                let log_q = guide.log_density(&drawn);
                (drawn.y, log_q)
            }
        }
    }
}

fn ascent(s: &ApproximationSettings) -> AdamSettings {
    AdamSettings { max_steps: s.max_steps, n_draws: s.n_draws, step_size: s.step_size, tolerance: s.tolerance }
}

fn kind(asked: GuideKind, dim: usize) -> GuideShape {
    match asked {
        GuideKind::MeanField => GuideShape::MeanField,
        GuideKind::LowRank => GuideShape::LowRank(RANK.min(dim)),
        GuideKind::FullRank => GuideShape::FullRank,
        GuideKind::Auto if dim <= MAX_FULL_RANK => GuideShape::FullRank,
        GuideKind::Auto => GuideShape::LowRank(RANK),
    }
}
