//! Runs chains on threads: seeds, progress and cancelling.

use crate::collapse::Collapsed;
use crate::density::{LogDensity, Model, Posterior};
use crate::draws::{ChainDraws, Draw, push_draw};
use crate::error::{Error, Result};
use crate::hmc::chain::Chain;
use crate::hmc::hamiltonian::PhasePoint;
use crate::settle::whitening::whitening;
use crate::settle::{Settled, settle};
use crate::spec::{Engine, InitSpec, Metric, Settings};
use crate::transport::Transport;
use crate::whiten::bend::Bent;
use crate::whiten::{Whitened, Whitening};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Spread of the starting points around the mode, in posterior standard deviations.
const START_SPREAD: f64 = 1.0;
const NOT_COLLAPSIBLE: &str = "engine 'collapsed' needs a Gaussian model with one residual sd (or known standard \
     errors) and normal or flat priors on the population-level coefficients; use engine 'auto'";
/// How often the main thread looks up.
const POLL: Duration = Duration::from_millis(100);
/// Deep recursions of the tree are shallow in stack use; R's default threads would do too.
const STACK_SIZE: usize = 8 << 20;

/// What the user sees while chains run.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Iterations done over all chains.
    pub done: usize,
    /// Iterations in all.
    pub total: usize,
    /// Divergences after warm-up so far.
    pub divergent: usize,
    /// How often the chains have begun again at a higher target.
    pub restarts: usize,
}

/// Draws of all chains.
#[derive(Debug)]
pub struct Output {
    /// One per chain.
    pub chains: Vec<ChainDraws>,
    /// Whether the run was stopped early.
    pub interrupted: bool,
    /// Name of the coordinates used.
    pub engine: &'static str,
    /// Parameters sampled.
    pub dim: usize,
    /// Mean acceptance aimed at by the attempt that was kept.
    pub adapt_delta: f64,
}

/// One run of all chains at one target of acceptance.
#[derive(Debug, Clone, Copy)]
struct Attempt {
    number: usize,
    adapt_delta: f64,
    /// A divergence ends an attempt unless there is no higher target.
    is_last: bool,
}

/// Counters and the flag that workers and the main thread share.
#[derive(Debug, Default)]
pub struct Shared {
    /// Set to stop the workers.
    pub cancel: AtomicBool,
    done: AtomicUsize,
    divergent: AtomicUsize,
    restarts: AtomicUsize,
}

/// Samples a model. `watch` is called on this thread about ten times a second; `false` stops the run.
///
/// The same seed gives the same draws for any number of threads: chain `c` draws from stream `c`.
///
/// # Errors
/// [`Error::Start`] if no finite starting point is found, [`Error::Spec`] if the engine asked for
/// does not fit the model.
pub fn sample(model: Model, settings: &Settings, watch: impl FnMut(Progress) -> bool) -> Result<Output> {
    settings.check()?;
    on_workers(settings.threads, settings.chains * settings.iter, watch, |shared| {
        match prepare(Arc::new(model), settings.engine, settings.metric, &shared.cancel)? {
            Prepared::Collapsed(target) => run_chains("collapsed", &target, settings, shared),
            Prepared::Full(name, target) => run_chains(name, &target, settings, shared),
        }
    })
}

/// Runs `job` on `threads` workers while this thread watches; counts go to `total`.
pub fn on_workers<T: Send>(
    threads: usize, total: usize, mut watch: impl FnMut(Progress) -> bool,
    job: impl FnOnce(&Shared) -> Result<T> + Send,
) -> Result<T> {
    let shared = Shared::default();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).stack_size(STACK_SIZE).build();
    let pool = pool.map_err(|e| Error::Start(format!("threads cannot be started: {e}")))?;
    let (sender, receiver) = channel::<()>();
    std::thread::scope(|scope| {
        let (shared, pool) = (&shared, &pool);
        let worker = scope.spawn(move || {
            let output = pool.install(|| job(shared));
            drop(sender);
            output
        });
        while let Err(RecvTimeoutError::Timeout) = receiver.recv_timeout(POLL) {
            let counts = [&shared.done, &shared.divergent, &shared.restarts];
            let [done, divergent, restarts] = counts.map(|n| n.load(Ordering::Relaxed));
            if !watch(Progress { done, total, divergent, restarts }) {
                shared.cancel.store(true, Ordering::Relaxed);
            }
        }
        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

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
    let name = if matches!(*posterior.transport, Transport::Joint(_)) { "joint" } else { "levels" };
    let wants_collapse = matches!(engine, Engine::Auto | Engine::Collapsed);
    let collapsed = if wants_collapse { Collapsed::new(posterior.clone()) } else { None };
    let is_plain = metric == Metric::Diag;
    if let Some(target) = collapsed {
        let mode = mode[theta].to_vec();
        if is_plain {
            return Ok(Prepared::Collapsed(Whitened::new(Bent::straight(target), Arc::new(Whitening::shift(mode)))));
        }
        let mut target = Bent::at_mode(target, &mode, 0..mode.len());
        let map = Whitening::at_mode(&mut target, mode, cancel);
        return Ok(Prepared::Collapsed(Whitened::new(target, Arc::new(map))));
    }
    if engine == Engine::Collapsed {
        return Err(Error::Spec(NOT_COLLAPSIBLE.into()));
    }
    if is_plain {
        let map = Whitening::shift(mode);
        return Ok(Prepared::Full(name, Whitened::new(Bent::straight(posterior), Arc::new(map))));
    }
    let mut posterior = Bent::at_mode(posterior, &mode, theta);
    let map = whitening(&mut posterior, mode, &assembly, cancel);
    Ok(Prepared::Full(name, Whitened::new(posterior, Arc::new(map))))
}

/// Attempts at rising targets of acceptance until none of the chains diverges, or there is no higher target.
///
/// A divergence is a property of the attempt's streams, so which attempt is kept does not depend on threads.
fn run_chains<D: Draw + Clone + Send + Sync>(
    engine: &'static str, target: &Whitened<D>, settings: &Settings, shared: &Shared,
) -> Result<Output> {
    let mut number = 0;
    loop {
        let adapt_delta = settings.adapt_delta[number];
        let attempt = Attempt { number, adapt_delta, is_last: number + 1 == settings.adapt_delta.len() };
        shared.begin(&attempt);
        let chains = (0..settings.chains).into_par_iter();
        let chains = chains.map(|c| run_chain(c, &attempt, target.clone(), settings, shared));
        let chains = chains.collect::<Result<Vec<_>>>()?;
        let interrupted = shared.cancel.load(Ordering::Relaxed);
        if interrupted || !shared.gives_up(&attempt) {
            return Ok(Output { chains, interrupted, engine, dim: target.dim(), adapt_delta });
        }
        number += 1;
    }
}

fn run_chain<D: Draw>(
    c: usize, attempt: &Attempt, mut target: Whitened<D>, settings: &Settings, shared: &Shared,
) -> Result<ChainDraws> {
    let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
    rng.set_stream(c as u64 + 1 + ((attempt.number as u64) << 32));
    let start = start(&mut target, &settings.init, &mut rng)?;
    let mut draws = ChainDraws::default();
    let mut chain = Chain::new(target, start, settings.max_treedepth, &shared.cancel);
    let clock = Instant::now();
    chain.warm_up(settings.warmup, attempt.adapt_delta, &mut rng, |target, t, rng| {
        draws.n_gradients += t.n_leapfrog + 1;
        draws.warmup_divergent += usize::from(t.divergent);
        if settings.save_warmup {
            record(target, settings.save_effects, rng, &mut draws.warmup);
        }
        shared.tick() && !shared.gives_up(attempt)
    });
    draws.step_size = chain.step_size();
    draws.seconds[0] = clock.elapsed().as_secs_f64();
    for i in 0..settings.iter - settings.warmup {
        if shared.cancel.load(Ordering::Relaxed) || shared.gives_up(attempt) {
            break;
        }
        let t = chain.transition(&mut rng);
        // A transition cut short by a cancel is not a draw.
        if !shared.tick() {
            break;
        }
        draws.n_gradients += t.n_leapfrog + 1;
        shared.count_divergent(usize::from(t.divergent));
        if i % settings.thin == 0 {
            draws.push_report(&t, chain.step_size());
            record(chain.density(), settings.save_effects, &mut rng, &mut draws.values);
        }
    }
    draws.seconds[1] = clock.elapsed().as_secs_f64() - draws.seconds[0];
    Ok(draws)
}

impl Shared {
    /// Counts divergences.
    pub fn count_divergent(&self, n: usize) {
        self.divergent.fetch_add(n, Ordering::Relaxed);
    }

    fn begin(&self, attempt: &Attempt) {
        self.done.store(0, Ordering::Relaxed);
        self.divergent.store(0, Ordering::Relaxed);
        self.restarts.store(attempt.number, Ordering::Relaxed);
    }

    /// Whether a chain has diverged while a higher target of acceptance is left to try.
    fn gives_up(&self, attempt: &Attempt) -> bool {
        !attempt.is_last && self.divergent.load(Ordering::Relaxed) > 0
    }

    /// Counts an iteration; false after a cancel.
    pub fn tick(&self) -> bool {
        self.done.fetch_add(1, Ordering::Relaxed);
        !self.cancel.load(Ordering::Relaxed)
    }
}

/// Completes and keeps the draw at the target's last position.
fn record<D: Draw>(target: &mut Whitened<D>, with_effects: bool, rng: &mut ChaCha8Rng, out: &mut Vec<f64>) {
    target.complete(&[], rng);
    push_draw(target.posterior(), with_effects, out);
}

/// A finite starting point: around the mode, nearer to it at each failure, or uniform as asked.
///
/// # Errors
/// [`Error::Start`] if none is found.
pub fn start<D: Draw>(target: &mut Whitened<D>, init: &InitSpec, rng: &mut ChaCha8Rng) -> Result<PhasePoint> {
    let dim = target.dim();
    for attempt in 0..100 {
        let y: Vec<f64> = match init {
            InitSpec::Mode => {
                let spread = START_SPREAD * 0.8_f64.powi(attempt);
                (0..dim).map(|_| spread * draw_normal(rng)).collect()
            }
            InitSpec::Random { radius } => (0..dim).map(|_| radius * (2.0 * rng.random::<f64>() - 1.0)).collect(),
        };
        let point = PhasePoint::at(target, y);
        if point.is_finite() {
            return Ok(point);
        }
    }
    Err(Error::Start("no starting point with a finite log density was found in 100 tries".into()))
}

fn draw_normal(rng: &mut ChaCha8Rng) -> f64 {
    StandardNormal.sample(rng)
}
