//! Coordinates for guides: the scales of a whitened target, one by one, nearly standard normal.
//!
//! Samplers need scales without a wall ([`crate::whiten::bend`]); a normal guide needs their whole shape, tails included. Along
//! the axis of each through the mode the density is taken on a grid, and its quantiles are matched to those of a normal
//! distribution ([`crate::genes::svi::bend`]). Whitening has put the ridge of a scale along its axis.

use crate::density::in_parts::InParts;
use crate::density::{LogDensity, Posterior};
use crate::draws::Draw;
use crate::genes::svi::bend::Bend;
use rand::Rng;
use std::ops::Range;
use std::sync::Arc;

/// A density in such coordinates.
#[derive(Debug, Clone)]
pub struct Marginals<D> {
    /// The whitened density.
    pub inner: D,
    /// Of the coordinates from `first` on.
    bends: Arc<Vec<Bend>>,
    first: usize,
    y: Vec<f64>,
    /// Per bend, its slope and the derivative of the slope's logarithm at the last position.
    slopes: Vec<[f64; 2]>,
}

impl<D: LogDensity> Marginals<D> {
    /// Of the coordinates `places`, which reach to the last.
    pub fn fit(mut inner: D, places: Range<usize>) -> Self {
        let dim = inner.dim();
        let (mut y, mut gradient) = (vec![0.0; dim], vec![0.0; dim]);
        let mut bend = |place: usize| {
            let profile = Bend::grid().map(|t| {
                y[place] = t;
                inner.evaluate(&y, &mut gradient)
            });
            y[place] = 0.0;
            Bend::fit(0.0, 1.0, &profile).unwrap_or_else(|| Bend::straight(0.0))
        };
        let bends: Vec<Bend> = places.clone().map(&mut bend).collect();
        Self { inner, first: places.start, slopes: vec![[1.0, 0.0]; bends.len()], bends: Arc::new(bends), y }
    }

    /// Sets the whitened position; the logarithm of the map's Jacobian.
    fn unbend(&mut self, position: &[f64]) -> f64 {
        self.y.copy_from_slice(position);
        let mut log_jacobian = 0.0;
        for ((bend, y), own) in self.bends.iter().zip(&mut self.y[self.first..]).zip(&mut self.slopes) {
            let (at, slope, curve) = bend.at(*y);
            (*y, *own) = (at, [slope, curve]);
            log_jacobian += slope.ln();
        }
        log_jacobian
    }

    /// From the gradient in whitened coordinates to that in these.
    fn pull_back(&self, gradient: &mut [f64]) {
        let own = gradient[self.first..].iter_mut().zip(&self.slopes);
        own.for_each(|(d, [slope, curve])| *d = *d * slope + curve);
    }
}

impl<D: LogDensity> LogDensity for Marginals<D> {
    fn dim(&self) -> usize {
        self.y.len()
    }

    fn evaluate(&mut self, position: &[f64], gradient: &mut [f64]) -> f64 {
        let log_jacobian = self.unbend(position);
        let value = self.inner.evaluate(&self.y, gradient);
        self.pull_back(gradient);
        value + log_jacobian
    }

    fn log_constant(&self) -> f64 {
        self.inner.log_constant()
    }
}

impl<D: InParts> InParts for Marginals<D> {
    fn place(&mut self, position: &[f64]) {
        self.unbend(position);
        self.inner.place(&self.y);
    }

    fn bottom(&mut self) -> &mut Posterior {
        self.inner.bottom()
    }

    fn finish(&mut self, log_likelihood: f64, gradient: &mut [f64]) -> f64 {
        let value = self.inner.finish(log_likelihood, gradient);
        self.pull_back(gradient);
        value + self.slopes.iter().map(|[slope, _]| slope.ln()).sum::<f64>()
    }
}

impl<D: Draw> Draw for Marginals<D> {
    const IS_PARTIAL: bool = D::IS_PARTIAL;

    fn complete<R: Rng>(&mut self, _position: &[f64], rng: &mut R) {
        self.inner.complete(&self.y, rng);
    }

    fn posterior(&self) -> &Posterior {
        self.inner.posterior()
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
        let (mut target, mut g, h) = (Marginals::fit(Tail, 1..2), [0.0; 2], 1e-5);
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
}
