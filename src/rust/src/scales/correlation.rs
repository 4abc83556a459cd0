//! Correlations of a term's effects.
//!
//! `C`, the Cholesky factor of the correlation matrix, is built from partial correlations `z = tanh(theta)`:
//! `C_ij = z_ij prod_{k<j} sqrt(1 - z_ik^2)`. Under LKJ(eta) the partial correlations are independent, `z_ij` with density
//! proportional to `(1 - z^2)^(b_j - 1)`, `b_j = eta + (q - 2 - j) / 2` (Lewandowski, Kurowicka and Joe 2009).

use super::{ScaleGradient, ScalePriors, Scales};
use crate::layout::pairs;
use crate::special::ln_gamma;

impl ScalePriors {
    pub(super) fn cor_forward(&self, k: usize, theta: &[f64], out: &mut Scales) {
        let q = self.sds[k].len();
        let chol = &mut out.chol[k];
        chol.clear();
        chol.resize(q * q, 0.0);
        let Some(eta) = self.cor_eta[k] else {
            (0..q).for_each(|i| chol[i * q + i] = 1.0);
            return;
        };
        let mut partial = theta[self.layout.cors[k].clone()].iter();
        for i in 0..q {
            let mut remaining: f64 = 1.0;
            for (j, &y) in (0..i).zip(&mut partial) {
                let z = y.tanh();
                chol[i * q + j] = z * remaining.sqrt();
                remaining *= 1.0 - z * z;
                out.log_jacobian += (1.0 - z * z).ln() * 0.5 * (q - j) as f64;
                out.lprior += (eta - 1.0) * (1.0 - z * z).ln() - log_beta_width(eta, q, j);
            }
            chol[i * q + i] = remaining.sqrt();
        }
    }

    pub(super) fn cor_backward(
        &self, k: usize, theta: &[f64], at: &Scales, upstream: &ScaleGradient, d_theta: &mut [f64],
    ) {
        let Some(eta) = self.cor_eta[k] else { return };
        let q = self.sds[k].len();
        let (chol, sd, g) = (&at.chol[k], &at.sd[k], &upstream.factor[k]);
        let start = self.layout.cors[k].start;
        for (place, (i, j)) in pairs(q).enumerate() {
            let z = theta[start + place].tanh();
            let b = eta + 0.5 * (q as f64 - 2.0 - j as f64);
            // dC_ij/dy_ij = (1 - z^2) C_ij / z, written without the division.
            let before: f64 = (0..j).map(|l| 1.0 - theta[start + i * (i - 1) / 2 + l].tanh().powi(2)).product();
            let own = (1.0 - z * z) * before.sqrt() * g[i * q + j];
            let later: f64 = (j + 1..=i).map(|l| chol[i * q + l] * g[i * q + l]).sum();
            d_theta[start + place] += sd[i] * (own - z * later) - 2.0 * z * b;
        }
    }
}

/// Log of the integral of `(1 - z^2)^(b - 1)` over (-1, 1), `b = eta + (q - 2 - j) / 2`.
fn log_beta_width(eta: f64, q: usize, j: usize) -> f64 {
    let b = eta + 0.5 * (q as f64 - 2.0 - j as f64);
    2.0 * ln_gamma(b) - ln_gamma(2.0 * b) + (2.0 * b - 1.0) * 2f64.ln()
}
