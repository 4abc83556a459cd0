//! Rows that have each their own dispersion.

use super::BLOCK;
use crate::elementary::{bounded_exp, ln};
use crate::families::{RowSum, gaussian, negative_binomial};
use crate::rising::one::{ln_rising, ln_rising_few};
use pulp::{Arch, NullaryFnOnce};
use std::marker::PhantomData;

/// A row from four numbers. A trait and no function to be passed: those are calls, not loops, if they are long.
trait Row {
    /// Value and derivatives.
    fn evaluate(inputs: [f64; 4]) -> RowSum<f64>;
}

/// Four numbers per row, and where the derivatives go.
struct DispersedRows<'a, R> {
    inputs: [&'a [f64]; 4],
    d_eta: &'a mut [f64],
    d_log_dispersion: &'a mut [f64],
    row: PhantomData<R>,
}

impl<R: Row> NullaryFnOnce for DispersedRows<'_, R> {
    type Output = f64;

    /// Sum of values.
    #[inline(always)]
    fn call(self) -> f64 {
        let mut values = [0.0; BLOCK];
        let mut sum = 0.0;
        let n = self.d_eta.len();
        for start in (0..n).step_by(BLOCK) {
            let end = (start + BLOCK).min(n);
            let [a, b, c, d] = self.inputs.map(|x| &x[start..end]);
            let outputs =
                values.iter_mut().zip(&mut self.d_eta[start..end]).zip(&mut self.d_log_dispersion[start..end]);
            for ((((a, b), c), d), ((value, d_eta), d_dispersion)) in a.iter().zip(b).zip(c).zip(d).zip(outputs) {
                let row = R::evaluate([*a, *b, *c, *d]);
                (*value, *d_eta, *d_dispersion) = (row.value, row.d_eta, row.d_log);
            }
            sum += values[..end - start].iter().sum::<f64>();
        }
        sum
    }
}

/// Rows of a negative binomial, `ln Gamma` terms included, but for `ln y!`. Writes `d_eta` and `d_log_phi`.
pub fn negative_binomial_rows(
    y: &[f64], weights: &[f64], eta: &[f64], log_phi: &[f64], d_eta: &mut [f64], d_log_phi: &mut [f64],
) -> f64 {
    let inputs = [y, weights, eta, log_phi];
    macro_rules! dispatch {
        ($few:literal) => {{
            let row = PhantomData::<NegativeBinomial<$few>>;
            Arch::new().dispatch(DispersedRows { inputs, d_eta, d_log_dispersion: d_log_phi, row })
        }};
    }
    // Few factors are multiplied one by one.
    match y.iter().copied().fold(0.0, f64::max) {
        top if top <= 4.0 => dispatch!(4),
        top if top <= 8.0 => dispatch!(8),
        top if top <= 16.0 => dispatch!(16),
        _ => dispatch!(0),
    }
}

/// Rows of counts up to `FEW`; of any if that is 0.
struct NegativeBinomial<const FEW: usize>;

impl<const FEW: usize> Row for NegativeBinomial<FEW> {
    #[inline(always)]
    fn evaluate([y, w, eta, log_phi]: [f64; 4]) -> RowSum<f64> {
        let phi = bounded_exp(log_phi);
        let rising = if FEW == 0 { ln_rising(log_phi, phi, y) } else { ln_rising_few::<FEW>(log_phi, phi, y) };
        let row = negative_binomial(y, phi, eta - log_phi, rising.into());
        RowSum { value: w * row.value, d_eta: w * row.d_eta, d_log: w * row.d_log }
    }
}

/// Gaussian rows of residuals `r`, weights `w` and weighted squares `s` around the responses, but for
/// `w ln(2 pi) / 2`; variances are `sigma^2 + se^2`, or `se^2` where `sampled` is 0 rather than 1.
///
/// `inputs` are `r`, `w`, `s` and `log sigma`; `se2` is empty or has one value per row. Writes the
/// derivative in the mean to `d_eta`, and that in `log sigma`.
pub fn gaussian_rows(
    inputs: [&[f64]; 4], se2: &[f64], sampled: f64, d_eta: &mut [f64], d_log_sigma: &mut [f64],
) -> f64 {
    if se2.is_empty() {
        return Arch::new().dispatch(DispersedRows {
            inputs,
            d_eta,
            d_log_dispersion: d_log_sigma,
            row: PhantomData::<Gaussian>,
        });
    }
    // The variance takes the place of log sigma, and sigma's share of it multiplies the derivative after.
    let [r, w, s, log_sigma] = inputs;
    let mut sum = 0.0;
    let mut variances = [0.0; BLOCK];
    for start in (0..d_eta.len()).step_by(BLOCK) {
        let rows = start..(start + BLOCK).min(d_eta.len());
        let variance = &mut variances[..rows.len()];
        let own = log_sigma[rows.clone()].iter().zip(&se2[rows.clone()]);
        variance.iter_mut().zip(own).for_each(|(v, (l, se2))| *v = sampled * bounded_exp(2.0 * l) + se2);
        let inputs = [&r[rows.clone()], &w[rows.clone()], &s[rows.clone()], &*variance];
        let (d_eta, d_log_sigma) = (&mut d_eta[rows.clone()], &mut d_log_sigma[rows.clone()]);
        let known = DispersedRows { inputs, d_eta, d_log_dispersion: &mut *d_log_sigma, row: PhantomData::<Known> };
        sum += Arch::new().dispatch(known);
        let shares = variance.iter().zip(&se2[rows]).map(|(v, se2)| (v - se2) / v);
        d_log_sigma.iter_mut().zip(shares).for_each(|(d, share)| *d *= share);
    }
    sum
}

/// Variances `sigma^2`.
struct Gaussian;

impl Row for Gaussian {
    #[inline(always)]
    fn evaluate([r, w, s, log_sigma]: [f64; 4]) -> RowSum<f64> {
        gaussian(w * r, w, w * r * r + s, bounded_exp(-2.0 * log_sigma), log_sigma)
    }
}

/// Variances as they are; the second derivative is that in half their logarithm.
struct Known;

impl Row for Known {
    #[inline(always)]
    fn evaluate([r, w, s, variance]: [f64; 4]) -> RowSum<f64> {
        gaussian(w * r, w, w * r * r + s, 1.0 / variance, 0.5 * ln(variance))
    }
}
