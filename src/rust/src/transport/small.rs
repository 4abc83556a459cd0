//! Row-major kernels for the few coefficients of a level.

/// In-place lower Cholesky factor of a matrix that is positive definite by construction.
pub fn cholesky(q: usize, a: &mut [f64]) {
    for i in 0..q {
        for j in 0..=i {
            let s: f64 = (0..j).map(|k| a[i * q + k] * a[j * q + k]).sum();
            let v = a[i * q + j] - s;
            a[i * q + j] = if i == j { v.sqrt() } else { v / a[j * q + j] };
        }
        (i + 1..q).for_each(|j| a[i * q + j] = 0.0);
    }
}

/// `x <- L^-1 x`.
pub fn solve_lower(q: usize, l: &[f64], x: &mut [f64]) {
    for i in 0..q {
        let s: f64 = (0..i).map(|k| l[i * q + k] * x[k]).sum();
        x[i] = (x[i] - s) / l[i * q + i];
    }
}

/// `x <- L^-T x`.
pub fn solve_lower_transposed(q: usize, l: &[f64], x: &mut [f64]) {
    for i in (0..q).rev() {
        let s: f64 = (i + 1..q).map(|k| l[k * q + i] * x[k]).sum();
        x[i] = (x[i] - s) / l[i * q + i];
    }
}

/// `out <- L x`.
pub fn multiply_lower(q: usize, l: &[f64], x: &[f64], out: &mut [f64]) {
    (0..q).for_each(|i| out[i] = (0..=i).map(|k| l[i * q + k] * x[k]).sum());
}

/// `out <- L' x`.
pub fn multiply_transposed(q: usize, l: &[f64], x: &[f64], out: &mut [f64]) {
    (0..q).for_each(|i| out[i] = (i..q).map(|k| l[k * q + i] * x[k]).sum());
}

/// `out <- A L` for square `A` and lower `L`.
pub fn multiply_square_lower(q: usize, a: &[f64], l: &[f64], out: &mut [f64]) {
    for i in 0..q {
        (0..q).for_each(|j| out[i * q + j] = (j..q).map(|k| a[i * q + k] * l[k * q + j]).sum());
    }
}

/// From the adjoint `d` of `R = chol(P)` (lower; overwritten) to the symmetric adjoint of `P`.
pub fn cholesky_adjoint(q: usize, r: &[f64], d: &mut [f64], out: &mut [f64]) {
    for i in 0..q {
        for j in 0..=i {
            let v: f64 = (i..q).map(|k| r[k * q + i] * d[k * q + j]).sum();
            let v = if i == j { 0.5 * v } else { v };
            out[i * q + j] = v;
            out[j * q + i] = v;
        }
        out[i * q + i] *= 2.0;
    }
    // out = Phi + Phi'; result = R^-T out R^-1 / 2, one triangular solve per side.
    for _side in 0..2 {
        for j in 0..q {
            let column = &mut d[j * q..(j + 1) * q];
            (0..q).for_each(|i| column[i] = out[i * q + j]);
            solve_lower_transposed(q, r, column);
        }
        out.copy_from_slice(d);
    }
    out.iter_mut().for_each(|v| *v *= 0.5);
}
