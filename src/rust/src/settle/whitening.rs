//! Which whitening a settled posterior gets: the most complete one that costs no more than its gradient.

use super::assembly::Assembly;
use crate::density::Posterior;
use crate::transport::Transport;
use crate::whiten::Whitening;
use crate::whiten::arrow::{Arrow, Effects};
use crate::whiten::bend::Bent;
use crate::whiten::frozen::Frozen;
use crate::whiten::low_rank::LowRank;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Up to here a dense factor of everything, and where levels are turned, whose coordinates meet in every row.
const MAX_DENSE: usize = 100;
const MAX_DENSE_TURNED: usize = 1_000;
/// Entries of a frozen factor per multiplication of a gradient.
const ENTRIES_PER_PRODUCT: usize = 2;
/// Multiplications of one factorisation that a climb may take.
const MAX_PRODUCTS: usize = 500_000_000;

/// Whitening of a posterior with bent scales at its mode.
pub fn whitening(target: &mut Bent<Posterior>, mode: Vec<f64>, assembly: &Assembly, cancel: &AtomicBool) -> Whitening {
    let theta = target.inner.model.layout.theta();
    let most = if target.inner.transport.turns().is_empty() { MAX_DENSE } else { MAX_DENSE_TURNED };
    if mode.len() <= most {
        return Whitening::at_mode(target, mode, cancel);
    }
    let effects = match &*target.inner.transport {
        Transport::Joint(_) => Effects::Identity,
        Transport::Levels(_) => level_effects(&mut target.inner, &mode, assembly, cancel),
    };
    let arrow = Arrow::at_mode(target, &mode, theta, effects, cancel);
    Whitening::in_parts(mode, arrow)
}

fn level_effects(posterior: &mut Posterior, mode: &[f64], assembly: &Assembly, cancel: &AtomicBool) -> Effects {
    let is_cheap = is_cheap(posterior, assembly);
    match is_cheap.then(|| frozen(posterior, mode, assembly)).flatten() {
        Some(factor) => Effects::Frozen(factor),
        None => Effects::LowRank(LowRank::at_mode(posterior, mode, posterior.model.layout.theta().start, cancel)),
    }
}

/// Whitening of a level transport about a point that is not the mode yet; `None` where it would cost more than
/// a climb without.
pub fn precondition(
    posterior: &mut Posterior, position: &[f64], assembly: &Assembly, cancel: &AtomicBool,
) -> Option<Whitening> {
    let theta = posterior.model.layout.theta();
    if position.len() <= MAX_DENSE || assembly.n_products() > MAX_PRODUCTS {
        return None;
    }
    let effects = Effects::Frozen(frozen(posterior, position, assembly)?);
    let arrow = Arrow::at_mode(posterior, position, theta, effects, cancel);
    Some(Whitening::in_parts(position.to_vec(), arrow))
}

/// Whether solves with the joint factor cost about as much as a gradient.
fn is_cheap(posterior: &Posterior, assembly: &Assembly) -> bool {
    let gradient = posterior.sums.as_ref().map_or_else(|| row_products(posterior), |s| s.n_products());
    assembly.skeleton.as_ref().is_some_and(|s| s.pattern().n_entries() <= ENTRIES_PER_PRODUCT * gradient)
}

/// The factor that the joint transport has at `mode`; it knows of no turned levels.
fn frozen(posterior: &mut Posterior, mode: &[f64], assembly: &Assembly) -> Option<Frozen> {
    if !posterior.transport.turns().is_empty() {
        return None;
    }
    posterior.evaluate_rows(mode);
    let Transport::Levels(levels) = &*posterior.transport else { return None };
    let factor = assembly.factor_at(posterior)?;
    Some(Frozen::new(posterior, Arc::clone(assembly.skeleton.as_ref()?), factor, levels))
}

/// Multiplications of a gradient over rows.
fn row_products(posterior: &Posterior) -> usize {
    let design = &posterior.model.design;
    let likelihood = posterior.model.family().n_products();
    let effects: usize = design.terms.iter().map(|t| 2 * t.q * t.members).sum();
    let relations: usize =
        design.terms.iter().filter_map(|t| Some(2 * t.q * t.precision.as_ref()?.entries.len())).sum();
    relations + design.n() * (likelihood + effects + 2 * posterior.beta.len())
}
