//! One number for each of eight draws, and arithmetic on them that turns into vector instructions.

use crate::simd::LANES;
use std::ops::{Add, AddAssign, Mul, MulAssign, Neg, Sub, SubAssign};

/// One number per draw.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(align(64))]
pub struct Lane(pub [f64; LANES]);

impl Lane {
    /// Zeros.
    pub const ZERO: Self = Self([0.0; LANES]);

    /// The same number for all draws.
    #[inline(always)]
    pub fn splat(x: f64) -> Self {
        Self([x; LANES])
    }

    /// `f` of each number.
    #[inline(always)]
    pub fn map(self, f: impl Fn(f64) -> f64) -> Self {
        let mut out = self.0;
        out.iter_mut().for_each(|x| *x = f(*x));
        Self(out)
    }

    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(f64, f64) -> f64) -> Self {
        let mut out = self.0;
        out.iter_mut().zip(&other.0).for_each(|(a, b)| *a = f(*a, *b));
        Self(out)
    }

    /// Square roots.
    #[inline(always)]
    pub fn sqrt(self) -> Self {
        self.map(f64::sqrt)
    }

    /// `1 / x`.
    #[inline(always)]
    pub fn recip(self) -> Self {
        self.map(|x| 1.0 / x)
    }

    /// Sum over the draws, in one order on every machine.
    #[inline(always)]
    pub fn total(self) -> f64 {
        let s = &self.0;
        ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))
    }
}

impl Add for Lane {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }
}

impl Sub for Lane {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }
}

impl Mul for Lane {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }
}

impl Mul<f64> for Lane {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: f64) -> Self {
        self.map(|a| a * other)
    }
}

impl Neg for Lane {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        self.map(|a| -a)
    }
}

impl AddAssign for Lane {
    #[inline(always)]
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for Lane {
    #[inline(always)]
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl MulAssign for Lane {
    #[inline(always)]
    fn mul_assign(&mut self, other: Self) {
        *self = *self * other;
    }
}

/// Small lower triangular matrices of lanes, `[n, n]` row by row; `inverse` has one over the diagonal.
pub mod triangle {
    use super::Lane;

    /// Cholesky factor in the place of the lower triangle.
    #[inline(always)]
    pub fn factor(n: usize, a: &mut [Lane], inverse: &mut [Lane]) {
        for j in 0..n {
            for i in j..n {
                let mut s = a[i * n + j];
                (0..j).for_each(|k| s -= a[i * n + k] * a[j * n + k]);
                if i == j {
                    a[i * n + j] = s.sqrt();
                    inverse[j] = a[i * n + j].recip();
                } else {
                    a[i * n + j] = s * inverse[j];
                }
            }
        }
    }

    /// `R^-1 x`.
    #[inline(always)]
    pub fn solve(n: usize, r: &[Lane], inverse: &[Lane], x: &mut [Lane]) {
        for i in 0..n {
            let mut s = x[i];
            (0..i).for_each(|k| s -= r[i * n + k] * x[k]);
            x[i] = s * inverse[i];
        }
    }

    /// `R^-T x`.
    #[inline(always)]
    pub fn solve_transposed(n: usize, r: &[Lane], inverse: &[Lane], x: &mut [Lane]) {
        for i in (0..n).rev() {
            let mut s = x[i];
            (i + 1..n).for_each(|k| s -= r[k * n + i] * x[k]);
            x[i] = s * inverse[i];
        }
    }

    /// From the derivative in the factor to that in the matrix, each entry of the lower triangle counted once.
    #[inline(always)]
    pub fn pull_back(n: usize, r: &[Lane], inverse: &[Lane], d: &mut [Lane]) {
        for j in (0..n).rev() {
            for i in (j + 1..n).rev() {
                let e = d[i * n + j] * inverse[j];
                d[i * n + j] = e;
                d[j * n + j] -= e * r[i * n + j];
                for k in 0..j {
                    d[i * n + k] -= e * r[j * n + k];
                    d[j * n + k] -= e * r[i * n + k];
                }
            }
            let e = d[j * n + j] * inverse[j];
            d[j * n + j] = e * 0.5;
            (0..j).for_each(|k| d[j * n + k] -= e * r[j * n + k]);
        }
    }
}
