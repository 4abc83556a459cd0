//! An approximation of counts by blocks of effects ([`crate::nested`]): where effects are many, one normal distribution of them all misses
//! too much, and levels by themselves may end at a wrong mode.

use super::Approximation;
use crate::density::{LogDensity, Model};
use crate::draws::push_draw;
use crate::laplace::propose;
use crate::nested::{BlocksDrawn, Nested};
use crate::psis::Weights;
use crate::run::Shared;
use crate::settle::assembly::Assembly;
use crate::settle::{has_nested_levels, rough_by_rows, rough_theta};
use crate::spec::{ApproximationSettings, Engine};
use crate::values::mode;
use crate::whiten::Whitening;
use faer::Mat;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Name of this way.
const ENGINE: &str = "nested";
/// Proposals that are asked for, for one that is made: those of effects are weighed block by block.
const ASKED_PER_DRAW: usize = 4;
/// Why a model that is to go by blocks does not.
pub const NOT_BY_BLOCKS: &str = "by an approximation, engine 'guided' is for counts of one shape whose effects fall into small \
     blocks, on the CPU and with all rows; use engine 'auto'";
/// Multiplications of a step that are too many.
const MOST_PRODUCTS: usize = 20_000_000_000;
/// Effects from which on one normal distribution of them all misses too much.
const MANY_EFFECTS: usize = 500;
/// Blocks that say where about the mode is.
const SOME_BLOCKS: usize = 300;

/// A proposal's scales and the log of its density there.
struct ScaleProposal {
    theta: Vec<f64>,
    log_q: f64,
}

/// `None` where another way serves, this one was not asked for, or it finds no mode.
pub fn approximate(
    model: &Arc<Model>, assembly: &Assembly, settings: &ApproximationSettings, shared: &Shared,
) -> Option<Approximation> {
    let is_wanted = settings.engine == Engine::Guided || settings.engine == Engine::Auto && has_many_nested(model);
    if !is_wanted || settings.batch > 0 || model.family().is_linear() {
        return None;
    }
    let mut target = Nested::new(rough_by_rows(model), assembly, MOST_PRODUCTS, &shared.cancel)?;
    let (mode, curvature) = match find_mode(&mut target, settings, shared) {
        Some(found) => found,
        None if shared.cancel.load(Ordering::Relaxed) => return Some(empty(model, &target, true)),
        None => return None,
    };
    let map = Whitening::of_curvature(mode, &curvature);
    let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
    let n_draws = settings.draws.div_ceil(ASKED_PER_DRAW);
    let proposals: Vec<ScaleProposal> = (0..n_draws).map(|_| proposal(&map, target.dim(), &mut rng)).collect();
    shared.advance(settings.draws.saturating_sub(n_draws));
    let of_thread = |(first, proposals): (usize, &[ScaleProposal])| {
        let mut target = target.clone();
        let drawn = proposals.iter().zip(first..).map_while(|(proposal, number)| {
            let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
            rng.set_stream(number as u64 + 1);
            let (drawn, mut values) = (target.draw(&proposal.theta, &mut rng), vec![]);
            push_draw(target.drawn(), settings.save_effects, &mut values);
            shared.tick().then_some((drawn, values))
        });
        drawn.collect::<Vec<_>>()
    };
    let width = n_draws.div_ceil(settings.threads).max(1);
    let chunks: Vec<(usize, &[ScaleProposal])> =
        proposals.chunks(width).enumerate().map(|(i, c)| (i * width, c)).collect();
    let drawn: Vec<_> = chunks.into_par_iter().flat_map_iter(of_thread).collect();
    let interrupted = shared.cancel.load(Ordering::Relaxed);
    let mut out = empty(model, &target, interrupted);
    let mut of_blocks = vec![];
    for ((drawn, values), proposal) in drawn.into_iter().zip(&proposals) {
        out.values.extend(values);
        let BlocksDrawn { log_ratio, of_blocks: own } = drawn.unwrap_or_default();
        let ratio = if own.is_empty() { f64::NEG_INFINITY } else { log_ratio - proposal.log_q };
        out.log_ratios.push(if ratio.is_nan() { f64::NEG_INFINITY } else { ratio });
        of_blocks.push(own);
    }
    of_blocks.retain(|own| !own.is_empty());
    let khat = |(b, level): (usize, (usize, usize))| {
        let logs: Vec<f64> = of_blocks.iter().map(|own| own[b]).collect();
        (level, Weights::khat_of_paired(&logs))
    };
    out.evidence_noise = target.noise();
    out.blocks = target.blocks().into_par_iter().enumerate().map(khat).collect();
    Some(out)
}

/// Whether levels are nested and effects many, none of them that of a row or two.
fn has_many_nested(model: &Model) -> bool {
    let (n, terms) = (model.design.n(), &model.design.terms);
    has_nested_levels(model) && model.layout.n_effects >= MANY_EFFECTS && terms.iter().all(|t| 2 * t.n_levels <= n)
}

/// The mode of the scales and minus the second derivatives there, from which values begin. Where blocks are many, some of them say
/// where about it is.
fn find_mode(target: &mut Nested, settings: &ApproximationSettings, shared: &Shared) -> Option<(Vec<f64>, Mat<f64>)> {
    let rough = rough_theta(&target.posterior.model);
    let mut start = (rough.clone(), vec![mode::FIRST; rough.len()]);
    let search = |target: &Nested, start, near| mode::find(target, start, near, settings.threads, &shared.cancel);
    let stride = target.blocks().len() / SOME_BLOCKS;
    if let Some(mut some) = (stride > 1).then(|| target.of_some(stride)).flatten() {
        let found = some.begin_at(&rough).then(|| search(&some, start.clone(), mode::NEAR)).flatten();
        if let Some((at, mut curvature)) = found {
            curvature *= faer::Scale(stride as f64);
            start = (at, mode::widths(&curvature));
        }
    }
    let found = |target: &mut Nested, at: &[f64], widths: &[f64]| target.begin_at(at) && target.follow(widths);
    if !found(target, &start.0, &start.1) {
        return None;
    }
    let (mode, curvature) = search(target, start, 0.0)?;
    found(target, &mode, &mode::widths(&curvature)).then_some((mode, curvature))
}

fn proposal(map: &Whitening, dim: usize, rng: &mut ChaCha8Rng) -> ScaleProposal {
    let (mut y, mut theta) = (vec![0.0; dim], vec![0.0; dim]);
    let log_q = propose(dim, dim, rng, &mut y) - map.log_det();
    map.apply(&y, &mut theta, &mut vec![]);
    ScaleProposal { theta, log_q }
}

fn empty(model: &Model, target: &Nested, interrupted: bool) -> Approximation {
    Approximation {
        converged: true,
        interrupted,
        engine: ENGINE,
        dim: target.dim(),
        rows: model.design.n(),
        uses_rows: true,
        device: "cpu",
        ..Approximation::default()
    }
}
