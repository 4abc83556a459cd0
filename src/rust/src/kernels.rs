//! The loops over rows of counts, compiled for several instruction sets and chosen at run time.
//!
//! The loops have no branches, so that the compiler turns them into vector instructions. Sums run
//! in the order of the rows and no operations are fused: the same data give the same bits on every
//! machine.

use pulp::{Arch, NullaryFnOnce};
use std::f64::consts::LOG2_E;

/// Rows at a time: their buffers stay in the first cache.
const BLOCK: usize = 128;
/// 1.5 * 2^52: adding it rounds to a whole number and leaves that number in the low bits.
const ROUND: f64 = 6_755_399_441_055_744.0;
/// `ln 2` split so that a multiple up to 1022 of the first part is exact (Cody and Waite 1980).
const LN_2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
/// `exp(-708)` is the smallest power of e that is not subnormal.
const MAX_EXPONENT: f64 = 708.0;

/// `1 / k!`, k = 13 to 0: the remainder on `[-ln 2 / 2, ln 2 / 2]` is below 1e-17.
const EXP: [f64; 14] = [
    1.0 / 6_227_020_800.0,
    1.0 / 479_001_600.0,
    1.0 / 39_916_800.0,
    1.0 / 3_628_800.0,
    1.0 / 362_880.0,
    1.0 / 40_320.0,
    1.0 / 5_040.0,
    1.0 / 720.0,
    1.0 / 120.0,
    1.0 / 24.0,
    1.0 / 6.0,
    0.5,
    1.0,
    1.0,
];
/// `1 / (2 k + 1)`, k = 17 to 0: the series of atanh for arguments up to 1/3.
const ATANH: [f64; 18] = [
    1.0 / 35.0,
    1.0 / 33.0,
    1.0 / 31.0,
    1.0 / 29.0,
    1.0 / 27.0,
    1.0 / 25.0,
    1.0 / 23.0,
    1.0 / 21.0,
    1.0 / 19.0,
    1.0 / 17.0,
    1.0 / 15.0,
    1.0 / 13.0,
    1.0 / 11.0,
    1.0 / 9.0,
    1.0 / 7.0,
    1.0 / 5.0,
    1.0 / 3.0,
    1.0,
];

/// `1 / (2 k + 1)`, k = 10 to 0: for arguments up to 0.172.
const SHORT_ATANH: [f64; 11] = [
    1.0 / 21.0,
    1.0 / 19.0,
    1.0 / 17.0,
    1.0 / 15.0,
    1.0 / 13.0,
    1.0 / 11.0,
    1.0 / 9.0,
    1.0 / 7.0,
    1.0 / 5.0,
    1.0 / 3.0,
    1.0,
];
/// Bits of `sqrt(1/2)`, of 1, and of 2^52.
const ROOT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
const ONE: u64 = 0x3ff0_0000_0000_0000;
const SHIFT: u64 = 0x4330_0000_0000_0000;

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
    let s = e / (e + 2.0);
    let share = 1.0 / (1.0 + e);
    (x.max(0.0) + 2.0 * s * horner(&ATANH, s * s), if x >= 0.0 { share } else { e * share })
}

/// The power of two that brings `x` nearest to 1, as the bits of its exponent, and its exponent.
#[inline(always)]
fn exponent(x: f64) -> (u64, f64) {
    let biased = x.to_bits().wrapping_sub(ROOT_HALF).wrapping_add(ONE) >> 52;
    (biased, f64::from_bits(biased | SHIFT) - (4_503_599_627_370_496.0 + 1023.0))
}

/// `e log 2 + log((1 + s) / (1 - s))`.
#[inline(always)]
fn log_of(e: f64, s: f64) -> f64 {
    e * LN_2_HIGH + (2.0 * s * horner(&SHORT_ATANH, s * s) + e * LN_2_LOW)
}

/// `log(x)` for normal positive numbers, within 2 units in the last place.
#[inline(always)]
pub fn ln(x: f64) -> f64 {
    let (biased, e) = exponent(x);
    let m = f64::from_bits(x.to_bits().wrapping_sub(biased.wrapping_sub(1023) << 52));
    log_of(e, (m - 1.0) / (m + 1.0))
}

/// `log(1 + d / b)` for positive numbers, whatever their ratio.
#[inline(always)]
pub fn ln_ratio(d: f64, b: f64) -> f64 {
    let (biased, e) = exponent(1.0 + d / b);
    let scaled = b * f64::from_bits(biased << 52);
    log_of(e, (d + (b - scaled)) / (d + (b + scaled)))
}

/// Weighted response `t`, weight and linear predictor of the rows, and where the derivative goes.
struct Rows<'a, F> {
    totals: &'a [f64],
    weights: &'a [f64],
    eta: &'a [f64],
    d_eta: &'a mut [f64],
    /// `row(t, w, eta) -> (value, d_eta, d_dispersion)`.
    row: F,
}

impl<F: Fn(f64, f64, f64) -> (f64, f64, f64)> NullaryFnOnce for Rows<'_, F> {
    type Output = (f64, f64);

    /// Sums of values and of dispersions' derivatives.
    #[inline(always)]
    fn call(self) -> (f64, f64) {
        let (mut value, mut dispersion) = (0.0, 0.0);
        // Loops without sums turn into vector instructions; the sums follow over the buffers.
        let (mut values, mut dispersions) = ([0.0; BLOCK], [0.0; BLOCK]);
        for start in (0..self.totals.len()).step_by(BLOCK) {
            let end = (start + BLOCK).min(self.totals.len());
            let n = end - start;
            let (t, w, eta) = (&self.totals[start..end], &self.weights[start..end], &self.eta[start..end]);
            let d_eta = &mut self.d_eta[start..end];
            let (values, dispersions) = (&mut values[..n], &mut dispersions[..n]);
            let inputs = t.iter().zip(w).zip(eta);
            let outputs = values.iter_mut().zip(dispersions.iter_mut()).zip(d_eta);
            for (((t, w), eta), ((value, dispersion), d_eta)) in inputs.zip(outputs) {
                (*value, *d_eta, *dispersion) = (self.row)(*t, *w, *eta);
            }
            value += values.iter().sum::<f64>();
            dispersion += dispersions.iter().sum::<f64>();
        }
        (value, dispersion)
    }
}

/// Rows of a negative binomial with one shape, but for the terms in `ln Gamma`: with weighted counts
/// `t`, `t (eta - log phi - l) - w phi l`, `l = log(1 + mu / phi)`.
///
/// Writes `d_eta`; returns the sum and its derivative in log phi.
pub fn negative_binomial(totals: &[f64], weights: &[f64], eta: &[f64], log_phi: f64, d_eta: &mut [f64]) -> (f64, f64) {
    let phi = log_phi.exp();
    let row = move |t: f64, w: f64, eta: f64| negative_binomial_row(t, w * phi, eta - log_phi);
    Arch::new().dispatch(Rows { totals, weights, eta, d_eta, row })
}

#[inline(always)]
fn negative_binomial_row(t: f64, w_phi: f64, u: f64) -> (f64, f64, f64) {
    let (log1p_ratio, share) = softplus_logistic(u);
    let value = t * (u - log1p_ratio) - w_phi * log1p_ratio;
    (value, t - (t + w_phi) * share, w_phi * (share - log1p_ratio) - t * (1.0 - share))
}

/// Rows of a Poisson with weighted counts `t`: `t eta - w mu`. Writes `d_eta`; returns the sum.
pub fn poisson(totals: &[f64], weights: &[f64], eta: &[f64], d_eta: &mut [f64]) -> f64 {
    Arch::new().dispatch(Rows { totals, weights, eta, d_eta, row: poisson_row }).0
}

#[inline(always)]
fn poisson_row(t: f64, w: f64, eta: f64) -> (f64, f64, f64) {
    let mu = w * exp(eta.clamp(-MAX_EXPONENT, MAX_EXPONENT));
    (t * eta - mu, t - mu, 0.0)
}

/// Sum of products, in eight lanes.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (a_chunks, b_chunks) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(x, y)| x * y).sum();
    let mut lanes = [0.0; 8];
    for (x, y) in a_chunks.zip(b_chunks) {
        (0..8).for_each(|i| lanes[i] += x[i] * y[i]);
    }
    rest + lanes.iter().sum::<f64>()
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
    fn logarithm_agrees_with_the_library() {
        for i in -7_000..=7_000 {
            let x = (f64::from(i) * 0.1).exp();
            assert_relative_eq!(ln(x), x.ln(), max_relative = 1e-15, epsilon = 1e-17);
            let (small, large) = (ln_ratio(x, 1e3), ln_ratio(17.0, x));
            assert_relative_eq!(small, (x / 1e3).ln_1p(), max_relative = 2e-15);
            assert_relative_eq!(large, (17.0 / x).ln_1p(), max_relative = 2e-15);
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
