//! The loops over rows, compiled for several instruction sets and chosen at run time.
//!
//! The loops have no branches, so that the compiler turns them into vector instructions. Sums run
//! in the order of the rows and no operations are fused: the same data give the same bits on every
//! machine.

mod dispersed;

pub use dispersed::{gaussian_rows, negative_binomial_rows};

use crate::families::{self, RowSum};
use pulp::{Arch, NullaryFnOnce};

/// Rows at a time: their buffers stay in the first cache.
pub const BLOCK: usize = 128;

/// Weighted response `t`, weight and linear predictor of the rows, and where the derivative goes.
struct RowLoop<'a, F> {
    totals: &'a [f64],
    weights: &'a [f64],
    eta: &'a [f64],
    d_eta: &'a mut [f64],
    /// Of `t`, `w` and `eta`.
    row: F,
}

impl<F: Fn(f64, f64, f64) -> RowSum<f64>> NullaryFnOnce for RowLoop<'_, F> {
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
                let row = (self.row)(*t, *w, *eta);
                (*value, *d_eta, *dispersion) = (row.value, row.d_eta, row.d_log);
            }
            value += values.iter().sum::<f64>();
            dispersion += dispersions.iter().sum::<f64>();
        }
        (value, dispersion)
    }
}

/// Rows of a negative binomial with one shape, but for the terms in `ln Gamma`; `totals` are weighted counts. Writes `d_eta`;
/// returns the sum and its derivative in log phi.
pub fn negative_binomial(totals: &[f64], weights: &[f64], eta: &[f64], log_phi: f64, d_eta: &mut [f64]) -> (f64, f64) {
    let phi = log_phi.exp();
    let row = move |t: f64, w: f64, eta: f64| families::negative_binomial(t, w * phi, eta - log_phi, [0.0; 2]);
    Arch::new().dispatch(RowLoop { totals, weights, eta, d_eta, row })
}

/// Rows of a Poisson with weighted counts `totals`. Writes `d_eta`; returns the sum.
pub fn poisson(totals: &[f64], weights: &[f64], eta: &[f64], d_eta: &mut [f64]) -> f64 {
    Arch::new().dispatch(RowLoop { totals, weights, eta, d_eta, row: families::poisson }).0
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

    #[test]
    fn not_a_number_is_seen() {
        assert!(poisson(&[0.0], &[1.0], &[f64::NAN], &mut [0.0]).is_nan());
        assert!(negative_binomial(&[0.0], &[1.0], &[f64::NAN], 0.0, &mut [0.0]).0.is_nan());
    }
}
