//! Rows whose linear predictor is not known but normal about `eta`, with a variance (`spread`) of its own in each row: that of
//! predictors which are measured with error. Integrated over it, with `z ~ Normal(0, 1)` and `s^2` the spread:
//!
//! ```text
//! Gaussian   y_i ~ Normal(eta_i, sqrt(se_i^2 + sigma_i^2 + s_i^2))
//! counts     integral of p(y_i | eta_i + s_i z) by Gauss' and Hermite's rule about the mode of z
//! ```

use super::Likelihood;
use crate::compress::quadrature::normal_rule;
use crate::families;
use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};
use std::sync::LazyLock;

/// Nodes of the rule: the log-likelihood of a count is then right to six digits and more.
const N_NODES: usize = 15;
/// Newton's steps to the mode of `z`, each of at most this length in `eta`.
const MAX_STEPS: usize = 100;
const LONGEST: f64 = 3.0;
/// How near the mode must be found: about it a rule is placed, or a bound that holds at the mode alone.
const NEAR: f64 = 1e-3;
const AT: f64 = 1e-9;

/// Nodes and masses of a standard normal distribution.
static RULE: LazyLock<Vec<[f64; 2]>> = LazyLock::new(|| normal_rule(N_NODES));

/// A count with its log shape, if it has one.
#[derive(Debug, Clone, Copy)]
struct Count {
    y: f64,
    log_shape: Option<f64>,
}

/// Log-likelihood of a row but for what does not depend on `eta`, its first two derivatives in `eta`, and that in the log shape.
#[derive(Debug, Clone, Copy, Default)]
struct Local {
    value: f64,
    slope: f64,
    second: f64,
    d_log: f64,
}

impl Count {
    fn at(self, eta: f64) -> Local {
        let Some(log_shape) = self.log_shape else {
            let sum = families::poisson(self.y, 1.0, eta);
            return Local { value: sum.value, slope: sum.d_eta, second: sum.d_eta - self.y, d_log: 0.0 };
        };
        let shape = log_shape.exp();
        let sum = families::negative_binomial(self.y, shape, eta - log_shape, [0.0; 2]);
        let share = (self.y - sum.d_eta) / (self.y + shape);
        let second = -(self.y + shape) * share * (1.0 - share);
        Local { value: sum.value, slope: sum.d_eta, second, d_log: sum.d_log }
    }

    /// Mode of `z` and the curvature there, its sign turned: the density falls by one at least, as that of `z` does.
    fn mode(self, eta: f64, s: f64, tolerance: f64) -> (f64, f64) {
        // Where a trajectory has left all that can be computed.
        if !(eta.is_finite() && s.is_finite()) {
            return (f64::NAN, f64::NAN);
        }
        let (mut z, longest) = (0.0, LONGEST / s);
        for _ in 0..MAX_STEPS {
            let Local { slope, second, .. } = self.at(eta + s * z);
            let curvature = 1.0 - s * s * second;
            let step = ((s * slope - z) / curvature).clamp(-longest, longest);
            z += step;
            if step.abs() < tolerance {
                break;
            }
        }
        (z, 1.0 - s * s * self.at(eta + s * z).second)
    }

    /// Log of the integral; derivatives in `eta`, in the spread, and in the log shape.
    fn integral(self, eta: f64, spread: f64) -> [f64; 4] {
        let s = spread.sqrt();
        let (mode, curvature) = self.mode(eta, s, NEAR);
        let width = curvature.sqrt().recip();
        let joint = |z: f64| {
            let local = self.at(eta + s * z);
            (local.value - 0.5 * z * z, local)
        };
        let (top, _) = joint(mode);
        let (mut sum, mut means) = (0.0, [0.0; 3]);
        for [x, mass] in RULE.iter() {
            let (value, local) = joint(mode + width * x);
            let share = mass * (value - top + 0.5 * x * x).exp();
            sum += share;
            means[0] += share * local.slope;
            // Of a normal variable, half the second derivative is the derivative in its variance.
            means[1] += share * 0.5 * (local.second + local.slope * local.slope);
            means[2] += share * local.d_log;
        }
        let [d_eta, d_spread, d_log] = means.map(|m| m / sum);
        [top + (sum * width).ln(), d_eta, d_spread, d_log]
    }

    /// A draw of `z` given the count. About its mode the density is under that of a standard normal times a constant.
    fn draw<R: Rng>(self, eta: f64, s: f64, rng: &mut R) -> f64 {
        let (mode, _) = self.mode(eta, s, AT);
        let top = self.at(eta + s * mode).value - 0.5 * mode * mode;
        loop {
            let x: f64 = StandardNormal.sample(rng);
            let z = mode + x;
            let log_ratio = self.at(eta + s * z).value - 0.5 * z * z - top + 0.5 * x * x;
            if rng.random::<f64>().ln() <= log_ratio || log_ratio.is_nan() {
                return z;
            }
        }
    }
}

impl Likelihood {
    /// As [`Self::evaluate`] with predictors that have a spread; overwrites `d_spread` too.
    pub fn evaluate_spread(
        &self, [eta, spread]: [&[f64]; 2], dispersion: &[f64], [d_eta, d_spread]: [&mut [f64]; 2],
        d_dispersion: &mut [f64],
    ) -> f64 {
        let common = self.common(dispersion, d_dispersion);
        if !self.family.is_linear() {
            return common + self.counts_with_spread([eta, spread], dispersion, [d_eta, d_spread], d_dispersion);
        }
        let known = self.known_variances(spread);
        let value = self.heteroscedastic(0..eta.len(), eta, dispersion, &known, d_eta, d_dispersion);
        let log_sigma = self.log_dispersions(dispersion);
        for (i, d) in d_spread.iter_mut().enumerate() {
            let variance = self.variance(i, log_sigma[i]) + spread[i];
            *d = 0.5 * (d_eta[i] * d_eta[i] - variance.recip());
        }
        common + value
    }

    fn counts_with_spread(
        &self, [eta, spread]: [&[f64]; 2], dispersion: &[f64], [d_eta, d_spread]: [&mut [f64]; 2],
        d_dispersion: &mut [f64],
    ) -> f64 {
        let mut sum = 0.0;
        for i in 0..eta.len() {
            let [value, slope, of_spread, d_log] = self.count(i, dispersion).integral(eta[i], spread[i]);
            (d_eta[i], d_spread[i]) = (slope, of_spread);
            sum += value;
            d_dispersion.iter_mut().for_each(|d| *d += d_log);
        }
        sum
    }

    /// How far the predictor of a row is from `eta`, drawn given its response; `rng` is used in the same way by all rows.
    pub fn draw_deviation<R: Rng>(&self, i: usize, eta: f64, spread: f64, dispersion: &[f64], rng: &mut R) -> f64 {
        if spread <= 0.0 {
            return 0.0;
        }
        if !self.family.is_linear() {
            let s = spread.sqrt();
            return s * self.count(i, dispersion).draw(eta, s, rng);
        }
        let own = self.variance(i, self.log_dispersion(i, dispersion));
        let share = spread / (spread + own);
        let z: f64 = StandardNormal.sample(rng);
        share * (self.y[i] - eta) + (own * share).sqrt() * z
    }

    /// As [`Self::information`] of predictors that have a spread.
    pub fn information_with_spread(&self, eta: &[f64], spread: &[f64], dispersion: &[f64]) -> Vec<f64> {
        let weights = self.information(eta, dispersion);
        weights.iter().zip(spread).map(|(w, s)| w / (1.0 + w * s)).collect()
    }

    fn known_variances(&self, spread: &[f64]) -> Vec<f64> {
        let own = |i: usize| self.se2.get(i).copied().unwrap_or(0.0);
        spread.iter().enumerate().map(|(i, s)| s + own(i)).collect()
    }

    fn count(&self, i: usize, dispersion: &[f64]) -> Count {
        let has_shape = self.family.has_shape();
        Count { y: self.y[i], log_shape: has_shape.then(|| self.log_dispersion(i, dispersion)) }
    }

    /// Log dispersions of all rows.
    pub fn log_dispersions(&self, dispersion: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.y.len()];
        self.dispersion.fill(0..self.y.len(), dispersion, &mut out);
        out
    }

    /// Adds derivatives in these to those in the coefficients.
    pub fn pull_back_dispersions(&self, d: &[f64], d_dispersion: &mut [f64]) {
        self.dispersion.pull_back(0..d.len(), d, d_dispersion);
    }

    fn log_dispersion(&self, i: usize, dispersion: &[f64]) -> f64 {
        let mut out = [0.0];
        self.dispersion.fill(i..i + 1, dispersion, &mut out);
        out[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn what_cannot_be_computed_is_not_a_number_and_no_panic() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for log_shape in [None, Some(0.3)] {
            let count = Count { y: 3.0, log_shape };
            for (eta, spread) in
                [(f64::NAN, 1.0), (0.0, f64::NAN), (0.0, f64::INFINITY), (f64::INFINITY, 1.0), (0.0, -1.0)]
            {
                assert!(count.integral(eta, spread)[0].is_nan(), "{eta} {spread}");
                count.draw(eta, spread.sqrt(), &mut rng);
            }
            assert!(count.integral(0.0, 1.0)[0].is_finite());
        }
    }
}
