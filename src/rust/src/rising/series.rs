//! Stirling's series of `ln Gamma` and of its derivative.

use crate::elementary::polynomial;

/// Coefficients of `x^-13`, `x^-11`, ..., `x^-1` for `ln Gamma(x) - [(x - 1/2) log x - x + log(2 pi) / 2]`.
const STIRLING: [f64; 7] =
    [1.0 / 156.0, -691.0 / 360_360.0, 1.0 / 1188.0, -1.0 / 1680.0, 1.0 / 1260.0, -1.0 / 360.0, 1.0 / 12.0];
/// Coefficients of `x^-14`, `x^-12`, ..., `x^-2` for `log x - 1 / (2 x) - psi(x)`.
const DIGAMMA: [f64; 7] =
    [1.0 / 12.0, -691.0 / 32_760.0, 1.0 / 132.0, -1.0 / 240.0, 1.0 / 252.0, -1.0 / 120.0, 1.0 / 12.0];

/// The last `N` of the coefficients.
const fn last<const N: usize>(all: &[f64; 7]) -> [f64; N] {
    let mut out = [0.0; N];
    let mut k = 0;
    while k < N {
        out[k] = all[7 - N + k];
        k += 1;
    }
    out
}

/// Five terms are exact to rounding for `x >= 16`, seven for `x >= 8`.
pub struct Terms<const N: usize>;

impl<const N: usize> Terms<N> {
    const VALUE: [f64; N] = last(&STIRLING);
    const SLOPE: [f64; N] = last(&DIGAMMA);

    /// Sum of the series for `ln Gamma` at `r = 1 / x`.
    #[inline(always)]
    pub fn ln_gamma(r: f64) -> f64 {
        polynomial(&Self::VALUE, r * r) * r
    }

    /// And of that for its derivative.
    #[inline(always)]
    pub fn digamma(r: f64) -> f64 {
        let s = r * r;
        -(polynomial(&Self::SLOPE, s) * s)
    }
}
