//! Correlations of a term's effects.
//!
//! `C`, the Cholesky factor of the correlation matrix, is built from partial correlations `z = tanh(theta)`:
//! `C_ij = z_ij prod_{k<j} sqrt(1 - z_ik^2)`. Under LKJ(eta) the partial correlations are independent, `z_ij` with density
//! proportional to `(1 - z^2)^(b_j - 1)`, `b_j = eta + (q - 2 - j) / 2` (Lewandowski, Kurowicka and Joe 2009).

use super::{ScaleGradient, ScalePriors, Scales};
use crate::error::{Error, Result};
use crate::layout::pairs;
use crate::number::Real;
use crate::special::ln_gamma_half_step;
use std::f64::consts::PI;

impl ScalePriors {
    #[inline(always)]
    pub(super) fn cor_forward<T: Real>(&self, k: usize, theta: &[T], out: &mut Scales<T>) {
        let (q, n_classes) = (self.layout.n_coefs[k], self.layout.n_classes[k]);
        let chol = &mut out.chol[k];
        chol.clear();
        chol.resize(n_classes * q * q, T::ZERO);
        let Some(eta) = self.cor_eta[k] else {
            chol.chunks_exact_mut(q * q).for_each(|chol| (0..q).for_each(|i| chol[i * q + i] = T::splat(1.0)));
            return;
        };
        let places = self.layout.cors[k].clone();
        let partial = theta[places.clone()].chunks_exact(places.len() / n_classes);
        for (chol, partial) in chol.chunks_exact_mut(q * q).zip(partial) {
            let [lprior, log_jacobian] = correlation_factor(q, eta, partial, chol);
            // Known correlations have no density.
            if self.layout.free.contains(&places.start) {
                out.lprior += lprior;
                out.log_jacobian += log_jacobian;
            }
        }
    }

    #[inline(always)]
    pub(super) fn cor_backward<T: Real>(
        &self, k: usize, theta: &[T], at: &Scales<T>, upstream: &ScaleGradient<T>, d_theta: &mut [T],
    ) {
        let Some(eta) = self.cor_eta[k] else { return };
        let q = self.layout.n_coefs[k];
        let n_cors = self.layout.cors[k].len() / self.layout.n_classes[k];
        for class in 0..self.layout.n_classes[k] {
            let start = self.layout.cors[k].start + class * n_cors;
            let (entries, place) = (class * q * q..(class + 1) * q * q, start..start + n_cors);
            let sd = &at.sd[k][class * q..(class + 1) * q];
            let values = (&at.chol[k][entries.clone()], sd, &upstream.factor[k][entries]);
            correlation_adjoint(eta, &theta[place.clone()], values, &mut d_theta[place]);
        }
    }
}

/// Sets `chol` to `C` at unconstrained partial correlations, in the order of [`crate::layout::pairs`]; returns the log density of LKJ(eta) and the log
/// Jacobian.
#[inline(always)]
fn correlation_factor<T: Real>(q: usize, eta: f64, partial: &[T], chol: &mut [T]) -> [T; 2] {
    let (mut lprior, mut log_jacobian, mut place) = (T::ZERO, T::ZERO, 0);
    for i in 0..q {
        let mut remaining = T::splat(1.0);
        for j in 0..i {
            let z = partial[place].each(f64::tanh);
            place += 1;
            chol[i * q + j] = z * remaining.sqrt();
            let rest = T::splat(1.0) - z * z;
            remaining *= rest;
            let log = rest.each(f64::ln);
            log_jacobian += log * (0.5 * (q - j) as f64);
            lprior += log * (eta - 1.0) - T::splat(log_beta_width(eta, q, j));
        }
        chol[i * q + i] = remaining.sqrt();
    }
    [lprior, log_jacobian]
}

/// Adds to `d_partial` the derivatives of that density with its Jacobian, and of what has the derivative `g` in `L = diag(sd) C`.
#[inline(always)]
fn correlation_adjoint<T: Real>(eta: f64, partial: &[T], (chol, sd, g): (&[T], &[T], &[T]), d_partial: &mut [T]) {
    let (q, mut place) = (sd.len(), 0);
    for i in 1..q {
        let (first, mut before) = (place, T::splat(1.0));
        for j in 0..i {
            let z = partial[first + j].each(f64::tanh);
            let (rest, b) = (T::splat(1.0) - z * z, eta + 0.5 * (q as f64 - 2.0 - j as f64));
            // dC_ij/dy_ij = (1 - z^2) C_ij / z, written without the division.
            let own = rest * before.sqrt() * g[i * q + j];
            let mut later = T::ZERO;
            for l in j + 1..=i {
                later += chol[i * q + l] * g[i * q + l];
            }
            d_partial[place] += sd[i] * (own - z * later) - z * (2.0 * b);
            before *= rest;
            place += 1;
        }
    }
}

/// Unconstrained partial correlations of `q` effects of which any two have the correlation `r`: given `j` others, two have
/// `r / (1 + j r)`.
///
/// # Errors
/// [`Error::Spec`] if such a matrix is not positive definite.
pub fn partial_of_equal(q: usize, r: f64) -> Result<Vec<f64>> {
    let partial: Vec<f64> = pairs(q).map(|(_, j)| (r / (1.0 + j as f64 * r)).atanh()).collect();
    if partial.iter().all(|t| t.is_finite()) {
        return Ok(partial);
    }
    Err(Error::Spec(format!("a correlation of {r} between all of {q} effects is not possible")))
}

/// Log of the integral of `(1 - z^2)^(b - 1)` over (-1, 1), `b = eta + (q - 2 - j) / 2`.
fn log_beta_width(eta: f64, q: usize, j: usize) -> f64 {
    let b = eta + 0.5 * (q as f64 - 2.0 - j as f64);
    // By Legendre's duplication, without differences of large numbers.
    0.5 * PI.ln() - ln_gamma_half_step(b)
}
