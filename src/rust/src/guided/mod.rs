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
mod emulated;
mod forecast;
mod guide;
mod polynomial;
mod standardised;
mod surrogate;
mod walk;

use crate::approximate::marginals::Marginals;
use crate::collapse::blocks::Blocked;
use crate::collapse::{Collapsed, may_collapse};
use crate::density::{LogDensity, Model};
use crate::draws::{ChainDraws, Draw};
use crate::error::Result;
use crate::hmc::Steps;
use crate::run::checkpoint::Copier;
use crate::run::{self, Output, Shared, sample_settled};
use crate::settle::assembly::Assembly;
use crate::settle::{Settled, affordable, are_crossed, rough_by_rows, rough_theta, settle_on};
use crate::spec::{Engine, Sampling, Settings};
use crate::values::mode;
use crate::whiten::{Whitened, Whitening};
use guide::{Learned, Proposal};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use surrogate::Surrogate;
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
/// The same where no term is nested in another: levels by themselves mix well.
const VALUES_SAVED_WHERE_CROSSED: usize = 2;
/// How many times more a value by blocks may take than one by the pattern of all columns.
const BLOCKS_PER_PATTERN: usize = 3;
/// Rounding of a value, in units of log density, that draws do not show.
const MOST_ROUNDING: f64 = 1e-4;

/// The scales in the coordinates of the guide.
type Target<D> = Marginals<Whitened<D>>;

/// By a guide where that was asked for or is the quickest, else by trajectories.
///
/// # Errors
/// As [`sample_settled`].
pub fn sample(model: &Arc<Model>, settings: &Settings, shared: &Shared) -> Result<Output> {
    let clock = Instant::now();
    let assembly = Assembly::unless(model, &shared.cancel);
    let is_asked = settings.engine == Engine::Guided;
    let may_be = may_collapse(model)
        && model.layout.n_theta <= MOST_SCALES
        && (is_asked || settings.leaves_open(Sampling::Nuts) && assembly.n_products() >= FEWEST_PRODUCTS);
    let is_dear = assembly.n_products() > affordable(model, &assembly).saturating_mul(VALUES_SAVED);
    let blocked = may_be.then(|| by_blocks(model, &assembly, shared)).flatten();
    let compared = blocked.as_ref().filter(|_| is_dear && !is_asked);
    let predicted = compared.map(|blocked| forecast::predicted(blocked, &assembly, settings));
    // Whether chains may ask for values one by one.
    let may_ask = blocked.as_ref().is_none_or(|b| !is_dear || b.n_products() <= most_products(model, &assembly));
    let is_quick = predicted.is_none_or(|p| p.guided < p.levels);
    let blocked = blocked.filter(|b| is_asked || may_ask || is_quick && forecast::is_worth_a_surrogate(b, settings));
    if !is_asked && (!may_be || is_dear && blocked.is_none()) {
        let settled = settle_on(model, assembly, settings.engine, &shared.cancel);
        return Ok(Output { predicted, ..sample_settled(settled, settings, shared)? });
    }
    let placed = blocked.and_then(|b| placed(b, settings, shared));
    let by_surrogate = placed.as_ref().and_then(|p| sample_emulated(p, clock, settings, shared));
    if let Some(output) = by_surrogate {
        return Ok(Output { predicted, ..output });
    }
    // Other ways would have to begin, too.
    if shared.cancel.load(Ordering::Relaxed) {
        return Ok(Output::of(vec![], ENGINE, model.layout.n_theta, settings, shared));
    }
    let placed = placed.filter(|_| is_asked || may_ask);
    let of_blocks = placed.map(|(blocked, map)| target(blocked, map, shared));
    if let Some(output) = of_blocks.as_ref().and_then(|t| sample_guided(t, clock, settings, shared)) {
        return Ok(Output { predicted, ..output });
    }
    let settled = settle_on(model, assembly, Engine::Guided, &shared.cancel);
    // A guide that blocks did not find is none.
    let target = if may_be && of_blocks.is_none() { settled_target(&settled, shared) } else { None };
    match target.and_then(|target| sample_guided(&target, clock, settings, shared)) {
        Some(output) => Ok(output),
        None if is_asked => sample_settled(settled, settings, shared),
        None => sample_settled(settle_on(model, settled.assembly, Engine::Auto, &shared.cancel), settings, shared),
    }
}

/// Values by blocks, unless they are dearer than those by the pattern of all columns.
fn by_blocks(model: &Arc<Model>, assembly: &Assembly, shared: &Shared) -> Option<Blocked> {
    // They need no derivatives, and less memory.
    let most = BLOCKS_PER_PATTERN.saturating_mul(assembly.n_products().max(FEWEST_PRODUCTS));
    Blocked::new(rough_by_rows(model), assembly, most, &shared.cancel)
}

/// Multiplications of a value for each draw that cost as much as trajectories do.
fn most_products(model: &Model, assembly: &Assembly) -> usize {
    let saved = if are_crossed(model) { VALUES_SAVED_WHERE_CROSSED } else { VALUES_SAVED };
    affordable(model, assembly).saturating_mul(saved)
}

/// Scales by blocks, at the mode that their values have, with a map that whitens there; `None` where there is none, or rounding would be
/// seen.
fn placed(blocked: Blocked, settings: &Settings, shared: &Shared) -> Option<(Blocked, Arc<Whitening>)> {
    let start = rough_theta(&blocked.posterior().model);
    let start = (start.clone(), vec![mode::FIRST; start.len()]);
    let near = if forecast::is_worth_a_surrogate(&blocked, settings) { mode::NEAR } else { 0.0 };
    let (mode, curvature) = mode::find(&blocked, start, near, settings.threads, &shared.cancel)?;
    let mut at_mode = blocked;
    at_mode.value(&mode);
    let map = Whitening::of_curvature(mode, &curvature);
    (at_mode.rounding() < MOST_ROUNDING).then(|| (at_mode, Arc::new(map)))
}

/// By a surrogate, where one comes near for less than the chains' values would cost.
fn sample_emulated(
    (blocked, map): &(Blocked, Arc<Whitening>), clock: Instant, settings: &Settings, shared: &Shared,
) -> Option<Output> {
    if !forecast::is_worth_a_surrogate(blocked, settings) {
        return None;
    }
    let white = Whitened::new(blocked.clone(), Arc::clone(map));
    let surrogate = Surrogate::learn(&white, settings.seed, settings.threads, &shared.cancel)?;
    emulated::sample(white.inner, map, &surrogate, clock, settings, shared)
}

/// Of all effects together, at the mode of a settled posterior.
fn settled_target(settled: &Settled, shared: &Shared) -> Option<Target<Collapsed>> {
    let mut collapsed = Collapsed::new(settled.posterior.clone())?;
    let mode = settled.mode[settled.posterior.model.layout.theta()].to_vec();
    let map = Whitening::at_mode(&mut collapsed, mode, &shared.cancel);
    Some(target(collapsed, Arc::new(map), shared))
}

fn target<D: Draw + Clone + Send + Sync>(density: D, map: Arc<Whitening>, shared: &Shared) -> Target<D> {
    let white = Whitened::new(density, map);
    let dim = white.dim();
    Marginals::fit(white, 0..dim, &shared.cancel)
}

/// `None` where no guide comes near.
fn sample_guided<D: Draw + Clone + Send + Sync>(
    target: &Target<D>, clock: Instant, settings: &Settings, shared: &Shared,
) -> Option<Output> {
    let found = Learned::learn(target, settings.seed, STREAM, settings.threads, &shared.cancel);
    let is_cancelled = || shared.cancel.load(Ordering::Relaxed);
    if !found.is_good() && !is_cancelled() {
        return None;
    }
    let run = Run { found: &found, seconds: clock.elapsed().as_secs_f64(), settings, shared };
    let n_chains = if is_cancelled() { 0 } else { settings.chains };
    shared.advance(n_chains * settings.warmup);
    let chains = (0..n_chains).into_par_iter().map(|c| run.chain(c, target)).collect();
    Some(Output::of(chains, ENGINE, target.dim(), settings, shared))
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
    fn chain<D: Draw + Clone>(&self, c: usize, target: &Target<D>) -> ChainDraws {
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

    fn sample<D: Draw + Clone>(
        &self, walk: &mut Independent<Target<D>>, copier: Copier, rng: &mut ChaCha8Rng, draws: &mut ChainDraws,
    ) {
        let goes_on = || !self.shared.cancel.load(Ordering::Relaxed);
        run::sample(walk, (self.settings, self.shared, copier), rng, draws, goes_on, |walk, rng, draws| {
            walk.current(&mut 0).keep(self.settings, rng, draws);
        });
    }
}
