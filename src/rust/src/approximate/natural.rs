//! The full-rank guide of a model by natural gradients: that of genes ([`crate::natural::steps`]), on any target.

use crate::device::error::DeviceError;
use crate::kernels::dot;
use crate::natural::guide::Guide;
use crate::natural::lane::Lane;
use crate::natural::noise::Noise;
use crate::natural::steps::{Ascent, Fitted, InLanes, ascend_while};
use crate::svi::Targets;
use crate::tuning::LANES;
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use std::f64::consts::PI;

/// Steps after the search at least, and nats that may be left to gain.
const POLISH: usize = 32;
const TOLERANCE: f64 = 0.01;

/// A target, eight positions at a time.
struct ByEight<'a, T> {
    target: &'a mut T,
    positions: Vec<Vec<f64>>,
    slopes: Vec<Vec<f64>>,
    gradient: Vec<Lane>,
    /// Of a device, the first.
    error: Option<DeviceError>,
}

impl<T: Targets> InLanes for ByEight<'_, T> {
    fn evaluate_eight(&mut self, y: &[Lane]) -> Lane {
        for (s, position) in self.positions.iter_mut().enumerate() {
            position.iter_mut().zip(y).for_each(|(p, y)| *p = y.0[s]);
        }
        let mut values = [f64::NAN; LANES];
        let width = self.target.width().min(LANES);
        for ((positions, slopes), values) in
            self.positions.chunks(width).zip(self.slopes.chunks_mut(width)).zip(values.chunks_mut(width))
        {
            match self.target.evaluate_all(positions, slopes) {
                Ok(found) => values.copy_from_slice(&found),
                Err(error) => self.error = self.error.take().or(Some(error)),
            }
        }
        for (i, gradient) in self.gradient.iter_mut().enumerate() {
            *gradient = Lane(std::array::from_fn(|s| self.slopes[s][i]));
        }
        // A draw where the gradient is not finite says nothing either.
        let is_finite = |s: usize| self.slopes[s].iter().all(|d| d.is_finite());
        Lane(std::array::from_fn(|s| if is_finite(s) { values[s] } else { f64::NAN }))
    }

    fn gradients(&self) -> &[Lane] {
        &self.gradient
    }
}

/// Fits a guide from the standard normal on, while `go_on` says so.
///
/// # Errors
/// Those of a device.
pub fn fit<T: Targets>(
    target: &mut T, max_steps: usize, seed: u64, go_on: impl FnMut() -> bool,
) -> Result<Fitted, DeviceError> {
    let dim = target.dim();
    let mut root = vec![0.0; dim * dim];
    (0..dim).for_each(|i| root[i * dim + i] = 1.0);
    let guide = Guide { mean: vec![0.0; dim], root };
    let zeros = || vec![vec![0.0; dim]; LANES];
    let (positions, slopes, gradient) = (zeros(), zeros(), vec![Lane::ZERO; dim]);
    let mut by_eight = ByEight { target, positions, slopes, gradient, error: None };
    let ascent = Ascent { max_steps, polish: POLISH, tolerance: TOLERANCE };
    let fitted = ascend_while(&mut by_eight, guide, ascent, &Noise::new(seed, 0), go_on);
    by_eight.error.map_or(Ok(fitted), Err)
}

/// A draw of a guide and its log density.
pub fn draw<R: Rng>(guide: &Guide, rng: &mut R) -> (Vec<f64>, f64) {
    let d = guide.dim();
    let noise: Vec<f64> = (0..d).map(|_| StandardNormal.sample(rng)).collect();
    let at = |i: usize| guide.mean[i] + dot(&guide.root[i * d..=i * d + i], &noise[..=i]);
    let log_q = -0.5 * (dot(&noise, &noise) + d as f64 * (2.0 * PI).ln()) - guide.log_root();
    ((0..d).map(at).collect(), log_q)
}
