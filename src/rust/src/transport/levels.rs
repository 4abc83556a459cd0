//! Transport level by level: each level's effects by the Gaussian its own data would give them.
//!
//! With the level's information `J` and pull `h` held constant,
//!
//! ```text
//! P = I + L' J L = R R',    s = P^-1 L' h + R^-T z,    log |ds/dz| = -log |R|
//! ```
//!
//! and population-level coefficients are swept, `beta = m + T z - M b` with constant `m`, `T`, `M`,
//! which removes the ridge between a coefficient and the mean of the effects beside it. Costs as
//! little as the non-centred form; what levels of different terms know of each other is left to
//! the whitening. Related levels may be turned first ([`Turn`]): all of the above is then of their coordinates,
//! and `J` and `h` are multiplied by what the dispersion at hand makes of them.

use super::follow::{self, Follow};
use super::scalars::Scalars;
use super::turn::Turn;
use super::{Context, Mapped, small};
use crate::kernels::dot;
use crate::layout::{Layout, Level};
use crate::scales::ScaleGradient;

/// Constants of the map.
#[derive(Debug, Clone)]
pub struct LevelTransport {
    /// `J`, per block and level `[q, q]`, concatenated.
    pub information: Vec<f64>,
    /// `h`, per effect.
    pub pull: Vec<f64>,
    /// `m`, per swept coefficient.
    pub centre: Vec<f64>,
    /// `T`, `[p, p]` row-major upper triangle.
    pub spread: Vec<f64>,
    /// `M`, `[p, n_effects]` row-major.
    pub sweep: Vec<f64>,
    /// Levels that are turned.
    pub turns: Vec<Turn>,
    /// How their information and pull follow the dispersion: both times a factor `k`. `None` without turned levels.
    pub follow: Option<Follow>,
}

impl LevelTransport {
    /// The non-centred form without sweep: `s = z`, `beta = centre + spread z`.
    pub fn identity(layout: &Layout, centre: Vec<f64>, spread: &[f64]) -> Self {
        let p = layout.swept.len();
        let mut diagonal = vec![0.0; p * p];
        (0..p).for_each(|j| diagonal[j * p + j] = spread[j]);
        let n_information = layout.blocks.iter().map(|b| b.len() * b.q).sum();
        Self {
            information: vec![0.0; n_information],
            pull: vec![0.0; layout.n_effects],
            centre,
            spread: diagonal,
            sweep: vec![0.0; p * layout.n_effects],
            turns: vec![],
            follow: None,
        }
    }

    /// Log determinant of `T`.
    pub fn log_spread(&self) -> f64 {
        let p = self.centre.len();
        (0..p).map(|i| self.spread[i * p + i].ln()).sum()
    }

    /// Maps a position to coefficients and effects.
    pub fn forward(&self, ctx: Context, position: &[f64], out: &mut Mapped) {
        let Context { layout, scales } = ctx;
        out.root.resize(self.information.len(), 0.0);
        out.shift.resize(layout.n_effects, 0.0);
        out.log_jacobian = 0.0;
        let z = &position[layout.z_effects()];
        let k = follow::scale(self.follow, scales);
        for first in layout.firsts() {
            let own = if self.is_turned(first) { k } else { 1.0 };
            if first.block.q == 1 {
                self.scalars(first, own).forward(scales, z, out);
                continue;
            }
            for level in first.with_those_behind() {
                self.level_forward(level, scales.factor_of(level.block.source, level.number), own, z, out);
            }
        }
        self.turns.iter().for_each(|turn| turn.to_levels(&mut out.effects, &mut out.turned));
        self.sweep_forward(&position[layout.z_swept()], out);
    }

    fn scalars<'a>(&'a self, first: Level<'a>, k: f64) -> Scalars<'a> {
        Scalars { first, information: &self.information, pull: &self.pull, k }
    }

    /// Whether the levels of its block are.
    fn is_turned(&self, level: Level) -> bool {
        self.turns.iter().any(|turn| turn.effects.contains(&level.effect))
    }

    fn level_forward(&self, level: Level, factor: &[f64], k: f64, z: &[f64], out: &mut Mapped) {
        let (q, e, at) = (level.block.q, level.effect, level.matrix);
        let root = &mut out.root[at..at + q * q];
        precision(q, factor, k, &self.information[at..at + q * q], root);
        small::cholesky(q, root);
        let shift = &mut out.shift[e..e + q];
        small::multiply_transposed(q, factor, &self.pull[e..e + q], shift);
        shift.iter_mut().for_each(|s| *s *= k);
        small::solve_lower(q, root, shift);
        let standard = &mut out.standard[e..e + q];
        standard.copy_from_slice(&z[e..e + q]);
        (0..q).for_each(|i| standard[i] += shift[i]);
        small::solve_lower_transposed(q, root, standard);
        small::solve_lower_transposed(q, root, shift);
        small::multiply_lower(q, factor, standard, &mut out.effects[e..e + q]);
        out.log_jacobian -= (0..q).map(|i| root[i * q + i].ln()).sum::<f64>();
    }

    fn sweep_forward(&self, z: &[f64], out: &mut Mapped) {
        let (p, n) = (z.len(), out.effects.len());
        for i in 0..p {
            let spread = &self.spread[i * p..(i + 1) * p];
            let moved: f64 = spread[i..].iter().zip(&z[i..]).map(|(t, z)| t * z).sum();
            out.swept[i] = self.centre[i] + moved - dot(&self.sweep[i * n..(i + 1) * n], &out.effects);
        }
    }

    /// Pulls back `d_swept` and `d_effects` (overwritten) to the position and the scales.
    pub fn backward(
        &self, ctx: Context, at: &mut Mapped, d_swept: &[f64], d_effects: &mut [f64], gradient: &mut [f64],
        d_scales: &mut ScaleGradient,
    ) {
        let Context { layout, scales } = ctx;
        self.sweep_backward(d_swept, d_effects, &mut gradient[layout.z_swept()]);
        self.turns.iter().for_each(|turn| turn.pull_back(d_effects, &mut at.turned));
        let d_z = &mut gradient[layout.z_effects()];
        let mut scratch = std::mem::take(&mut at.levels);
        let (k, mut d_log_k) = (follow::scale(self.follow, scales), 0.0);
        for first in layout.firsts() {
            let is_turned = self.is_turned(first);
            let own = if is_turned { k } else { 1.0 };
            let (q, source) = (first.block.q, first.block.source);
            if q == 1 {
                let d = self.scalars(first, own).backward(scales, at, d_effects, d_z, d_scales);
                d_log_k += if is_turned { d } else { 0.0 };
                continue;
            }
            for level in first.with_those_behind() {
                let factor = scales.factor_of(source, level.number);
                self.level_backward(level, factor, own, at, d_effects, d_z, &mut scratch);
                d_log_k += if is_turned { scratch.d_log_k } else { 0.0 };
                for place in (0..q * q).filter(|place| place % q <= place / q) {
                    d_scales.add_factor(scales, source, level.number, place, scratch.d_factor[place]);
                }
            }
        }
        at.levels = scratch;
        follow::pull_back(self.follow, scales, d_log_k, d_scales);
    }

    fn sweep_backward(&self, d_swept: &[f64], d_effects: &mut [f64], d_z: &mut [f64]) {
        let (p, n) = (d_swept.len(), d_effects.len());
        d_z.fill(0.0);
        for i in 0..p {
            let spread = &self.spread[i * p..(i + 1) * p];
            (i..p).for_each(|j| d_z[j] += spread[j] * d_swept[i]);
            let row = &self.sweep[i * n..(i + 1) * n];
            d_effects.iter_mut().zip(row).for_each(|(d, m)| *d -= m * d_swept[i]);
        }
    }

    /// Derivatives in `z`, and in the factor and in `log k` (in `w`), of a level with several effects; adjoint of the Cholesky
    /// factor after Murray (2016, equation 10).
    #[expect(clippy::too_many_arguments, reason = "the values of one level")]
    fn level_backward(
        &self, level: Level, factor: &[f64], k: f64, m: &Mapped, d_effects: &[f64], d_z: &mut [f64],
        w: &mut LevelScratch,
    ) {
        let (q, e, entries) = (level.block.q, level.effects(), level.entries());
        w.resize(q);
        let (root, information) = (&m.root[entries.clone()], &self.information[entries]);
        let (s, shift, d_b) = (&m.standard[e.clone()], &m.shift[e.clone()], &d_effects[e.clone()]);
        let (pull, d_z) = (&self.pull[e.clone()], &mut d_z[e.clone()]);
        small::multiply_transposed(q, factor, d_b, d_z);
        d_z.iter_mut().zip(&m.tension[e.clone()]).for_each(|(d, t)| *d -= t);
        small::solve_lower(q, root, d_z);
        w.c.copy_from_slice(d_z);
        small::solve_lower_transposed(q, root, &mut w.c);
        // d_root = -(s - shift) d_z' - diag(1 / root), then the symmetric adjoint of P.
        for i in 0..q {
            for j in 0..q {
                w.d_root[i * q + j] = if j <= i { -(s[i] - shift[i]) * d_z[j] } else { 0.0 };
            }
            w.d_root[i * q + i] -= 1.0 / root[i * q + i];
        }
        small::cholesky_adjoint(q, root, &mut w.d_root, &mut w.d_p);
        for i in 0..q {
            for j in 0..q {
                w.d_p[i * q + j] -= 0.5 * (w.c[i] * shift[j] + shift[i] * w.c[j]);
            }
        }
        small::multiply_square_lower(q, information, factor, &mut w.jl);
        for i in 0..q {
            for j in 0..=i {
                let through_p: f64 = (0..q).map(|l| w.jl[i * q + l] * w.d_p[l * q + j]).sum();
                w.d_factor[i * q + j] = d_b[i] * s[j] + k * pull[i] * w.c[j] + 2.0 * k * through_p;
            }
        }
        w.d_log_k = 0.0;
        for i in 0..q {
            // Row i of JL times d_p, and of the factor times c.
            let through_p = |j: usize| (0..q).map(|l| w.jl[i * q + l] * w.d_p[l * q + j]).sum::<f64>();
            let own: f64 = (0..=i).map(|j| factor[i * q + j] * (through_p(j) + pull[i] * w.c[j])).sum();
            w.d_log_k += k * own;
        }
    }
}

/// Memory of one level's derivatives.
#[derive(Debug, Clone, Default)]
pub struct LevelScratch {
    c: Vec<f64>,
    d_root: Vec<f64>,
    d_p: Vec<f64>,
    jl: Vec<f64>,
    d_factor: Vec<f64>,
    /// Derivative in the logarithm of what information and pull are multiplied by.
    d_log_k: f64,
}

impl LevelScratch {
    fn resize(&mut self, q: usize) {
        self.c.resize(q, 0.0);
        for m in [&mut self.d_root, &mut self.d_p, &mut self.jl, &mut self.d_factor] {
            m.resize(q * q, 0.0);
        }
    }
}

/// `P = I + k L' J L`.
fn precision(q: usize, factor: &[f64], k: f64, information: &[f64], out: &mut [f64]) {
    for i in 0..q {
        for j in 0..=i {
            let mut p = if i == j { 1.0 } else { 0.0 };
            for a in i..q {
                let row: f64 = (j..q).map(|b| information[a * q + b] * factor[b * q + j]).sum();
                p += k * factor[a * q + i] * row;
            }
            out[i * q + j] = p;
            out[j * q + i] = p;
        }
    }
}
