//! Transport of all effects and coefficients together, by their joint conditional Gaussian.
//!
//! With `w` the standardised effects and the coefficients, `A` the information and `h` the pull of
//! the data at the centre, `L` the block-diagonal factor of the effects (identity for coefficients),
//! `S` the prior precision (identity for effects) and `v0 = S m` that of the coefficients' prior,
//!
//! ```text
//! G = S + k L' A L = R R',    w = R^-T (R^-1 (v0 + k L' h) + z),    log |dw/dz| = -log |R|
//! ```
//!
//! `k = (sigma_0 / sigma)^2` for a Gaussian with one residual sd, else 1. There the map is the exact
//! conditional distribution: `z` is standard normal and independent of the scales, and the target
//! at `z = 0` is the posterior of the scales with all coefficients integrated out. Sparse Cholesky
//! as in MixedModels.jl (Bates et al. 2015, section 3), derivative by the reverse pass.

use super::lanes::Lanes;
use super::pieces::{Node, Piece, Skeleton, lower_transposed_times, times_lower};
use super::{Context, Mapped};
use crate::scales::ScaleGradient;
use crate::sparse::Work;
use std::sync::Arc;

/// Constants of the map.
#[derive(Debug, Clone)]
pub struct JointTransport {
    /// Pattern and places.
    pub skeleton: Arc<Skeleton>,
    /// Values of all pieces.
    pub information: Vec<f64>,
    /// `h`, per column.
    pub pull: Vec<f64>,
    /// `S` of the swept coefficients, `[p, p]`.
    pub prior_precision: Vec<f64>,
    /// `v0`, per swept coefficient.
    pub prior_pull: Vec<f64>,
    /// Log of `sigma_0` if the information falls with the square of sigma.
    pub log_sigma: Option<f64>,
    /// Counts with one shape: `log phi_0` and the share of the rows' variance that is in excess of
    /// the Poisson's at the centre.
    pub log_shape: Option<(f64, f64)>,
    /// The same in vector lanes, where that can be.
    pub lanes: Option<Lanes>,
}

/// Memory of one evaluation.
#[derive(Debug, Clone, Default)]
pub struct JointScratch {
    work: Work,
    u: Vec<f64>,
    w: Vec<f64>,
    d_root: Vec<f64>,
    e: Vec<f64>,
    piece: Vec<f64>,
    /// Per node of one effect, its factor; and the derivative in it.
    l: Vec<f64>,
    d_l: Vec<f64>,
}

impl JointTransport {
    /// `k` at the scales.
    pub fn scale(&self, ctx: Context) -> f64 {
        self.scale_slope(ctx).0
    }

    /// `k` and its derivative in the log dispersion.
    fn scale_slope(&self, ctx: Context) -> (f64, f64) {
        match (self.log_sigma, self.log_shape) {
            (Some(log_sigma), _) => {
                let k = (2.0 * (log_sigma - ctx.scales.dispersion[0])).exp();
                (k, -2.0 * k)
            }
            (None, Some((log_shape, excess))) => {
                let t = excess * (log_shape - ctx.scales.dispersion[0]).exp();
                let k = 1.0 / (1.0 - excess + t);
                (k, k * k * t)
            }
            _ => (1.0, 0.0),
        }
    }

    /// Maps a position to coefficients and effects.
    pub fn forward(&self, ctx: Context, position: &[f64], out: &mut Mapped) {
        let (pattern, places) = (&self.skeleton.pattern, &self.skeleton.incidence.position);
        let k = self.scale(ctx);
        if let Some(lanes) = &self.lanes {
            return lanes.forward(self, ctx, k, position, out);
        }
        self.assemble(ctx, k, out);
        pattern.factor(&mut out.root, &mut out.joint.work);
        if !out.root.iter().all(|v| v.is_finite()) {
            out.joint.work.reset();
        }
        self.weighted_pull(ctx, k, &mut out.shift);
        pattern.solve(&out.root, &mut out.shift);
        out.joint.u.clear();
        out.joint.u.extend(out.shift.iter().zip(places).map(|(t, &at)| t + position[at]));
        out.joint.w.clone_from(&out.joint.u);
        pattern.solve_transposed(&out.root, &mut out.joint.w);
        out.log_jacobian = -(0..pattern.dim()).map(|j| out.root[pattern.starts[j]].ln()).sum::<f64>();
        self.distribute(ctx, out);
    }

    /// `G` on the pattern.
    fn assemble(&self, ctx: Context, k: f64, out: &mut Mapped) {
        let (pattern, nodes) = (&self.skeleton.pattern, &self.skeleton.incidence.nodes);
        out.root.clear();
        out.root.resize(pattern.n_entries(), 0.0);
        let incidence = &*self.skeleton.incidence;
        out.joint.l.resize(pattern.dim(), 1.0);
        for n in nodes.iter().filter(|n| n.q == 1) {
            out.joint.l[n.first] = factor_of(ctx, n).map_or(1.0, |l| l[0]);
        }
        let (_, columns, blocks) = incidence.by_shape();
        let (root, l, places) = (&mut out.root, &out.joint.l, &self.skeleton.places);
        for bounds in incidence.number_starts.windows(2) {
            let range = bounds[0]..bounds[1];
            let f = k * l[incidence.number_rows[bounds[0]] as usize];
            let entries = self.information[range.clone()].iter().zip(&incidence.number_rows[range.clone()]);
            entries.zip(&places[range]).for_each(|((a, &i), &place)| root[place as usize] += f * a * l[i as usize]);
        }
        for p in columns {
            let (f, range) = (k * l[nodes[p.j].first], p.at..p.at + nodes[p.i].q);
            let values = self.information[range.clone()].iter().zip(&places[range]);
            values.for_each(|(a, &place)| root[place as usize] += f * a);
        }
        for p in blocks {
            self.assemble_block(ctx, k, p, out);
        }
        let swept = nodes.last().filter(|n| n.level.is_none()).map_or(0, |n| n.q);
        (0..pattern.dim() - swept).for_each(|j| out.root[pattern.starts[j]] += 1.0);
    }

    fn assemble_block(&self, ctx: Context, k: f64, piece: &Piece, out: &mut Mapped) {
        let (i, j) = (&self.skeleton.incidence.nodes[piece.i], &self.skeleton.incidence.nodes[piece.j]);
        let n = i.q * j.q;
        let (values, places) = (&self.information[piece.at..], &self.skeleton.places[piece.at..]);
        out.joint.piece.resize(3 * n, 0.0);
        let (right, both) = out.joint.piece.split_at_mut(n);
        times_lower(i.q, j.q, &values[..n], factor_of(ctx, j), right);
        lower_transposed_times(i.q, j.q, factor_of(ctx, i), right, &mut both[..n]);
        let is_swept = i.level.is_none() && j.level.is_none();
        for (at, (value, &place)) in both[..n].iter().zip(places).enumerate() {
            // A diagonal piece has each entry below the diagonal twice.
            if piece.i != piece.j || at % j.q <= at / j.q {
                out.root[place as usize] += k * value + if is_swept { self.prior_precision[at] } else { 0.0 };
            }
        }
    }

    /// `v0 + k L' h`.
    fn weighted_pull(&self, ctx: Context, k: f64, out: &mut Vec<f64>) {
        out.clear();
        out.resize(self.pull.len(), 0.0);
        for node in &self.skeleton.incidence.nodes {
            let columns = node.first..node.first + node.q;
            let (pull, out) = (&self.pull[columns.clone()], &mut out[columns]);
            match factor_of(ctx, node) {
                Some(l) => super::small::multiply_transposed(node.q, l, pull, out),
                None => out.copy_from_slice(pull),
            }
            out.iter_mut().for_each(|v| *v *= k);
            if node.level.is_none() {
                out.iter_mut().zip(&self.prior_pull).for_each(|(v, p)| *v += p);
            }
        }
    }

    /// From `w` to standardised and natural effects and coefficients.
    fn distribute(&self, ctx: Context, out: &mut Mapped) {
        for node in &self.skeleton.incidence.nodes {
            let w = &out.joint.w[node.first..node.first + node.q];
            let Some((e, l)) = effect_of(ctx, node) else {
                out.swept.copy_from_slice(w);
                continue;
            };
            out.standard[e..e + node.q].copy_from_slice(w);
            super::small::multiply_lower(node.q, l, w, &mut out.effects[e..e + node.q]);
        }
    }

    /// Pulls derivatives back to the position and the scales.
    pub fn backward(
        &self, ctx: Context, at: &mut Mapped, d_swept: &[f64], d_effects: &[f64], gradient: &mut [f64],
        d_scales: &mut ScaleGradient,
    ) {
        let (pattern, position) = (&self.skeleton.pattern, &self.skeleton.incidence.position);
        let k = self.scale(ctx);
        if let Some(lanes) = &self.lanes {
            let d_log_k = lanes.backward(self, ctx, at, (d_swept, d_effects), gradient, d_scales);
            return self.scale_backward(ctx, d_log_k / k, d_scales);
        }
        let mut d_u = std::mem::take(&mut at.joint.u);
        self.gather(ctx, at, d_swept, d_effects, &mut d_u);
        pattern.solve(&at.root, &mut d_u);
        position.iter().zip(&d_u).for_each(|(&place, d)| gradient[place] = *d);
        let mut e = std::mem::take(&mut at.joint.e);
        e.clone_from(&d_u);
        pattern.solve_transposed(&at.root, &mut e);
        self.adjoint_of_g(at, &d_u, &e);
        let mut d_k = self.pull_backward(ctx, k, at, d_effects, &e, d_scales);
        d_k += self.pieces_backward(ctx, k, at, d_scales);
        self.scale_backward(ctx, d_k, d_scales);
        at.joint.u = d_u;
        at.joint.e = e;
    }

    fn scale_backward(&self, ctx: Context, d_k: f64, d_scales: &mut ScaleGradient) {
        if self.log_sigma.is_some() || self.log_shape.is_some() {
            d_scales.dispersion[0] += self.scale_slope(ctx).1 * d_k;
        }
    }

    /// Derivatives in `w`: `L' d_b - s` for effects.
    fn gather(&self, ctx: Context, at: &Mapped, d_swept: &[f64], d_effects: &[f64], out: &mut [f64]) {
        for node in &self.skeleton.incidence.nodes {
            let out = &mut out[node.first..node.first + node.q];
            let Some((e, l)) = effect_of(ctx, node) else {
                out.copy_from_slice(d_swept);
                continue;
            };
            super::small::multiply_transposed(node.q, l, &d_effects[e..e + node.q], out);
            out.iter_mut().zip(&at.standard[e..]).for_each(|(d, s)| *d -= s);
        }
    }

    /// Overwrites `d_root` with derivatives in the lower entries of `G`.
    fn adjoint_of_g(&self, at: &mut Mapped, d_u: &[f64], e: &[f64]) {
        let pattern = &self.skeleton.pattern;
        let JointScratch { work, w, d_root, .. } = &mut at.joint;
        d_root.clear();
        for j in 0..pattern.dim() {
            let (u_j, t_j) = (d_u[j], at.shift[j]);
            let start = pattern.starts[j];
            let rows = &pattern.rows[start..pattern.starts[j + 1]];
            d_root.extend(rows.iter().map(|&i| -w[i as usize] * u_j - e[i as usize] * t_j));
            d_root[start] -= 1.0 / at.root[start];
        }
        pattern.factor_adjoint(&at.root, d_root, work);
    }

    /// Through `v = v0 + k L' h` and `b = L s`; returns the derivative in `k`.
    fn pull_backward(
        &self, ctx: Context, k: f64, at: &Mapped, d_effects: &[f64], d_v: &[f64], d_scales: &mut ScaleGradient,
    ) -> f64 {
        let mut d_k = 0.0;
        for node in &self.skeleton.incidence.nodes {
            let columns = node.first..node.first + node.q;
            let (pull, d_v) = (&self.pull[columns.clone()], &d_v[columns]);
            let Some((e, l)) = effect_of(ctx, node) else {
                d_k += pull.iter().zip(d_v).map(|(h, d)| h * d).sum::<f64>();
                continue;
            };
            for c in 0..node.q {
                for a in 0..=c {
                    d_k += l[c * node.q + a] * pull[c] * d_v[a];
                    let d = k * pull[c] * d_v[a] + d_effects[e + c] * at.standard[e + a];
                    add_factor(ctx, node, c * node.q + a, d, d_scales);
                }
            }
        }
        d_k
    }

    /// Through `G = S + k L' A L`; returns the derivative in `k`.
    fn pieces_backward(&self, ctx: Context, k: f64, at: &mut Mapped, d_scales: &mut ScaleGradient) -> f64 {
        let (nodes, places) = (&self.skeleton.incidence.nodes, &self.skeleton.places);
        let incidence = &*self.skeleton.incidence;
        let (_, columns, blocks) = incidence.by_shape();
        let JointScratch { d_root, piece: scratch, l, d_l, .. } = &mut at.joint;
        let mut d_k = 0.0;
        d_l.clear();
        d_l.resize(l.len(), 0.0);
        for bounds in incidence.number_starts.windows(2) {
            let range = bounds[0]..bounds[1];
            let j = incidence.number_rows[bounds[0]] as usize;
            let (f, mut sum) = (k * l[j], 0.0);
            let entries = self.information[range.clone()].iter().zip(&incidence.number_rows[range.clone()]);
            for ((a, &i), &place) in entries.zip(&places[range]) {
                let g = d_root[place as usize] * a;
                sum += g * l[i as usize];
                d_l[i as usize] += f * g;
            }
            d_l[j] += k * sum;
            d_k += sum * l[j];
        }
        for p in columns {
            let range = p.at..p.at + nodes[p.i].q;
            let values = self.information[range.clone()].iter().zip(&places[range]);
            let g: f64 = values.map(|(a, &place)| a * d_root[place as usize]).sum();
            let j = nodes[p.j].first;
            d_k += g * l[j];
            d_l[j] += k * g;
        }
        for node in nodes.iter().filter(|n| n.q == 1) {
            add_factor(ctx, node, 0, d_l[node.first], d_scales);
        }
        for p in blocks {
            d_k += self.block_backward(ctx, k, p, d_root, scratch, d_scales);
        }
        d_k
    }

    fn block_backward(
        &self, ctx: Context, k: f64, piece: &Piece, d_root: &[f64], scratch: &mut Vec<f64>,
        d_scales: &mut ScaleGradient,
    ) -> f64 {
        let (i, j) = (&self.skeleton.incidence.nodes[piece.i], &self.skeleton.incidence.nodes[piece.j]);
        let (l_i, l_j) = (factor_of(ctx, i), factor_of(ctx, j));
        let n = i.q * j.q;
        let (values, places) = (&self.information[piece.at..piece.at + n], &self.skeleton.places[piece.at..]);
        scratch.resize(3 * n, 0.0);
        let (g, rest) = scratch.split_at_mut(n);
        let (right, left) = rest.split_at_mut(n);
        for (at, g) in g.iter_mut().enumerate() {
            // A diagonal piece counts each entry below its diagonal once: halve it on both sides.
            let off = piece.i == piece.j && at % j.q != at / j.q;
            *g = d_root[places[at] as usize] * if off { 0.5 } else { 1.0 };
        }
        times_lower(i.q, j.q, values, l_j, right);
        lower_transposed_times(i.q, j.q, l_i, values, &mut left[..n]);
        for c in 0..i.q {
            for a in 0..=c {
                let d: f64 = (0..j.q).map(|b| right[c * j.q + b] * g[a * j.q + b]).sum();
                add_factor(ctx, i, c * i.q + a, k * d, d_scales);
            }
        }
        for c in 0..j.q {
            for b in 0..=c {
                let d: f64 = (0..i.q).map(|a| left[a * j.q + c] * g[a * j.q + b]).sum();
                add_factor(ctx, j, c * j.q + b, k * d, d_scales);
            }
        }
        through_k(i.q, j.q, l_i, right, g)
    }
}

/// `sum(G * L_i' right)`, `right = A L_j`.
fn through_k(q_i: usize, q_j: usize, l_i: Option<&[f64]>, right: &[f64], g: &[f64]) -> f64 {
    let Some(l) = l_i else { return right.iter().zip(g).map(|(r, g)| r * g).sum() };
    let mut sum = 0.0;
    for c in 0..q_i {
        for a in 0..=c {
            sum += l[c * q_i + a] * (0..q_j).map(|b| right[c * q_j + b] * g[a * q_j + b]).sum::<f64>();
        }
    }
    sum
}

fn factor_of<'a>(ctx: Context<'a>, node: &Node) -> Option<&'a [f64]> {
    node.level.map(|(block, level)| ctx.scales.factor_of(ctx.layout.blocks[block].source, level))
}

/// First effect and factor of a node; `None` for the swept coefficients.
fn effect_of<'a>(ctx: Context<'a>, node: &Node) -> Option<(usize, &'a [f64])> {
    Some((node.first_effect(ctx.layout)?, factor_of(ctx, node)?))
}

/// Adds to the derivative in entry `at` of a node's factor.
fn add_factor(ctx: Context, node: &Node, at: usize, d: f64, d_scales: &mut ScaleGradient) {
    let Some((block, level)) = node.level else { return };
    d_scales.add_factor(ctx.scales, ctx.layout.blocks[block].source, level, at, d);
}
