//! Special functions in the forms that keep their digits where models need them.

#[cfg(test)]
pub mod rising_factorial;

use statrs::function::gamma::ln_gamma as statrs_ln_gamma;

/// `ln Gamma(x)` for `x > 0`.
pub fn ln_gamma(x: f64) -> f64 {
    statrs_ln_gamma(x)
}

/// `log(1 + exp(x))`, without overflow.
#[inline]
pub fn log1p_exp(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// `(log(1 + exp(x)), 1 / (1 + exp(-x)))` from one exponential.
#[inline]
pub fn softplus_logistic(x: f64) -> (f64, f64) {
    let e = (-x.abs()).exp();
    let share = 1.0 / (1.0 + e);
    (x.max(0.0) + e.ln_1p(), if x >= 0.0 { share } else { e * share })
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn softplus_is_stable_at_both_ends() {
        assert_eq!(softplus_logistic(800.0), (800.0, 1.0));
        let (value, share) = softplus_logistic(-800.0);
        assert!(value == 0.0 && share == 0.0);
        assert_relative_eq!(log1p_exp(0.3), softplus_logistic(0.3).0);
    }
}
