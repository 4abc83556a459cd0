//! Small dense matrices, row by row.

use crate::tuning::MIN_PIVOT;

/// Means of the entries on both sides of the diagonal.
pub fn symmetrise(n: usize, a: &mut [f64]) {
    for i in 0..n {
        for j in 0..i {
            let mean = 0.5 * (a[i * n + j] + a[j * n + i]);
            (a[i * n + j], a[j * n + i]) = (mean, mean);
        }
    }
}

/// Cholesky factor of `a` plus a ridge; `None` if that is not definite.
pub fn factor(n: usize, a: &[f64], ridge: f64) -> Option<Vec<f64>> {
    let mut r = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let dot: f64 = r[i * n..i * n + j].iter().zip(&r[j * n..j * n + j]).map(|(x, y)| x * y).sum();
            let s = a[i * n + j] - dot + if i == j { ridge } else { 0.0 };
            if i == j && (s.is_nan() || s <= MIN_PIVOT) {
                return None;
            }
            r[i * n + j] = if i == j { s.sqrt() } else { s / r[j * n + j] };
        }
    }
    Some(r)
}

/// `(R R')^-1 x`.
pub fn solve(n: usize, r: &[f64], x: &[f64]) -> Vec<f64> {
    let mut out = x.to_vec();
    for i in 0..n {
        let dot: f64 = (0..i).map(|k| r[i * n + k] * out[k]).sum();
        out[i] = (out[i] - dot) / r[i * n + i];
    }
    for i in (0..n).rev() {
        let dot: f64 = (i + 1..n).map(|k| r[k * n + i] * out[k]).sum();
        out[i] = (out[i] - dot) / r[i * n + i];
    }
    out
}

/// Inverse of a lower triangular matrix.
pub fn invert_lower(n: usize, r: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; n * n];
    for i in 0..n {
        out[i * n + i] = 1.0 / r[i * n + i];
        for k in 0..i {
            let factor = -r[i * n + k] / r[i * n + i];
            let (above, own) = out.split_at_mut(i * n);
            own[..=k].iter_mut().zip(&above[k * n..=k * n + k]).for_each(|(o, a)| *o += factor * a);
        }
    }
    out
}

/// The identity.
pub fn identity(n: usize) -> Vec<f64> {
    (0..n * n).map(|e| f64::from(u8::from(e / n == e % n))).collect()
}
