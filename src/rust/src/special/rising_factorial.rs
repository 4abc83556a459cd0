//! Rising factorials, one by one and in full digits: what the sums of kernels are held against.

use super::ln_gamma;
use statrs::function::gamma::digamma;

/// Below this count a product is taken factor by factor, which is exact to rounding and cheap.
const DIRECT: f64 = 16.0;
/// From here on the Stirling series with three terms is exact to rounding.
const STIRLING: f64 = 12.0;

/// Stirling's correction: `ln Gamma(x) - [(x - 1/2) ln x - x + ln(2 pi) / 2]` for `x >= 12`.
fn stirling_correction(x: f64) -> f64 {
    let r = 1.0 / (x * x);
    (1.0 / 12.0 - r * (1.0 / 360.0 - r * (1.0 / 1260.0 - r * (1.0 / 1680.0 - r / 1188.0)))) / x
}

/// `psi(x) - [ln x - 1 / (2 x)]` for `x >= 12`.
fn digamma_correction(x: f64) -> f64 {
    let r = 1.0 / (x * x);
    -r * (1.0 / 12.0 - r * (1.0 / 120.0 - r * (1.0 / 252.0 - r * (1.0 / 240.0 - r / 132.0))))
}

/// Log of the rising factorial, `ln Gamma(phi + y) - ln Gamma(phi)`, for whole `y >= 0`.
///
/// Written without the difference of two large numbers: near the Poisson limit (large `phi`)
/// the textbook form loses all digits.
pub fn ln_rising(phi: f64, y: f64) -> f64 {
    if y <= DIRECT {
        return (0..y as u32).map(|j| (phi + f64::from(j)).ln()).sum();
    }
    if phi >= STIRLING {
        let top = phi + y;
        return (phi - 0.5) * (y / phi).ln_1p() + y * top.ln() - y + stirling_correction(top)
            - stirling_correction(phi);
    }
    ln_gamma(phi + y) - ln_gamma(phi)
}

/// Derivative of [`ln_rising`] in `phi`: `psi(phi + y) - psi(phi)`.
pub fn d_ln_rising(phi: f64, y: f64) -> f64 {
    if y <= DIRECT {
        return (0..y as u32).map(|j| 1.0 / (phi + f64::from(j))).sum();
    }
    if phi >= STIRLING {
        let top = phi + y;
        return (y / phi).ln_1p() + 0.5 * (y / (phi * top)) + digamma_correction(top) - digamma_correction(phi);
    }
    digamma(phi + y) - digamma(phi)
}

mod tests {
    use super::*;
    use approx::assert_relative_eq;

    /// R 4.2.2: lgamma(3.5 + c(0, 7, 40)) - lgamma(3.5)
    #[test]
    fn rising_agrees_with_r() {
        for (y, expected) in [(0.0, 0.0), (7.0, 12.739_651_617_056_69), (40.0, 118.448_600_943_997_83)] {
            assert_relative_eq!(ln_rising(3.5, y), expected, max_relative = 1e-11);
        }
    }

    #[test]
    fn branches_meet() {
        for phi in [12.0_f64, 20.0, 300.0] {
            for y in [17.0_f64, 40.0, 1e4] {
                assert_relative_eq!(ln_rising(phi, y), ln_gamma(phi + y) - ln_gamma(phi), max_relative = 1e-11);
                assert_relative_eq!(d_ln_rising(phi, y), digamma(phi + y) - digamma(phi), max_relative = 1e-9);
            }
        }
    }

    #[test]
    fn derivative_agrees_with_differences() {
        for phi in [0.01_f64, 0.7, 5.0, 50.0] {
            for y in [1.0, 16.0, 17.0, 400.0] {
                let h = 1e-5 * phi;
                let slope = (ln_rising(phi + h, y) - ln_rising(phi - h, y)) / (2.0 * h);
                assert_relative_eq!(d_ln_rising(phi, y), slope, max_relative = 1e-6);
            }
        }
    }

    /// As phi grows, ln_rising(phi, y) - y log(phi) tends to y (y - 1) / (2 phi).
    #[test]
    fn keeps_its_digits_at_the_poisson_limit() {
        let (phi, y) = (1e12, 1000.0);
        assert!((ln_rising(phi, y) - y * phi.ln() - y * (y - 1.0) / (2.0 * phi)).abs() < 1e-8);
    }
}
