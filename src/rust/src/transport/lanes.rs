//! The joint transport of a model with one group-level term, its levels in vector lanes.
//!
//! The matrix of [`super::joint`] is an arrow there: a small block `P_j` per level, and the swept
//! coefficients' rows,
//!
//! ```text
//! P_j = I + k L' A_j L = R_j R_j',   Y_j = k C_j L R_j^-T,   S + k A_s - sum Y_j Y_j' = R_s R_s'
//! ```
//!
//! It is the same map, to rounding, in a fraction of the time: all levels go through the same few
//! formulas, which stand in [`super::level`].

use super::joint::JointTransport;
use super::level::{Factor, Gather, OfSwept, PullBack, Solve, Swept};
use super::small;
use super::{Context, Mapped};
use crate::layout::Source;
use crate::scales::ScaleGradient;
use crate::simd::LANES;
use pulp::Arch;

/// Swept coefficients that there is room for.
const MAX_P: usize = 8;
/// Coefficients per level that have loops compiled for them.
const MAX_Q: usize = 3;

/// Constants of the levels; tables are `[entry][level]`, padded with zeros.
#[derive(Debug, Clone)]
pub struct Lanes {
    /// Coefficients per level.
    pub q: usize,
    /// Swept coefficients.
    pub p: usize,
    /// Levels, rounded up to a multiple of [`LANES`].
    pub padded: usize,
    n_levels: usize,
    source: Source,
    /// `A_j`, `[q, q]` lower.
    pub information: Vec<f64>,
    /// `C_j`, `[p, q]`.
    pub cross: Vec<f64>,
    /// `h_j`.
    pub pull: Vec<f64>,
    /// `A_s`, `[p, p]`.
    swept: Vec<f64>,
}

/// Values of all levels at one position; tables are `[entry][level]`, padded.
#[derive(Debug, Clone, Default)]
pub struct Levels {
    /// `k L' A L`, `[q, q]` lower.
    pub block: Vec<f64>,
    /// `R`, `[q, q]` lower, with the inverse of the diagonal.
    pub root: Vec<f64>,
    /// Diagonal of `R`.
    pub diagonal: Vec<f64>,
    /// `B = k C L`, `[p, q]`.
    pub cross: Vec<f64>,
    /// `Y = B R^-T`, `[p, q]`.
    pub y: Vec<f64>,
    /// `v = k L' h`.
    pub v: Vec<f64>,
    /// `t = R^-1 v`.
    pub t: Vec<f64>,
    /// `z`, then `u = t + z`.
    pub u: Vec<f64>,
    /// Standardised effects.
    pub w: Vec<f64>,
    /// Effects.
    pub b: Vec<f64>,
    /// Derivatives in the effects, then `L'` times them.
    pub d: Vec<f64>,
    /// Derivatives in `u`.
    pub du: Vec<f64>,
}

/// Values at the last position.
#[derive(Debug, Clone, Default)]
pub struct LanesScratch {
    levels: Levels,
    sums: Swept,
    /// Of the swept coefficients: factor, `t`, `u`, `w`, and two vectors more.
    root: Vec<f64>,
    adjoint: Vec<f64>,
    t: Vec<f64>,
    u: Vec<f64>,
    du: Vec<f64>,
    e: Vec<f64>,
}

/// Calls a loop compiled for the machine and for `q`.
macro_rules! with_q {
    ($q:expr, $loop:ident { $($field:ident: $value:expr),* $(,)? }) => {
        match $q {
            1 => Arch::new().dispatch($loop::<1> { $($field: $value),* }),
            2 => Arch::new().dispatch($loop::<2> { $($field: $value),* }),
            _ => Arch::new().dispatch($loop::<3> { $($field: $value),* }),
        }
    };
}

impl Lanes {
    /// Reads the constants off a map. `None` if it is not an arrow, too large for the loops here, or of a
    /// horseshoe, where each level has its own scale.
    pub fn of(map: &JointTransport, source: Source) -> Option<Self> {
        let skeleton = &*map.skeleton.incidence;
        let (swept, levels) = skeleton.nodes.split_last()?;
        let first = levels.first()?;
        let (q, p, n_levels) = (first.q, swept.q, levels.len());
        let one_block = levels.iter().all(|n| n.level.is_some_and(|(block, _)| block == 0));
        let meets_itself = |i: usize, j: usize| i == j || i == n_levels;
        let is_arrow = swept.level.is_none() && one_block && skeleton.pieces.iter().all(|x| meets_itself(x.i, x.j));
        if !is_arrow || !matches!(source, Source::Term(_)) || q > MAX_Q || p > MAX_P {
            return None;
        }
        let padded = n_levels.next_multiple_of(LANES);
        let table = |n: usize| vec![0.0; n * padded];
        let mut lanes = Self {
            q,
            p,
            padded,
            n_levels,
            source,
            information: table(q * q),
            cross: table(p * q),
            pull: table(q),
            swept: vec![0.0; p * p],
        };
        lanes.fill(map);
        Some(lanes)
    }

    fn fill(&mut self, map: &JointTransport) {
        let (q, p) = (self.q, self.p);
        for piece in &map.skeleton.incidence.pieces {
            let values = &map.information[piece.at..];
            if piece.j == self.n_levels {
                self.swept.copy_from_slice(&values[..p * p]);
                continue;
            }
            let (table, n) = if piece.i == piece.j { (&mut self.information, q * q) } else { (&mut self.cross, p * q) };
            (0..n).for_each(|v| table[v * self.padded + piece.j] = values[v]);
        }
        for (level, h) in map.pull.chunks_exact(q).take(self.n_levels).enumerate() {
            (0..q).for_each(|c| self.pull[c * self.padded + level] = h[c]);
        }
    }

    /// As [`JointTransport::forward`].
    pub fn forward(&self, map: &JointTransport, ctx: Context, k: f64, position: &[f64], out: &mut Mapped) {
        let (q, p) = (self.q, self.p);
        let (start, l) = (ctx.layout.z_effects().start, ctx.scales.factor_of(self.source, 0));
        let at = &mut out.lanes;
        at.levels.resize(self);
        at.sums.clear(p);
        self.write_table(&position[start..], &mut at.levels.u);
        with_q!(q, Factor { map: self, l: l, k: k, at: &mut at.levels, sums: &mut at.sums });
        let log_roots = self.factor_swept(map, k, &position[ctx.layout.z_swept()], at, &mut out.swept);
        with_q!(q, Solve { map: self, l: l, w: &out.swept, at: &mut at.levels });
        self.read_table(&at.levels.w, &mut out.standard);
        self.read_table(&at.levels.b, &mut out.effects);
        let diagonals = at.levels.diagonal.chunks_exact(self.padded).flat_map(|c| &c[..self.n_levels]);
        out.log_jacobian = -log_roots - log_product(diagonals);
        debug_assert_eq!(out.swept.len(), p);
    }

    /// Factor and values of the swept coefficients; returns the sum of the logs of its diagonal.
    fn factor_swept(&self, map: &JointTransport, k: f64, z: &[f64], at: &mut LanesScratch, w: &mut [f64]) -> f64 {
        let p = self.p;
        at.root.resize(p * p, 0.0);
        for i in 0..p {
            for j in 0..=i {
                let own = map.prior_precision[i * p + j] + k * self.swept[i * p + j];
                at.root[i * p + j] = own - at.sums.square[i * p + j].total();
            }
        }
        small::cholesky(p, &mut at.root);
        let pull = &map.pull[self.n_levels * self.q..];
        at.t.clear();
        at.t.extend((0..p).map(|i| map.prior_pull[i] + k * pull[i] - at.sums.vector[i].total()));
        small::solve_lower(p, &at.root, &mut at.t);
        at.u.clear();
        at.u.extend(at.t.iter().zip(z).map(|(t, z)| t + z));
        w.copy_from_slice(&at.u);
        small::solve_lower_transposed(p, &at.root, w);
        log_product((0..p).map(|i| &at.root[i * p + i]))
    }

    /// As [`JointTransport::backward`], with the derivatives in swept coefficients and effects; returns the
    /// derivative in `log k`.
    pub fn backward(
        &self, map: &JointTransport, ctx: Context, at: &mut Mapped, (d_swept, d_effects): (&[f64], &[f64]),
        gradient: &mut [f64], d_scales: &mut ScaleGradient,
    ) -> f64 {
        let (q, p, k) = (self.q, self.p, map.scale(ctx));
        let l = ctx.scales.factor_of(self.source, 0);
        let lanes = &mut at.lanes;
        lanes.sums.clear(p);
        self.write_table(d_effects, &mut lanes.levels.d);
        with_q!(q, Gather { map: self, l: l, at: &mut lanes.levels, sums: &mut lanes.sums });
        let (z_swept, z_effects) = (ctx.layout.z_swept(), ctx.layout.z_effects());
        self.read_table(&lanes.levels.du, &mut gradient[z_effects]);
        let mut log_k = self.swept_backward(map, k, lanes, d_swept);
        gradient[z_swept].copy_from_slice(&lanes.du);
        lanes.sums.clear(q);
        let swept = OfSwept { w: &at.swept, e: &lanes.e, adjoint: &lanes.adjoint };
        with_q!(q, PullBack { map: self, swept: swept, at: &lanes.levels, sums: &mut lanes.sums });
        log_k += lanes.sums.vector[0].total();
        self.factor_backward(l, &lanes.sums, d_scales);
        debug_assert_eq!(lanes.e.len(), p);
        log_k
    }

    /// Derivatives in `u` and `v` of the swept coefficients, and the adjoint of their matrix; returns
    /// their part of the derivative in `log k`.
    fn swept_backward(&self, map: &JointTransport, k: f64, at: &mut LanesScratch, d_swept: &[f64]) -> f64 {
        let p = self.p;
        at.du.clear();
        at.du.extend(d_swept.iter().enumerate().map(|(i, d)| d - at.sums.vector[i].total()));
        small::solve_lower(p, &at.root, &mut at.du);
        at.e.clone_from(&at.du);
        small::solve_lower_transposed(p, &at.root, &mut at.e);
        // R' times the adjoint of R is -(u du' + du t' + I), lower; see `level`.
        at.adjoint.resize(p * p, 0.0);
        for i in 0..p {
            for j in 0..=i {
                let x = at.u[i] * at.du[j] + at.du[i] * at.t[j] + if i == j { 1.0 } else { 0.0 };
                (at.adjoint[i * p + j], at.adjoint[j * p + i]) = (-0.5 * x, -0.5 * x);
            }
        }
        for _side in 0..2 {
            at.adjoint.chunks_exact_mut(p).for_each(|row| small::solve_lower_transposed(p, &at.root, row));
            transpose(p, &mut at.adjoint);
        }
        let pull = &map.pull[self.n_levels * self.q..];
        let matrix: f64 = self.swept.iter().zip(&at.adjoint).map(|(a, d)| a * d).sum();
        k * (matrix + pull.iter().zip(&at.e).map(|(h, e)| h * e).sum::<f64>())
    }

    /// `L^-T K`, lower, to the derivative in the factor.
    fn factor_backward(&self, l: &[f64], sums: &Swept, d_scales: &mut ScaleGradient) {
        let q = self.q;
        let Source::Term(term) = self.source else { return };
        for b in 0..q {
            let mut column = [0.0; MAX_Q];
            let column = &mut column[..q];
            column.iter_mut().enumerate().for_each(|(a, x)| *x = sums.square[a * q + b].total());
            small::solve_lower_transposed(q, l, column);
            (b..q).for_each(|a| d_scales.factor[term][a * q + b] += column[a]);
        }
    }

    /// From level-major values to a table.
    fn write_table(&self, from: &[f64], to: &mut [f64]) {
        for (level, values) in from.chunks_exact(self.q).take(self.n_levels).enumerate() {
            values.iter().enumerate().for_each(|(c, x)| to[c * self.padded + level] = *x);
        }
    }

    fn read_table(&self, from: &[f64], to: &mut [f64]) {
        for (level, values) in to.chunks_exact_mut(self.q).take(self.n_levels).enumerate() {
            values.iter_mut().enumerate().for_each(|(c, x)| *x = from[c * self.padded + level]);
        }
    }
}

impl Levels {
    fn resize(&mut self, map: &Lanes) {
        let (q, p) = (map.q, map.p);
        let tables = [
            (&mut self.block, q * q),
            (&mut self.root, q * q),
            (&mut self.diagonal, q),
            (&mut self.cross, p * q),
            (&mut self.y, p * q),
            (&mut self.v, q),
            (&mut self.t, q),
            (&mut self.u, q),
            (&mut self.w, q),
            (&mut self.b, q),
            (&mut self.d, q),
            (&mut self.du, q),
        ];
        tables.into_iter().for_each(|(table, n)| table.resize(n * map.padded, 0.0));
    }
}

fn transpose(p: usize, a: &mut [f64]) {
    for i in 0..p {
        (0..i).for_each(|j| a.swap(i * p + j, j * p + i));
    }
}

/// Sum of logs, most of them taken of products.
fn log_product<'a>(values: impl Iterator<Item = &'a f64>) -> f64 {
    let (mut sum, mut product) = (0.0, 1.0);
    for x in values {
        product *= x;
        if !(1e-150..1e150).contains(&product) {
            sum += product.ln();
            product = 1.0;
        }
    }
    sum + product.ln()
}
