//! Scales of a Gaussian model by independent proposals of a guide that has learned their posterior.
//!
//! With effects and coefficients integrated out a handful of scale parameters is left, and a value of their density costs one
//! factorisation. Trajectories take five gradients a draw, each four times as dear; proposals of a guide that is close take
//! one value each, and [`walk`] keeps the posterior exact. Effects and coefficients follow from their exact conditional
//! distribution by a triangular solve with the factor that is there, anew for each draw that is kept.
//!
//! Coordinates are whitened at the mode and bent one by one to normal quantiles; there the guide is a Student t, with moments
//! that rounds of proposals have corrected by importance, times a polynomial through all values seen. Where it stays far from the
//! posterior, trajectories take over.

mod correction;
mod guide;
mod walk;

use crate::approximate::marginals::Marginals;
use crate::collapse::{Collapsed, may_collapse};
use crate::density::{LogDensity, Model};
use crate::draws::{ChainDraws, Draw};
use crate::error::Result;
use crate::hmc::Steps;
use crate::run::checkpoint::Copier;
use crate::run::{self, Output, Progress, Shared, on_workers, sample_settled};
use crate::settle::assembly::Assembly;
use crate::settle::{Settled, affordable, settle_on};
use crate::spec::{Engine, InitSpec, Metric, Sampling, Settings};
use crate::whiten::bend::Bent;
use crate::whiten::{Whitened, Whitening};
use guide::{Learned, Proposal};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use walk::Independent;

/// The name of this way.
const ENGINE: &str = "guided";
/// Stream of the guide's proposals: no chain's.
const STREAM: u64 = 0;
/// Iterations that are thrown away: chains begin at weighted proposals of the guide.
const WARM_UP: usize = 10;
/// Scales beyond which independent proposals are hopeless.
const MOST_SCALES: usize = 30;

/// Multiplications of a factorisation from which a guide pays, unasked: below, trajectories take seconds in all.
const FEWEST_PRODUCTS: usize = 50_000;
/// Values that trajectories take for an effective draw, five gradients of four values each, over the one or two of a guide.
const VALUES_SAVED: usize = 10;

/// The scales in the coordinates of the guide.
type Target = Marginals<Whitened<Bent<Collapsed>>>;
type Walk<'a> = Independent<'a, Target>;

/// Samples a model: by a guide where that was asked for or is the quickest, else by trajectories; `watch` as in [`on_workers`].
///
/// # Errors
/// As [`sample_settled`].
pub fn sample(model: Model, settings: &Settings, watch: impl FnMut(Progress) -> bool) -> Result<Output> {
    settings.check()?;
    on_workers(settings.threads, settings.chains * settings.iter, watch, |shared| {
        let model = Arc::new(model);
        let assembly = Assembly::new(&model);
        let is_asked = settings.engine == Engine::Guided;
        if !is_asked && !is_quickest(&model, &assembly, settings) {
            return sample_settled(settle_on(&model, assembly, settings.engine, &shared.cancel), settings, shared);
        }
        let settled = settle_on(&model, assembly, Engine::Guided, &shared.cancel);
        match sample_guided(&settled, settings, shared) {
            Some(output) => Ok(output),
            None if is_asked => sample_settled(settled, settings, shared),
            None => sample_settled(settle_on(&model, settled.assembly, Engine::Auto, &shared.cancel), settings, shared),
        }
    })
}

/// Whether a guide is predicted to take less time to an effective draw than any trajectories would, by what is multiplied. Who
/// asks for a way of moving or of starting asks for trajectories.
fn is_quickest(model: &Model, assembly: &Assembly, settings: &Settings) -> bool {
    let is_left_open = settings.engine == Engine::Auto
        && settings.sampler == Sampling::Nuts
        && settings.metric == Metric::Auto
        && matches!(settings.init, InitSpec::Mode);
    let dear = FEWEST_PRODUCTS..=affordable(model, assembly).saturating_mul(VALUES_SAVED);
    is_left_open
        && may_collapse(model)
        && model.layout.n_theta <= MOST_SCALES
        && assembly.skeleton.is_some()
        && dear.contains(&assembly.n_products())
}

/// `None` where effects cannot be integrated out or no guide comes near.
fn sample_guided(settled: &Settled, settings: &Settings, shared: &Shared) -> Option<Output> {
    let clock = Instant::now();
    let collapsed = Collapsed::new(settled.posterior.clone()).filter(|c| c.dim() <= MOST_SCALES)?;
    let target = target(collapsed, settled, shared);
    let found = Learned::learn(&target, settings.seed, STREAM, settings.threads, &shared.cancel);
    let is_cancelled = || shared.cancel.load(Ordering::Relaxed);
    if !found.is_good() && !is_cancelled() {
        return None;
    }
    let run = Run { found: &found, seconds: clock.elapsed().as_secs_f64(), settings, shared };
    let n_chains = if is_cancelled() { 0 } else { settings.chains };
    shared.advance(n_chains * settings.warmup);
    let chains = (0..n_chains).into_par_iter().map(|c| run.chain(c, &target)).collect();
    let (dim, adapt_delta) = (target.dim(), settings.adapt_delta[0]);
    let uncopied = shared.n_uncopied();
    Some(Output { chains, interrupted: is_cancelled(), engine: ENGINE, dim, adapt_delta, uncopied })
}

fn target(collapsed: Collapsed, settled: &Settled, shared: &Shared) -> Target {
    let mode = settled.mode[settled.posterior.model.layout.theta()].to_vec();
    let mut straight = Bent::straight(collapsed);
    let map = Whitening::at_mode(&mut straight, mode, &shared.cancel);
    let white = Whitened::new(straight, Arc::new(map));
    let dim = white.dim();
    Marginals::fit(white, 0..dim)
}

/// What the chains share.
struct Run<'a> {
    found: &'a Learned,
    /// Wall time until they begin.
    seconds: f64,
    settings: &'a Settings,
    shared: &'a Shared,
}

impl Run<'_> {
    fn chain(&self, c: usize, target: &Target) -> ChainDraws {
        let (s, clock) = (self.settings, Instant::now());
        let mut rng = ChaCha8Rng::seed_from_u64(s.seed);
        rng.set_stream(c as u64 + 1);
        let mut copier = Copier::new(s, ENGINE, c, 0);
        if let Some(copy) = copier.resume(0, self.shared) {
            rng.set_word_pos(copy.word);
            let state = Proposal::from_numbers(copy.place.position, &copy.place.tuning);
            let (mut walk, mut draws) = (Independent::new(target, &self.found.guide, state), copy.draws);
            self.sample(&mut walk, copier, &mut rng, &mut draws);
            return draws;
        }
        let mut walk = Independent::new(target, &self.found.guide, self.found.start(&mut rng));
        let n_learned = self.found.n_values.div_ceil(s.chains);
        let mut draws = ChainDraws { step_size: 1.0, n_gradients: n_learned + 1, ..ChainDraws::default() };
        for _ in 0..if s.save_warmup { s.warmup } else { WARM_UP.min(s.warmup) } {
            if self.shared.cancel.load(Ordering::Relaxed) {
                return draws;
            }
            walk.step(&mut rng, &mut draws.n_gradients);
            if s.save_warmup {
                walk.current(&mut 0).record(s.save_effects, &mut rng, &mut draws.warmup);
            }
        }
        draws.seconds[0] = self.seconds + clock.elapsed().as_secs_f64();
        self.sample(&mut walk, copier, &mut rng, &mut draws);
        draws
    }

    fn sample(&self, walk: &mut Walk, copier: Copier, rng: &mut ChaCha8Rng, draws: &mut ChainDraws) {
        let goes_on = || !self.shared.cancel.load(Ordering::Relaxed);
        run::sample(walk, (self.settings, self.shared, copier), rng, draws, goes_on, |walk, rng, draws| {
            walk.current(&mut 0).keep(self.settings, rng, draws);
        });
    }
}
