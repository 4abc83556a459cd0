//! Special functions in the forms that keep their digits where models need them.

#[cfg(test)]
pub mod rising_factorial;

use statrs::function::gamma::ln_gamma as statrs_ln_gamma;

/// `ln Gamma(x)` for `x > 0`.
pub fn ln_gamma(x: f64) -> f64 {
    statrs_ln_gamma(x)
}
