//! Gaussian likelihood from cross-products: its cost does not depend on the number of rows.
//!
//! With `w` all effects and coefficients, `D` their design, `r` the residuals and `w0` the values at
//! the centre, `A = D'WD`, `g = D'Wr` and weights `W` over `sigma_0^2`, `k = (sigma_0 / sigma)^2`:
//!
//! ```text
//! log p = -n log sigma - k/2 [ r'Wr - 2 g'(w - w0) + (w - w0)' A (w - w0) ] + constant
//! ```
//!
//! Expanding about the centre rather than zero keeps the digits when the fit is close.

use crate::transport::pieces::{Incidence, Node, Piece};
use std::sync::Arc;

/// The sums, in the columns of an incidence.
#[derive(Debug, Clone)]
pub struct GaussianSums {
    /// Which columns meet.
    pub incidence: Arc<Incidence>,
    /// Values of `A`, piece by piece.
    pub information: Vec<f64>,
    /// `g`, per column.
    pub score: Vec<f64>,
    /// `w0`, per column.
    pub centre: Vec<f64>,
    /// `r'Wr`.
    pub squares: f64,
    /// Sum of the weights.
    pub n: f64,
    /// Log-likelihood at the centre when `sigma = sigma_0`.
    pub at_centre: f64,
    /// Log of `sigma_0`; `None` where sigma is known.
    pub log_sigma: Option<f64>,
}

impl GaussianSums {
    /// Log-likelihood at `w` (per column; overwritten by `w - w0`). Overwrites `d_w`; returns also the
    /// derivative in log sigma.
    pub fn evaluate(&self, w: &mut [f64], log_sigma: Option<f64>, d_w: &mut [f64]) -> (f64, f64) {
        let log_ratio = log_sigma.zip(self.log_sigma).map_or(0.0, |(s, s0)| s - s0);
        let k = (-2.0 * log_ratio).exp();
        w.iter_mut().zip(&self.centre).for_each(|(w, c)| *w -= c);
        d_w.fill(0.0);
        self.multiply(w, d_w);
        let (mut linear, mut quadratic) = (0.0, 0.0);
        for ((d, w), score) in d_w.iter_mut().zip(w).zip(&self.score) {
            linear += score * *w;
            quadratic += *d * *w;
            *d = k * (score - *d);
        }
        let squares = self.squares - 2.0 * linear + quadratic;
        let value = self.at_centre - self.n * log_ratio - 0.5 * (k * squares - self.squares);
        (value, k * squares - self.n)
    }

    /// Multiplications of one evaluation.
    pub fn n_products(&self) -> usize {
        2 * self.information.len()
    }

    /// Adds `A v` to `out`.
    fn multiply(&self, v: &[f64], out: &mut [f64]) {
        let (_, columns, blocks) = self.incidence.by_shape();
        self.multiply_numbers(v, out);
        for piece in columns.iter().chain(blocks) {
            self.multiply_block(piece, v, out);
        }
    }

    /// Pieces of one number, column by column; the first of a column is its diagonal.
    fn multiply_numbers(&self, v: &[f64], out: &mut [f64]) {
        let Incidence { number_starts, number_rows, .. } = &*self.incidence;
        for bounds in number_starts.windows(2) {
            let (rows, values) = (&number_rows[bounds[0]..bounds[1]], &self.information[bounds[0]..bounds[1]]);
            let j = rows[0] as usize;
            let v_j = v[j];
            let mut sum = values[0] * v_j;
            for (&i, a) in rows[1..].iter().zip(&values[1..]) {
                let i = i as usize;
                sum += a * v[i];
                out[i] += a * v_j;
            }
            out[j] += sum;
        }
    }

    fn multiply_block(&self, piece: &Piece, v: &[f64], out: &mut [f64]) {
        let nodes = &self.incidence.nodes;
        let (Node { first: i, q: q_i, .. }, Node { first: j, q: q_j, .. }) = (&nodes[piece.i()], &nodes[piece.j()]);
        for a in 0..*q_i {
            let row = &self.information[piece.at() + a * q_j..piece.at() + (a + 1) * q_j];
            let mut sum = 0.0;
            let v_a = v[i + a];
            for (b, value) in row.iter().enumerate() {
                sum += value * v[j + b];
                if piece.i() != piece.j() {
                    out[j + b] += value * v_a;
                }
            }
            out[i + a] += sum;
        }
    }
}
