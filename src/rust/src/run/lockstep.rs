//! Chains of a small model eight at a time, one in each vector lane ([`crate::lanes::walks`]), by trajectories of one length.
//!
//! Their coordinates are those of genes: the frame of a guide, in which the posterior is nearly a standard normal. They make up the
//! chains that were asked for as [`crate::lanes::plan`] says. Where a lane diverges, hardly moves or does not agree with the others,
//! there are none, and chains run one by one in whitened coordinates.

use super::{Output, Shared};
use crate::density::{Model, Posterior};
use crate::device::walks::WalkPlan;
use crate::diagnostics::Diagnostics;
use crate::draws::{ChainDraws, Draw};
use crate::lanes::frame::Frame;
use crate::lanes::walks::{Walks, Wanted};
use crate::lanes::{Started, started};
use crate::natural::noise::Noise;
use crate::natural::steps::{Ascent, ascend_while};
use crate::spec::{Sampling, Settings};
use crate::transport::Transport;
use crate::tuning::{LANES, MIN_ACCEPTED};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// The name of this way.
const ENGINE: &str = "lanes";
/// Steps of the guide: as many as it needs, for chains are long beside them.
const ASCENT: Ascent = Ascent { max_steps: 400, polish: 32, tolerance: 0.02 };
/// Parameters of counts and of Gaussian rows, and rows, at most: with more, a single position fills vectors by itself.
const MAX_DIM: [usize; 2] = [70, 100];
const MAX_ROWS: usize = 1_000;
/// Draws of a lane, and iterations of warm-up, at least.
const MIN_DRAWS: usize = 100;
const MIN_WARMUP: usize = 100;
/// Numbers that are kept until chains are made of lanes, at most.
const MAX_NUMBERS: usize = 1 << 23;
/// R-hat of a scale parameter above which lanes do not agree, and what the noise of short ones adds, times their draws.
const MAX_RHAT: f64 = 1.01;
const NOISE_OF_RHAT: f64 = 4.0;

/// What lanes share.
struct Lockstep<'a> {
    model: &'a Arc<Model>,
    frame: &'a Frame,
    plan: WalkPlan,
    settings: &'a Settings,
    shared: &'a Shared,
}

/// Draws of eight lanes.
struct Recorded {
    /// Number of the first lane.
    first: usize,
    /// Per lane and draw, as [`Wanted::Parameters`].
    values: Vec<Vec<f64>>,
    /// Per lane, reports of the sampler.
    reports: Vec<Vec<[f64; 6]>>,
    step_size: f64,
    n_gradients: usize,
    /// Wall time of warm-up and sampling.
    seconds: [f64; 2],
}

/// Chains of a model that is small enough, if nothing else was asked for and lanes do well.
pub fn sample(model: &Arc<Model>, settings: &Settings, shared: &Shared) -> Option<Output> {
    let (clock, plan) = (Instant::now(), plan_of(settings));
    // Who asks for a way of moving or of starting, or for draws of the warm-up, gets chains one by one.
    let is_left_open = settings.leaves_open(Sampling::Hmc) && !settings.save_warmup;
    if !is_left_open || plan.each < MIN_DRAWS || settings.warmup < MIN_WARMUP {
        return None;
    }
    let frame = Frame::new(model).filter(|frame| covers(frame, model))?;
    if settings.chains * plan.n_kept * frame.dim() > MAX_NUMBERS {
        return None;
    }
    let Started { mut target, guide } = started(&frame, model).ok()??;
    let noise = Noise::new(settings.seed, 0);
    let goes_on = || !shared.cancel.load(Ordering::Relaxed);
    let guide = ascend_while(&mut target, guide, ASCENT, &noise, goes_on).guide;
    let run = Lockstep { model, frame: &frame, plan, settings, shared };
    let found = clock.elapsed().as_secs_f64();
    let eight = |first: usize| {
        let clock = Instant::now();
        let walks = Walks::with(Wanted::Parameters, target.clone(), guide.clone(), noise, first)?;
        run.eight(walks, first, clock)
    };
    let firsts: Vec<usize> = plan.firsts().collect();
    let mut recorded = firsts.into_par_iter().map(eight).collect::<Option<Vec<Recorded>>>()?;
    recorded.iter_mut().for_each(|r| r.seconds[0] += found);
    let interrupted = !goes_on();
    if !interrupted && !run.agree(&recorded) {
        return None;
    }
    let chains = (0..settings.chains).map(|c| run.chain(c, &recorded)).collect();
    Some(Output { interrupted, ..Output::of(chains, ENGINE, frame.dim(), settings, shared) })
}

/// Whether a model is small enough.
fn covers(frame: &Frame, model: &Model) -> bool {
    frame.dim() <= MAX_DIM[usize::from(frame.family.is_linear())] && model.design.n() <= MAX_ROWS
}

fn plan_of(settings: &Settings) -> WalkPlan {
    let plan = WalkPlan::new(settings.chains, settings.n_kept());
    let warmup = settings.warmup.div_ceil(plan.lanes);
    // Smaller errors of energy are cheap here, and make draws more negatively correlated.
    let target = 0.5 * (1.0 + settings.adapt_delta[0]);
    WalkPlan { thin: settings.thin, warmup, target, ..plan }
}

impl Lockstep<'_> {
    /// Lanes that are needed of those from `first` on.
    fn n_lanes(&self, first: usize) -> usize {
        LANES.min(self.settings.chains * self.plan.lanes - first)
    }

    /// Warm-up and draws of eight lanes. `None` if one diverges or they hardly move.
    fn eight(&self, mut walks: Walks, first: usize, clock: Instant) -> Option<Recorded> {
        let (plan, n_lanes) = (&self.plan, self.n_lanes(first));
        let before = walks.n_gradients();
        let accepted = walks.adapt(plan.warmup, plan.target);
        self.shared.advance(plan.warmup * n_lanes);
        if accepted < MIN_ACCEPTED {
            return None;
        }
        let warm = clock.elapsed().as_secs_f64();
        let (values, reports) = (vec![vec![]; n_lanes], vec![vec![]; n_lanes]);
        let mut out =
            Recorded { first, values, reports, step_size: walks.step_size(), n_gradients: 0, seconds: [warm, 0.0] };
        for i in 0..plan.each * plan.thin {
            let moved = walks.step();
            if self.shared.cancel.load(Ordering::Relaxed) {
                break;
            }
            if moved.divergent[..n_lanes].contains(&true) {
                return None;
            }
            self.shared.advance(n_lanes);
            for s in (0..n_lanes).filter(|_| i % plan.thin == 0) {
                self.shared.count_kept();
                out.values[s].extend_from_slice(walks.values(s));
                let (accept_stat, energy) = (moved.accepted[s], moved.energy.0[s]);
                out.reports[s].push([accept_stat, out.step_size, 0.0, walks.n_steps() as f64, 0.0, energy]);
            }
        }
        out.n_gradients = walks.n_gradients() - if first > 0 { before } else { 0 };
        out.seconds[1] = clock.elapsed().as_secs_f64() - warm;
        Some(out)
    }

    /// Lane `lane` of all.
    fn lane<'a>(&self, lane: usize, recorded: &'a [Recorded]) -> (&'a [f64], &'a [[f64; 6]]) {
        let eight = &recorded[lane / self.plan.apart];
        (&eight.values[lane - eight.first], &eight.reports[lane - eight.first])
    }

    /// Lanes of chain `c`.
    fn lanes(&self, c: usize) -> std::ops::Range<usize> {
        c * self.plan.lanes..(c + 1) * self.plan.lanes
    }

    /// Whether R-hat of the scale parameters is low, each lane taken for a chain.
    fn agree(&self, recorded: &[Recorded]) -> bool {
        let (n, dim, each) = (self.frame.n, self.frame.dim(), self.plan.each);
        let lanes = 0..self.plan.chains * self.plan.lanes;
        let (mut diagnostics, highest) = (Diagnostics::new(lanes.len(), each), MAX_RHAT + NOISE_OF_RHAT / each as f64);
        (n..dim).all(|j| {
            let of_lane = |lane: usize| self.lane(lane, recorded).0.chunks_exact(dim + 1).map(move |draw| draw[j]);
            diagnostics.of(&lanes.clone().flat_map(of_lane).collect::<Vec<f64>>()).0 <= highest
        })
    }

    /// The draws of its lanes one after the other.
    fn chain(&self, c: usize, recorded: &[Recorded]) -> ChainDraws {
        let eight = &recorded[self.lanes(c).start / self.plan.apart];
        let n_gradients = recorded.iter().map(|eight| eight.n_gradients).sum::<usize>() / self.plan.chains;
        let Recorded { step_size, seconds, .. } = *eight;
        let mut draws = ChainDraws { step_size, seconds, n_gradients, ..ChainDraws::default() };
        let mut at = NaturalDraw::new(self.model);
        for lane in self.lanes(c) {
            let (values, reports) = self.lane(lane, recorded);
            let left = self.plan.n_kept - draws.sampler.len();
            for (draw, report) in values.chunks_exact(self.frame.dim() + 1).zip(reports).take(left) {
                draws.sampler.push(*report);
                at.place(draw);
                at.posterior.keep(self.settings, &mut at.rng, &mut draws);
            }
        }
        draws
    }
}

/// Natural values of a draw.
struct NaturalDraw {
    posterior: Posterior,
    /// Nothing is left to be drawn.
    rng: ChaCha8Rng,
}

impl NaturalDraw {
    fn new(model: &Arc<Model>) -> Self {
        let p = model.layout.swept.len();
        let transport = Transport::identity(&model.layout, vec![0.0; p], &vec![1.0; p]);
        let mut posterior = Posterior::new(Arc::clone(model), Arc::new(transport)).without_rows();
        posterior.mapped.swept.resize(p, 0.0);
        posterior.mapped.effects.resize(model.layout.n_effects, 0.0);
        Self { posterior, rng: ChaCha8Rng::seed_from_u64(0) }
    }

    /// At effects and coefficients, unconstrained scale parameters and a log density.
    fn place(&mut self, draw: &[f64]) {
        let Posterior { model, mapped, scales, .. } = &mut self.posterior;
        let (effects, rest) = draw.split_at(mapped.effects.len());
        let (coefficients, rest) = rest.split_at(mapped.swept.len());
        let (theta, lp) = rest.split_at(rest.len() - 1);
        mapped.effects.copy_from_slice(effects);
        mapped.swept.copy_from_slice(coefficients);
        model.scale_priors.evaluate(theta, scales);
        self.posterior.take_parameters(lp[0]);
    }
}
