//! Whitening of the level transport by the factor that the joint transport has at the mode.
//!
//! With `G = R R'` the conditional precision of standardised effects and coefficients at the mode,
//! `w = R^-T y` is white. The level transport gives `z = R_l'(s - shift)` per level and
//! `z_b = T^-1 (b - m + M L s)`, so that `C` is `R^-T` followed by this linear map.

use crate::density::Posterior;
use crate::kernels::dot;
use crate::linalg::cholesky::Factor;
use crate::linalg::pattern::Pattern;
use crate::transport::levels::LevelTransport;
use crate::transport::pieces::{Node, Skeleton};
use crate::transport::{Context, small};
use std::collections::HashMap;
use std::sync::Arc;

/// `C`.
#[derive(Debug)]
pub struct Frozen {
    skeleton: Arc<Skeleton>,
    /// `R`.
    root: Factor<f64>,
    nodes: Vec<LevelNode>,
    /// `R_l`, level by level.
    level_roots: Vec<f64>,
    /// `M L`, `[p, n_effects]` row-major.
    sweep: Vec<f64>,
    /// `T^-1`, row-major upper triangle `[p, p]`.
    unspread: Vec<f64>,
}

/// A level: its columns, the first of its effects, and where its root starts.
#[derive(Debug)]
struct LevelNode {
    column: usize,
    q: usize,
    effect: usize,
    root: usize,
}

impl Frozen {
    /// At the last evaluation of `posterior`, whose transport is level by level, with the `root` of the joint one there.
    pub fn new(posterior: &Posterior, skeleton: Arc<Skeleton>, root: Factor<f64>, levels: &LevelTransport) -> Self {
        let ctx = Context { layout: &posterior.model.layout, scales: &posterior.scales };
        let (nodes, level_roots) = (level_nodes(ctx, &skeleton), posterior.mapped.root().to_vec());
        let unspread = inverse_upper(&levels.spread, ctx.layout.swept.len());
        Self { sweep: sweep(ctx, levels), skeleton, root, nodes, level_roots, unspread }
    }

    fn pattern(&self) -> &Pattern {
        self.skeleton.pattern()
    }

    fn n_swept(&self) -> usize {
        self.unspread.len().isqrt()
    }

    /// Logarithm of `|det C|`: of `R^-T`, and of the triangles behind it.
    pub fn log_det(&self) -> f64 {
        let p = self.n_swept();
        let unspread: f64 = (0..p).map(|i| self.unspread[i * p + i].abs().ln()).sum();
        let of_level = |n: &LevelNode| (0..n.q).map(|i| self.level_roots[n.root + i * n.q + i].ln()).sum::<f64>();
        unspread + self.nodes.iter().map(of_level).sum::<f64>() + self.root.minus_log_det()
    }

    /// `out <- C y`.
    pub fn multiply(&self, y: &[f64], out: &mut [f64], work: &mut Vec<f64>) {
        work.clear();
        work.extend(self.skeleton.incidence.position.iter().map(|&at| y[at]));
        self.pattern().solve_transposed_parts(&self.root, work.split_at_mut(self.pattern().core));
        let p = self.n_swept();
        let (swept, effects) = out.split_at_mut(p);
        let n = effects.len();
        let (_, b) = work.split_at(work.len() - p);
        for node in &self.nodes {
            effects[node.effect..node.effect + node.q].copy_from_slice(&work[node.column..node.column + node.q]);
        }
        (0..p).for_each(|i| swept[i] = b[i] + dot(&self.sweep[i * n..(i + 1) * n], effects));
        // An upper triangle: each entry needs only those after it.
        (0..p).for_each(|i| swept[i] = dot(&self.unspread[i * p + i..(i + 1) * p], &swept[i..]));
        for LevelNode { column, q, effect, root } in &self.nodes {
            let root = &self.level_roots[*root..root + q * q];
            small::multiply_transposed(*q, root, &work[*column..column + q], &mut effects[*effect..effect + q]);
        }
    }

    /// `out <- C' d`.
    pub fn multiply_transposed(&self, d: &[f64], out: &mut [f64], work: &mut Vec<f64>) {
        let p = self.n_swept();
        let (d_swept, d_effects) = d.split_at(p);
        let n = d_effects.len();
        work.resize(self.skeleton.incidence.dim(), 0.0);
        let first_swept = work.len() - p;
        for j in 0..p {
            work[first_swept + j] = (0..=j).map(|i| self.unspread[i * p + j] * d_swept[i]).sum();
        }
        for LevelNode { column, q, effect, root } in &self.nodes {
            let (levels, swept) = work.split_at_mut(first_swept);
            let levels = &mut levels[*column..column + q];
            let root = &self.level_roots[*root..root + q * q];
            small::multiply_lower(*q, root, &d_effects[*effect..effect + q], levels);
            for (i, b) in swept.iter().enumerate() {
                let row = &self.sweep[i * n + effect..i * n + effect + q];
                levels.iter_mut().zip(row).for_each(|(l, m)| *l += m * b);
            }
        }
        let pattern = self.pattern();
        work.resize(pattern.dim() + pattern.n_core(), 0.0);
        let (x, sums) = work.split_at_mut(pattern.dim());
        pattern.solve_parts(&self.root, x.split_at_mut(pattern.core), sums);
        self.skeleton.incidence.position.iter().zip(work).for_each(|(&at, w)| out[at] = *w);
    }
}

fn level_nodes(ctx: Context, skeleton: &Skeleton) -> Vec<LevelNode> {
    // Roots stand in the order of the layout's levels, as effects do.
    let roots: HashMap<usize, usize> = ctx.layout.levels().map(|level| (level.effect, level.matrix)).collect();
    let node = |n: &Node| {
        let effect = n.first_effect(ctx.layout)?;
        Some(LevelNode { column: n.first, q: n.q, effect, root: roots[&effect] })
    };
    skeleton.incidence.nodes.iter().filter_map(node).collect()
}

/// `M L`.
fn sweep(ctx: Context, levels: &LevelTransport) -> Vec<f64> {
    let n = ctx.layout.n_effects;
    let mut out = levels.sweep.clone();
    for row in out.chunks_mut(n.max(1)) {
        for level in ctx.layout.levels() {
            let (q, factor) = (level.block.q, ctx.scales.factor_of(level.block.source, level.number));
            let m = row[level.effects()].to_vec();
            small::multiply_transposed(q, factor, &m, &mut row[level.effects()]);
        }
    }
    out
}

/// Inverse of a row-major upper triangle.
fn inverse_upper(upper: &[f64], p: usize) -> Vec<f64> {
    let mut out = vec![0.0; p * p];
    for j in 0..p {
        out[j * p + j] = 1.0 / upper[j * p + j];
        for i in (0..j).rev() {
            let s: f64 = (i + 1..=j).map(|k| upper[i * p + k] * out[k * p + j]).sum();
            out[i * p + j] = -s / upper[i * p + i];
        }
    }
    out
}
