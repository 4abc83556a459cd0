//! Exponential, logarithm and what is made of them, without branches, so that loops over them turn into
//! vector instructions.

use std::f64::consts::LOG2_E;

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
/// The series of atanh, highest power first: for arguments up to 1/3, and up to 0.172.
const ATANH: [f64; 18] = atanh_series();
const SHORT_ATANH: [f64; 11] = atanh_series();
/// Bits of `sqrt(1/2)`, of 1, and of 2^52.
const ROOT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
const ONE: u64 = 0x3ff0_0000_0000_0000;
const WHOLE: u64 = 0x4330_0000_0000_0000;

/// The next larger double of a finite one; `f64::next_up` needs Rust 1.86.
#[inline(always)]
pub fn next_up(x: f64) -> f64 {
    let bits = x.to_bits();
    f64::from_bits(if x == 0.0 {
        1
    } else if x > 0.0 {
        bits + 1
    } else {
        bits - 1
    })
}

/// A polynomial whose coefficients are given from the highest power down: those of even and of odd powers by Horner's rule in
/// `x^2`, two chains that run side by side.
#[inline(always)]
pub fn polynomial<const N: usize>(coefficients: &[f64; N], x: f64) -> f64 {
    const { assert!(N >= 2) };
    let square = x * x;
    let [mut first, mut second] = [coefficients[0], coefficients[1]];
    let mut k = 2;
    while k + 1 < N {
        first = first * square + coefficients[k];
        second = second * square + coefficients[k + 1];
        k += 2;
    }
    if k < N { (first * square + coefficients[k]) + second * x } else { first * x + second }
}

/// `1 / (2 k + 1)`, k = N - 1 to 0.
const fn atanh_series<const N: usize>() -> [f64; N] {
    let mut series = [1.0; N];
    let mut k = 0;
    while k < N {
        series[N - 1 - k] = 1.0 / (2 * k + 1) as f64;
        k += 1;
    }
    series
}

/// `exp(x)` for `|x| <= 708`, within 2 units in the last place.
#[inline(always)]
pub fn exp(x: f64) -> f64 {
    let shifted = x * LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * LN_2_HIGH) - n * LN_2_LOW;
    let power = f64::from_bits((1023u64 << 52).wrapping_add(shifted.to_bits() << 52));
    polynomial(&EXP, r) * power
}

/// As [`exp`], for any number; beyond 708 constant.
#[inline(always)]
pub fn bounded_exp(x: f64) -> f64 {
    exp(x.clamp(-MAX_EXPONENT, MAX_EXPONENT))
}

/// `(log(1 + exp(x)), 1 / (1 + exp(-x)))`.
#[inline(always)]
pub fn softplus_logistic(x: f64) -> (f64, f64) {
    let e = exp(-x.abs().min(MAX_EXPONENT));
    let s = e / (e + 2.0);
    let share = 1.0 / (1.0 + e);
    (x.max(0.0) + 2.0 * s * polynomial(&ATANH, s * s), if x >= 0.0 { share } else { e * share })
}

/// The power of two that brings `x` nearest to 1, as the bits of its exponent, and its exponent.
#[inline(always)]
fn exponent(x: f64) -> (u64, f64) {
    let biased = x.to_bits().wrapping_sub(ROOT_HALF).wrapping_add(ONE) >> 52;
    (biased, f64::from_bits(biased | WHOLE) - (4_503_599_627_370_496.0 + 1023.0))
}

/// `e log 2 + log((1 + s) / (1 - s))`.
#[inline(always)]
fn log_of(e: f64, s: f64) -> f64 {
    e * LN_2_HIGH + (2.0 * s * polynomial(&SHORT_ATANH, s * s) + e * LN_2_LOW)
}

/// `log(x)` for normal positive numbers, within 2 units in the last place; not a number for others.
#[inline(always)]
pub fn ln(x: f64) -> f64 {
    let (biased, e) = exponent(x);
    let m = f64::from_bits(x.to_bits().wrapping_sub(biased.wrapping_sub(1023) << 52));
    let value = log_of(e, (m - 1.0) / (m + 1.0));
    if (f64::MIN_POSITIVE..f64::INFINITY).contains(&x) { value } else { f64::NAN }
}

/// `log(1 + d / b)` for positive numbers, whatever their ratio.
#[inline(always)]
pub fn ln_ratio(d: f64, b: f64) -> f64 {
    let (biased, e) = exponent(1.0 + d / b);
    let scaled = b * f64::from_bits(biased << 52);
    log_of(e, (d + (b - scaled)) / (d + (b + scaled)))
}

/// `ln(1 + x)` for `x >= 0`.
#[inline(always)]
pub fn log1p(x: f64) -> f64 {
    let u = 1.0 + x;
    ln(u) + (x - (u - 1.0)) / u
}

/// `(-1)^k / (2 k + 1)!` and `(-1)^k / (2 k)!`, highest power first: below 1e-17 for angles up to `pi / 4`.
const SIN: [f64; 8] = [
    -1.0 / 1_307_674_368_000.0,
    1.0 / 6_227_020_800.0,
    -1.0 / 39_916_800.0,
    1.0 / 362_880.0,
    -1.0 / 5_040.0,
    1.0 / 120.0,
    -1.0 / 6.0,
    1.0,
];
const COS: [f64; 9] = [
    1.0 / 20_922_789_888_000.0,
    -1.0 / 87_178_291_200.0,
    1.0 / 479_001_600.0,
    -1.0 / 3_628_800.0,
    1.0 / 40_320.0,
    -1.0 / 720.0,
    1.0 / 24.0,
    -0.5,
    1.0,
];

/// Sine and cosine of `2 pi u`, for `u` from 0 to 1.
#[inline(always)]
pub fn sin_cos_turns(u: f64) -> (f64, f64) {
    let quarter = (4.0 * u + ROUND) - ROUND;
    let a = std::f64::consts::TAU * (u - 0.25 * quarter);
    let (sin, cos) = (a * polynomial(&SIN, a * a), polynomial(&COS, a * a));
    let is_odd = quarter == 1.0 || quarter == 3.0;
    let (x, y) = if is_odd { (sin, cos) } else { (cos, sin) };
    let (in_left, below) = (quarter == 1.0 || quarter == 2.0, quarter == 2.0 || quarter == 3.0);
    (if below { -y } else { y }, if in_left { -x } else { x })
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
            let (expected, expected_share) = (x.max(0.0) + (-x.abs()).exp().ln_1p(), 1.0 / (1.0 + (-x).exp()));
            assert_relative_eq!(value, expected, max_relative = 4e-15);
            assert_relative_eq!(share, expected_share, max_relative = 2e-15);
        }
    }

    #[test]
    fn logarithm_agrees_with_the_library() {
        for i in -3_000..3_000 {
            let x = (f64::from(i) * 0.23).exp();
            assert!((ln(x) - x.ln()).abs() <= 3e-16 * (1.0 + x.ln().abs()), "{x}");
            let near = 1.0 + f64::from(i) * 1e-7;
            assert_relative_eq!(ln(near), near.ln(), max_relative = 1e-15);
            assert_relative_eq!(log1p(x), x.ln_1p(), max_relative = 1e-15);
            assert_relative_eq!(ln_ratio(x, 1e3), (x / 1e3).ln_1p(), max_relative = 2e-15);
            assert_relative_eq!(ln_ratio(17.0, x), (17.0 / x).ln_1p(), max_relative = 2e-15);
        }
        assert!(ln(f64::NAN).is_nan());
    }

    #[test]
    fn sine_and_cosine_agree_with_the_library() {
        for i in 0..=4_000 {
            let u = f64::from(i) / 4_000.0;
            let ((sin, cos), angle) = (sin_cos_turns(u), std::f64::consts::TAU * u);
            assert!((sin - angle.sin()).abs() < 1e-15 && (cos - angle.cos()).abs() < 1e-15, "{u}: {sin} {cos}");
        }
    }
}
