//! Sums over Gaussian rows.

use super::Likelihood;
use super::dispersion::{Dispersion, parts};
use crate::compress::groups::DispersionGroup;
use crate::families;
use crate::kernels::{self, BLOCK};
use std::ops::Range;

impl Likelihood {
    pub(super) fn gaussian(
        &self, rows: Range<usize>, eta: &[f64], coefficients: &[f64], d_eta: &mut [f64], d_coefficients: &mut [f64],
    ) -> f64 {
        if self.errors.is_some() {
            return self.related(eta, coefficients, d_eta, d_coefficients);
        }
        let Dispersion::Groups(groups) = &self.dispersion else {
            return self.heteroscedastic(rows, eta, coefficients, &self.se2, d_eta, d_coefficients);
        };
        if !self.se2.is_empty() {
            return self.heteroscedastic(rows, eta, coefficients, &self.se2, d_eta, d_coefficients);
        }
        let mut value = 0.0;
        for (group, part) in parts(groups, rows.clone()) {
            let at = part.start - rows.start..part.end - rows.start;
            let log_sigma = group.log_dispersion(coefficients);
            value += self.homoscedastic(group, part, &eta[at.clone()], log_sigma, &mut d_eta[at], d_coefficients);
        }
        value
    }

    fn homoscedastic(
        &self, group: &DispersionGroup, rows: Range<usize>, eta: &[f64], log_sigma: f64, d_eta: &mut [f64],
        d_coefficients: &mut [f64],
    ) -> f64 {
        let precision = (-2.0 * log_sigma).exp();
        let mut squares = self.squares.get(rows.clone()).map_or(0.0, |s| s.iter().sum());
        let mut n = 0.0;
        for (((&y, &w), &eta), d) in self.y[rows.clone()].iter().zip(&self.weights[rows]).zip(eta).zip(d_eta) {
            let r = y - eta;
            squares += w * r * r;
            n += w;
            *d = w * r * precision;
        }
        let sum = families::gaussian(0.0, n, squares, precision, log_sigma);
        group.add(sum.d_log, d_coefficients);
        sum.value
    }

    /// All rows, with related errors.
    fn related(&self, eta: &[f64], coefficients: &[f64], d_eta: &mut [f64], d_coefficients: &mut [f64]) -> f64 {
        let residuals: Vec<f64> = self.y.iter().zip(eta).map(|(y, eta)| y - eta).collect();
        let Some(errors) = &self.errors else { return f64::NAN };
        errors.times(1, &residuals, d_eta);
        let squares = residuals.iter().zip(&*d_eta).map(|(r, d)| r * d).sum();
        let log_sigma = coefficients.first().filter(|_| self.sample_sigma).copied().unwrap_or(0.0);
        let precision = (-2.0 * log_sigma).exp();
        d_eta.iter_mut().for_each(|d| *d *= precision);
        let sum = families::gaussian(0.0, residuals.len() as f64, squares, precision, log_sigma);
        if let Some(d) = d_coefficients.first_mut() {
            *d += sum.d_log;
        }
        sum.value
    }

    /// Rows that have each their own variance; the known part of all rows is in `known`, or that is empty.
    pub(super) fn heteroscedastic(
        &self, rows: Range<usize>, eta: &[f64], coefficients: &[f64], known: &[f64], d_eta: &mut [f64],
        d_coefficients: &mut [f64],
    ) -> f64 {
        let [mut residuals, mut log_sigma, mut d_log_sigma] = [[0.0; BLOCK]; 3];
        let zeros = [0.0; BLOCK];
        let sampled = if self.sample_sigma { 1.0 } else { 0.0 };
        let mut value = 0.0;
        for (at, (eta, d_eta)) in eta.chunks(BLOCK).zip(d_eta.chunks_mut(BLOCK)).enumerate() {
            let start = rows.start + at * BLOCK;
            let rows = start..start + eta.len();
            let (residuals, log_sigma) = (&mut residuals[..eta.len()], &mut log_sigma[..eta.len()]);
            residuals.iter_mut().zip(&self.y[rows.clone()]).zip(eta).for_each(|((r, y), eta)| *r = y - eta);
            self.dispersion.fill(rows.clone(), coefficients, log_sigma);
            let squares = self.squares.get(rows.clone()).unwrap_or(&zeros[..eta.len()]);
            let inputs = [&*residuals, &self.weights[rows.clone()], squares, &*log_sigma];
            let se2 = known.get(rows.clone()).unwrap_or_default();
            let d_log_sigma = &mut d_log_sigma[..eta.len()];
            value += kernels::gaussian_rows(inputs, se2, sampled, d_eta, d_log_sigma);
            self.dispersion.pull_back(rows, d_log_sigma, d_coefficients);
        }
        value
    }
}
