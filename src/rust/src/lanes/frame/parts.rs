//! What a model has of what frames need: places of its scales, which grouping factor comes first, and whether there is more.

use crate::density::Model;
use crate::design::{Design, GroupTerm};
use crate::spec::Family;

/// Places of the scales of a class of a term's levels.
#[derive(Debug, Clone, Copy)]
pub struct TermScales {
    /// Effects of a level.
    pub q: usize,
    /// Among the scales of the map: first standard deviation, or entry of `L` where effects are correlated.
    pub scale: usize,
    /// Whether effects are correlated.
    pub is_correlated: bool,
}

/// Whether a model has what frames have not.
pub fn needs_more(model: &Model) -> bool {
    let (layout, design) = (&model.layout, &model.design);
    let has_dispersion = model.family() == Family::Poisson || !layout.dispersion.is_empty();
    let has_own = model.scale_priors.own_sds().is_some() && !layout.has_known_scales();
    let rows_are_more = !design.se.is_empty() || !design.latents.is_empty() || design.has_relations();
    let scales_are_more = !layout.horseshoes.is_empty() || !layout.dispersion_terms.is_empty();
    let has_tails = layout.tails.iter().any(Option::is_some);
    model.prior_only || !has_dispersion || !has_own || rows_are_more || scales_are_more || has_tails
}

/// Places of all terms' scales.
pub fn terms(model: &Model) -> Vec<TermScales> {
    let mut scale = 0;
    let one = |(term, eta): (&GroupTerm, &Option<f64>)| {
        let out = TermScales { q: term.q, scale, is_correlated: eta.is_some() };
        scale += out.n_scales();
        out
    };
    let classes = model.layout.n_classes.iter().map(|&n| 0..n);
    let terms = model.design.terms.iter().zip(model.scale_priors.cor_eta()).zip(classes);
    terms.flat_map(|(term, classes)| classes.map(move |_| term)).map(one).collect()
}

/// Where the scales of each term begin among those of all classes.
pub fn first_scales(n_classes: &[usize]) -> Vec<usize> {
    n_classes.iter().scan(0, |at, n| Some(std::mem::replace(at, *at + n))).collect()
}

impl TermScales {
    /// Its scales of the map.
    pub fn n_scales(&self) -> usize {
        if self.is_correlated { self.q * self.q } else { self.q }
    }
}

/// Terms of the grouping factor that has most effects, and the other terms.
pub fn factors(design: &Design) -> (Vec<usize>, Vec<usize>) {
    let terms = &design.terms;
    let with = |k: usize| (0..terms.len()).filter(move |&l| terms[l].codes == terms[k].codes);
    let effects = |k: usize| with(k).map(|l| terms[l].n_levels * terms[l].q).sum::<usize>();
    // The first of equals.
    let Some(first) = (0..terms.len()).rev().max_by_key(|&k| effects(k)) else { return (vec![], vec![]) };
    (0..terms.len()).partition(|&l| terms[l].codes == terms[first].codes && terms[l].n_levels == terms[first].n_levels)
}
