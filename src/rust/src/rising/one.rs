//! The rising factorial of one count: `ln Gamma(phi + y) - ln Gamma(phi)` without branches, for loops over rows.

use super::series::Terms;
use crate::elementary::{ln, log1p};

type Series = Terms<7>;

/// Shift after which Stirling's series with the terms below is exact to rounding.
const SHIFT: f64 = 8.0;

/// `ln Gamma(phi + y) - ln Gamma(phi)` and its derivative in `log phi`, for whole `y >= 0`.
///
/// From the same at `phi + 8` by the recurrence of the gamma function, without branches. Written without the difference
/// of two large numbers: near the Poisson limit (large `phi`) the textbook form loses all digits.
#[inline(always)]
pub fn ln_rising(log_phi: f64, phi: f64, y: f64) -> (f64, f64) {
    let (top, low, high) = (phi + y, phi + SHIFT, phi + y + SHIFT);
    let ((p, d_p), (q, d_q)) = (shifted(phi), shifted(top));
    let (r_low, r_high) = (1.0 / low, 1.0 / high);
    let ratio = log1p(y * r_low);
    let series = Series::ln_gamma(r_high) - Series::ln_gamma(r_low);
    let value = (low - 0.5) * ratio + y * (ln(high) - 1.0) + series + (log_phi + ln(p / q / top));
    let d_series = Series::digamma(r_high) - Series::digamma(r_low);
    let slope = phi * (ratio + 0.5 * y * r_low * r_high + d_series + (d_p / p - d_q / q)) + y / top;
    if y > 0.0 { (value, slope) } else { (0.0, 0.0) }
}

/// As [`ln_rising`] for `y <= J`, by the product of its factors `phi + j`, over `phi` where that is large.
#[inline(always)]
pub fn ln_rising_few<const J: usize>(log_phi: f64, phi: f64, y: f64) -> (f64, f64) {
    let per_scale = 1.0 / phi.max(1.0);
    let first = phi * per_scale;
    let (mut p, mut d) = (1.0, 0.0);
    for j in 1..J {
        let j = j as f64;
        let factor = if y > j { first + j * per_scale } else { 1.0 };
        d = d * factor + if y > j { p } else { 0.0 };
        p *= factor;
    }
    let value = log_phi + (y - 1.0) * log_phi.max(0.0) + ln(p);
    let slope = 1.0 + first * (d / p);
    if y > 0.0 { (value, slope) } else { (0.0, 0.0) }
}

/// `(x + 1) ... (x + 7)` and its derivative; constant where it would overflow and does not matter.
#[inline(always)]
fn shifted(x: f64) -> (f64, f64) {
    let x = x.min(1e30);
    let (mut p, mut d) = (1.0, 0.0);
    for j in 1..8 {
        let factor = x + f64::from(j);
        d = d * factor + p;
        p *= factor;
    }
    (p, d)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::special::rising_factorial;

    /// Factor by factor where there are few, for more against the library, which has fewer digits.
    fn expected(phi: f64, y: f64) -> (f64, f64, f64) {
        if y > 300.0 {
            return (rising_factorial::ln_rising(phi, y), phi * rising_factorial::d_ln_rising(phi, y), 1e-13);
        }
        let factors = (0..y as u32).map(|j| phi + f64::from(j));
        (factors.clone().map(f64::ln).sum(), factors.map(|f| phi / f).sum(), 1e-14)
    }

    #[test]
    fn rising_agrees_with_products() {
        for i in -40..=60 {
            let log_phi = f64::from(i) * 0.71;
            let phi = log_phi.exp();
            for y in [0.0, 1.0, 2.0, 7.0, 16.0, 17.0, 300.0, 1e5, 1e9] {
                let ((value, slope), (v, s, precision)) = (ln_rising(log_phi, phi, y), expected(phi, y));
                // Near the Poisson limit the value is a sum of terms y log phi.
                let size = 10.0 + y * log_phi.abs().max((1.0 + y).ln());
                assert!((value - v).abs() < precision * size, "{phi} {y}: {value} {v}");
                assert!((slope - s).abs() < 1e-13 * (1.0 + s), "{phi} {y}: {slope} {s}");
                let (value, slope) = ln_rising_few::<16>(log_phi, phi, y);
                let few = (value - v).abs() < precision * size && (slope - s).abs() < 1e-13 * (1.0 + s);
                assert!(few || y > 16.0, "{phi} {y}: {value} {v}, {slope} {s}");
            }
        }
    }
}
