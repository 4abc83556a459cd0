//! Log-likelihood of the rows and its derivatives in the linear predictor and the dispersion.
//!
//! These are the definitions. With `mu_i = exp(eta_i)`:
//!
//! ```text
//! Gaussian           y_i ~ Normal(eta_i, sqrt(se_i^2 + sigma_i^2))
//! negative binomial  Var[y_i] = mu_i + mu_i^2 / phi_i       (Stan's neg_binomial_2_log)
//! Poisson            Var[y_i] = mu_i
//! log sigma_i, log phi_i = one parameter, or x_disp[i, ] times coefficients
//! ```
//! A weight multiplies the log-likelihood of its row, as in brms.

use crate::compress::Compressed;
use crate::design::Design;
use crate::kernels;
use crate::rising::Rising;
use crate::spec::{Family, ModelSpec};
use crate::special::{d_ln_rising, ln_gamma, ln_rising, softplus_logistic};
use ndarray::Axis;
use std::f64::consts::PI;

/// Rows with what does not change during sampling.
#[derive(Debug, Clone)]
pub struct Likelihood {
    family: Family,
    y: Vec<f64>,
    weights: Vec<f64>,
    /// Weights times responses, or weighted sums of responses, of counts.
    totals: Vec<f64>,
    /// Squared known standard errors or empty.
    se2: Vec<f64>,
    sample_sigma: bool,
    /// `[n]` rows of the dispersion's design, row-major; empty if the dispersion is constant.
    x_disp: Vec<Vec<f64>>,
    /// Terms in `ln Gamma` of counts with one shape: they depend on a row through its count only.
    rising: Rising,
    /// Weighted squares of Gaussian responses around the means that stand for them in `y`.
    squares_within: f64,
    /// Terms that depend on data alone.
    constant: f64,
}

impl Likelihood {
    /// Prepares the rows of a design.
    pub fn new(design: &Design, spec: &ModelSpec) -> Self {
        let x_disp = if design.x_disp.ncols() == 0 {
            vec![]
        } else {
            design.x_disp.axis_iter(Axis(0)).map(|row| row.to_vec()).collect()
        };
        let counts = spec.family != Family::Gaussian;
        Self {
            family: spec.family,
            y: design.y.clone(),
            weights: design.weights.clone(),
            totals: if counts { design.y.iter().zip(&design.weights).map(|(y, w)| y * w).collect() } else { vec![] },
            se2: design.se.iter().map(|s| s * s).collect(),
            sample_sigma: spec.sample_sigma,
            x_disp,
            rising: rising(design, spec.family),
            squares_within: 0.0,
            constant: constant(design, counts),
        }
    }

    /// Puts fewer rows in the place of many; the value stays that of the rows they were made from, or
    /// within the bound of [`crate::compress::offsets`].
    pub fn with_rows(mut self, rows: &Compressed) -> Self {
        self.y.clone_from(&rows.design.y);
        self.weights.clone_from(&rows.design.weights);
        self.totals.clone_from(&rows.totals);
        self.squares_within = rows.squares.iter().sum();
        self.constant += rows.constant;
        self
    }

    /// Response distribution.
    pub fn family(&self) -> Family {
        self.family
    }

    /// Log-likelihood at `eta` (`[n]`, offset included). Overwrites `d_eta` with its derivative and
    /// adds to `d_dispersion` that in the log dispersion or its coefficients.
    pub fn evaluate(&self, eta: &[f64], dispersion: &[f64], d_eta: &mut [f64], d_dispersion: &mut [f64]) -> f64 {
        debug_assert!(eta.len() == self.y.len() && d_eta.len() == self.y.len());
        self.constant
            + match self.family {
                Family::Poisson => kernels::poisson(&self.totals, &self.weights, eta, d_eta),
                Family::Gaussian => self.gaussian(eta, dispersion, d_eta, d_dispersion),
                Family::NegBinomial => self.negative_binomial(eta, dispersion, d_eta, d_dispersion),
            }
    }

    /// Expected second derivative with the sign turned, row by row: the working weights.
    pub fn information(&self, eta: &[f64], dispersion: &[f64]) -> Vec<f64> {
        let row = |i: usize| match self.family {
            Family::Poisson => eta[i].exp(),
            Family::Gaussian => 1.0 / self.variance(i, self.log_dispersion(i, dispersion)).0,
            // mu / (1 + mu / phi), safe at both ends.
            Family::NegBinomial => {
                let log_phi = self.log_dispersion(i, dispersion);
                1.0 / ((-eta[i]).exp() + (-log_phi).exp())
            }
        };
        (0..self.y.len()).map(|i| (self.weights[i] * row(i)).min(1e12)).collect()
    }

    fn gaussian(&self, eta: &[f64], dispersion: &[f64], d_eta: &mut [f64], d_dispersion: &mut [f64]) -> f64 {
        if self.se2.is_empty() && self.x_disp.is_empty() {
            return self.homoscedastic(eta, dispersion[0], d_eta, &mut d_dispersion[0]);
        }
        let mut log_lik = 0.0;
        for i in 0..self.y.len() {
            let (variance, sampled) = self.variance(i, self.log_dispersion(i, dispersion));
            let (w, r) = (self.weights[i], self.y[i] - eta[i]);
            log_lik -= 0.5 * w * (r * r / variance + variance.ln());
            d_eta[i] = w * r / variance;
            self.add_dispersion(i, w * (r * r / variance - 1.0) * sampled / variance, d_dispersion);
        }
        log_lik
    }

    fn homoscedastic(&self, eta: &[f64], log_sigma: f64, d_eta: &mut [f64], d_log_sigma: &mut f64) -> f64 {
        let precision = (-2.0 * log_sigma).exp();
        let (mut squares, mut n) = (self.squares_within, 0.0);
        for (((&y, &w), &eta), d) in self.y.iter().zip(&self.weights).zip(eta).zip(d_eta) {
            let r = y - eta;
            squares += w * r * r;
            n += w;
            *d = w * r * precision;
        }
        *d_log_sigma += squares * precision - n;
        -0.5 * squares * precision - n * log_sigma
    }

    fn negative_binomial(&self, eta: &[f64], dispersion: &[f64], d_eta: &mut [f64], d_dispersion: &mut [f64]) -> f64 {
        if self.x_disp.is_empty() {
            let log_phi = dispersion[0];
            let (value, d_log_phi) = kernels::negative_binomial(&self.totals, &self.weights, eta, log_phi, d_eta);
            let (rising, d_rising) = self.rising.evaluate(log_phi.exp());
            d_dispersion[0] += d_log_phi + d_rising;
            return value + rising;
        }
        let mut log_lik = 0.0;
        for i in 0..self.y.len() {
            let (y, w) = (self.y[i], self.weights[i]);
            let log_phi = self.log_dispersion(i, dispersion);
            let phi = log_phi.exp();
            // log(1 + mu / phi) and mu / (mu + phi)
            let (log1p_ratio, share) = softplus_logistic(eta[i] - log_phi);
            log_lik += w * (y * (eta[i] - log_phi - log1p_ratio) - phi * log1p_ratio + ln_rising(phi, y));
            d_eta[i] = w * (y - (y + phi) * share);
            let d_log_phi = phi * (share - log1p_ratio + d_ln_rising(phi, y)) - y * (1.0 - share);
            self.add_dispersion(i, w * d_log_phi, d_dispersion);
        }
        log_lik
    }

    /// Variance of a Gaussian row, and the part of it that is sampled.
    #[inline]
    fn variance(&self, i: usize, log_sigma: f64) -> (f64, f64) {
        let sampled = if self.sample_sigma { (2.0 * log_sigma).exp() } else { 0.0 };
        (sampled + self.se2.get(i).copied().unwrap_or(0.0), sampled)
    }

    #[inline]
    fn log_dispersion(&self, i: usize, dispersion: &[f64]) -> f64 {
        match self.x_disp.get(i) {
            Some(row) => row.iter().zip(dispersion).map(|(x, b)| x * b).sum(),
            None => dispersion.first().copied().unwrap_or(0.0),
        }
    }

    #[inline]
    fn add_dispersion(&self, i: usize, d: f64, d_dispersion: &mut [f64]) {
        match self.x_disp.get(i) {
            Some(row) => d_dispersion.iter_mut().zip(row).for_each(|(g, x)| *g += d * x),
            None => {
                if let Some(g) = d_dispersion.first_mut() {
                    *g += d;
                }
            }
        }
    }
}

fn rising(design: &Design, family: Family) -> Rising {
    let needed = family == Family::NegBinomial && design.x_disp.ncols() == 0;
    let counts = design.y.iter().copied().zip(design.weights.iter().copied());
    if needed { Rising::new(counts) } else { Rising::default() }
}

fn constant(design: &Design, counts: bool) -> f64 {
    let row = |(&y, &w): (&f64, &f64)| {
        if counts { -w * ln_gamma(y + 1.0) } else { -0.5 * w * (2.0 * PI).ln() }
    };
    design.y.iter().zip(&design.weights).map(row).sum()
}

#[cfg(test)]
mod tests;
