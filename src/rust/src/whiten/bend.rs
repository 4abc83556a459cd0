//! Bent coordinates for scale parameters: a smooth map of each that takes the skewness out of its posterior.
//!
//! The posterior of a log standard deviation with few levels has a wall on the left, `exp(-2 a)`, which
//! no linear map removes; leapfrog steps must be as short as the wall demands. With
//!
//! ```text
//! a = m + w + (d^2 / k) ln cosh(k w / d),    da/dw = 1 + d tanh(k w / d)
//! ```
//!
//! the third derivative at the mode `m` vanishes for `k = -U'''/(3 U'')`; for the log of a gamma variable this is
//! the cube root of Wilson and Hilferty (1931). Slopes stay between `1 - d` and `1 + d`, so that exponential tails
//! stay exponential.

use super::coordinatewise::{Coordinatewise, Map};
use crate::density::LogDensity;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

/// Largest change of the slope.
const SLOPE: f64 = 0.8;
/// Bends of less than this per standard deviation are left out.
const NEARLY_STRAIGHT: f64 = 0.02;
/// Curvatures below this are taken as this: the difference spans at most two units of a log scale.
const MIN_CURVATURE: f64 = 0.25;
/// Half-width of the difference that gives the curvature.
const DIFFERENCE: f64 = 1e-3;

/// The map of one coordinate.
#[derive(Debug, Clone, Copy)]
pub struct SkewMap {
    mode: f64,
    k: f64,
}

/// A density in coordinates of which some are bent; the others, and the mode, stay where they are.
pub type Bent<D> = Coordinatewise<D, SkewMap>;

impl SkewMap {
    /// `None` where the density is straight enough.
    fn at_mode<D: LogDensity>(density: &mut D, x: &mut [f64], work: &mut [f64], place: usize) -> Option<Self> {
        let mode = x[place];
        let mut slope = |x: &mut [f64], step: f64| {
            x[place] = mode + step;
            density.evaluate(x, work);
            x[place] = mode;
            -work[place]
        };
        let curvature = (slope(x, DIFFERENCE) - slope(x, -DIFFERENCE)) / (2.0 * DIFFERENCE);
        let sd = curvature.max(MIN_CURVATURE).sqrt().recip();
        // Over a whole standard deviation, so that the wall is seen rather than the point.
        let (up, middle, down) = (slope(x, sd), slope(x, 0.0), slope(x, -sd));
        let second = ((up - down) / (2.0 * sd)).max(MIN_CURVATURE);
        let third = (up - 2.0 * middle + down) / (sd * sd);
        let k = -third / (3.0 * second);
        let is_bent = k.is_finite() && (k * sd).abs() > NEARLY_STRAIGHT;
        is_bent.then_some(Self { mode, k })
    }
}

impl Map for SkewMap {
    /// `a`, `da/dw` and the derivative of its logarithm at `w + m`.
    fn at(&self, w: f64) -> (f64, f64, f64) {
        let w = w - self.mode;
        let t = self.k * w / SLOPE;
        let e = (-2.0 * t.abs()).exp();
        let log_cosh = t.abs() + e.ln_1p() - std::f64::consts::LN_2;
        let tanh = ((1.0 - e) / (1.0 + e)).copysign(t);
        let slope = 1.0 + SLOPE * tanh;
        let curve = self.k * (1.0 - tanh * tanh) / slope;
        (self.mode + w + SLOPE * SLOPE / self.k * log_cosh, slope, curve)
    }
}

impl<D: LogDensity> Bent<D> {
    /// Bends the coordinates `places` of `density` about its mode; after a cancel no more of them.
    pub fn at_mode(mut inner: D, mode: &[f64], places: Range<usize>, cancel: &AtomicBool) -> Self {
        let (mut x, mut work) = (mode.to_vec(), vec![0.0; mode.len()]);
        let places = places.take_while(|_| !cancel.load(Ordering::Relaxed));
        let bend = |place| SkewMap::at_mode(&mut inner, &mut x, &mut work, place).map(|bend| (place, bend));
        let bends = places.filter_map(bend).collect();
        Self::new(inner, bends)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Log of a gamma variable with the given shape, by its value alone.
    #[derive(Clone)]
    struct LogGamma(f64);
    impl LogDensity for LogGamma {
        fn dim(&self) -> usize {
            1
        }
        fn evaluate(&mut self, q: &[f64], g: &mut [f64]) -> f64 {
            g[0] = self.0 * (1.0 - (-2.0 * q[0]).exp()) * -2.0;
            -2.0 * self.0 * q[0] - self.0 * (-2.0 * q[0]).exp()
        }
    }

    fn bent(shape: f64) -> Bent<LogGamma> {
        Bent::at_mode(LogGamma(shape), &[0.0], 0..1, &AtomicBool::new(false))
    }

    #[test]
    fn a_log_scale_takes_the_cube_root() {
        let k = bent(200.0).maps()[0].1.k;
        assert!((k - 2.0 / 3.0).abs() < 0.01, "{k}");
    }

    /// A gradient of a large model takes a tenth of a second, and its scales are hundreds.
    #[test]
    fn a_cancel_stops_the_bends_and_the_whitening_of_scales() {
        use crate::whiten::arrow::{Arrow, Effects};
        let arrow = |cancelled| {
            Arrow::at_mode(&mut LogGamma(2.0), &[0.0], 0..1, Effects::Identity, &AtomicBool::new(cancelled))
        };
        assert!(arrow(false).is_some());
        assert!(arrow(true).is_none());
        assert_eq!(Bent::at_mode(LogGamma(2.0), &[0.0], 0..1, &AtomicBool::new(true)).maps().len(), 0);
    }

    #[test]
    fn the_gradient_is_that_of_the_value() {
        let (mut target, mut g, h) = (bent(2.0), [0.0], 1e-5);
        for w in [-3.0, -0.4, 0.0, 0.9, 6.0] {
            let slope = (target.evaluate(&[w + h], &mut g) - target.evaluate(&[w - h], &mut g)) / (2.0 * h);
            target.evaluate(&[w], &mut g);
            assert!((slope - g[0]).abs() < 1e-6 * (1.0 + slope.abs()), "at {w}: {slope} and {}", g[0]);
        }
    }

    #[test]
    fn the_map_keeps_all_mass() {
        let (mut straight, mut target, mut g) = (LogGamma(2.0), bent(2.0), [0.0]);
        let total =
            |f: &mut dyn FnMut(f64) -> f64| (-60_000..60_000).map(|i| f(f64::from(i) * 1e-3).exp()).sum::<f64>();
        let masses =
            [total(&mut |w| straight.evaluate(&[w], &mut [0.0])), total(&mut |w| target.evaluate(&[w], &mut g))];
        assert!((masses[0] / masses[1] - 1.0).abs() < 1e-9, "{masses:?}");
    }
}
