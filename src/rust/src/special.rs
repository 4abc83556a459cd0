//! Special functions in the forms that keep their digits where models need them.

#[cfg(test)]
pub mod rising_factorial;

use statrs::function::gamma::ln_gamma as statrs_ln_gamma;

/// `ln Gamma(x)` for `x > 0`.
pub fn ln_gamma(x: f64) -> f64 {
    statrs_ln_gamma(x)
}

/// Where the difference of two `ln Gamma` has lost more digits than its series leaves out.
const LARGE: f64 = 1e6;

/// `ln Gamma(x + 1/2) - ln Gamma(x)` for `x > 0`; of large ones by the series `ln(x) / 2 - 1 / (8 x) + O(x^-3)` (Tricomi and
/// Erdelyi 1951).
pub fn ln_gamma_half_step(x: f64) -> f64 {
    if x > LARGE { 0.5 * x.ln() - 0.125 / x } else { ln_gamma(x + 0.5) - ln_gamma(x) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use std::f64::consts::PI;

    #[test]
    fn half_steps_are_those_of_the_function_and_do_not_break() {
        // Gamma(1) = 1, Gamma(3/2) = sqrt(pi) / 2.
        assert_relative_eq!(ln_gamma_half_step(1.0), (0.5 * PI.sqrt()).ln(), max_relative = 1e-12);
        assert_relative_eq!(ln_gamma_half_step(LARGE * 1.0000001), ln_gamma_half_step(LARGE), max_relative = 1e-8);
        // A t of many degrees of freedom is a normal distribution.
        for df in [1e8, 1e15, 1e20, 1e200] {
            let constant = ln_gamma_half_step(0.5 * df) - 0.5 * (df * PI).ln();
            assert_relative_eq!(constant, -0.5 * (2.0 * PI).ln(), max_relative = 1e-7);
        }
    }
}
