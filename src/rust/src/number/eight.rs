//! Eight numbers as one: of eight draws, or of eight levels of a group.

use super::Real;
use crate::tuning::LANES;
use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub, SubAssign};

/// Sum of eight numbers, in one order on every machine.
#[inline(always)]
fn sum_of(s: &[f64; LANES]) -> f64 {
    ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))
}

/// Eight numbers with the operators of arithmetic.
macro_rules! eight {
    ($name:ident) => {
        impl $name {
            /// Zeros.
            pub const ZERO: Self = Self([0.0; LANES]);

            /// The same number for all.
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
        }

        impl Default for $name {
            fn default() -> Self {
                Self::ZERO
            }
        }

        impl Mul<f64> for $name {
            type Output = Self;
            #[inline(always)]
            fn mul(self, other: f64) -> Self {
                self.map(|a| a * other)
            }
        }

        impl Div<f64> for $name {
            type Output = Self;
            #[inline(always)]
            fn div(self, other: f64) -> Self {
                self.map(|a| a / other)
            }
        }

        impl Neg for $name {
            type Output = Self;
            #[inline(always)]
            fn neg(self) -> Self {
                self.map(|a| -a)
            }
        }

        eight!($name, Add add, AddAssign add_assign, +);
        eight!($name, Sub sub, SubAssign sub_assign, -);
        eight!($name, Mul mul, MulAssign mul_assign, *);
        eight!($name, Div div, DivAssign div_assign, /);
    };
    ($name:ident, $operator:ident $call:ident, $assign:ident $call_assign:ident, $sign:tt) => {
        impl $operator for $name {
            type Output = Self;
            #[inline(always)]
            fn $call(self, other: Self) -> Self {
                let mut out = self.0;
                out.iter_mut().zip(&other.0).for_each(|(a, b)| a.$call_assign(*b));
                Self(out)
            }
        }

        impl $assign for $name {
            #[inline(always)]
            fn $call_assign(&mut self, other: Self) {
                *self = *self $sign other;
            }
        }
    };
}

/// One number for each of eight draws.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(align(64))]
pub struct Draws8(pub [f64; LANES]);

/// One number for each of eight levels of a group.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(align(64))]
pub struct Levels8(pub [f64; LANES]);

eight!(Draws8);
eight!(Levels8);

/// What the two kinds of eight have in common as numbers.
macro_rules! real_of_eight {
    () => {
        const ZERO: Self = Self::ZERO;

        #[inline(always)]
        fn splat(x: f64) -> Self {
            Self::splat(x)
        }

        #[inline(always)]
        fn each(self, f: impl Fn(f64) -> f64) -> Self {
            self.map(f)
        }

        #[inline(always)]
        fn zip(self, other: Self, f: impl Fn(f64, f64) -> f64) -> Self {
            let mut out = self.0;
            out.iter_mut().zip(&other.0).for_each(|(a, b)| *a = f(*a, *b));
            Self(out)
        }

        #[inline(always)]
        fn each_two(self, f: impl Fn(f64) -> (f64, f64)) -> [Self; 2] {
            let mut out = [Self::ZERO; 2];
            for (i, x) in self.0.into_iter().enumerate() {
                (out[0].0[i], out[1].0[i]) = f(x);
            }
            out
        }
    };
}

impl Real for Draws8 {
    type Datum = f64;
    type Sum = Self;
    real_of_eight!();

    #[inline(always)]
    fn of(x: f64) -> Self {
        Self::splat(x)
    }

    #[inline(always)]
    fn lift(x: Self) -> Self {
        x
    }

    #[inline(always)]
    fn total(self) -> Self {
        self
    }
}

impl Real for Levels8 {
    type Datum = Self;
    type Sum = f64;
    real_of_eight!();

    #[inline(always)]
    fn of(x: Self) -> Self {
        x
    }

    #[inline(always)]
    fn lift(x: f64) -> Self {
        Self::splat(x)
    }

    #[inline(always)]
    fn total(self) -> f64 {
        sum_of(&self.0)
    }
}

impl Draws8 {
    /// Sum over the draws.
    #[inline(always)]
    pub fn over_draws(self) -> f64 {
        sum_of(&self.0)
    }
}
