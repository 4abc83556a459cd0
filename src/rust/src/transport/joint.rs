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

mod backward;

use super::lanes::Lanes;
use super::pieces::{Node, Piece, Skeleton, lower_transposed_times, times_lower};
use super::{Context, Mapped, small};
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
                Some(l) => small::multiply_transposed(node.q, l, pull, out),
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
            small::multiply_lower(node.q, l, w, &mut out.effects[e..e + node.q]);
        }
    }
}

#[inline]
fn factor_of<'a>(ctx: Context<'a>, node: &Node) -> Option<&'a [f64]> {
    node.level.map(|(block, level)| ctx.scales.factor_of(ctx.layout.blocks[block].source, level))
}

/// First effect and factor of a node; `None` for the swept coefficients.
#[inline]
fn effect_of<'a>(ctx: Context<'a>, node: &Node) -> Option<(usize, &'a [f64])> {
    Some((node.first_effect(ctx.layout)?, factor_of(ctx, node)?))
}
