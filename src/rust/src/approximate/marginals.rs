//! Coordinates for guides: the scales of a whitened target, one by one, nearly standard normal.
//!
//! Samplers need scales without a wall ([`crate::whiten::bend`]); a normal guide needs their whole shape, tails included. Along
//! the axis of each through the mode the density is taken on a grid, and its quantiles are matched to those of a normal
//! distribution ([`crate::natural::bend`]). Whitening has put the ridge of a scale along its axis.

use crate::density::LogDensity;
use crate::natural::bend::Bend;
use crate::whiten::coordinatewise::{Coordinatewise, Map};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

/// A density in such coordinates.
pub type Marginals<D> = Coordinatewise<D, Bend>;

impl Map for Bend {
    fn at(&self, w: f64) -> (f64, f64, f64) {
        Self::at(self, w)
    }
}

impl<D: LogDensity + Clone + Send + Sync> Marginals<D> {
    /// Of the coordinates `places`, on threads; after a cancel they stay as they are.
    pub fn fit(inner: D, places: Range<usize>, cancel: &AtomicBool) -> Self {
        let bend = |inner: &mut D, place: usize| {
            let mut y = vec![0.0; inner.dim()];
            let profile = Bend::grid().map(|t| {
                y[place] = t;
                if cancel.load(Ordering::Relaxed) { f64::NAN } else { inner.value(&y) }
            });
            (place, Bend::fit(0.0, 1.0, &profile).unwrap_or_else(|| Bend::straight(0.0)))
        };
        let bends = places.into_par_iter().map_init(|| inner.clone(), bend).collect();
        Self::new(inner, bends)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Beside a normal, the log of a half-normal scale: its left tail is exponential.
    #[derive(Clone)]
    struct Tail;
    impl LogDensity for Tail {
        fn dim(&self) -> usize {
            2
        }
        fn evaluate(&mut self, q: &[f64], g: &mut [f64]) -> f64 {
            (g[0], g[1]) = (-q[0], 1.0 - (2.0 * q[1]).exp());
            -0.5 * q[0] * q[0] + q[1] - 0.5 * (2.0 * q[1]).exp()
        }
    }

    #[test]
    fn a_tail_becomes_normal_and_the_gradient_is_that_of_the_value() {
        let (mut target, mut g, h) = (Marginals::fit(Tail, 1..2, &AtomicBool::new(false)), [0.0; 2], 1e-5);
        let mut above: Vec<f64> = vec![];
        for x in (-6..=6).map(|i| 0.5 * f64::from(i)) {
            let mut at = |x: f64| target.evaluate(&[0.0, x], &mut g);
            let slope = (at(x + h) - at(x - h)) / (2.0 * h);
            above.push(at(x) + 0.5 * x * x);
            assert!((slope - g[1]).abs() < 1e-6, "at {x}: {slope} and {}", g[1]);
        }
        let range = above.iter().copied().fold(f64::MIN, f64::max) - above.iter().copied().fold(f64::MAX, f64::min);
        assert!(range < 0.6, "{range}");
    }

    /// A value of a large model takes a second, and the grid has many.
    #[test]
    fn a_cancel_leaves_coordinates_as_they_are() {
        let at_far = |cancelled| Marginals::fit(Tail, 1..2, &AtomicBool::new(cancelled)).value(&[0.3, -3.0]);
        assert_eq!(at_far(true), Tail.value(&[0.3, -3.0]));
        assert!(at_far(false) != at_far(true));
    }
}
