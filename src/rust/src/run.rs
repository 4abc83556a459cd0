//! Runs chains: streams of random numbers, starts, warm-up and draws, and attempts at rising targets of acceptance.

pub mod checkpoint;
mod keep;
pub mod lockstep;
mod measured;
mod prepare;
mod start;
mod workers;

pub use keep::{Kept, worth_keeping};
pub use measured::{Measured, Predicted};
pub use prepare::{Prepared, prepare, prepare_settled};
pub use start::start;
pub use workers::{Progress, Shared, on_workers};

use crate::density::LogDensity;
use crate::draws::{ChainDraws, Draw};
use crate::error::Result;
use crate::hmc::chain::Chain;
use crate::hmc::fixed::Walk;
use crate::hmc::hamiltonian::PhasePoint;
use crate::hmc::{Sampler, Steps};
use crate::settle::Settled;
use crate::spec::{Sampling, Settings};
use crate::whiten::Whitened;
use checkpoint::{Copier, Copy};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use std::sync::atomic::Ordering;
use std::time::Instant;

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
    /// Copies of chains that could not be written.
    pub uncopied: usize,
    /// Of the surrogate that stood for the density, if one did.
    pub measured: Option<Measured>,
    /// What the way was chosen by, if by that.
    pub predicted: Option<Predicted>,
}

impl Output {
    /// Of chains that aimed at the first acceptance, without a surrogate.
    pub fn of(chains: Vec<ChainDraws>, engine: &'static str, dim: usize, settings: &Settings, shared: &Shared) -> Self {
        let (interrupted, adapt_delta) = (shared.cancel.load(Ordering::Relaxed), settings.adapt_delta[0]);
        let uncopied = shared.n_uncopied();
        Self { chains, interrupted, engine, dim, adapt_delta, uncopied, measured: None, predicted: None }
    }
}

/// What is kept of each draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeps {
    /// Natural values.
    Values,
    /// The sampler's position and the log density there.
    Positions,
}

/// One run of all chains at one target of acceptance.
struct Attempt<'a> {
    number: usize,
    engine: &'static str,
    keeps: Keeps,
    settings: &'a Settings,
    shared: &'a Shared,
}

/// Samples a settled model by trajectories, on workers.
///
/// The same seed gives the same draws for any number of threads: chain `c` draws from stream `c`.
///
/// # Errors
/// [`Error::Start`] if no finite starting point is found, [`Error::Spec`] if the engine asked for
/// does not fit the model.
pub fn sample_settled(settled: Settled, settings: &Settings, shared: &Shared) -> Result<Output> {
    match prepare_settled(settled, settings.engine, settings.metric, &shared.cancel)? {
        Prepared::Collapsed(target) => {
            run_chains("collapsed", &suited(target, settings), settings, shared, Keeps::Values)
        }
        Prepared::Full(name, target) => run_chains(name, &suited(target, settings), settings, shared, Keeps::Values),
    }
}

/// Trajectories of one length have no metric that adapts: their scales get unit variance beforehand.
pub fn suited<D: Draw>(mut target: Whitened<D>, settings: &Settings) -> Whitened<D> {
    if settings.sampler == Sampling::Hmc {
        let (scales, dim) = (target.posterior().model.layout.n_theta, target.dim());
        target.stretch(dim - scales..dim);
    }
    target
}

/// Attempts at rising targets of acceptance until none of the chains diverges, or there is no higher target.
///
/// A divergence is a property of the attempt's streams, so which attempt is kept does not depend on threads.
///
/// # Errors
/// [`Error::Start`] if no finite starting point is found.
pub fn run_chains<D: Draw + Clone + Send + Sync>(
    engine: &'static str, target: &Whitened<D>, settings: &Settings, shared: &Shared, keeps: Keeps,
) -> Result<Output> {
    let mut attempt = Attempt { number: checkpoint::attempt(settings, engine), engine, keeps, settings, shared };
    loop {
        shared.restart(attempt.number);
        let chains = (0..settings.chains).into_par_iter();
        let chains = chains.map(|c| attempt.chain(c, target.clone())).collect::<Result<Vec<_>>>()?;
        let interrupted = shared.cancel.load(Ordering::Relaxed);
        if interrupted || !attempt.is_given_up() {
            let adapt_delta = attempt.adapt_delta();
            return Ok(Output {
                interrupted,
                adapt_delta,
                ..Output::of(chains, engine, target.dim(), settings, shared)
            });
        }
        attempt.number += 1;
    }
}

impl Attempt<'_> {
    fn adapt_delta(&self) -> f64 {
        self.settings.adapt_delta[self.number]
    }

    /// Whether a chain has diverged while a higher target of acceptance is left to try.
    fn is_given_up(&self) -> bool {
        self.number + 1 < self.settings.adapt_delta.len() && self.shared.n_divergent() > 0
    }

    fn chain<D: Draw>(&self, c: usize, mut target: Whitened<D>) -> Result<ChainDraws> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.settings.seed);
        rng.set_stream(c as u64 + 1 + ((self.number as u64) << 32));
        let mut copier = Copier::new(self.settings, self.engine, c, self.number);
        if let Some(copy) = copier.resume(self.settings.warmup, self.shared) {
            return Ok(self.go_on(copy, target, copier, rng));
        }
        let start = start(&mut target, &self.settings.init, &mut rng)?;
        let mut draws = ChainDraws::default();
        let clock = Instant::now();
        match self.settings.sampler {
            Sampling::Nuts => {
                let mut chain = Chain::new(target, start, self.settings.max_treedepth, &self.shared.cancel);
                self.warm_up(&mut chain, &mut rng, &mut draws);
                draws.seconds[0] = clock.elapsed().as_secs_f64();
                self.after_warmup(&mut chain, copier, &mut rng, &mut draws);
            }
            Sampling::Hmc => {
                let mut walk = Walk::new(target, start, 0, &self.shared.cancel);
                self.warm_up_walk(&mut walk, &mut rng, &mut draws);
                draws.seconds[0] = clock.elapsed().as_secs_f64();
                self.after_warmup(&mut walk, copier, &mut rng, &mut draws);
            }
        }
        Ok(draws)
    }

    /// A chain of which there is a copy.
    fn go_on<D: Draw>(&self, copy: Copy, mut target: Whitened<D>, copier: Copier, mut rng: ChaCha8Rng) -> ChainDraws {
        let Copy { word, place, mut draws, .. } = copy;
        rng.set_word_pos(word);
        let start = PhasePoint::at(&mut target, place.position);
        match self.settings.sampler {
            Sampling::Nuts => {
                let mut chain = Chain::new(target, start, self.settings.max_treedepth, &self.shared.cancel);
                chain.tune_as(place.tuning[0], &place.tuning[1..]);
                self.after_warmup(&mut chain, copier, &mut rng, &mut draws);
            }
            Sampling::Hmc => {
                let mut walk = Walk::new(target, start, place.tuning[0] as usize, &self.shared.cancel);
                self.after_warmup(&mut walk, copier, &mut rng, &mut draws);
            }
        }
        draws
    }

    fn warm_up<D: Draw>(&self, chain: &mut Chain<Whitened<D>>, rng: &mut ChaCha8Rng, draws: &mut ChainDraws) {
        let s = self.settings;
        chain.warm_up(s.warmup, self.adapt_delta(), rng, |target, t, rng| {
            draws.n_gradients += t.n_leapfrog + 1;
            draws.warmup_divergent += usize::from(t.divergent);
            if s.save_warmup {
                target.record(s.save_effects, rng, &mut draws.warmup);
            }
            self.shared.tick() && !self.is_given_up()
        });
    }

    fn warm_up_walk<D: Draw>(&self, walk: &mut Walk<Whitened<D>>, rng: &mut ChaCha8Rng, draws: &mut ChainDraws) {
        let s = self.settings;
        walk.adapt(s.warmup, self.adapt_delta(), rng, |walk, t, rng| {
            draws.n_gradients += t.n_leapfrog;
            draws.warmup_divergent += usize::from(t.divergent);
            if s.save_warmup {
                walk.current(&mut draws.n_gradients).record(s.save_effects, rng, &mut draws.warmup);
            }
            self.shared.tick() && !self.is_given_up()
        });
    }

    fn after_warmup<D: Draw, S: Sampler<Target = Whitened<D>>>(
        &self, chain: &mut S, copier: Copier, rng: &mut ChaCha8Rng, draws: &mut ChainDraws,
    ) {
        draws.step_size = chain.step_size();
        let goes_on = || !self.shared.cancel.load(Ordering::Relaxed) && !self.is_given_up();
        sample(chain, (self.settings, self.shared, copier), rng, draws, goes_on, |chain, rng, draws| {
            self.keep(chain, rng, draws)
        });
    }

    /// Keeps a draw, or where it is. The random numbers are the same.
    fn keep<D: Draw, S: Sampler<Target = Whitened<D>>>(
        &self, chain: &mut S, rng: &mut ChaCha8Rng, draws: &mut ChainDraws,
    ) {
        if self.keeps == Keeps::Values {
            let target = chain.current(&mut draws.n_gradients);
            return target.keep(self.settings, rng, draws);
        }
        draws.positions.extend_from_slice(&chain.state().position);
        draws.log_density.push(chain.state().log_density);
        chain.current(&mut draws.n_gradients).complete(rng);
    }
}

/// The iterations of a chain after warm-up that are left, while `goes_on`; `keep` takes what is kept in.
pub fn sample<S: Steps>(
    chain: &mut S, (settings, shared, mut copier): (&Settings, &Shared, Copier), rng: &mut ChaCha8Rng,
    draws: &mut ChainDraws, goes_on: impl Fn() -> bool, mut keep: impl FnMut(&mut S, &mut ChaCha8Rng, &mut ChainDraws),
) {
    copier.begin();
    let n = settings.iter - settings.warmup;
    for i in copier.first..n {
        if !goes_on() {
            break;
        }
        let mut n_gradients = 0;
        let t = chain.step(rng, &mut n_gradients);
        // A transition cut short by a cancel is not a draw.
        if !shared.tick() {
            break;
        }
        draws.n_gradients += n_gradients;
        shared.count_divergent(usize::from(t.divergent));
        if i % settings.thin == 0 {
            shared.count_kept();
            draws.push_report(&t, chain.step_size());
            keep(chain, rng, draws);
        }
        copier.see((i + 1, t.divergent), i + 1 == n, chain, rng, draws, shared);
    }
    copier.end(draws);
}
