//! The guide: a normal distribution `y = m + T epsilon`, and its natural gradient from eight draws.
//!
//! With `g` the target's gradient at a draw, `r = T' g + epsilon` is the path gradient of `log p - log q` in the guide's
//! frame; it is zero for an exact guide, whatever the draw. By the identities of Bonnet and Stein
//!
//! ```text
//! E r = T' E g,    E r epsilon' = I - T' E[-Hessian] T
//! ```
//!
//! so that `m + rho T E r` and `T (I + rho B)`, `B + B' = E r epsilon'`, is a step along the natural gradient: towards the mean
//! and the precision that solve the stationary equations of the ELBO (Khan and Rue 2023).

use super::lane::Lane;
use crate::tuning::LANES;
use pulp::{Arch, NullaryFnOnce};
use std::f64::consts::PI;

/// Longest step of the mean, in the guide's standard deviations, and of the root, as a Frobenius norm.
pub(super) const LONGEST_MEAN: f64 = 1.0;
pub(super) const LONGEST_ROOT: f64 = 0.8;
/// Path gradients are shortened to this many times the norm of a draw.
pub const LONGEST_PATH: f64 = 10.0;

/// Mean and root of the covariance.
#[derive(Debug, Clone)]
pub struct Guide {
    /// `[d]`.
    pub mean: Vec<f64>,
    /// `[d, d]` row by row, lower triangular.
    pub root: Vec<f64>,
}

/// A direction: `E r`, and `E r epsilon'` made symmetric, its lower triangle.
#[derive(Debug, Clone)]
pub struct Direction {
    /// `[d]`.
    pub mean: Vec<f64>,
    /// `[d, d]`.
    pub root: Vec<f64>,
}

impl Guide {
    /// Dimension.
    pub fn dim(&self) -> usize {
        self.mean.len()
    }

    /// Sum of the logs of the root's diagonal.
    pub fn log_root(&self) -> f64 {
        let d = self.dim();
        (0..d).map(|i| self.root[i * d + i].ln()).sum()
    }

    /// Positions of eight draws.
    pub fn place(&self, epsilon: &[Lane], y: &mut [Lane]) {
        Arch::new().dispatch(Placing { guide: self, epsilon, y });
    }

    /// Minus the log density of draws.
    pub fn surprise(&self, epsilon: &[Lane]) -> Lane {
        let mut squares = Lane::splat(self.dim() as f64 * (2.0 * PI).ln() + 2.0 * self.log_root());
        epsilon.iter().for_each(|e| squares += *e * *e);
        squares * 0.5
    }

    /// Path gradients at draws in the guide's frame, from the target's gradients. What is not finite says nothing.
    pub fn path(&self, epsilon: &[Lane], gradient: &[Lane], is_finite: &[bool; LANES], r: &mut [Lane]) {
        Arch::new().dispatch(Pulling { guide: self, epsilon, gradient, r });
        let mut squares = Lane::ZERO;
        r.iter().for_each(|r| squares += *r * *r);
        let longest = LONGEST_PATH * (self.dim() as f64).sqrt();
        for s in (0..LANES).filter(|&s| !is_finite[s] || squares.0[s] > longest * longest || !squares.0[s].is_finite())
        {
            let is_long = is_finite[s] && squares.0[s].is_finite();
            let shrink = longest / squares.0[s].sqrt();
            r.iter_mut().for_each(|r| r.0[s] = if is_long { r.0[s] * shrink } else { 0.0 });
        }
    }

    /// A step along `direction`; `work` has length `d`.
    pub fn step(&mut self, direction: &Direction, rho: f64, work: &mut [f64]) {
        let norm = |x: f64, longest: f64| if rho * x > longest { longest / x } else { rho };
        let mean = norm(direction.mean_norm(), LONGEST_MEAN);
        let root = norm(direction.root_norm(), LONGEST_ROOT);
        Arch::new().dispatch(Stepping { guide: self, direction, mean, root, work });
    }
}

impl Direction {
    /// Zero.
    pub fn new(d: usize) -> Self {
        Self { mean: vec![0.0; d], root: vec![0.0; d * d] }
    }

    /// Zero again.
    pub fn clear(&mut self) {
        self.mean.fill(0.0);
        self.root.fill(0.0);
    }

    /// Sets the means over eight draws.
    pub fn estimate(&mut self, epsilon: &[Lane], r: &[Lane]) {
        Arch::new().dispatch(Averaging { direction: self, epsilon, r });
    }

    /// Adds another.
    pub fn add(&mut self, other: &Self) {
        self.mean.iter_mut().zip(&other.mean).for_each(|(a, b)| *a += b);
        self.root.iter_mut().zip(&other.root).for_each(|(a, b)| *a += b);
    }

    /// Gain of the ELBO, in nats, that a step along the product of two directions would bring: for the same direction
    /// half of Newton's decrement.
    pub fn gain(&self, other: &Self) -> f64 {
        0.5 * self.mean.iter().zip(&other.mean).map(|(a, b)| a * b).sum::<f64>() + 0.25 * self.root_product(other)
    }

    fn mean_norm(&self) -> f64 {
        self.mean.iter().map(|m| m * m).sum::<f64>().sqrt()
    }

    fn root_norm(&self) -> f64 {
        self.root_product(self).sqrt()
    }

    /// Frobenius product of the symmetric matrices.
    fn root_product(&self, other: &Self) -> f64 {
        let d = self.mean.len();
        let row = |i: usize| {
            let (a, b) = (&self.root[i * d..=i * d + i], &other.root[i * d..=i * d + i]);
            2.0 * a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() - a[i] * b[i]
        };
        (0..d).map(row).sum()
    }
}

struct Placing<'a> {
    guide: &'a Guide,
    epsilon: &'a [Lane],
    y: &'a mut [Lane],
}

impl NullaryFnOnce for Placing<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let d = self.guide.dim();
        for (i, y) in self.y.iter_mut().enumerate() {
            let mut sum = Lane::splat(self.guide.mean[i]);
            let row = &self.guide.root[i * d..=i * d + i];
            row.iter().zip(self.epsilon).for_each(|(t, e)| sum += *e * *t);
            *y = sum;
        }
    }
}

struct Pulling<'a> {
    guide: &'a Guide,
    epsilon: &'a [Lane],
    gradient: &'a [Lane],
    r: &'a mut [Lane],
}

impl NullaryFnOnce for Pulling<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let d = self.guide.dim();
        self.r.copy_from_slice(self.epsilon);
        for (i, g) in self.gradient.iter().enumerate() {
            let row = &self.guide.root[i * d..=i * d + i];
            row.iter().zip(&mut *self.r).for_each(|(t, r)| *r += *g * *t);
        }
    }
}

struct Averaging<'a> {
    direction: &'a mut Direction,
    epsilon: &'a [Lane],
    r: &'a [Lane],
}

impl NullaryFnOnce for Averaging<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Direction { mean, root } = self.direction;
        let d = mean.len();
        for (i, r) in self.r.iter().enumerate() {
            mean[i] = r.over_draws() / LANES as f64;
            let (before, own) = (&self.epsilon[..=i], &self.epsilon[i]);
            for ((out, e), s) in root[i * d..=i * d + i].iter_mut().zip(before).zip(self.r) {
                *out = (*r * *e + *s * *own).over_draws() / (2.0 * LANES as f64);
            }
        }
    }
}

struct Stepping<'a> {
    guide: &'a mut Guide,
    direction: &'a Direction,
    mean: f64,
    root: f64,
    work: &'a mut [f64],
}

impl NullaryFnOnce for Stepping<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Guide { mean, root } = self.guide;
        let (d, by) = (mean.len(), self.direction);
        for i in 0..d {
            let row = &mut root[i * d..=i * d + i];
            mean[i] += self.mean * row.iter().zip(&by.mean).map(|(t, r)| t * r).sum::<f64>();
            let work = &mut self.work[..=i];
            work.fill(0.0);
            for (k, t) in row.iter().enumerate() {
                let from = &by.root[k * d..=k * d + k];
                work.iter_mut().zip(from).for_each(|(w, b)| *w += t * b);
                // Half of the diagonal.
                work[k] -= 0.5 * t * from[k];
            }
            row.iter_mut().zip(work).for_each(|(t, w)| *t += self.root * *w);
        }
    }
}
