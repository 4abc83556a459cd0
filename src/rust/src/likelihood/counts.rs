//! Sums over rows of counts.

use super::Likelihood;
use super::dispersion::{Dispersion, parts};
use crate::kernels::{self, BLOCK};
use std::ops::Range;

impl Likelihood {
    pub(super) fn poisson(&self, rows: Range<usize>, eta: &[f64], d_eta: &mut [f64]) -> f64 {
        kernels::poisson(&self.totals[rows.clone()], &self.weights[rows], eta, d_eta)
    }

    /// Where rows share their dispersion, the terms in `ln Gamma` are those of [`Self::rising`].
    pub(super) fn negative_binomial(
        &self, rows: Range<usize>, eta: &[f64], coefficients: &[f64], d_eta: &mut [f64], d_coefficients: &mut [f64],
    ) -> f64 {
        let Dispersion::Groups(groups) = &self.dispersion else {
            return self.negative_binomial_rows(rows, eta, coefficients, d_eta, d_coefficients);
        };
        let mut value = 0.0;
        for (group, part) in parts(groups, rows.clone()) {
            let at = part.start - rows.start..part.end - rows.start;
            let (eta, d_eta, log_phi) = (&eta[at.clone()], &mut d_eta[at], group.log_dispersion(coefficients));
            let (totals, weights) = (&self.totals[part.clone()], &self.weights[part]);
            let (sum, d_log_phi) = kernels::negative_binomial(totals, weights, eta, log_phi, d_eta);
            group.add(d_log_phi, d_coefficients);
            value += sum;
        }
        value
    }

    fn negative_binomial_rows(
        &self, rows: Range<usize>, eta: &[f64], coefficients: &[f64], d_eta: &mut [f64], d_coefficients: &mut [f64],
    ) -> f64 {
        let (mut log_phi, mut d_log_phi) = ([0.0; BLOCK], [0.0; BLOCK]);
        let mut value = 0.0;
        for (at, (eta, d_eta)) in eta.chunks(BLOCK).zip(d_eta.chunks_mut(BLOCK)).enumerate() {
            let start = rows.start + at * BLOCK;
            let rows = start..start + eta.len();
            let (log_phi, d_log_phi) = (&mut log_phi[..eta.len()], &mut d_log_phi[..eta.len()]);
            self.dispersion.fill(rows.clone(), coefficients, log_phi);
            let (y, weights) = (&self.y[rows.clone()], &self.weights[rows.clone()]);
            value += kernels::negative_binomial_rows(y, weights, eta, log_phi, d_eta, d_log_phi);
            self.dispersion.pull_back(rows, d_log_phi, d_coefficients);
        }
        value
    }

    /// Sum over groups of `ln Gamma(y + phi) - ln Gamma(phi)`.
    pub(super) fn rising(&self, coefficients: &[f64], d_coefficients: &mut [f64]) -> f64 {
        let Dispersion::Groups(groups) = &self.dispersion else { return 0.0 };
        let mut value = 0.0;
        for group in groups.iter().filter(|g| !g.rising.is_empty()) {
            let (sum, d_log_phi) = group.rising.evaluate(group.log_dispersion(coefficients).exp());
            group.add(d_log_phi, d_coefficients);
            value += sum;
        }
        value
    }
}
