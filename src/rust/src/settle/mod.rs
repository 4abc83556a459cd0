//! From a model to good coordinates: a rough start, then climb, re-centre, climb again.
//!
//! The transport is centred where the target in transported coordinates has its mode. There the
//! effects are nearly independent of the scales, so the mode of the scales is close to that of
//! their marginal posterior; the joint mode of a hierarchical model in its usual coordinates is not.

pub mod assembly;
mod condition;
pub mod dispersions;
mod incidence;
mod levels;
mod rough;
mod row_pieces;
pub mod whitening;

use crate::density::{LogDensity, Model, Posterior};
use crate::design::GroupTerm;
use crate::optimise::climb;
use crate::scales::Scales;
use crate::spec::Engine;
use crate::transport::Transport;
use crate::whiten::Whitened;
use assembly::Assembly;
use condition::settle_effects;
use dispersions::is_followed;
use levels::level_transport_at;
use rough::{position_at_centre, rough, rough_log_sd};
pub use rough::{rough_by_rows, rough_theta};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use whitening::precondition;

/// Multiplications that a factorisation and its assembly may take for a transport of all effects together: per
/// row, and at least. With its derivative one costs 4 ns; a row of counts 5 ns.
const PRODUCTS_PER_ROW: usize = 2;
const FREE_PRODUCTS: usize = 9_000;
/// A Gaussian model gains more: with its effects integrated out it needs 5 gradients a draw for the 15 to 60 of
/// the level transport, whose gradient multiplies by the information and by the factor, twice each.
const FREE_PRODUCTS_GAUSSIAN: usize = 300_000;
const GRADIENTS_SAVED: f64 = 1.5;
/// Levels that are related by a known covariance mix badly by themselves; integrated out they are worth any price.
const FREE_PRODUCTS_RELATED: usize = 5_000_000;
/// How much more a transport of all effects may cost where levels that see their own data alone mix badly: those of a term
/// that is nested in another (decision 104).
const WORTH_WHERE_NESTED: usize = 20;
/// Climbs between re-centrings, and their lengths.
const ROUNDS: [usize; 3] = [60, 100, 300];
const LAST_ROUND: usize = 300;
/// Logarithm of the response's sd over that of the residuals beyond which the fit counts as perfect.
const PERFECT_FIT: f64 = 12.0;
/// Largest gradient entry at a mode; coordinates are of order one.
const TOLERANCE: f64 = 1e-3;

/// A posterior in settled coordinates with its mode.
pub struct Settled {
    /// Target with its final transport.
    pub posterior: Posterior,
    /// Mode in those coordinates.
    pub mode: Vec<f64>,
    /// What meets in the rows.
    pub assembly: Assembly,
}

/// Finds coordinates and mode. Without data the coordinates are the non-centred ones.
pub fn settle(model: &Arc<Model>, engine: Engine, cancel: &AtomicBool) -> Settled {
    settle_on(model, Assembly::new(model), engine, cancel)
}

/// As [`settle`], with the assembly of the model's rows.
pub fn settle_on(model: &Arc<Model>, assembly: Assembly, engine: Engine, cancel: &AtomicBool) -> Settled {
    let is_joint = match engine {
        Engine::Levels => false,
        Engine::Auto => assembly.n_products() <= affordable(model, &assembly),
        Engine::Joint | Engine::Collapsed | Engine::Guided => assembly.skeleton.is_some(),
    };
    let mut settling = Settling { assembly: &assembly, is_joint, cancel };
    let (mut posterior, mut mode) = settling.run(model);
    if engine == Engine::Auto && is_joint && !posterior.evaluate(&mode, &mut vec![0.0; mode.len()]).is_finite() {
        settling.is_joint = false;
        (posterior, mode) = settling.run(model);
    }
    Settled { posterior, mode, assembly }
}

/// Multiplications of a factorisation up to which a transport of all effects together is the better one for trajectories.
pub fn affordable(model: &Model, assembly: &Assembly) -> usize {
    if model.design.has_relations() {
        let is_linear = model.family().is_linear();
        return if is_linear {
            usize::MAX - 1
        } else if are_dense(model) {
            FREE_PRODUCTS
        } else {
            FREE_PRODUCTS_RELATED
        };
    }
    if !model.family().is_linear() {
        let worth = if has_nested_levels(model) { WORTH_WHERE_NESTED } else { 1 };
        let products = worth * FREE_PRODUCTS.max(PRODUCTS_PER_ROW * model.design.n());
        return products.saturating_sub(2 * assembly.incidence.n_values);
    }
    let n_entries = assembly.skeleton.as_ref().map_or(0, |s| s.pattern().n_entries());
    let by_levels = 2 * assembly.incidence.n_values + 4 * n_entries;
    FREE_PRODUCTS_GAUSSIAN.max((GRADIENTS_SAVED * by_levels as f64) as usize)
}

/// Whether levels that are related are so by dense precisions, in whose coordinates they mix well by themselves where all have the
/// same scales.
fn are_dense(model: &Model) -> bool {
    let design = &model.design;
    let of_levels = &model.layout.factors.of_level;
    let precisions = || {
        let terms = design.terms.iter().zip(of_levels);
        terms.filter_map(|(t, own)| Some((t.precision.as_ref()?, t.n_levels, own.is_empty())))
    };
    let is_plain = design.errors.is_none() && design.terms.iter().all(|t| t.members == 1);
    is_plain
        && precisions().next().is_some()
        && precisions().all(|(precision, n, is_one)| is_one && precision.is_dense(n))
}

/// Whether of the terms with less than a level for nearly each row one is nested in another.
pub fn has_nested_levels(model: &Model) -> bool {
    let n = model.design.n();
    let terms = || model.design.terms.iter().filter(|t| 2 * t.n_levels <= n);
    terms().any(|a| terms().any(|b| !std::ptr::eq(a, b) && is_nested(a, b)))
}

/// Whether no term is nested in another.
pub fn are_crossed(model: &Model) -> bool {
    let terms = &model.design.terms;
    !terms.iter().any(|a| terms.iter().any(|b| !std::ptr::eq(a, b) && is_nested(a, b)))
}

fn is_nested(inner: &GroupTerm, outer: &GroupTerm) -> bool {
    if inner.members > 1 || outer.members > 1 {
        return false;
    }
    let mut of = vec![u32::MAX; inner.n_levels];
    inner.codes.iter().zip(&outer.codes).all(|(&i, &o)| {
        let of = &mut of[i as usize];
        if *of == u32::MAX {
            *of = o;
        }
        *of == o
    })
}

struct Settling<'a> {
    assembly: &'a Assembly,
    is_joint: bool,
    cancel: &'a AtomicBool,
}

impl Settling<'_> {
    /// Climbs, re-centres and climbs again.
    fn run(&self, model: &Arc<Model>) -> (Posterior, Vec<f64>) {
        let start = rough(model);
        let mut mode = position_at_centre(&start);
        let mut posterior = self.recentred(start, &mode);
        let has_spike = !self.is_joint || !is_followed(model);
        if self.is_joint && !model.family().is_linear() && !model.prior_only {
            let theta = model.layout.theta();
            posterior = settle_effects(posterior, &mode, theta, self.cancel, |p, at| self.recentred(p, at));
        }
        for max_iterations in ROUNDS {
            if model.prior_only || self.cancel.load(Ordering::Relaxed) {
                break;
            }
            self.climb(&mut posterior, &mut mode, max_iterations);
            if has_spike && fits_perfectly(model, &mode) {
                return self.rough_again(model);
            }
            posterior = self.recentred(posterior, &mode);
            mode = position_at_centre_with(&posterior, &mode);
        }
        self.climb(&mut posterior, &mut mode, LAST_ROUND);
        if has_spike && fits_perfectly(model, &mode) {
            return self.rough_again(model);
        }
        if self.is_joint {
            posterior = self.recentred(posterior, &mode);
            mode = position_at_centre_with(&posterior, &mode);
        }
        (posterior, mode)
    }

    /// Coordinates at the rough start, where the climb has left the posterior's bulk.
    fn rough_again(&self, model: &Arc<Model>) -> (Posterior, Vec<f64>) {
        let start = rough(model);
        let mode = position_at_centre(&start);
        (self.recentred(start, &mode), mode)
    }

    /// Climbs to the mode; many levels in coordinates that are whitened where the climb begins.
    fn climb(&self, posterior: &mut Posterior, mode: &mut Vec<f64>, max_iterations: usize) {
        let map = if self.is_joint { None } else { precondition(posterior, mode, self.assembly, self.cancel) };
        let Some(map) = map.map(Arc::new) else {
            climb(posterior, mode, max_iterations, TOLERANCE, self.cancel);
            return;
        };
        let mut white = Whitened::new(posterior.clone(), Arc::clone(&map));
        let mut y = vec![0.0; mode.len()];
        climb(&mut white, &mut y, max_iterations, TOLERANCE, self.cancel);
        map.apply(&y, mode, &mut vec![]);
    }

    /// The transport whose centre is `position`, joined to the same model.
    fn recentred(&self, mut posterior: Posterior, position: &[f64]) -> Posterior {
        if !posterior.evaluate_rows(position).is_finite() {
            return posterior;
        }
        let joint = if self.is_joint { self.assembly.transport_at(&posterior) } else { None };
        let transport = match joint {
            Some(joint) => Transport::Joint(joint),
            None => Transport::Levels(level_transport_at(&posterior)),
        };
        let sums = self.assembly.sums(&posterior).map(Arc::new);
        let mut next = Posterior::new(Arc::clone(&posterior.model), Arc::new(transport));
        next.sums = sums;
        next
    }
}

/// Whether a residual sd has gone to zero: with as many effects as rows, where the information does not follow it, the density has a
/// spike there that holds no mass.
fn fits_perfectly(model: &Model, position: &[f64]) -> bool {
    if !model.family().is_linear() || model.layout.dispersion_columns().is_empty() || !model.design.se.is_empty() {
        return false;
    }
    let mut scales = Scales::default();
    model.scale_priors.evaluate(&position[model.layout.theta()], &mut scales);
    let log_sds = model.likelihood.log_dispersions(&scales.dispersion);
    let least = rough_log_sd(model) - PERFECT_FIT;
    log_sds.iter().any(|&log_sd| log_sd < least)
}

/// Zero but for `theta`, which keeps its value.
fn position_at_centre_with(posterior: &Posterior, from: &[f64]) -> Vec<f64> {
    let theta = posterior.model.layout.theta();
    let mut position = vec![0.0; from.len()];
    position[theta.clone()].copy_from_slice(&from[theta]);
    position
}
