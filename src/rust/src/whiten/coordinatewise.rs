//! A density in coordinates of which some go through a smooth map of their own; the others stay where they are.

use crate::density::in_parts::InParts;
use crate::density::{LogDensity, Posterior};
use std::sync::Arc;

/// A smooth increasing map of one coordinate.
pub trait Map {
    /// The value at `w`, its derivative, and the derivative of the logarithm of that.
    fn at(&self, w: f64) -> (f64, f64, f64);
}

/// A density of mapped coordinates.
#[derive(Debug, Clone)]
pub struct Coordinatewise<D, M> {
    /// The density of the values.
    pub inner: D,
    /// With the places of their coordinates.
    maps: Arc<Vec<(usize, M)>>,
    x: Vec<f64>,
    /// Per map, the slope and the derivative of its logarithm at the last position.
    slopes: Vec<[f64; 2]>,
}

impl<D: LogDensity, M: Map> Coordinatewise<D, M> {
    /// With the maps of some places.
    pub fn new(inner: D, maps: Vec<(usize, M)>) -> Self {
        let x = vec![0.0; inner.dim()];
        Self { inner, slopes: vec![[1.0, 0.0]; maps.len()], maps: Arc::new(maps), x }
    }

    /// Leaves all coordinates as they are.
    pub fn straight(inner: D) -> Self {
        Self::new(inner, vec![])
    }

    /// Sets the values; the logarithm of the map's Jacobian.
    fn map(&mut self, position: &[f64]) -> f64 {
        self.x.copy_from_slice(position);
        let mut log_jacobian = 0.0;
        for ((place, map), own) in self.maps.iter().zip(&mut self.slopes) {
            let (value, slope, curve) = map.at(position[*place]);
            (self.x[*place], *own) = (value, [slope, curve]);
            log_jacobian += slope.ln();
        }
        log_jacobian
    }

    /// The gradient in these coordinates, from that in the values.
    fn pull_back(&self, gradient: &mut [f64]) {
        for ((place, _), [slope, curve]) in self.maps.iter().zip(&self.slopes) {
            gradient[*place] = gradient[*place] * slope + curve;
        }
    }

    #[cfg(test)]
    pub(super) fn maps(&self) -> &[(usize, M)] {
        &self.maps
    }
}

impl<D: LogDensity, M: Map> LogDensity for Coordinatewise<D, M> {
    fn dim(&self) -> usize {
        self.x.len()
    }

    fn evaluate(&mut self, position: &[f64], gradient: &mut [f64]) -> f64 {
        let log_jacobian = self.map(position);
        let value = self.inner.evaluate(&self.x, gradient);
        self.pull_back(gradient);
        value + log_jacobian
    }

    fn value(&mut self, position: &[f64]) -> f64 {
        let log_jacobian = self.map(position);
        self.inner.value(&self.x) + log_jacobian
    }

    fn log_constant(&self) -> f64 {
        self.inner.log_constant()
    }
}

impl<D: InParts, M: Map> InParts for Coordinatewise<D, M> {
    fn place(&mut self, position: &[f64]) {
        self.map(position);
        self.inner.place(&self.x);
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
