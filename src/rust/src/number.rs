//! What a formula is written over: one number, eight draws at once, or eight levels of a group at once.
//!
//! A formula over levels has data that differ by level and parameters that all share; over draws it is the other way round. Both are
//! instances of one definition ([`Real::Datum`], [`Real::Sum`]): a sum over all levels ends in [`Real::total`], which over
//! draws leaves a number for each. Eight numbers in an array turn into the machine's vector instructions.

mod eight;

use crate::elementary;
pub use eight::{Draws8, Levels8};
use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

/// A number, or eight, with what formulas need of them.
pub trait Real:
    Copy
    + Debug
    + Default
    + Send
    + Sync
    + 'static
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Mul<f64, Output = Self>
    + Div<Output = Self>
    + Div<f64, Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
{
    /// What is constant: one number, or one per level.
    type Datum: Copy + Debug + Default + Send + Sync + 'static;
    /// What belongs to a position: one number, or one per draw.
    type Sum: Real<Sum = Self::Sum, Datum = f64>;
    /// Zero.
    const ZERO: Self;

    /// The same number for all.
    fn splat(x: f64) -> Self;
    /// From a constant.
    fn of(x: Self::Datum) -> Self;
    /// From what all levels share.
    fn lift(x: Self::Sum) -> Self;
    /// Sum over levels, in one order on every machine.
    fn total(self) -> Self::Sum;
    /// A function of each number.
    fn each(self, f: impl Fn(f64) -> f64) -> Self;
    /// A function of each number and its like.
    fn zip(self, other: Self, f: impl Fn(f64, f64) -> f64) -> Self;
    /// Two functions of each number.
    fn each_two(self, f: impl Fn(f64) -> (f64, f64)) -> [Self; 2];

    /// Square root.
    #[inline(always)]
    fn sqrt(self) -> Self {
        self.each(f64::sqrt)
    }

    /// `1 / x`.
    #[inline(always)]
    fn recip(self) -> Self {
        self.each(|x| 1.0 / x)
    }

    /// Natural logarithm.
    #[inline(always)]
    fn ln(self) -> Self {
        self.each(elementary::ln)
    }

    /// `exp(x)`; beyond 708 constant.
    #[inline(always)]
    fn exp(self) -> Self {
        self.each(elementary::bounded_exp)
    }

    /// `log(1 + x)` for `x >= 0`.
    #[inline(always)]
    fn log1p(self) -> Self {
        self.each(elementary::log1p)
    }

    /// `log(1 + exp(x))` and `1 / (1 + exp(-x))`.
    #[inline(always)]
    fn softplus_logistic(self) -> [Self; 2] {
        self.each_two(elementary::softplus_logistic)
    }

    /// Single numbers as what they are, for routines that know nothing else.
    #[inline(always)]
    fn single(_: &[Self]) -> Option<&[f64]> {
        None
    }

    /// As [`Self::single`], to write.
    #[inline(always)]
    fn single_mut(_: &mut [Self]) -> Option<&mut [f64]> {
        None
    }
}

impl Real for f64 {
    type Datum = f64;
    type Sum = f64;
    const ZERO: Self = 0.0;

    #[inline(always)]
    fn splat(x: f64) -> Self {
        x
    }

    #[inline(always)]
    fn of(x: f64) -> Self {
        x
    }

    #[inline(always)]
    fn lift(x: f64) -> Self {
        x
    }

    #[inline(always)]
    fn total(self) -> f64 {
        self
    }

    #[inline(always)]
    fn each(self, f: impl Fn(f64) -> f64) -> Self {
        f(self)
    }

    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(f64, f64) -> f64) -> Self {
        f(self, other)
    }

    #[inline(always)]
    fn each_two(self, f: impl Fn(f64) -> (f64, f64)) -> [Self; 2] {
        f(self).into()
    }

    #[inline(always)]
    fn single(x: &[Self]) -> Option<&[f64]> {
        Some(x)
    }

    #[inline(always)]
    fn single_mut(x: &mut [Self]) -> Option<&mut [f64]> {
        Some(x)
    }
}

/// Numbers in two parts: of the levels that are eliminated first, and of the core that they share.
#[derive(Debug, Clone)]
pub struct Parts<T: Real> {
    /// Of the levels.
    pub lead: Vec<T>,
    /// Of the core.
    pub core: Vec<T::Sum>,
}

impl<T: Real> Parts<T> {
    /// Zeros.
    pub fn zeros(lead: usize, core: usize) -> Self {
        Self { lead: vec![T::ZERO; lead], core: vec![T::Sum::ZERO; core] }
    }

    /// The same numbers as `other`.
    #[inline(always)]
    pub fn copy_from(&mut self, other: &Self) {
        self.lead.copy_from_slice(&other.lead);
        self.core.copy_from_slice(&other.core);
    }

    /// Adds the numbers of `other`.
    #[inline(always)]
    pub fn add(&mut self, other: &Self) {
        for (x, y) in self.lead.iter_mut().zip(&other.lead) {
            *x += *y;
        }
        for (x, y) in self.core.iter_mut().zip(&other.core) {
            *x += *y;
        }
    }

    /// Sum of products.
    #[inline(always)]
    pub fn dot(&self, other: &Self) -> T::Sum {
        let (mut lead, mut core) = (T::ZERO, T::Sum::ZERO);
        for (x, y) in self.lead.iter().zip(&other.lead) {
            lead += *x * *y;
        }
        for (x, y) in self.core.iter().zip(&other.core) {
            core += *x * *y;
        }
        core + lead.total()
    }
}

impl<T: Real> Default for Parts<T> {
    fn default() -> Self {
        Self { lead: vec![], core: vec![] }
    }
}
