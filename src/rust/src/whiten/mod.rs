//! Linear whitening: coordinates in which the curvature at the mode is close to the identity.
//!
//! `x = centre + W y`. Small targets take a dense factor of the Hessian ([`dense`]); large ones a
//! factor in parts ([`arrow`]): a sparse or low-rank one for coefficients and effects, a dense one for
//! the scales.

pub mod arrow;
pub mod bend;
pub mod coordinatewise;
pub mod dense;
pub mod frozen;
pub mod low_rank;
mod triangle;

use crate::density::in_parts::InParts;
use crate::density::{LogDensity, Posterior};
use arrow::Arrow;
use faer::Mat;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use triangle::Triangle;

/// Where a profile is evaluated, in standard deviations by the curvature at the mode.
const PROFILE: [f64; 7] = [-3.75, -2.5, -1.25, 0.0, 1.25, 2.5, 3.75];
/// Least and largest stretch.
const STRETCH: [f64; 2] = [0.5, 2.0];

/// A linear map of the position.
#[derive(Debug)]
pub struct Whitening {
    /// Image of zero.
    centre: Vec<f64>,
    kind: LinearMap,
}

#[derive(Debug)]
enum LinearMap {
    /// `W = I`.
    Identity,
    /// An upper triangle.
    Dense(Triangle),
    /// In parts.
    Arrow(Arrow),
}

/// A density in whitened coordinates.
#[derive(Debug, Clone)]
pub struct Whitened<D> {
    /// The density of `x`.
    pub inner: D,
    map: Arc<Whitening>,
    x: Vec<f64>,
    d_x: Vec<f64>,
    work: Vec<f64>,
}

impl Whitening {
    /// `x = centre + y`.
    pub fn shift(centre: Vec<f64>) -> Self {
        Self { centre, kind: LinearMap::Identity }
    }

    /// From the Hessian of `density` at `mode`; a plain shift if no factor can be had.
    pub fn at_mode<D: LogDensity>(density: &mut D, mode: Vec<f64>, cancel: &AtomicBool) -> Self {
        Self::of_factor(dense::factor_at(density, &mode, cancel), mode)
    }

    /// From minus the second derivatives at `mode`; a plain shift if no factor can be had.
    pub fn of_curvature(mode: Vec<f64>, curvature: &Mat<f64>) -> Self {
        Self::of_factor(dense::upper_factor(curvature), mode)
    }

    fn of_factor(factor: Option<Vec<f64>>, mode: Vec<f64>) -> Self {
        let kind = factor.map_or(LinearMap::Identity, |f| LinearMap::Dense(Triangle::new(&f, mode.len())));
        Self { centre: mode, kind }
    }

    /// From a factor in parts at `mode`.
    pub fn in_parts(mode: Vec<f64>, arrow: Option<Arrow>) -> Self {
        Self { centre: mode, kind: arrow.map_or(LinearMap::Identity, LinearMap::Arrow) }
    }

    /// `x = centre + W y`.
    pub fn apply(&self, y: &[f64], x: &mut [f64], work: &mut Vec<f64>) {
        match &self.kind {
            LinearMap::Identity => x.copy_from_slice(y),
            LinearMap::Dense(factor) => factor.multiply(y, x, work),
            LinearMap::Arrow(arrow) => arrow.multiply(y, x, work),
        }
        x.iter_mut().zip(&self.centre).for_each(|(x, c)| *x += c);
    }

    /// Logarithm of `|det W|`.
    pub fn log_det(&self) -> f64 {
        match &self.kind {
            LinearMap::Identity => 0.0,
            LinearMap::Dense(factor) => factor.log_det(),
            LinearMap::Arrow(arrow) => arrow.log_det(),
        }
    }

    /// `d_y = W' d_x`.
    fn pull_back(&self, d_x: &[f64], d_y: &mut [f64], work: &mut Vec<f64>) {
        match &self.kind {
            LinearMap::Identity => d_y.copy_from_slice(d_x),
            LinearMap::Dense(factor) => factor.multiply_transposed(d_x, d_y, work),
            LinearMap::Arrow(arrow) => arrow.multiply_transposed(d_x, d_y, work),
        }
    }
}

impl<D: LogDensity> Whitened<D> {
    /// Gives the coordinates `places` unit variance along their own axes through the mode, where the curvature at the mode
    /// says less than the whole profile: log scales with few levels have long tails. A factor in parts stays as it is.
    pub fn stretch(&mut self, places: Range<usize>) {
        if !matches!(self.map.kind, LinearMap::Dense(_)) {
            return;
        }
        let spreads: Vec<(usize, f64)> = places.map(|j| (j, self.spread_along(j))).collect();
        let LinearMap::Dense(factor) = &self.map.kind else { return };
        // Others that share the map keep theirs.
        let mut factor = factor.clone();
        spreads.into_iter().for_each(|(j, spread)| factor.stretch(j, spread));
        self.map = Arc::new(Whitening { centre: self.map.centre.clone(), kind: LinearMap::Dense(factor) });
    }

    /// Standard deviation of the density along axis `j`, by the trapezoidal rule.
    fn spread_along(&mut self, j: usize) -> f64 {
        let (mut y, mut gradient) = (vec![0.0; self.dim()], vec![0.0; self.dim()]);
        let values = PROFILE.map(|t| {
            y[j] = t;
            self.evaluate(&y, &mut gradient)
        });
        let top = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let [mut mass, mut mean, mut square] = [0.0; 3];
        for (t, value) in PROFILE.iter().zip(values) {
            let weight = (value - top).exp();
            (mass, mean, square) = (mass + weight, mean + t * weight, square + t * t * weight);
        }
        let spread = (square / mass - (mean / mass).powi(2)).sqrt();
        if spread.is_finite() { spread.clamp(STRETCH[0], STRETCH[1]) } else { 1.0 }
    }

    /// Joins a density and a map.
    pub fn new(inner: D, map: Arc<Whitening>) -> Self {
        let dim = inner.dim();
        Self { inner, map, x: vec![0.0; dim], d_x: vec![0.0; dim], work: vec![] }
    }
}

impl<D: LogDensity> LogDensity for Whitened<D> {
    fn dim(&self) -> usize {
        self.x.len()
    }

    fn evaluate(&mut self, position: &[f64], gradient: &mut [f64]) -> f64 {
        self.map.apply(position, &mut self.x, &mut self.work);
        let value = self.inner.evaluate(&self.x, &mut self.d_x);
        self.map.pull_back(&self.d_x, gradient, &mut self.work);
        value
    }

    fn value(&mut self, position: &[f64]) -> f64 {
        self.map.apply(position, &mut self.x, &mut self.work);
        self.inner.value(&self.x)
    }

    fn log_constant(&self) -> f64 {
        self.inner.log_constant() + self.map.log_det()
    }
}

impl<D: InParts> InParts for Whitened<D> {
    fn place(&mut self, position: &[f64]) {
        self.map.apply(position, &mut self.x, &mut self.work);
        self.inner.place(&self.x);
    }

    fn bottom(&mut self) -> &mut Posterior {
        self.inner.bottom()
    }

    fn finish(&mut self, log_likelihood: f64, gradient: &mut [f64]) -> f64 {
        let value = self.inner.finish(log_likelihood, &mut self.d_x);
        self.map.pull_back(&self.d_x, gradient, &mut self.work);
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A correlated normal with covariance [[4, 1.9], [1.9, 1]].
    #[derive(Clone)]
    struct Ridge;
    impl LogDensity for Ridge {
        fn dim(&self) -> usize {
            2
        }
        fn evaluate(&mut self, q: &[f64], g: &mut [f64]) -> f64 {
            let det = 4.0 - 1.9 * 1.9;
            g[0] = -(q[0] - 1.9 * q[1]) / det;
            g[1] = -(4.0 * q[1] - 1.9 * q[0]) / det;
            0.5 * (g[0] * q[0] + g[1] * q[1])
        }
    }

    /// Beside a normal, the log of a gamma variable of shape 1: variance `trigamma(1)`, curvature 1 at the mode.
    #[derive(Clone)]
    struct Skew;
    impl LogDensity for Skew {
        fn dim(&self) -> usize {
            2
        }
        fn evaluate(&mut self, q: &[f64], g: &mut [f64]) -> f64 {
            (g[0], g[1]) = (-q[0], 1.0 - q[1].exp());
            -0.5 * q[0] * q[0] + q[1] - q[1].exp()
        }
    }

    #[test]
    fn a_profile_wider_than_its_curvature_is_stretched() {
        let map = Whitening::at_mode(&mut Skew, vec![0.0; 2], &AtomicBool::new(false));
        let mut white = Whitened::new(Skew, Arc::new(map));
        white.stretch(0..2);
        let mut g = [0.0; 2];
        white.evaluate(&[1.0, 1.0], &mut g);
        let sd = (std::f64::consts::PI.powi(2) / 6.0).sqrt();
        // The far end of the left tail is beyond the profile.
        assert!((white.x[0] - 1.0).abs() < 0.02 && (0.9..1.0).contains(&(white.x[1] / sd)), "{:?}", white.x);
        assert!((g[1] - white.x[1] * (1.0 - white.x[1].exp())).abs() < 1e-9, "{g:?}");
    }

    /// A clone shares the map: the one is stretched, and the other is not.
    #[test]
    fn a_map_that_is_shared_is_stretched_for_one_alone() {
        let map = Whitening::at_mode(&mut Skew, vec![0.0; 2], &AtomicBool::new(false));
        let mut white = Whitened::new(Skew, Arc::new(map));
        let mut other = white.clone();
        white.stretch(0..2);
        let mut g = [0.0; 2];
        [&mut white, &mut other].into_iter().for_each(|w| _ = w.evaluate(&[0.0, 1.0], &mut g));
        assert!(white.x[1] > 1.1 && (other.x[1] - 1.0).abs() < 1e-3, "{:?} {:?}", white.x, other.x);
        assert!((white.log_constant() - other.log_constant() - white.x[1].ln()).abs() < 0.03);
    }

    #[test]
    fn a_normal_becomes_standard() {
        let map = Whitening::at_mode(&mut Ridge, vec![0.0; 2], &AtomicBool::new(false));
        let mut white = Whitened::new(Ridge, Arc::new(map));
        let mut g = [0.0; 2];
        white.evaluate(&[0.7, -1.1], &mut g);
        assert!((g[0] + 0.7).abs() < 1e-7 && (g[1] - 1.1).abs() < 1e-7, "{g:?}");
    }
}
