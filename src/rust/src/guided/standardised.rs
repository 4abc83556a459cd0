//! Coordinates with mean zero and the identity as covariance.

use crate::kernels::dot;

/// `y = mean + root x`.
#[derive(Debug, Clone)]
pub struct Standardised {
    /// Where `x` is zero.
    pub mean: Vec<f64>,
    /// `[d, d]` row-major lower root of the covariance.
    pub root: Vec<f64>,
}

impl Standardised {
    /// Of what is standard already.
    pub fn identity(dim: usize) -> Self {
        let root = (0..dim * dim).map(|at| f64::from(u8::from(at / dim == at % dim))).collect();
        Self { mean: vec![0.0; dim], root }
    }

    /// Number of coordinates.
    pub fn dim(&self) -> usize {
        self.mean.len()
    }

    /// `y` of `x`.
    pub fn place(&self, x: &[f64]) -> Vec<f64> {
        let d = x.len();
        (0..d).map(|i| self.mean[i] + dot(&self.root[i * d..=i * d + i], &x[..=i])).collect()
    }

    /// `x` of `y`.
    pub fn standardise(&self, y: &[f64]) -> Vec<f64> {
        let d = y.len();
        let mut x = vec![0.0; d];
        for i in 0..d {
            let row = &self.root[i * d..=i * d + i];
            x[i] = (y[i] - self.mean[i] - dot(&row[..i], &x[..i])) / row[i];
        }
        x
    }

    /// These of coordinates that are themselves an `inner` frame's `y`.
    pub fn then(&self, inner: &Self) -> Self {
        let d = self.dim();
        let product = |i: usize, j: usize| (j..=i).map(|k| self.root[i * d + k] * inner.root[k * d + j]).sum();
        let root = (0..d * d).map(|at| if at % d <= at / d { product(at / d, at % d) } else { 0.0 }).collect();
        Self { mean: self.place(&inner.mean), root }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_frame_after_another_is_both() {
        let outer = Standardised { mean: vec![1.0, -2.0], root: vec![0.5, 0.0, 0.3, 2.0] };
        let inner = Standardised { mean: vec![-0.4, 0.7], root: vec![1.5, 0.0, -0.2, 0.1] };
        let (both, x) = (outer.then(&inner), [0.3, -1.1]);
        let y = both.place(&x);
        let expected = outer.place(&inner.place(&x));
        let back = both.standardise(&y);
        for i in 0..2 {
            assert!((y[i] - expected[i]).abs() < 1e-14 && (back[i] - x[i]).abs() < 1e-13, "{y:?} {back:?}");
        }
    }
}
