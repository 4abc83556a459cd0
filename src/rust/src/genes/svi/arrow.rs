//! The joint conditional Gaussian of effects and coefficients at the current scales, for eight draws at once.
//!
//! With `D` the standard deviations (1 for coefficients), `A` the data's information, `h` their pull, `k` a factor,
//! `S` and `v0` the coefficients' prior,
//!
//! ```text
//! G = k D A D + (I, S) = R R',    v = R^-T (R^-1 (k D h + v0) + z),    log |dv/dz| = -sum log R_aa
//! ```
//!
//! is an arrow: blocks of one level each, which meet the core only. As [`crate::transport::joint`].

use super::flat::FlatGene;
use super::frame::Frame;
use super::lane::{Lane, triangle};
use super::slopes::{Factor, Sums};

/// Constants of the map: `A`, `h`, `S` and `v0` in arrow order.
#[derive(Debug, Clone, Default)]
pub struct Information {
    /// `[blocks, b, b]`, lower triangles.
    pub blocks: Vec<f64>,
    /// `[blocks, c, b]`.
    pub cross: Vec<f64>,
    /// `[c, c]`, lower triangle.
    pub core: Vec<f64>,
    /// `[n]`.
    pub pull: Vec<f64>,
    /// Prior precision of the core, `[c, c]`: one for effects.
    pub prior: Vec<f64>,
    /// `[c]`.
    pub prior_pull: Vec<f64>,
}

/// Values of eight draws. Matrices as in [`Information`].
#[derive(Debug, Clone, Default)]
pub struct Arrow {
    blocks: Vec<Lane>,
    cross: Vec<Lane>,
    core: Vec<Lane>,
    r_blocks: Vec<Lane>,
    r_cross: Vec<Lane>,
    r_core: Vec<Lane>,
    inverse: Vec<Lane>,
    /// `k D h`.
    pull: Vec<Lane>,
    t: Vec<Lane>,
    /// Standardised effects, and coefficients.
    pub v: Vec<Lane>,
    y: Vec<Lane>,
    q: Vec<Lane>,
    d_block: Vec<Lane>,
    d_cross: Vec<Lane>,
    d_core: Vec<Lane>,
}

impl Information {
    /// No data, and the priors: that of coefficients as a normal distribution of its location and precision.
    pub fn new(frame: &Frame, gene: &FlatGene) -> Self {
        let Frame { n, n_blocks, b, c, p, .. } = *frame;
        let (mut prior, mut prior_pull) = (vec![0.0; c * c], vec![0.0; c]);
        (0..c - p).for_each(|i| prior[i * c + i] = 1.0);
        for (of, direction) in gene.coefficients.iter().zip(gene.directions.chunks_exact(p)) {
            for (i, di) in direction.iter().enumerate() {
                prior_pull[c - p + i] += di * of.precision() * of.location();
                let row = &mut prior[(c - p + i) * c + c - p..(c - p + i + 1) * c];
                row.iter_mut().zip(direction).for_each(|(s, dj)| *s += di * dj * of.precision());
            }
        }
        let (blocks, cross) = (vec![0.0; n_blocks * b * b], vec![0.0; n_blocks * c * b]);
        Self { blocks, cross, core: vec![0.0; c * c], pull: vec![0.0; n], prior, prior_pull }
    }

    /// Forgets the data.
    pub fn clear(&mut self) {
        [&mut self.blocks, &mut self.cross, &mut self.core, &mut self.pull].into_iter().for_each(|v| v.fill(0.0));
    }
}

impl Arrow {
    /// Memory for maps of this frame.
    pub fn new(frame: &Frame) -> Self {
        let Frame { n, n_blocks, b, c, .. } = *frame;
        let zeros = |n: usize| vec![Lane::ZERO; n];
        Self {
            blocks: zeros(n_blocks * b * b),
            cross: zeros(n_blocks * c * b),
            core: zeros(c * c),
            r_blocks: zeros(n_blocks * b * b),
            r_cross: zeros(n_blocks * c * b),
            r_core: zeros(c * c),
            inverse: zeros(n),
            pull: zeros(n),
            t: zeros(n),
            v: zeros(n),
            y: zeros(n),
            q: zeros(n),
            d_block: zeros(b * b),
            d_cross: zeros(c * b),
            d_core: zeros(c * c),
        }
    }

    /// Sets `v` from `z` at standard deviations `sd` (`[n]`, 1 for coefficients); returns the log Jacobian.
    #[inline(always)]
    pub fn forward(&mut self, frame: &Frame, a: &Information, k: Lane, sd: &[Lane], z: &[Lane]) -> Lane {
        self.assemble(frame, a, k, sd);
        self.factor(frame);
        for (v, (z, t)) in self.v.iter_mut().zip(z.iter().zip(&self.t)) {
            *v = *t + *z;
        }
        let Self { r_blocks, r_cross, r_core, inverse, v, .. } = self;
        solve_transposed(frame, r_blocks, r_cross, r_core, inverse, v);
        let mut product = Lane::splat(1.0);
        let mut log_jacobian = Lane::ZERO;
        for (at, i) in self.inverse.iter().enumerate() {
            product *= *i;
            if at % 4 == 3 || at + 1 == self.inverse.len() {
                log_jacobian += product.map(crate::kernels::elementary::ln);
                product = Lane::splat(1.0);
            }
        }
        log_jacobian
    }

    #[inline(always)]
    fn assemble(&mut self, frame: &Frame, a: &Information, k: Lane, sd: &[Lane]) {
        let Frame { n, n_blocks, b, c, .. } = *frame;
        let first = n - c;
        for i in 0..n {
            self.pull[i] = k * sd[i] * a.pull[i];
            self.t[i] = self.pull[i];
        }
        for g in 0..n_blocks {
            for i in 0..b {
                let row = k * sd[g * b + i];
                for j in 0..=i {
                    let at = (g * b + i) * b + j;
                    let e = row * sd[g * b + j] * a.blocks[at];
                    self.blocks[at] = e;
                    self.r_blocks[at] = if i == j { e + Lane::splat(1.0) } else { e };
                }
            }
            for i in 0..c {
                let row = k * sd[first + i];
                for j in 0..b {
                    let at = (g * c + i) * b + j;
                    self.cross[at] = row * sd[g * b + j] * a.cross[at];
                    self.r_cross[at] = self.cross[at];
                }
            }
        }
        for i in 0..c {
            let row = k * sd[first + i];
            self.t[first + i] += Lane::splat(a.prior_pull[i]);
            for j in 0..=i {
                let at = i * c + j;
                self.core[at] = row * sd[first + j] * a.core[at];
                self.r_core[at] = self.core[at] + Lane::splat(a.prior[at]);
            }
        }
    }

    /// Factors `G` and takes `t` from the right-hand side to `R^-1` of it.
    #[inline(always)]
    fn factor(&mut self, frame: &Frame) {
        let Frame { n, n_blocks, b, c, .. } = *frame;
        let first = n - c;
        let (t, t_core) = self.t.split_at_mut(first);
        let (inverse, inverse_core) = self.inverse.split_at_mut(first);
        for g in 0..n_blocks {
            let own = g * b..(g + 1) * b;
            let (r, inverse, t) =
                (&mut self.r_blocks[g * b * b..(g + 1) * b * b], &mut inverse[own.clone()], &mut t[own]);
            triangle::factor(b, r, inverse);
            triangle::solve(b, r, inverse, t);
            let x = &mut self.r_cross[g * c * b..(g + 1) * c * b];
            for i in 0..c {
                triangle::solve(b, r, inverse, &mut x[i * b..(i + 1) * b]);
                for k in 0..b {
                    t_core[i] -= x[i * b + k] * t[k];
                }
                for j in 0..=i {
                    for k in 0..b {
                        self.r_core[i * c + j] -= x[i * b + k] * x[j * b + k];
                    }
                }
            }
        }
        triangle::factor(c, &mut self.r_core, inverse_core);
        triangle::solve(c, &self.r_core, inverse_core, t_core);
    }

    /// From the derivatives `d_v` to those in `z`, which take their place; adds to `d_log_sd` those in the log standard
    /// deviations by way of the map, and returns that in `k`, times `k`.
    #[inline(always)]
    pub fn backward(&mut self, frame: &Frame, d_v: &mut [Lane], d_log_sd: &mut [Lane]) -> Lane {
        let Self { r_blocks, r_cross, r_core, inverse, y, q, .. } = self;
        y.copy_from_slice(d_v);
        solve(frame, r_blocks, r_cross, r_core, inverse, y);
        d_v.copy_from_slice(y);
        q.copy_from_slice(y);
        solve_transposed(frame, r_blocks, r_cross, r_core, inverse, q);
        let mut d_k = Lane::ZERO;
        for (a, (pull, q)) in self.pull.iter().zip(&self.q).enumerate() {
            let share = *pull * *q;
            d_k += share;
            d_log_sd[frame.sd_of[a]] += share;
        }
        d_k + self.pull_back(frame, d_log_sd)
    }

    /// Through the factorisation, the core first.
    #[inline(always)]
    fn pull_back(&mut self, frame: &Frame, d_log_sd: &mut [Lane]) -> Lane {
        let Frame { n, n_blocks, b, c, .. } = *frame;
        let first = n - c;
        let mut d_k = Lane::ZERO;
        let mut sums = Sums { d_k: &mut d_k, d_log_sd, sd_of: &frame.sd_of };
        let Self { v, y, q, t, inverse, .. } = self;
        let factor = Factor { v, y, q, t, inverse };
        for i in 0..c {
            (0..=i).for_each(|j| self.d_core[i * c + j] = factor.slope(first + i, first + j));
        }
        triangle::pull_back(c, &self.r_core, &inverse[first..], &mut self.d_core);
        for i in 0..c {
            (0..=i).for_each(|j| sums.add(self.d_core[i * c + j] * self.core[i * c + j], first + i, first + j));
        }
        // Off the diagonal the entries stand for two.
        (0..c).for_each(|i| self.d_core[i * c + i] = self.d_core[i * c + i] * 2.0);
        for g in 0..n_blocks {
            let (r, x) = (&self.r_blocks[g * b * b..(g + 1) * b * b], &self.r_cross[g * c * b..(g + 1) * c * b]);
            let own = &inverse[g * b..(g + 1) * b];
            let (d_block, d_cross) = (&mut self.d_block, &mut self.d_cross);
            for i in 0..b {
                (0..=i).for_each(|j| d_block[i * b + j] = factor.slope(g * b + i, g * b + j));
            }
            for i in 0..c {
                for k in 0..b {
                    let mut d = factor.slope(first + i, g * b + k);
                    (0..=i).for_each(|j| d -= self.d_core[i * c + j] * x[j * b + k]);
                    (i + 1..c).for_each(|j| d -= self.d_core[j * c + i] * x[j * b + k]);
                    d_cross[i * b + k] = d;
                }
                triangle::solve_transposed(b, r, own, &mut d_cross[i * b..(i + 1) * b]);
                for k in 0..b {
                    let d = d_cross[i * b + k];
                    (0..=k).for_each(|j| d_block[k * b + j] -= d * x[i * b + j]);
                    sums.add(d * self.cross[(g * c + i) * b + k], first + i, g * b + k);
                }
            }
            triangle::pull_back(b, r, own, d_block);
            for i in 0..b {
                (0..=i).for_each(|j| {
                    sums.add(d_block[i * b + j] * self.blocks[(g * b + i) * b + j], g * b + i, g * b + j)
                });
            }
        }
        d_k
    }
}

/// `R^-1 x`.
#[inline(always)]
fn solve(frame: &Frame, r_blocks: &[Lane], r_cross: &[Lane], r_core: &[Lane], inverse: &[Lane], x: &mut [Lane]) {
    let Frame { n, n_blocks, b, c, .. } = *frame;
    let (x, core) = x.split_at_mut(n - c);
    for g in 0..n_blocks {
        let own = g * b..(g + 1) * b;
        let x = &mut x[own.clone()];
        triangle::solve(b, &r_blocks[g * b * b..(g + 1) * b * b], &inverse[own], x);
        let cross = &r_cross[g * c * b..(g + 1) * c * b];
        for i in 0..c {
            (0..b).for_each(|k| core[i] -= cross[i * b + k] * x[k]);
        }
    }
    triangle::solve(c, r_core, &inverse[n - c..], core);
}

/// `R^-T x`.
#[inline(always)]
fn solve_transposed(
    frame: &Frame, r_blocks: &[Lane], r_cross: &[Lane], r_core: &[Lane], inverse: &[Lane], x: &mut [Lane],
) {
    let Frame { n, n_blocks, b, c, .. } = *frame;
    let (x, core) = x.split_at_mut(n - c);
    triangle::solve_transposed(c, r_core, &inverse[n - c..], core);
    for g in 0..n_blocks {
        let own = g * b..(g + 1) * b;
        let (x, cross) = (&mut x[own.clone()], &r_cross[g * c * b..(g + 1) * c * b]);
        for i in 0..c {
            (0..b).for_each(|k| x[k] -= cross[i * b + k] * core[i]);
        }
        triangle::solve_transposed(b, &r_blocks[g * b * b..(g + 1) * b * b], &inverse[own], x);
    }
}
