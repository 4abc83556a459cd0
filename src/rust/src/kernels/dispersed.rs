//! Rows that have each their own dispersion.

use super::BLOCK;
use super::elementary::{MAX_EXPONENT, exp, ln, ln_rising, softplus_logistic};
use pulp::{Arch, NullaryFnOnce};

/// Four numbers per row, and where the derivatives go.
struct DispersedRows<'a, F> {
    inputs: [&'a [f64]; 4],
    d_eta: &'a mut [f64],
    d_log_dispersion: &'a mut [f64],
    /// `row(inputs) -> (value, d_eta, d_log_dispersion)`.
    row: F,
}

impl<F: Fn([f64; 4]) -> (f64, f64, f64)> NullaryFnOnce for DispersedRows<'_, F> {
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
                (*value, *d_eta, *d_dispersion) = (self.row)([*a, *b, *c, *d]);
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
    Arch::new().dispatch(DispersedRows { inputs, d_eta, d_log_dispersion: d_log_phi, row: negative_binomial_row })
}

#[inline(always)]
fn negative_binomial_row([y, w, eta, log_phi]: [f64; 4]) -> (f64, f64, f64) {
    let phi = exp(log_phi.clamp(-MAX_EXPONENT, MAX_EXPONENT));
    let (log1p_ratio, share) = softplus_logistic(eta - log_phi);
    let (rising, d_rising) = ln_rising(log_phi, phi, y);
    let value = y * (eta - log_phi - log1p_ratio) - phi * log1p_ratio + rising;
    let d_log_phi = phi * (share - log1p_ratio) + d_rising - y * (1.0 - share);
    (w * value, w * (y - (y + phi) * share), w * d_log_phi)
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
        return Arch::new().dispatch(DispersedRows { inputs, d_eta, d_log_dispersion: d_log_sigma, row: gaussian_row });
    }
    // The variance takes the place of log sigma, and sigma's share of it multiplies the derivative after.
    let [r, w, s, log_sigma] = inputs;
    let mut sum = 0.0;
    let mut variances = [0.0; BLOCK];
    for start in (0..d_eta.len()).step_by(BLOCK) {
        let rows = start..(start + BLOCK).min(d_eta.len());
        let variance = &mut variances[..rows.len()];
        let own = log_sigma[rows.clone()].iter().zip(&se2[rows.clone()]);
        variance
            .iter_mut()
            .zip(own)
            .for_each(|(v, (l, se2))| *v = sampled * exp((2.0 * l).clamp(-MAX_EXPONENT, MAX_EXPONENT)) + se2);
        let inputs = [&r[rows.clone()], &w[rows.clone()], &s[rows.clone()], &*variance];
        let (d_eta, d_log_sigma) = (&mut d_eta[rows.clone()], &mut d_log_sigma[rows.clone()]);
        let known = DispersedRows { inputs, d_eta, d_log_dispersion: &mut *d_log_sigma, row: known_row };
        sum += Arch::new().dispatch(known);
        let shares = variance.iter().zip(&se2[rows]).map(|(v, se2)| (v - se2) / v);
        d_log_sigma.iter_mut().zip(shares).for_each(|(d, share)| *d *= share);
    }
    sum
}

#[inline(always)]
fn gaussian_row([r, w, s, log_sigma]: [f64; 4]) -> (f64, f64, f64) {
    let precision = exp((-2.0 * log_sigma).clamp(-MAX_EXPONENT, MAX_EXPONENT));
    let squares = (w * r * r + s) * precision;
    (-0.5 * squares - w * log_sigma, w * r * precision, squares - w)
}

#[inline(always)]
fn known_row([r, w, s, variance]: [f64; 4]) -> (f64, f64, f64) {
    let precision = 1.0 / variance;
    let squares = (w * r * r + s) * precision;
    (-0.5 * (squares + w * ln(variance)), w * r * precision, squares - w)
}
