//! Stochastic variational inference: a Gaussian guide fitted by gradient ascent on the ELBO.
//!
//! `ELBO = E_q[log p(y) - log q(y)]` with `y = guide(epsilon)`, gradients through the path only
//! (Roeder, Wu and Duvenaud 2017): they vanish where the guide is exact. The target is in
//! transported and whitened coordinates, so the guide starts at the Laplace approximation.

pub mod guide;
pub mod on_device;
pub mod optimiser;

use crate::density::LogDensity;
use crate::device::error::Result;
use guide::{Drawn, ShapedGuide};
use optimiser::Adam;
use rand::Rng;
use std::sync::atomic::{AtomicBool, Ordering};

/// Settings of the ascent.
#[derive(Debug, Clone, Copy)]
pub struct AdamSettings {
    /// Steps at most.
    pub max_steps: usize,
    /// Draws of the guide per step.
    pub n_draws: usize,
    /// First step size; it falls with the square root of the step's number.
    pub step_size: f64,
    /// Stops when the ELBO's mean over a window gains less than this many of its standard errors.
    pub tolerance: f64,
}

/// Steps over which the ELBO is averaged for the stopping rule.
const WINDOW: usize = 200;

/// A fitted guide.
#[derive(Debug)]
pub struct AdamFit {
    /// Average of the last window's iterates.
    pub guide: ShapedGuide,
    /// ELBO estimate per step.
    pub elbo: Vec<f64>,
    /// Whether the stopping rule was met.
    pub converged: bool,
}

/// A target at several positions at once.
pub trait Targets {
    /// Length of a position.
    fn dim(&self) -> usize;
    /// Positions at once, at most.
    fn width(&self) -> usize;
    /// Log densities at positions; overwrites the gradients.
    ///
    /// # Errors
    /// Those of a device.
    fn evaluate_all(&mut self, positions: &[Vec<f64>], gradients: &mut [Vec<f64>]) -> Result<Vec<f64>>;
    /// As [`LogDensity::log_constant`].
    fn log_constant(&self) -> f64;
}

impl<D: LogDensity> Targets for D {
    fn dim(&self) -> usize {
        LogDensity::dim(self)
    }

    fn width(&self) -> usize {
        1
    }

    fn evaluate_all(&mut self, positions: &[Vec<f64>], gradients: &mut [Vec<f64>]) -> Result<Vec<f64>> {
        Ok(positions.iter().zip(gradients).map(|(position, gradient)| self.evaluate(position, gradient)).collect())
    }

    fn log_constant(&self) -> f64 {
        LogDensity::log_constant(self)
    }
}

/// Fits `guide` to `target`; `watch` sees each step's number and stops the ascent by `false`.
///
/// # Errors
/// Those of a device.
pub fn fit<T: Targets, R: Rng>(
    target: &mut T, mut guide: ShapedGuide, ascent: AdamSettings, rng: &mut R, cancel: &AtomicBool,
    mut watch: impl FnMut() -> bool,
) -> Result<AdamFit> {
    let mut adam = Adam::new(guide.parameters.len());
    let mut elbo = Vec::with_capacity(ascent.max_steps);
    let mut average = vec![0.0; guide.parameters.len()];
    let mut last = guide.parameters.clone();
    for step in 0..ascent.max_steps {
        if cancel.load(Ordering::Relaxed) || !watch() {
            break;
        }
        let (value, gradient) = estimate(target, &guide, ascent.n_draws, rng)?;
        elbo.push(value);
        let rate = ascent.step_size / (1.0 + step as f64 / WINDOW as f64).sqrt();
        adam.step(&mut guide.parameters, &gradient, rate);
        average.iter_mut().zip(&guide.parameters).for_each(|(a, p)| *a += p / WINDOW as f64);
        if (step + 1) % WINDOW == 0 {
            last = std::mem::replace(&mut average, vec![0.0; last.len()]);
            if has_settled(&elbo, ascent.tolerance) {
                guide.parameters = last;
                return Ok(AdamFit { guide, elbo, converged: true });
            }
        }
    }
    if elbo.len() >= WINDOW {
        guide.parameters = last;
    }
    Ok(AdamFit { guide, elbo, converged: false })
}

/// Mean over fresh draws of ELBO and gradient; draws where the target vanishes say nothing.
fn estimate<T: Targets, R: Rng>(
    target: &mut T, guide: &ShapedGuide, n_draws: usize, rng: &mut R,
) -> Result<(f64, Vec<f64>)> {
    let (mut gradient, mut sum) = (vec![0.0; guide.parameters.len()], 0.0);
    let drawn: Vec<Drawn> = (0..n_draws).map(|_| guide.draw(rng)).collect();
    for drawn in drawn.chunks(target.width()) {
        let positions: Vec<Vec<f64>> = drawn.iter().map(|d| d.y.clone()).collect();
        let mut d_y = vec![vec![0.0; target.dim()]; drawn.len()];
        let values = target.evaluate_all(&positions, &mut d_y)?;
        for ((drawn, log_p), d_y) in drawn.iter().zip(values).zip(&d_y) {
            if log_p.is_finite() && d_y.iter().all(|d| d.is_finite()) {
                sum += log_p - guide.log_density(drawn);
                guide.add_gradient(drawn, d_y, &mut gradient);
            }
        }
    }
    gradient.iter_mut().for_each(|g| *g /= n_draws as f64);
    Ok((sum / n_draws as f64, gradient))
}

/// Whether the last window's mean is no better than the one before, up to `tolerance` standard errors.
fn has_settled(elbo: &[f64], tolerance: f64) -> bool {
    if elbo.len() < 2 * WINDOW {
        return false;
    }
    let (old, new) = elbo[elbo.len() - 2 * WINDOW..].split_at(WINDOW);
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    let variance = |x: &[f64]| x.iter().map(|v| (v - mean(x)).powi(2)).sum::<f64>() / (x.len() as f64 - 1.0);
    let error = ((variance(old) + variance(new)) / WINDOW as f64).sqrt();
    mean(new) - mean(old) < tolerance * error.max(1e-8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use guide::GuideShape;
    use rand::SeedableRng;

    /// A correlated normal: mean (1, -1, 0), covariance [[4, 1.5, 0], [1.5, 1, 0], [0, 0, 0.25]].
    struct Correlated;
    impl LogDensity for Correlated {
        fn dim(&self) -> usize {
            3
        }
        fn evaluate(&mut self, q: &[f64], g: &mut [f64]) -> f64 {
            let det = 4.0 - 2.25;
            let (a, b) = (q[0] - 1.0, q[1] + 1.0);
            g[0] = -(a - 1.5 * b) / det;
            g[1] = -(4.0 * b - 1.5 * a) / det;
            g[2] = -4.0 * q[2];
            0.5 * (g[0] * a + g[1] * b + g[2] * q[2])
        }
    }

    fn moments(kind: GuideShape) -> ([f64; 3], [f64; 3], f64) {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(2);
        let ascent = AdamSettings { max_steps: 8000, n_draws: 4, step_size: 0.05, tolerance: 0.0 };
        let guide = ShapedGuide::standard(kind, 3);
        let fitted = fit(&mut Correlated, guide, ascent, &mut rng, &AtomicBool::new(false), || true).unwrap();
        let draws: Vec<Vec<f64>> = (0..40_000).map(|_| fitted.guide.draw(&mut rng).y).collect();
        let mean = [0, 1, 2].map(|j| draws.iter().map(|d| d[j]).sum::<f64>() / 4e4);
        let product = |i: usize, j: usize| draws.iter().map(|d| (d[i] - mean[i]) * (d[j] - mean[j])).sum::<f64>() / 4e4;
        (mean, [product(0, 0), product(1, 1), product(2, 2)], product(0, 1))
    }

    #[test]
    fn rich_guides_find_a_correlated_normal() {
        for kind in [GuideShape::FullRank, GuideShape::LowRank(1)] {
            let (mean, variance, covariance) = moments(kind);
            for (m, expected) in mean.iter().zip([1.0, -1.0, 0.0]) {
                assert!((m - expected).abs() < 0.1, "{kind:?} {mean:?}");
            }
            for (v, expected) in variance.iter().zip([4.0, 1.0, 0.25]) {
                assert!((v / expected - 1.0).abs() < 0.12, "{kind:?} {variance:?}");
            }
            assert!((covariance - 1.5).abs() < 0.2, "{kind:?} {covariance}");
        }
    }

    /// The mean-field optimum has the conditional variances: 1 over the precision's diagonal.
    #[test]
    fn the_mean_field_guide_finds_the_conditional_variances() {
        let (_, variance, _) = moments(GuideShape::MeanField);
        for (v, expected) in variance.iter().zip([1.75, 1.75 / 4.0, 0.25]) {
            assert!((v / expected - 1.0).abs() < 0.1, "{variance:?}");
        }
    }
}
