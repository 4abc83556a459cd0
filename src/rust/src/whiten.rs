//! Linear whitening: coordinates in which the curvature at the mode is the identity.
//!
//! `x = centre + W y` with `W = L^-T`, where `L L'` is minus the Hessian at the mode. The Hessian
//! is taken by differences of gradients (`2 dim` gradients, once per fit).

use crate::density::LogDensity;
use faer::linalg::solvers::Solve;
use faer::{Mat, Side};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Curvatures below this share of the typical one say nothing of the posterior's width there.
const CURVATURE_FLOOR: f64 = 0.02;
/// Half-width of the differences; coordinates are of order one.
const DIFFERENCE: f64 = 1e-3;

/// A linear map of the position.
#[derive(Debug, Clone)]
pub struct Whitening {
    /// Image of zero.
    pub centre: Vec<f64>,
    /// `[dim, dim]` row-major upper triangle `W`, or empty for the identity.
    pub factor: Vec<f64>,
}

/// A density in whitened coordinates.
#[derive(Debug, Clone)]
pub struct Whitened<D> {
    /// The density of `x`.
    pub inner: D,
    map: Arc<Whitening>,
    x: Vec<f64>,
    d_x: Vec<f64>,
}

impl Whitening {
    /// `x = centre + y`.
    pub fn shift(centre: Vec<f64>) -> Self {
        Self { centre, factor: vec![] }
    }

    /// From the Hessian of `density` at `mode`; a plain shift if no factor can be had.
    pub fn at_mode<D: LogDensity>(density: &mut D, mode: Vec<f64>, cancel: &AtomicBool) -> Self {
        let dim = mode.len();
        let curvature = curvature(density, &mode, cancel);
        let factor = lower_factor(&curvature).map(|l| inverse_transpose(&l, dim));
        Self { centre: mode, factor: factor.unwrap_or_default() }
    }

    /// `x = centre + W y`.
    pub fn apply(&self, y: &[f64], x: &mut [f64]) {
        let dim = y.len();
        x.copy_from_slice(&self.centre);
        if self.factor.is_empty() {
            x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
            return;
        }
        for (i, x) in x.iter_mut().enumerate() {
            *x += dot(&self.factor[i * dim + i..(i + 1) * dim], &y[i..]);
        }
    }

    /// `d_y = W' d_x`.
    fn pull_back(&self, d_x: &[f64], d_y: &mut [f64]) {
        if self.factor.is_empty() {
            d_y.copy_from_slice(d_x);
            return;
        }
        let dim = d_x.len();
        d_y.fill(0.0);
        for (i, &d) in d_x.iter().enumerate() {
            let row = &self.factor[i * dim + i..(i + 1) * dim];
            d_y[i..].iter_mut().zip(row).for_each(|(out, w)| *out += w * d);
        }
    }
}

impl<D: LogDensity> Whitened<D> {
    /// Joins a density and a map.
    pub fn new(inner: D, map: Arc<Whitening>) -> Self {
        let dim = inner.dim();
        Self { inner, map, x: vec![0.0; dim], d_x: vec![0.0; dim] }
    }

    /// The inner density and its position at the last evaluation.
    pub fn parts(&mut self) -> (&mut D, &[f64]) {
        (&mut self.inner, &self.x)
    }
}

impl<D: LogDensity> LogDensity for Whitened<D> {
    fn dim(&self) -> usize {
        self.x.len()
    }

    fn evaluate(&mut self, position: &[f64], gradient: &mut [f64]) -> f64 {
        self.map.apply(position, &mut self.x);
        let value = self.inner.evaluate(&self.x, &mut self.d_x);
        self.map.pull_back(&self.d_x, gradient);
        value
    }
}

/// Minus the Hessian by central differences of the gradient, made symmetric.
fn curvature<D: LogDensity>(density: &mut D, at: &[f64], cancel: &AtomicBool) -> Mat<f64> {
    let dim = at.len();
    let mut x = at.to_vec();
    let (mut up, mut down) = (vec![0.0; dim], vec![0.0; dim]);
    let mut columns = Mat::<f64>::zeros(dim, dim);
    for j in 0..dim {
        if cancel.load(Ordering::Relaxed) {
            break;
        }
        x[j] = at[j] + DIFFERENCE;
        density.evaluate(&x, &mut up);
        x[j] = at[j] - DIFFERENCE;
        density.evaluate(&x, &mut down);
        x[j] = at[j];
        (0..dim).for_each(|i| columns[(i, j)] = (down[i] - up[i]) / (2.0 * DIFFERENCE));
    }
    Mat::from_fn(dim, dim, |i, j| 0.5 * (columns[(i, j)] + columns[(j, i)]))
}

/// Cholesky factor; where the curvature is not clearly positive its eigenvalues are lifted first.
fn lower_factor(curvature: &Mat<f64>) -> Option<Mat<f64>> {
    let dim = curvature.nrows();
    let finite = (0..dim).all(|j| (0..dim).all(|i| curvature[(i, j)].is_finite()));
    if !finite {
        return None;
    }
    let factor = curvature.llt(Side::Lower).ok().map(|f| f.L().to_owned());
    match factor {
        Some(l) if (0..dim).all(|i| l[(i, i)] > CURVATURE_FLOOR.sqrt()) => Some(l),
        _ => lifted(curvature)?.llt(Side::Lower).ok().map(|f| f.L().to_owned()),
    }
}

fn lifted(curvature: &Mat<f64>) -> Option<Mat<f64>> {
    let eigen = curvature.self_adjoint_eigen(Side::Lower).ok()?;
    let (u, s) = (eigen.U(), eigen.S().column_vector());
    let dim = curvature.nrows();
    let scaled = Mat::from_fn(dim, dim, |i, j| u[(i, j)] * s[j].abs().max(CURVATURE_FLOOR));
    Some(&scaled * u.transpose())
}

/// `L^-T` as a row-major upper triangle.
fn inverse_transpose(l: &Mat<f64>, dim: usize) -> Vec<f64> {
    let mut inverse = Mat::<f64>::identity(dim, dim);
    faer::linalg::triangular_solve::solve_lower_triangular_in_place(l.as_ref(), inverse.as_mut(), faer::Par::Seq);
    let mut out = vec![0.0; dim * dim];
    for i in 0..dim {
        for j in i..dim {
            out[i * dim + j] = inverse[(j, i)];
        }
    }
    out
}

/// Solves `A x = b` for several right-hand sides by Cholesky and gives `L^-T` row-major as well;
/// a ridge is added until `A` is positive definite.
pub fn solve_and_spread(a: &Mat<f64>, b: &Mat<f64>) -> (Mat<f64>, Vec<f64>) {
    let dim = a.nrows();
    let scale = (0..dim).map(|i| a[(i, i)].abs()).fold(1e-12, f64::max);
    let mut ridge = 0.0;
    for _ in 0..30 {
        let ridged = Mat::from_fn(dim, dim, |i, j| a[(i, j)] + if i == j { ridge } else { 0.0 });
        if let Ok(f) = ridged.llt(Side::Lower) {
            return (f.solve(b), inverse_transpose(&f.L().to_owned(), dim));
        }
        ridge = if ridge == 0.0 { 1e-10 * scale } else { 10.0 * ridge };
    }
    // Only a matrix that is not finite comes here: no sweep, unit spread.
    let identity = Mat::<f64>::identity(dim, dim);
    (Mat::zeros(dim, b.ncols()), inverse_transpose(&identity, dim))
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A correlated normal with covariance [[4, 1.9], [1.9, 1]].
    #[derive(Clone)]
    struct Ridge;
    impl LogDensity for Ridge {
        fn dim(&self) -> usize {
            2
        }
        fn evaluate(&mut self, q: &[f64], g: &mut [f64]) -> f64 {
            let det = 4.0 - 1.9 * 1.9;
            g[0] = -(q[0] - 1.9 * q[1]) / det;
            g[1] = -(4.0 * q[1] - 1.9 * q[0]) / det;
            0.5 * (g[0] * q[0] + g[1] * q[1])
        }
    }

    #[test]
    fn a_normal_becomes_standard() {
        let map = Whitening::at_mode(&mut Ridge, vec![0.0; 2], &AtomicBool::new(false));
        let mut white = Whitened::new(Ridge, Arc::new(map));
        let mut g = [0.0; 2];
        white.evaluate(&[0.7, -1.1], &mut g);
        assert!((g[0] + 0.7).abs() < 1e-7 && (g[1] - 1.1).abs() < 1e-7, "{g:?}");
    }
}
