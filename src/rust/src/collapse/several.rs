//! What is left for the core at several positions at once: products with it, without a factor.
//!
//! In natural units the core's precision at one position is `D + k A_cc - sum V W'W V'` and the priors of the coefficients, `D` the
//! inverse covariances of its levels. Positions share `A` and `V`, which are read once for all. Rows of a matrix are vectors, so that
//! what all have in one place of the core lies together; with more rows than positions, positions come again in their order.

use super::constants::BlockConstants;
use super::factors::LevelFactors;
use super::layers::combine;
use super::plan::LevelBlock;
use super::values::BlockRoots;
use crate::layout::Layout;
use crate::scales::Scales;
use crate::transport::small;
use faer::Mat;
use pulp::Arch;
use std::sync::Arc;

/// Numbers of several positions.
pub struct Several {
    constants: Arc<BlockConstants>,
    grams: Arc<Vec<usize>>,
    /// Per position.
    pub scales: Vec<Scales>,
    /// Per position, the factors of its blocks.
    pub roots: Vec<BlockRoots>,
    /// `(sigma_0 / sigma)^2`.
    pub k: Vec<f64>,
    /// How often the layers count, layer after layer the numbers of all positions.
    times: Vec<f64>,
    /// `W'W`, entry after entry the numbers of all positions.
    gram: Vec<f64>,
    /// The same of the core's inverse covariances, node after node.
    inverse: Vec<f64>,
    /// Right-hand sides of the core.
    pub rhs: Mat<f64>,
}

/// Per block, where its entries of `W'W` start among those of all; then their number.
pub fn gram_starts(constants: &BlockConstants) -> Vec<usize> {
    let sizes = constants.plan.blocks.iter().scan(0, |at, b| {
        *at += b.vectors.len().pow(2);
        Some(*at)
    });
    std::iter::once(0).chain(sizes).collect()
}

impl Several {
    /// At positions with such scales.
    pub fn new(constants: &Arc<BlockConstants>, grams: &Arc<Vec<usize>>, layout: &Layout, scales: Vec<Scales>) -> Self {
        let (plan, width) = (&constants.plan, scales.len());
        let k: Vec<f64> = scales.iter().map(|s| constants.of_sigma(s).1).collect();
        let of_layers: Vec<Vec<f64>> = scales.iter().map(|s| constants.times(s)).collect();
        let (mut rhs, mut score) = (Mat::zeros(width, plan.n_core), vec![0.0; plan.n_core]);
        for (d, times) in of_layers.iter().enumerate() {
            combine(times, &plan.score[1], &mut score);
            score.iter().enumerate().for_each(|(i, g)| rhs[(d, i)] = k[d] * g);
        }
        let times = (0..plan.n_layers).flat_map(|layer| of_layers.iter().map(move |t| t[layer])).collect();
        for prior in &constants.priors {
            for (i, x) in prior.direction.iter().enumerate().filter(|(_, x)| **x != 0.0) {
                rhs.col_as_slice_mut(i).iter_mut().for_each(|out| *out += prior.slope * x);
            }
        }
        let mut gram = vec![0.0; grams.last().copied().unwrap_or(0) * width];
        let mut along = vec![0.0; plan.n_vectors() * width];
        let mut inverse = vec![];
        inverse.resize(plan.core_nodes.iter().map(|n| n.q * n.q).sum::<usize>() * width, 0.0);
        let mut roots = vec![];
        for (d, (scales, &k)) in scales.iter().zip(&k).enumerate() {
            let of_core = LevelFactors { scales, layout, nodes: &plan.core_nodes };
            let mut own = BlockRoots::new(plan);
            let (mut own_gram, mut own_along) = (vec![], vec![]);
            for (block, &start) in plan.blocks.iter().zip(&**grams) {
                let r = block.vectors.len();
                own_gram.resize(r * r, 0.0);
                own_along.resize(r, 0.0);
                own.factor(plan, block, &of_core.of(&plan.nodes[block.nodes.clone()]), (k, &of_layers[d]));
                own.along(block, &mut own_along);
                own.gram(block, &mut own_gram);
                for s in 0..r {
                    along[(block.vectors.start + s) * width + d] = own_along[s];
                    (0..r).for_each(|m| gram[(start + s * r + m) * width + d] = own_gram[s.max(m) * r + s.min(m)]);
                }
            }
            roots.push(own);
            set_inverses(&of_core, &mut inverse, (d, width));
        }
        for block in &plan.blocks {
            let n = block.rows.len();
            for (s, vector) in block.vectors.clone().enumerate() {
                let x = &along[vector * width..(vector + 1) * width];
                let basis = &plan.basis[block.basis + s * n..][..n];
                for (&i, v) in plan.rows[block.rows.clone()].iter().zip(basis) {
                    add_times(rhs.col_as_slice_mut(i as usize), x, -v);
                }
            }
        }
        let (constants, grams) = (Arc::clone(constants), Arc::clone(grams));
        Self { constants, grams, scales, roots, k, times, gram, inverse, rhs }
    }

    fn width(&self) -> usize {
        self.k.len()
    }

    /// Products of the core's precision with the rows of `x`.
    pub fn times(&self, x: &Mat<f64>) -> Mat<f64> {
        let mut out = Mat::<f64>::zeros(x.nrows(), x.ncols());
        Arch::new().dispatch(|| {
            self.add_core(x, &mut out);
            let mut along = vec![];
            for (block, &start) in self.constants.plan.blocks.iter().zip(&*self.grams) {
                self.along(block, x, &mut along);
                self.subtract_block(block, start, &along, &mut out);
            }
        });
        out
    }

    /// Adds `(D + k A_cc + priors) x` to zeros.
    #[inline(always)]
    fn add_core(&self, x: &Mat<f64>, out: &mut Mat<f64>) {
        let (plan, width) = (&self.constants.plan, self.width());
        for piece in &plan.core_pieces {
            let (i, j) = (&plan.core_nodes[piece.i()], &plan.core_nodes[piece.j()]);
            let layers =
                plan.core[piece.at() * plan.n_layers..].chunks_exact(i.q * j.q).zip(self.times.chunks_exact(width));
            for (layer, (values, times)) in layers.enumerate() {
                for (at, &v) in values.iter().enumerate().filter(|(_, v)| **v != 0.0) {
                    let (row, column) = (i.first + at / j.q, j.first + at % j.q);
                    let mut add = |to: usize, from: usize| {
                        let (to, from) = (out.col_as_slice_mut(to), x.col_as_slice(from));
                        if layer == 0 { add_times(to, from, v) } else { add_weighted(to, from, v, times) }
                    };
                    add(row, column);
                    if piece.i() != piece.j() {
                        add(column, row);
                    }
                }
            }
        }
        for j in 0..out.ncols() {
            out.col_as_slice_mut(j).chunks_exact_mut(width).for_each(|o| multiply(o, &self.k));
        }
        let mut at = 0;
        for node in &plan.core_nodes {
            for (a, b) in (0..node.q).flat_map(|a| (0..node.q).map(move |b| (a, b))) {
                let entry = &self.inverse[at * width..(at + 1) * width];
                let (to, from) = (out.col_as_slice_mut(node.first + a), x.col_as_slice(node.first + b));
                let pairs = to.chunks_exact_mut(width).zip(from.chunks_exact(width));
                pairs.for_each(|(o, x)| add_products(o, x, entry));
                at += 1;
            }
        }
        for prior in &self.constants.priors {
            let met = || prior.direction.iter().enumerate().filter(|(_, d)| **d != 0.0);
            let mut sum = vec![0.0; x.nrows()];
            met().for_each(|(i, &d)| add_times(&mut sum, x.col_as_slice(i), d));
            met().for_each(|(i, &d)| add_times(out.col_as_slice_mut(i), &sum, prior.precision * d));
        }
    }

    /// Sets `out` to `V'x` of a block, vector after vector the numbers of all rows of `x`.
    #[inline(always)]
    pub fn along(&self, block: &LevelBlock, x: &Mat<f64>, out: &mut Vec<f64>) {
        let (plan, wide, n) = (&self.constants.plan, x.nrows(), block.rows.len());
        out.clear();
        out.resize(block.vectors.len() * wide, 0.0);
        for (s, out) in out.chunks_exact_mut(wide).enumerate() {
            let basis = &plan.basis[block.basis + s * n..][..n];
            for (&i, &v) in plan.rows[block.rows.clone()].iter().zip(basis) {
                add_times(out, x.col_as_slice(i as usize), v);
            }
        }
    }

    /// Subtracts `V W'W` times what [`Self::along`] has found.
    #[inline(always)]
    fn subtract_block(&self, block: &LevelBlock, start: usize, along: &[f64], out: &mut Mat<f64>) {
        let (plan, width, wide) = (&self.constants.plan, self.width(), out.nrows());
        let (r, n) = (block.vectors.len(), block.rows.len());
        let mut sum = vec![0.0; wide];
        for s in 0..r {
            sum.fill(0.0);
            for (m, along) in along.chunks_exact(wide).enumerate() {
                let entry = &self.gram[(start + s * r + m) * width..][..width];
                let pairs = sum.chunks_exact_mut(width).zip(along.chunks_exact(width));
                pairs.for_each(|(o, x)| add_products(o, x, entry));
            }
            let basis = &plan.basis[block.basis + s * n..][..n];
            for (&i, &v) in plan.rows[block.rows.clone()].iter().zip(basis) {
                add_times(out.col_as_slice_mut(i as usize), &sum, -v);
            }
        }
    }
}

/// Sets the inverse covariances of position `d` of `width`.
fn set_inverses(factors: &LevelFactors, inverse: &mut [f64], (d, width): (usize, usize)) {
    let mut at = 0;
    for node in factors.nodes {
        if let Some((block, level)) = node.level {
            let l = factors.scales.factor_of(factors.layout.blocks[block].source, level);
            for b in 0..node.q {
                let mut column = vec![0.0; node.q];
                column[b] = 1.0;
                small::solve_lower(node.q, l, &mut column);
                small::solve_lower_transposed(node.q, l, &mut column);
                column.iter().enumerate().for_each(|(a, x)| inverse[(at + a * node.q + b) * width + d] = *x);
            }
        }
        at += node.q * node.q;
    }
}

/// Adds `x` so many times.
#[inline(always)]
fn add_times(out: &mut [f64], x: &[f64], times: f64) {
    out.iter_mut().zip(x).for_each(|(out, x)| *out += times * x);
}

/// Adds `x` so many times `v`.
#[inline(always)]
fn add_weighted(out: &mut [f64], x: &[f64], v: f64, times: &[f64]) {
    for (out, x) in out.chunks_exact_mut(times.len()).zip(x.chunks_exact(times.len())) {
        out.iter_mut().zip(x).zip(times).for_each(|((out, x), t)| *out += t * v * x);
    }
}

#[inline(always)]
fn add_products(out: &mut [f64], x: &[f64], y: &[f64]) {
    out.iter_mut().zip(x).zip(y).for_each(|((out, x), y)| *out += x * y);
}

#[inline(always)]
fn multiply(out: &mut [f64], by: &[f64]) {
    out.iter_mut().zip(by).for_each(|(out, x)| *out *= x);
}
