//! What the variational fits of all genes share: leaves, and the order in which effects and coefficients stand.
//!
//! In **arrow order** come the effects of the grouping factor that has most of them, level by level (blocks), then the
//! core: other effects, and the coefficients last. Levels of one factor never meet, so that the information of a gene's
//! data in this order is an arrow.

mod parts;

use crate::compress::leaves::Leaves;
use crate::density::Model;
use crate::design::Design;
use crate::layout::{Block, Source};
use crate::linalg::pattern::Pattern;
use crate::spec::Family;
use crate::transport::scheme::{CorrelatedTerm, Scheme};
pub use parts::TermScales;
use parts::{factors, first_scales, needs_more, terms};

/// Largest core, and number of parameters: beyond, dense steps are no longer cheap.
const MAX_CORE: usize = 24;
const MAX_DIM: usize = 160;
/// Effects per level.
const MAX_BLOCK: usize = 6;
/// Dispersions of Gaussian rows that have an information each.
const MAX_INFORMATIONS: usize = 16;

/// Shapes, places and the design of the leaves.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Response distribution.
    pub family: Family,
    /// Parameters of the log dispersion: one, or coefficients; none of a Poisson.
    pub n_dispersion: usize,
    /// `[groups, n_dispersion]`: rows of the dispersion's design, one for all leaves that share theirs.
    pub x_dispersion: Vec<f64>,
    /// Per leaf, its group of them.
    pub group: Vec<usize>,
    /// Coefficients.
    pub p: usize,
    /// Coefficients and effects.
    pub n: usize,
    /// Standard deviations.
    pub n_sd: usize,
    /// Levels of the first factor.
    pub n_blocks: usize,
    /// Effects of each.
    pub b: usize,
    /// Other effects, and coefficients.
    pub c: usize,
    /// Per place in arrow order, the number of the effect, or of effects plus that of the coefficient.
    pub place: Vec<usize>,
    /// Per place, number of the standard deviation; `n_sd` for coefficients.
    pub sd_of: Vec<usize>,
    /// Scales of each term, class by class.
    pub terms: Vec<TermScales>,
    /// Per term, the first of them.
    first_scales: Vec<usize>,
    /// Per scale parameter, its place in the layout's order.
    pub theta_place: Vec<usize>,
    /// Per leaf, its block.
    pub block: Vec<usize>,
    /// `[leaves, b]`: what multiplies the block's effects.
    pub z: Vec<f64>,
    /// `[leaves, c]`: what multiplies the core.
    pub x: Vec<f64>,
    /// `[leaves, width]`: bits by which a row finds its leaf.
    keys: Vec<u64>,
    width: usize,
    /// Columns of the joint map and their scales, in arrow order.
    pub scheme: Scheme,
}

impl Frame {
    /// Of a model whose rows are all those of the design. `None` for models that need more: horseshoes, known scale
    /// parameters or standard errors, effects of levels on the dispersion, related levels or rows, predictors with errors; or too
    /// large.
    pub fn new(model: &Model) -> Option<Self> {
        let (layout, design) = (&model.layout, &model.design);
        if needs_more(model) {
            return None;
        }
        let (inner, outer) = factors(design);
        let p = model.coefficient_priors.len();
        let n_blocks = inner.first().map_or(0, |&k| design.terms[k].n_levels);
        let b: usize = inner.iter().map(|&k| design.terms[k].q).sum();
        let mut frame = Self {
            family: model.family(),
            n_dispersion: layout.dispersion.len(),
            x_dispersion: vec![],
            group: vec![],
            p,
            n: p + layout.n_effects,
            n_sd: layout.sds.iter().map(ExactSizeIterator::len).sum(),
            n_blocks,
            b,
            c: p + layout.n_effects - n_blocks * b,
            place: vec![],
            sd_of: vec![],
            terms: terms(model),
            first_scales: first_scales(&layout.n_classes),
            theta_place: layout
                .sds
                .iter()
                .cloned()
                .flatten()
                .chain(layout.dispersion.clone())
                .chain(layout.cors.iter().cloned().flatten())
                .collect(),
            block: vec![],
            z: vec![],
            x: vec![],
            keys: vec![],
            width: 0,
            scheme: Scheme::default(),
        };
        if frame.c > MAX_CORE || b > MAX_BLOCK || frame.dim() > MAX_DIM {
            return None;
        }
        frame.order(model, &inner, &outer);
        frame.add_leaves(design, &inner, &outer);
        frame.scheme = frame.scheme(&inner, &outer, model)?;
        Some(frame)
    }

    /// Blocks that meet the core only, all of them with all of it.
    fn scheme(&self, inner: &[usize], outer: &[usize], model: &Model) -> Option<Scheme> {
        let Self { n, n_blocks, b, c, p, .. } = *self;
        let first = n - c;
        let own = |j: usize| if j < first { j + 1..(j / b + 1) * b } else { j + 1..n };
        let below = |j: usize| own(j).chain(first.max(own(j).end)..n).map(|i| i as u32).collect();
        let pattern = Pattern::new((0..n).map(below).collect(), usize::MAX, Some(c))?;
        let levels = |k: &usize| std::iter::repeat_n(*k, model.design.terms[*k].n_levels).zip(0..);
        let of_blocks = (0..n_blocks).flat_map(|level| inner.iter().map(move |&k| (k, level)));
        let (mut scale_of, mut correlated, mut found) = (vec![], vec![], vec![]);
        let number = |k: usize| self.terms[..k].iter().filter(|t| t.is_correlated).count();
        for (k, level) in of_blocks.chain(outer.iter().flat_map(levels)) {
            let k = self.first_scales[k] + model.layout.factors.of(k, level);
            let TermScales { q, scale, is_correlated } = self.terms[k];
            if is_correlated {
                found.push((scale_of.len(), number(k)));
            }
            scale_of.extend((0..q).map(|i| scale + if is_correlated { i * q + i } else { i }));
        }
        let of = |t: &TermScales| t.is_correlated.then_some(CorrelatedTerm { first: t.scale, q: t.q });
        correlated.extend(self.terms.iter().filter_map(of));
        scale_of.extend(std::iter::repeat_n(self.n_scales() - 1, p));
        Some(Scheme::new(pattern, scale_of, [self.n_scales(), n - p], correlated, found.into_iter()))
    }

    /// Scales of the map, with the one of coefficients.
    pub fn n_scales(&self) -> usize {
        1 + self.terms.iter().map(TermScales::n_scales).sum::<usize>()
    }

    /// Correlations.
    pub fn n_cor(&self) -> usize {
        self.terms.iter().filter(|t| t.is_correlated).map(|t| t.q * (t.q - 1) / 2).sum()
    }

    /// A symmetric matrix of the core, `[c, c]`, from its packed lower columns.
    pub fn core_matrix(&self, packed: &[f64]) -> Vec<f64> {
        let c = self.c;
        let mut out = vec![0.0; c * c];
        let lower = (0..c).flat_map(|j| (j..c).map(move |i| (i, j)));
        for (x, (i, j)) in packed.iter().zip(lower) {
            (out[i * c + j], out[j * c + i]) = (*x, *x);
        }
        out
    }

    /// Scale parameters: standard deviations, dispersion, correlations.
    pub fn n_theta(&self) -> usize {
        self.n_sd + self.n_dispersion + self.n_cor()
    }

    /// Groups of leaves that share their dispersion; none of a Poisson.
    pub fn n_groups(&self) -> usize {
        self.x_dispersion.len() / self.n_dispersion.max(1)
    }

    /// Informations of the map: one for each dispersion of Gaussian rows, so that the map is the conditional distribution at all of
    /// them; else one that follows their mean.
    pub fn n_informations(&self) -> usize {
        let has_own = self.family.is_linear() && (1..=MAX_INFORMATIONS).contains(&self.n_groups());
        if has_own { self.n_groups() } else { 1 }
    }

    /// Whether the kernels of devices have all of it: counts with one shape or none, effects without correlations.
    pub fn is_for_devices(&self) -> bool {
        !self.family.is_linear() && self.n_groups() <= 1 && self.n_cor() == 0
    }

    /// All parameters.
    pub fn dim(&self) -> usize {
        self.n + self.n_theta()
    }

    /// Number of leaves.
    pub fn n_leaves(&self) -> usize {
        self.block.len()
    }

    fn order(&mut self, model: &Model, inner: &[usize], outer: &[usize]) {
        let layout = &model.layout;
        let mut add = |k: usize, level: usize| {
            let block = layout.blocks.iter().find(|block| block.source == Source::Term(k));
            if let Some(&Block { start, q, .. }) = block {
                for c in 0..q {
                    self.place.push(start + level * q + c);
                    self.sd_of.push(layout.sds[k].start + layout.factors.of(k, level) * q + c);
                }
            }
        };
        (0..self.n_blocks).for_each(|level| inner.iter().for_each(|&k| add(k, level)));
        outer.iter().for_each(|&k| (0..model.design.terms[k].n_levels).for_each(|level| add(k, level)));
        self.place.extend((0..self.p).map(|j| layout.n_effects + j));
        self.sd_of.extend(std::iter::repeat_n(self.n_sd, self.p));
    }

    fn add_leaves(&mut self, design: &Design, inner: &[usize], outer: &[usize]) {
        let mut key = vec![];
        for row in Leaves::find(design).first {
            self.block.push(inner.first().map_or(0, |&k| design.terms[k].codes[row] as usize));
            self.z.extend(inner.iter().flat_map(|&k| design.terms[k].z.row(row).to_vec()));
            for &k in outer {
                let term = &design.terms[k];
                let mut own = vec![0.0; term.n_levels * term.q];
                let at = term.codes[row] as usize * term.q;
                own[at..at + term.q].iter_mut().zip(term.z.row(row)).for_each(|(o, z)| *o = *z);
                self.x.extend(own);
            }
            self.x.extend(design.x.row(row));
            self.add_to_group(design, row);
            key_of(design, row, &mut key);
            self.width = key.len();
            self.keys.extend_from_slice(&key);
        }
    }

    /// The group of a leaf with this row of the dispersion's design.
    fn add_to_group(&mut self, design: &Design, row: usize) {
        let constant = design.x_disp.ncols() == 0;
        let x = if constant { vec![1.0; self.n_dispersion] } else { design.x_disp.row(row).to_vec() };
        let known = self.x_dispersion.chunks_exact(x.len().max(1)).position(|other| *other == *x);
        self.group.push(known.unwrap_or(self.n_groups()));
        if known.is_none() {
            self.x_dispersion.extend(x);
        }
    }

    /// Leaf of each row of a gene's design; `None` if one is not among the leaves.
    pub fn leaves_of(&self, design: &Design) -> Option<Vec<usize>> {
        let (mut key, mut last) = (vec![], 0);
        let n_leaves = self.n_leaves();
        let mut leaf_of = |row: usize| {
            key_of(design, row, &mut key);
            let is_it = |leaf: &usize| self.keys[leaf * self.width..(leaf + 1) * self.width] == key;
            // Rows mostly come leaf by leaf.
            last = (last..n_leaves).chain(0..last).find(is_it)?;
            Some(last)
        };
        (0..design.n()).map(&mut leaf_of).collect()
    }
}

/// Bits of all that a row has in the design.
fn key_of(design: &Design, row: usize, key: &mut Vec<u64>) {
    key.clear();
    key.extend(design.x.row(row).iter().chain(design.x_disp.row(row)).map(|x| x.to_bits()));
    for term in &design.terms {
        key.push(u64::from(term.codes[row]));
        key.extend(term.z.row(row).iter().map(|z| z.to_bits()));
    }
}
