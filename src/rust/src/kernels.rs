//! The loops over rows of counts, compiled for several instruction sets and chosen at run time.
//!
//! Each loop works on lanes of eight rows without branches, so that the compiler can turn it into
//! vector instructions. Sums are kept per lane and added in a fixed order: the same data give the
//! same bits on every machine.

use pulp::Arch;
use std::f64::consts::{LN_2, LOG2_E};

const LANES: usize = 8;
/// 1.5 * 2^52: adding it rounds to a whole number and leaves that number in the low bits.
const ROUND: f64 = 6_755_399_441_055_744.0;
/// `ln 2` split so that a multiple up to 1022 of the first part is exact (Cody and Waite 1980).
const LN_2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
/// `exp(-708)` is the smallest power of e that is not subnormal.
const MAX_EXPONENT: f64 = 708.0;

/// `1 / k!`, k = 13 to 0: the remainder on `[-ln 2 / 2, ln 2 / 2]` is below 1e-17.
const EXP: [f64; 14] = [
    1.0 / 6_227_020_800.0, 1.0 / 479_001_600.0, 1.0 / 39_916_800.0, 1.0 / 3_628_800.0, 1.0 / 362_880.0,
    1.0 / 40_320.0, 1.0 / 5_040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0,
];
/// `1 / (2 k + 1)`, k = 10 to 0: the series of atanh for arguments up to 0.172.
const ATANH: [f64; 11] = [
    1.0 / 21.0, 1.0 / 19.0, 1.0 / 17.0, 1.0 / 15.0, 1.0 / 13.0, 1.0 / 11.0, 1.0 / 9.0, 1.0 / 7.0, 1.0 / 5.0,
    1.0 / 3.0, 1.0,
];

#[inline(always)]
fn horner<const N: usize>(coefficients: &[f64; N], x: f64) -> f64 {
    let mut value = coefficients[0];
    for c in &coefficients[1..] {
        value = value * x + c;
    }
    value
}

/// `exp(x)` for `|x| <= 708`, within 2 units in the last place.
#[inline(always)]
fn exp(x: f64) -> f64 {
    let shifted = x * LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * LN_2_HIGH) - n * LN_2_LOW;
    let power = f64::from_bits((1023u64 << 52).wrapping_add(shifted.to_bits() << 52));
    horner(&EXP, r) * power
}

/// `(log(1 + exp(x)), 1 / (1 + exp(-x)))`.
#[inline(always)]
fn softplus_logistic(x: f64) -> (f64, f64) {
    let e = exp(-x.abs().min(MAX_EXPONENT));
    // log(1 + e): halved above sqrt(2), so that the series' argument stays below 0.172.
    let is_large = e > 0.414;
    let (top, bottom, shift) = if is_large { (e - 1.0, e + 3.0, LN_2) } else { (e, e + 2.0, 0.0) };
    let s = top / bottom;
    let log1p = shift + 2.0 * s * horner(&ATANH, s * s);
    let share = 1.0 / (1.0 + e);
    (x.max(0.0) + log1p, if x >= 0.0 { share } else { e * share })
}

/// Rows of a negative binomial with one shape, but for the terms in `ln Gamma`:
/// `w [y (eta - log phi - l) - phi l]`, `l = log(1 + mu / phi)`.
///
/// Writes `d_eta`; returns the sum and its derivative in log phi.
pub fn negative_binomial(y: &[f64], weights: &[f64], eta: &[f64], log_phi: f64, d_eta: &mut [f64]) -> (f64, f64) {
    let phi = log_phi.exp();
    let row = |y: f64, w: f64, eta: f64| negative_binomial_row(y, w, eta - log_phi, phi);
    Arch::new().dispatch(|| over_rows(y, weights, eta, d_eta, row))
}

#[inline(always)]
fn negative_binomial_row(y: f64, w: f64, t: f64, phi: f64) -> (f64, f64, f64) {
    let (log1p_ratio, share) = softplus_logistic(t);
    let value = w * (y * (t - log1p_ratio) - phi * log1p_ratio);
    (value, w * (y - (y + phi) * share), w * (phi * (share - log1p_ratio) - y * (1.0 - share)))
}

/// Rows of a Poisson: `w [y eta - mu]`. Writes `d_eta`; returns the sum.
pub fn poisson(y: &[f64], weights: &[f64], eta: &[f64], d_eta: &mut [f64]) -> f64 {
    Arch::new().dispatch(|| over_rows(y, weights, eta, d_eta, poisson_row).0)
}

#[inline(always)]
fn poisson_row(y: f64, w: f64, eta: f64) -> (f64, f64, f64) {
    let mu = exp(eta.clamp(-MAX_EXPONENT, MAX_EXPONENT));
    (w * (y * eta - mu), w * (y - mu), 0.0)
}

/// Applies `row(y, w, eta) -> (value, d_eta, d_dispersion)` and sums values and dispersions.
#[inline(always)]
fn over_rows(
    y: &[f64], weights: &[f64], eta: &[f64], d_eta: &mut [f64], row: impl Fn(f64, f64, f64) -> (f64, f64, f64),
) -> (f64, f64) {
    let (mut values, mut dispersions) = ([0.0; LANES], [0.0; LANES]);
    let (y8, y1) = y.as_chunks::<LANES>();
    let (w8, w1) = weights.as_chunks::<LANES>();
    let (eta8, eta1) = eta.as_chunks::<LANES>();
    let (d8, d1) = d_eta.as_chunks_mut::<LANES>();
    for (((y, w), eta), d) in y8.iter().zip(w8).zip(eta8).zip(d8) {
        for lane in 0..LANES {
            let (value, d_eta, dispersion) = row(y[lane], w[lane], eta[lane]);
            values[lane] += value;
            dispersions[lane] += dispersion;
            d[lane] = d_eta;
        }
    }
    let mut sums = (values.iter().sum::<f64>(), dispersions.iter().sum::<f64>());
    for (((y, w), eta), d) in y1.iter().zip(w1).zip(eta1).zip(d1) {
        let (value, d_eta, dispersion) = row(*y, *w, *eta);
        sums = (sums.0 + value, sums.1 + dispersion);
        *d = d_eta;
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn exponential_agrees_with_the_library() {
        for i in -7_080..=7_080 {
            let x = f64::from(i) * 0.1;
            assert_relative_eq!(exp(x), x.exp(), max_relative = 1e-15);
        }
    }

    #[test]
    fn softplus_agrees_with_the_library() {
        for i in -8_000..8_000 {
            let x = f64::from(i) * 0.01 + 0.003;
            let (value, share) = softplus_logistic(x);
            let (expected, expected_share) = crate::special::softplus_logistic(x);
            assert_relative_eq!(value, expected, max_relative = 4e-15);
            assert_relative_eq!(share, expected_share, max_relative = 2e-15);
        }
    }

    #[test]
    fn not_a_number_is_seen() {
        assert!(poisson(&[0.0], &[1.0], &[f64::NAN], &mut [0.0]).is_nan());
        assert!(negative_binomial(&[0.0], &[1.0], &[f64::NAN], 0.0, &mut [0.0]).0.is_nan());
    }
}
