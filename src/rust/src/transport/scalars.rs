//! Levels of one effect, all of a block at a time: the map of [`super::levels`] without matrices, `P = 1 + l^2 k J` with the
//! factor `l`.

use super::Mapped;
use crate::layout::Level;
use crate::scales::{ScaleGradient, Scales};

/// A block of levels of one effect, and the constants of their map.
pub(super) struct Scalars<'a> {
    /// Its first level.
    pub first: Level<'a>,
    /// `J` of all levels of all blocks.
    pub information: &'a [f64],
    /// `h` likewise.
    pub pull: &'a [f64],
    /// How often both count.
    pub k: f64,
}

impl Scalars<'_> {
    /// Maps the effects of the block.
    pub fn forward(&self, scales: &Scales, z: &[f64], out: &mut Mapped) {
        let source = self.first.block.source;
        match scales.same_factor(source) {
            Some(factor) => self.forward_by(|_| factor[0], z, out),
            None => self.forward_by(|i| scales.factor_of(source, i)[0], z, out),
        }
    }

    /// Pulls derivatives in the effects of the block back to `z` (written) and the scales (added to). Returns that in `log k`.
    pub fn backward(
        &self, scales: &Scales, at: &Mapped, d_effects: &[f64], d_z: &mut [f64], d_scales: &mut ScaleGradient,
    ) -> f64 {
        let source = self.first.block.source;
        let Some(same) = scales.same_factor(source) else {
            let factor = |i| scales.factor_of(source, i)[0];
            return self.backward_by(factor, at, d_effects, d_z, |i, d| d_scales.add_factor(scales, source, i, 0, d));
        };
        let mut d_factor = 0.0;
        let d_log_k = self.backward_by(|_| same[0], at, d_effects, d_z, |_, d| d_factor += d);
        d_scales.add_factor(scales, source, 0, 0, d_factor);
        d_log_k
    }

    #[inline(always)]
    fn forward_by(&self, factor: impl Fn(usize) -> f64, z: &[f64], out: &mut Mapped) {
        let (n, k) = (self.first.block.n_levels, self.k);
        let (e, at) = (self.first.effect..self.first.effect + n, self.first.matrix..self.first.matrix + n);
        let (information, pull, z) = (&self.information[at.clone()], &self.pull[e.clone()], &z[e.clone()]);
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

    /// Hands derivatives in factors over, level by level.
    #[inline(always)]
    fn backward_by(
        &self, factor: impl Fn(usize) -> f64, at: &Mapped, d_effects: &[f64], d_z: &mut [f64],
        mut add: impl FnMut(usize, f64),
    ) -> f64 {
        let (n, k) = (self.first.block.n_levels, self.k);
        let (e, entries) = (self.first.effect..self.first.effect + n, self.first.matrix..self.first.matrix + n);
        let (information, pull) = (&self.information[entries.clone()], &self.pull[e.clone()]);
        let (root, shift) = (&at.root[entries], &at.shift[e.clone()]);
        let (standard, tension) = (&at.standard[e.clone()], &at.tension[e.clone()]);
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
