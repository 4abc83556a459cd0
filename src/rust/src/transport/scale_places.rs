//! Where the scales of effects stand in the list that the joint transport reads: per factor of a term its standard deviations, or all of
//! `L` where effects are correlated; per level of a horseshoe its own; and last one, for coefficients.

use super::pieces::{Incidence, Node};
use super::scheme::{CorrelatedTerm, Scheme};
use crate::layout::{Layout, Source};
use crate::linalg::pattern::Pattern;
use crate::number::Real;
use crate::scales::{ScaleGradient, Scales};
use crate::tuning::LANES;

/// Per block of a layout, where its scales begin.
#[derive(Debug, Clone)]
struct ScalePlaces {
    first: Vec<usize>,
    n: usize,
}

/// Effects of a level whose prior correlates them.
fn is_correlated(layout: &Layout, block: usize) -> bool {
    match layout.blocks[block].source {
        Source::Term(k) => !layout.cors[k].is_empty(),
        Source::Horseshoe(_) => false,
    }
}

/// Numbers that a factor of a term is in the list.
fn factor_size(layout: &Layout, block: usize) -> usize {
    let q = layout.blocks[block].q;
    if is_correlated(layout, block) { q * q } else { q }
}

/// Factors of a term; of a horseshoe, whose levels have a number each, none.
fn n_factors(layout: &Layout, block: usize) -> usize {
    match layout.blocks[block].source {
        Source::Term(k) => layout.factors.number[k],
        Source::Horseshoe(_) => 0,
    }
}

/// Which of them a level has.
fn factor_of(layout: &Layout, block: usize, level: usize) -> usize {
    match layout.blocks[block].source {
        Source::Term(k) => layout.factors.of(k, level),
        Source::Horseshoe(_) => 0,
    }
}

impl ScalePlaces {
    fn new(layout: &Layout) -> Self {
        let size = |b: usize| match layout.blocks[b].source {
            Source::Horseshoe(_) => layout.blocks[b].n_levels,
            Source::Term(k) => layout.factors.number[k] * factor_size(layout, b),
        };
        let (mut first, mut n) = (vec![], 0);
        for b in 0..layout.blocks.len() {
            first.push(n);
            n += size(b);
        }
        Self { first, n: n + 1 }
    }

    /// Of effect `c` of a level: its standard deviation, or entry on the diagonal of `L`.
    fn of_effect(&self, layout: &Layout, block: usize, level: usize, c: usize) -> usize {
        let q = layout.blocks[block].q;
        let Source::Term(k) = layout.blocks[block].source else { return self.first[block] + level };
        let first = self.first[block] + layout.factors.of(k, level) * factor_size(layout, block);
        first + if is_correlated(layout, block) { c * q + c } else { c }
    }

    /// Factors of correlated terms, and of each block the number of its first among them.
    fn terms(&self, layout: &Layout) -> (Vec<CorrelatedTerm>, Vec<Option<usize>>) {
        let (mut terms, mut number) = (vec![], vec![None; layout.blocks.len()]);
        for b in (0..layout.blocks.len()).filter(|&b| is_correlated(layout, b)) {
            number[b] = Some(terms.len());
            let q = layout.blocks[b].q;
            terms.extend((0..n_factors(layout, b)).map(|f| CorrelatedTerm { first: self.first[b] + f * q * q, q }));
        }
        (terms, number)
    }
}

/// The scheme of all columns of an incidence.
pub fn scheme(incidence: &Incidence, layout: &Layout, pattern: Pattern) -> Scheme {
    let places = ScalePlaces::new(layout);
    let (terms, number) = places.terms(layout);
    let of_column = |n: &Node, c: usize| match n.level {
        Some((block, level)) => places.of_effect(layout, block, level, c),
        None => places.n - 1,
    };
    let nodes = &incidence.nodes;
    let scale_of = nodes.iter().flat_map(|n| (0..n.q).map(move |c| of_column(n, c))).collect();
    let level = |n: &Node| {
        let (block, level) = n.level?;
        Some((n.first, number[block]? + factor_of(layout, block, level)))
    };
    let levels = nodes.iter().filter_map(level);
    Scheme::new(pattern, scale_of, [places.n, layout.n_effects], terms, levels)
}

/// The same with eight levels for one, where the model has a single term beside its coefficients.
pub fn scheme_of_levels(incidence: &Incidence, layout: &Layout) -> Option<Scheme> {
    let (swept, levels) = incidence.nodes.split_last()?;
    let (q, p, n_levels) = (levels.first()?.q, swept.q, levels.len());
    let one_term = layout.blocks.len() == 1 && n_factors(layout, 0) == 1;
    let meet_the_core_only = incidence.pieces.iter().all(|x| x.i() == x.j() || x.i() == n_levels);
    if !one_term || swept.level.is_some() || !meet_the_core_only || !incidence.prior.is_empty() {
        return None;
    }
    let (places, n_groups) = (ScalePlaces::new(layout), n_levels.div_ceil(LANES));
    let n = n_groups * q;
    let below = |j: usize| (j + 1..(j / q + 1) * q).chain(n..n + p).map(|i| i as u32).collect();
    let core = (n..n + p).map(|j| (j + 1..n + p).map(|i| i as u32).collect());
    let pattern = Pattern::new((0..n).map(below).chain(core).collect(), usize::MAX, Some(p))?;
    let of_effects = (0..n).map(|j| places.of_effect(layout, 0, 0, j % q));
    let scale_of = of_effects.chain(std::iter::repeat_n(places.n - 1, p)).collect();
    let (terms, _) = places.terms(layout);
    let n_correlated = if terms.is_empty() { 0 } else { n_groups };
    let levels = (0..n_correlated).map(|g| (g * q, 0));
    Some(Scheme::new(pattern, scale_of, [places.n, n], terms, levels))
}

/// Scales at a position, in the order of a scheme.
#[inline(always)]
pub fn gather<T: Real>(layout: &Layout, scales: &Scales<T>, out: &mut Vec<T>) {
    out.clear();
    for (b, block) in layout.blocks.iter().enumerate() {
        match block.source {
            Source::Term(k) if is_correlated(layout, b) => out.extend_from_slice(&scales.factor[k]),
            Source::Term(k) => {
                let factors = scales.factor[k].chunks_exact(block.q * block.q);
                factors.for_each(|l| out.extend(l.iter().step_by(block.q + 1)));
            }
            Source::Horseshoe(h) => out.extend_from_slice(&scales.shrinkage[h]),
        }
    }
    out.push(T::splat(1.0));
}

/// Adds derivatives in the entries of `L` of correlated terms, and in the logs of all other scales.
#[inline(always)]
pub fn scatter<T: Real>(layout: &Layout, slopes: &[T], out: &mut ScaleGradient<T>) {
    let mut at = 0;
    for (b, block) in layout.blocks.iter().enumerate() {
        match block.source {
            Source::Term(k) if is_correlated(layout, b) => {
                out.factor[k].iter_mut().zip(&slopes[at..]).for_each(|(d, s)| *d += *s);
                at += out.factor[k].len();
            }
            Source::Term(k) => {
                out.log_sd[k].iter_mut().zip(&slopes[at..]).for_each(|(d, s)| *d += *s);
                at += out.log_sd[k].len();
            }
            Source::Horseshoe(h) => {
                out.log_shrinkage[h].iter_mut().zip(&slopes[at..]).for_each(|(d, s)| *d += *s);
                at += block.n_levels;
            }
        }
    }
}
