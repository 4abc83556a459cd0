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

use crate::transport::joint::JointTransport;
use crate::transport::pieces::Node;

/// The sums, in the columns of the joint transport whose information is `A`.
#[derive(Debug, Clone)]
pub struct GaussianSums {
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
}

impl GaussianSums {
    /// Log-likelihood at `w` (per column). Overwrites `d_w`; returns also the derivative in log sigma.
    ///
    /// `log_ratio` is `log(sigma / sigma_0)`, 0 where sigma is known.
    pub fn evaluate(&self, map: &JointTransport, w: &[f64], log_ratio: f64, d_w: &mut [f64]) -> (f64, f64) {
        let k = (-2.0 * log_ratio).exp();
        let delta = |c: usize| w[c] - self.centre[c];
        d_w.fill(0.0);
        multiply(map, delta, d_w);
        let (mut linear, mut quadratic) = (0.0, 0.0);
        for (c, d) in d_w.iter_mut().enumerate() {
            linear += self.score[c] * delta(c);
            quadratic += *d * delta(c);
            *d = k * (self.score[c] - *d);
        }
        let squares = self.squares - 2.0 * linear + quadratic;
        let value = self.at_centre - self.n * log_ratio - 0.5 * (k * squares - self.squares);
        (value, k * squares - self.n)
    }
}

/// Adds `A v` to `out`.
fn multiply(map: &JointTransport, v: impl Fn(usize) -> f64, out: &mut [f64]) {
    let skeleton = &*map.skeleton;
    for piece in &skeleton.pieces {
        let (Node { first: i, q: q_i, .. }, Node { first: j, q: q_j, .. }) =
            (&skeleton.nodes[piece.i], &skeleton.nodes[piece.j]);
        for a in 0..*q_i {
            let row = &map.information[piece.at + a * q_j..piece.at + (a + 1) * q_j];
            let mut sum = 0.0;
            let v_a = v(i + a);
            for (b, value) in row.iter().enumerate() {
                sum += value * v(j + b);
                if piece.i != piece.j {
                    out[j + b] += value * v_a;
                }
            }
            out[i + a] += sum;
        }
    }
}
