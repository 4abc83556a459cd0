//! Vectors of numbers, as wide as the machine's, with the operators of arithmetic.
//!
//! No operations are fused and sums run in a fixed order, whatever the width: the same data give
//! the same bits on every machine.

use pulp::Simd;
use std::ops::{Add, Mul, Neg, Sub};

/// Tables are padded to a multiple of this, which is a multiple of every machine's width.
pub const LANES: usize = 8;

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

    /// Square root.
    #[inline(always)]
    pub fn sqrt(self) -> Self {
        Self { x: self.simd.sqrt_f64s(self.x), ..self }
    }

    /// `1 / x`.
    #[inline(always)]
    pub fn recip(self) -> Self {
        Self { x: self.simd.div_f64s(self.simd.splat_f64s(1.0), self.x), ..self }
    }
}

impl<S: Simd> Add for V<S> {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self { x: self.simd.add_f64s(self.x, other.x), ..self }
    }
}

impl<S: Simd> Sub for V<S> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self { x: self.simd.sub_f64s(self.x, other.x), ..self }
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

impl<S: Simd> Neg for V<S> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        self * -1.0
    }
}

/// A sum over a table's lanes, kept in `LANES` parts so that its bits do not depend on the width.
#[derive(Debug, Clone, Copy)]
pub struct Sum([f64; LANES]);

impl Sum {
    /// Nothing summed.
    pub const ZERO: Self = Self([0.0; LANES]);

    /// Adds the lanes of the table's column `at`.
    #[inline(always)]
    pub fn add<S: Simd>(&mut self, x: V<S>, at: usize) {
        let at = at % LANES;
        let sum = V::load(x.simd, &self.0, at) + x;
        sum.store(&mut self.0, at);
    }

    /// The sum.
    #[inline(always)]
    pub fn total(&self) -> f64 {
        let s = &self.0;
        ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))
    }
}
