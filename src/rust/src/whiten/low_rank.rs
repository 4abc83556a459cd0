//! Low-rank whitening: the few directions in which the curvature is far from one.
//!
//! `C = I + Q (S - I) Q'` with eigenvectors `Q` of the curvature and `S` one over the roots of their
//! eigenvalues. Found by the Lanczos iteration (Golub and Van Loan 2013, section 10.1) with products
//! by differences of gradients.

use super::dense::{CURVATURE_FLOOR, curvature_along};
use crate::density::LogDensity;
use crate::kernels::dot;
use faer::{Mat, Side};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use std::sync::atomic::{AtomicBool, Ordering};

/// Steps of the iteration; two gradients each.
const STEPS: usize = 100;
/// Curvatures between these are left alone.
const NEAR_ONE: (f64, f64) = (0.55, 2.5);
/// Largest error of an eigenvalue that is used, as a share of it.
const CONVERGED: f64 = 0.05;

/// Directions with their stretch.
#[derive(Debug)]
pub struct LowRank {
    /// Unit vectors with `s - 1`.
    directions: Vec<(Vec<f64>, f64)>,
}

impl LowRank {
    /// Of the first `n` coordinates of `density` at `mode`.
    pub fn at_mode<D: LogDensity>(density: &mut D, mode: &[f64], n: usize, cancel: &AtomicBool) -> Self {
        let (basis, t, rest) = lanczos(density, mode, n, cancel);
        let Some(eigen) = t.self_adjoint_eigen(Side::Lower).ok() else { return Self { directions: vec![] } };
        let (u, values) = (eigen.U(), eigen.S().column_vector());
        let is_used = |i: &usize| {
            let (value, error) = (values[*i], rest * u[(t.nrows() - 1, *i)].abs());
            (value < NEAR_ONE.0 || value > NEAR_ONE.1) && error < CONVERGED * value.abs()
        };
        let direction = |i: usize| {
            let mut q = vec![0.0; n];
            for (row, b) in basis.iter().enumerate() {
                q.iter_mut().zip(b).for_each(|(q, b)| *q += u[(row, i)] * b);
            }
            (q, values[i].max(CURVATURE_FLOOR).sqrt().recip() - 1.0)
        };
        Self { directions: (0..t.nrows()).filter(is_used).map(direction).collect() }
    }

    /// Logarithm of `|det C|`.
    pub fn log_det(&self) -> f64 {
        self.directions.iter().map(|(_, stretch)| stretch.ln_1p()).sum()
    }

    /// `out <- C y`; symmetric.
    pub fn multiply(&self, y: &[f64], out: &mut [f64]) {
        out.copy_from_slice(y);
        for (q, stretch) in &self.directions {
            let along = stretch * dot(q, y);
            out.iter_mut().zip(q).for_each(|(o, q)| *o += along * q);
        }
    }
}

/// Orthonormal basis, the tridiagonal matrix of the curvature in it, and the coupling to what is left out.
fn lanczos<D: LogDensity>(
    density: &mut D, mode: &[f64], n: usize, cancel: &AtomicBool,
) -> (Vec<Vec<f64>>, Mat<f64>, f64) {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut q: Vec<f64> = (0..n).map(|_| StandardNormal.sample(&mut rng)).collect();
    let mut basis: Vec<Vec<f64>> = vec![];
    let (mut diagonal, mut off) = (vec![], vec![]);
    let (mut x, mut product) = (mode.to_vec(), vec![0.0; mode.len()]);
    normalise(&mut q);
    while basis.len() < STEPS.min(n) && !cancel.load(Ordering::Relaxed) {
        curvature_along(density, &mut x, q.iter().copied().enumerate(), &mut product);
        let mut next = product[..n].to_vec();
        diagonal.push(dot(&next, &q));
        basis.push(q);
        // Twice: once leaves the rounding errors of large eigenvalues.
        for _ in 0..2 {
            basis.iter().for_each(|b| subtract(dot(&next, b), b, &mut next));
        }
        let length = normalise(&mut next);
        off.push(length);
        if length.is_nan() || length <= 1e-8 {
            break;
        }
        q = next;
    }
    let m = diagonal.len();
    let entry = |i: usize, j: usize| match i.abs_diff(j) {
        0 => diagonal[i],
        1 => off[i.min(j)],
        _ => 0.0,
    };
    (basis, Mat::from_fn(m, m, entry), off.last().copied().unwrap_or(0.0))
}

fn subtract(a: f64, b: &[f64], from: &mut [f64]) {
    from.iter_mut().zip(b).for_each(|(f, b)| *f -= a * b);
}

/// Divides by the length, which is returned.
fn normalise(v: &mut [f64]) -> f64 {
    let length = dot(v, v).sqrt();
    v.iter_mut().for_each(|v| *v /= length);
    length
}
