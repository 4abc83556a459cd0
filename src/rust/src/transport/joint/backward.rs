//! Derivatives of the joint transport: the reverse pass through [`super::JointTransport::forward`].

use super::{JointScratch, JointTransport, effect_of, factor_of};
use crate::scales::ScaleGradient;
use crate::transport::pieces::{Node, Piece, lower_transposed_times, times_lower};
use crate::transport::{Context, Mapped, small};

impl JointTransport {
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
            small::multiply_transposed(node.q, l, &d_effects[e..e + node.q], out);
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

/// Adds to the derivative in entry `at` of a node's factor.
fn add_factor(ctx: Context, node: &Node, at: usize, d: f64, d_scales: &mut ScaleGradient) {
    let Some((block, level)) = node.level else { return };
    d_scales.add_factor(ctx.scales, ctx.layout.blocks[block].source, level, at, d);
}
