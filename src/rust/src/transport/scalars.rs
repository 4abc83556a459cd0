//! Levels of one effect, all of a block at a time: [`LevelTransport`] without matrices, with `P = 1 + l^2 J`, `l` the factor.

use super::Mapped;
use super::levels::LevelTransport;
use crate::layout::Level;
use crate::scales::{ScaleGradient, Scales};

/// Maps the effects of a block, of which `first` is the first level; information and pull count `k` times.
pub(super) fn forward(map: &LevelTransport, first: Level, scales: &Scales, k: f64, z: &[f64], out: &mut Mapped) {
    match scales.same_factor(first.block.source) {
        Some(factor) => forward_by(map, first, |_| factor[0], k, z, out),
        None => forward_by(map, first, |i| scales.factor_of(first.block.source, i)[0], k, z, out),
    }
}

#[inline(always)]
fn forward_by(map: &LevelTransport, first: Level, factor: impl Fn(usize) -> f64, k: f64, z: &[f64], out: &mut Mapped) {
    let n = first.block.n_levels;
    let (e, at) = (first.effect..first.effect + n, first.matrix..first.matrix + n);
    let (information, pull, z) = (&map.information[at.clone()], &map.pull[e.clone()], &z[e.clone()]);
    let (root, shift) = (&mut out.root[at], &mut out.shift[e.clone()]);
    let (standard, effects) = (&mut out.standard[e.clone()], &mut out.effects[e]);
    for i in 0..n {
        let l = factor(i);
        let p = 1.0 + l * l * (k * information[i]);
        let r = p.sqrt();
        root[i] = r;
        shift[i] = l * (k * pull[i]) / p;
        standard[i] = shift[i] + z[i] / r;
        effects[i] = l * standard[i];
        out.log_jacobian -= r.ln();
    }
}

/// Pulls derivatives in the effects of a block back to `z` (written) and the scales (added to). Returns that in `log k`.
#[expect(clippy::too_many_arguments, reason = "the values of one block")]
pub(super) fn backward(
    map: &LevelTransport, first: Level, scales: &Scales, k: f64, at: &Mapped, d_effects: &[f64], d_z: &mut [f64],
    d_scales: &mut ScaleGradient,
) -> f64 {
    let source = first.block.source;
    let levels = Block { map, first, k, at, d_effects };
    match scales.same_factor(source) {
        Some(factor) => {
            let mut d_factor = 0.0;
            let d_log_k = levels.backward_by(|_| factor[0], d_z, |_, d| d_factor += d);
            d_scales.add_factor(scales, source, 0, 0, d_factor);
            d_log_k
        }
        None => {
            let factor = |i| scales.factor_of(source, i)[0];
            levels.backward_by(factor, d_z, |i, d| d_scales.add_factor(scales, source, i, 0, d))
        }
    }
}

struct Block<'a> {
    map: &'a LevelTransport,
    first: Level<'a>,
    k: f64,
    at: &'a Mapped,
    d_effects: &'a [f64],
}

impl Block<'_> {
    /// Hands derivatives in factors over, level by level.
    #[inline(always)]
    fn backward_by(&self, factor: impl Fn(usize) -> f64, d_z: &mut [f64], mut add: impl FnMut(usize, f64)) -> f64 {
        let Self { map, first, k, at, d_effects } = self;
        let n = first.block.n_levels;
        let (e, entries) = (first.effect..first.effect + n, first.matrix..first.matrix + n);
        let (information, pull, root) = (&map.information[entries.clone()], &map.pull[e.clone()], &at.root[entries]);
        let (shift, standard, tension) = (&at.shift[e.clone()], &at.standard[e.clone()], &at.tension[e.clone()]);
        let (d_effects, d_z) = (&d_effects[e.clone()], &mut d_z[e]);
        let mut d_log_k = 0.0;
        for i in 0..n {
            let (l, r, j, h) = (factor(i), root[i], k * information[i], k * pull[i]);
            let d_s = l * d_effects[i] - tension[i];
            d_z[i] = d_s / r;
            let c = d_s / (r * r);
            let d_p = -c * shift[i] - 0.5 * ((standard[i] - shift[i]) * d_z[i] / r + 1.0 / (r * r));
            add(i, d_effects[i] * standard[i] + h * c + 2.0 * l * j * d_p);
            d_log_k += l * h * c + l * l * j * d_p;
        }
        d_log_k
    }
}
