//! Approximations of a posterior by a guide: Laplace at the mode or variational, with the ratios that
//! say how good they are.

use crate::density::batch::Batch;
use crate::density::{LogDensity, Model, Posterior};
use crate::draws::{Draw, push_draw};
use crate::error::Result;
use crate::laplace;
use crate::run::{Prepared, Progress, Shared, on_workers, prepare};
use crate::spec::{ApproximationSettings, Engine, Family, GuideKind, Method};
use crate::svi::guide::{Guide, Kind};
use crate::svi::{Ascent, fit};
use crate::whiten::Whitened;
use crate::whiten::bend::Bent;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Up to here a dense guide has affordable steps.
const MAX_FULL_RANK: usize = 100;
/// Factors of a low-rank guide.
const RANK: usize = 10;

/// Draws of an approximation.
#[derive(Debug)]
pub struct Approximation {
    /// Values, `n_variables` per draw.
    pub values: Vec<f64>,
    /// Log of target over approximation, per draw, up to a constant.
    pub log_ratios: Vec<f64>,
    /// ELBO per step; empty for Laplace.
    pub elbo: Vec<f64>,
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
}

/// Approximates a model's posterior.
///
/// # Errors
/// As [`crate::run::sample`].
pub fn approximate(
    model: Model, settings: &ApproximationSettings, watch: impl FnMut(Progress) -> bool,
) -> Result<Approximation> {
    let steps = if settings.method == Method::Svi { settings.max_steps } else { 0 };
    on_workers(settings.threads, steps + settings.draws, watch, |shared| {
        let n_theta = model.layout.n_theta;
        let uses_batches = settings.method == Method::Svi && (1..model.design.n()).contains(&settings.batch);
        let engine = if uses_batches { engine_of_rows(&model, settings.engine) } else { settings.engine };
        match prepare(Arc::new(model), engine, "auto", &shared.cancel)? {
            Prepared::Collapsed(target) => Ok(run("collapsed", target, None, n_theta, settings, shared)),
            Prepared::Full(name, mut target) => {
                let batches = uses_batches.then(|| batches(&mut target, settings));
                Ok(run(name, target, batches, n_theta, settings, shared))
            }
        }
    })
}

/// Effects that are integrated out leave no sum over rows.
fn engine_of_rows(model: &Model, engine: Engine) -> Engine {
    if engine == Engine::Auto && model.family() == Family::Gaussian { Engine::Joint } else { engine }
}

/// The target estimated from batches, centred at the mode.
fn batches(target: &mut Whitened<Bent<Posterior>>, settings: &ApproximationSettings) -> Whitened<Bent<Posterior>> {
    let dim = target.dim();
    target.evaluate(&vec![0.0; dim], &mut vec![0.0; dim]);
    let mut out = target.clone();
    out.inner.inner.batch = Some(Box::new(Batch::new(&target.inner.inner, settings.batch, settings.seed)));
    out
}

/// Where there are `batches`, they stand for the target during the ascent.
fn run<D: Draw>(
    engine: &'static str, mut target: Whitened<D>, batches: Option<Whitened<Bent<Posterior>>>, n_theta: usize,
    settings: &ApproximationSettings, shared: &Shared,
) -> Approximation {
    let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
    let dim = target.dim();
    let mut out = Approximation {
        values: vec![],
        log_ratios: Vec::with_capacity(settings.draws),
        elbo: vec![],
        converged: true,
        interrupted: false,
        engine,
        dim,
        rows: target.posterior().model.design.n(),
        uses_rows: engine != "collapsed" && target.posterior().sums.is_none(),
    };
    let mut guide = match settings.method {
        Method::Laplace => None,
        Method::Svi => {
            let start = Guide::standard(kind(settings.guide, dim), dim);
            let (ascent, cancel, tick) = (ascent(settings), &shared.cancel, || shared.tick());
            let fitted = match batches {
                Some(mut batches) => fit(&mut batches, start, ascent, &mut rng, cancel, tick),
                None => fit(&mut target, start, ascent, &mut rng, cancel, tick),
            };
            out.elbo = fitted.elbo;
            out.converged = fitted.converged;
            Some(fitted.guide)
        }
    };
    let (mut y, mut g) = (vec![0.0; dim], vec![0.0; dim]);
    for _ in 0..settings.draws {
        let ratio = match &mut guide {
            None => laplace::draw(&mut target, n_theta, &mut rng, &mut y, &mut g),
            Some(guide) => {
                guide.draw(&mut rng);
                target.evaluate(guide.y(), &mut g) - guide.log_density()
            }
        };
        out.log_ratios.push(if ratio.is_nan() { f64::NEG_INFINITY } else { ratio });
        target.complete(&[], &mut rng);
        push_draw(target.posterior(), settings.save_effects, &mut out.values);
        if !shared.tick() {
            break;
        }
    }
    out.interrupted = shared.cancel.load(Ordering::Relaxed);
    out
}

fn ascent(s: &ApproximationSettings) -> Ascent {
    Ascent { max_steps: s.max_steps, n_draws: s.n_draws, step_size: s.step_size, tolerance: s.tolerance }
}

fn kind(asked: GuideKind, dim: usize) -> Kind {
    match asked {
        GuideKind::MeanField => Kind::MeanField,
        GuideKind::LowRank => Kind::LowRank(RANK.min(dim)),
        GuideKind::FullRank => Kind::FullRank,
        GuideKind::Auto if dim <= MAX_FULL_RANK => Kind::FullRank,
        GuideKind::Auto => Kind::LowRank(RANK),
    }
}
