//! Dense whitening: the Hessian at the mode by differences of gradients, and its triangular factor.

use crate::density::LogDensity;
use crate::kernels::dot;
use faer::linalg::solvers::Solve;
use faer::{Mat, Side};
use std::sync::atomic::{AtomicBool, Ordering};

/// Curvatures below this share of the typical one say nothing of the posterior's width there.
pub const CURVATURE_FLOOR: f64 = 0.02;
/// Half-width of the differences; coordinates are of order one.
const DIFFERENCE: f64 = 1e-3;

/// `W = L^-T` as a row-major upper triangle, `L L'` minus the Hessian of `density` at `mode`.
/// `None` if that is not finite.
pub fn factor_at<D: LogDensity>(density: &mut D, mode: &[f64], cancel: &AtomicBool) -> Option<Vec<f64>> {
    upper_factor(&curvature(density, mode, cancel))
}

/// `L^-T` of a curvature `L L'`, lifted where it is not clearly positive.
pub fn upper_factor(curvature: &Mat<f64>) -> Option<Vec<f64>> {
    lower_factor(curvature).map(|l| inverse_transpose(&l, curvature.nrows()))
}

/// `out <- W y` for a row-major upper triangle.
pub fn multiply(factor: &[f64], y: &[f64], out: &mut [f64]) {
    let dim = y.len();
    for (i, out) in out.iter_mut().enumerate() {
        *out = dot(&factor[i * dim + i..(i + 1) * dim], &y[i..]);
    }
}

/// `out <- W' d`.
pub fn multiply_transposed(factor: &[f64], d: &[f64], out: &mut [f64]) {
    let dim = d.len();
    out.fill(0.0);
    for (i, &d) in d.iter().enumerate() {
        let row = &factor[i * dim + i..(i + 1) * dim];
        out[i..].iter_mut().zip(row).for_each(|(out, w)| *out += w * d);
    }
}

/// Minus the derivative of the gradient along `direction`, by central differences; `x` is the point
/// and is left as it was.
pub fn curvature_along<D: LogDensity>(
    density: &mut D, x: &mut [f64], direction: impl Iterator<Item = (usize, f64)> + Clone, out: &mut [f64],
) {
    let mut down = vec![0.0; x.len()];
    let saved: Vec<(usize, f64)> = direction.clone().map(|(j, _)| (j, x[j])).collect();
    direction.clone().for_each(|(j, v)| x[j] += DIFFERENCE * v);
    density.evaluate(x, out);
    direction.for_each(|(j, v)| x[j] -= 2.0 * DIFFERENCE * v);
    density.evaluate(x, &mut down);
    saved.into_iter().for_each(|(j, v)| x[j] = v);
    out.iter_mut().zip(&down).for_each(|(up, down)| *up = (down - *up) / (2.0 * DIFFERENCE));
}

/// Minus the Hessian by central differences of the gradient, made symmetric.
fn curvature<D: LogDensity>(density: &mut D, at: &[f64], cancel: &AtomicBool) -> Mat<f64> {
    let dim = at.len();
    let (mut x, mut column) = (at.to_vec(), vec![0.0; dim]);
    let mut columns = Mat::<f64>::zeros(dim, dim);
    for j in 0..dim {
        if cancel.load(Ordering::Relaxed) {
            break;
        }
        curvature_along(density, &mut x, std::iter::once((j, 1.0)), &mut column);
        (0..dim).for_each(|i| columns[(i, j)] = column[i]);
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

/// Row-major `L` of `A = L L'` from its lower triangle; `None` if it is not positive definite.
pub fn lower_root(a: &Mat<f64>) -> Option<Vec<f64>> {
    let (dim, factor) = (a.nrows(), a.llt(Side::Lower).ok()?);
    let l = factor.L();
    Some((0..dim * dim).map(|at| if at % dim <= at / dim { l[(at / dim, at % dim)] } else { 0.0 }).collect())
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
