//! The log-likelihood of a row, written once for each family: over one number, or over eight draws of one gene.
//!
//! With `eta` the linear predictor, offset included, and weights `w` that multiply a row. What sums over rows, groups of them or
//! leaves is made of these; `device/kernels/families.cuh` and `rows.cuh` are their twins.

use crate::number::Real;
use crate::spec::Family;
use crate::tuning::MAX_INFORMATION;
use std::ops::AddAssign;

impl Family {
    /// Whether responses are linear in effects and coefficients, which given the dispersion then are Gaussian.
    pub fn is_linear(self) -> bool {
        self == Self::Gaussian
    }

    /// Whether the variance of a count has a shape.
    pub fn has_shape(self) -> bool {
        self == Self::NegBinomial
    }

    /// A response on the scale of the linear predictor.
    pub fn linked(self, y: f64) -> f64 {
        if self.is_linear() { y } else { (y + 0.5).ln() }
    }

    /// Multiplications that a row's likelihood costs as much as: a count has an exponential and a logarithm.
    pub fn n_products(self) -> usize {
        if self.is_linear() { 4 } else { 20 }
    }

    /// Working weights of rows at most; Gaussian responses may be measured in any unit.
    pub fn max_information(self) -> f64 {
        if self.is_linear() { 1e200 } else { MAX_INFORMATION }
    }
}

/// Of a row, or summed over some: log-likelihood and its derivatives.
#[derive(Debug, Clone, Copy, Default)]
pub struct RowSum<T> {
    /// Log-likelihood.
    pub value: T,
    /// Its derivative in the linear predictor.
    pub d_eta: T,
    /// And in the log dispersion: of the shape, or of the standard deviation.
    pub d_log: T,
}

impl<T: Real> AddAssign for RowSum<T> {
    #[inline(always)]
    fn add_assign(&mut self, other: Self) {
        self.value += other.value;
        self.d_eta += other.d_eta;
        self.d_log += other.d_log;
    }
}

/// Negative binomial with `t = w y`, `w phi` and `u = eta - log phi`; `rising` has the terms in `ln Gamma` with their derivative in
/// `log phi`, zeros where they are summed over counts ([`crate::rising`]):
///
/// ```text
/// t (u - l) - w phi l + rising,    l = log(1 + mu / phi)
/// ```
#[inline(always)]
pub fn negative_binomial<T: Real>(t: T::Datum, w_phi: T, u: T, rising: [T; 2]) -> RowSum<T> {
    let (t, [log1p_ratio, share]) = (T::of(t), u.softplus_logistic());
    RowSum {
        value: t * (u - log1p_ratio) - w_phi * log1p_ratio + rising[0],
        d_eta: t - (t + w_phi) * share,
        d_log: w_phi * (share - log1p_ratio) + rising[1] - t * (T::splat(1.0) - share),
    }
}

/// Expected second derivative of a negative binomial row in `eta`, its sign turned, and the share of the variance that the shape adds:
/// `mu / (1 + mu / phi)`, safe at both ends.
pub fn negative_binomial_information(eta: f64, log_phi: f64) -> [f64; 2] {
    let of_shape = (-log_phi).exp();
    let information = 1.0 / ((-eta).exp() + of_shape);
    [information, information * of_shape]
}

/// Poisson with `t = w y`: `t eta - w mu`, but for `ln y!`.
#[inline(always)]
pub fn poisson<T: Real>(t: T::Datum, w: T::Datum, eta: T) -> RowSum<T> {
    let (t, mu) = (T::of(t), T::of(w) * eta.exp());
    RowSum { value: t * eta - mu, d_eta: t - mu, d_log: T::ZERO }
}

/// Gaussian rows of one standard deviation, but for `log(2 pi)`: residuals times weights `w_r` of one of them, and sums over all of
/// weights and of weighted squares.
#[inline(always)]
pub fn gaussian<T: Real>(w_r: T, w: T, squares: T, precision: T, log_sigma: T) -> RowSum<T> {
    let standard = squares * precision;
    RowSum { value: standard * -0.5 - w * log_sigma, d_eta: w_r * precision, d_log: standard - w }
}
