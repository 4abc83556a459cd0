//! Vectors of numbers, as wide as the machine's, with the operators of arithmetic.
//!
//! No operations are fused and sums run in a fixed order, whatever the width: the same data give
//! the same bits on every machine.

use pulp::Simd;
use std::ops::{Add, Mul};

/// One number per lane.
#[derive(Clone, Copy)]
pub struct V<S: Simd> {
    simd: S,
    x: S::f64s,
}

impl<S: Simd> V<S> {
    /// Lanes of this machine.
    pub const WIDTH: usize = S::F64_LANES;

    /// The same number in all lanes.
    #[inline(always)]
    pub fn splat(simd: S, x: f64) -> Self {
        Self { simd, x: simd.splat_f64s(x) }
    }

    /// `WIDTH` numbers from `at` on.
    #[inline(always)]
    pub fn load(simd: S, from: &[f64], at: usize) -> Self {
        Self { simd, x: S::as_simd_f64s(&from[at..at + Self::WIDTH]).0[0] }
    }

    /// Writes the lanes to `to`, from `at` on.
    #[inline(always)]
    pub fn store(self, to: &mut [f64], at: usize) {
        S::as_mut_simd_f64s(&mut to[at..at + Self::WIDTH]).0[0] = self.x;
    }
}

impl<S: Simd> Add for V<S> {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self { x: self.simd.add_f64s(self.x, other.x), ..self }
    }
}

impl<S: Simd> Mul for V<S> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Self { x: self.simd.mul_f64s(self.x, other.x), ..self }
    }
}

impl<S: Simd> Mul<f64> for V<S> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: f64) -> Self {
        self * Self::splat(self.simd, other)
    }
}
