//! Whitening in parts. With `C C'` the inverse curvature of coefficients and effects, `E` the
//! curvature between them and the scales and `F` that of the scales,
//!
//! ```text
//! W = [ C   -C C'E V ]      V V' = (F - E'C C'E)^-1
//!     [ 0       V    ]
//! ```
//!
//! which is block elimination. `C` is the identity for the joint transport, the frozen factor of the
//! joint one or a low-rank correction for the level transport.

use super::dense;
use super::frozen::Frozen;
use super::low_rank::LowRank;
use crate::density::LogDensity;
use crate::kernels::dot;
use faer::Mat;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

/// The factor `C` of coefficients and effects.
#[derive(Debug)]
pub enum Effects {
    /// They are white as they are.
    Identity,
    /// Sparse factor.
    Frozen(Frozen),
    /// Identity plus a few directions.
    LowRank(LowRank),
}

/// `W`.
#[derive(Debug)]
pub struct Arrow {
    effects: Effects,
    theta: Range<usize>,
    /// `C C'E V`, column by column.
    cross: Vec<f64>,
    /// `V`, row-major upper triangle.
    scales: Vec<f64>,
}

impl Effects {
    /// Logarithm of `|det C|`.
    fn log_det(&self) -> f64 {
        match self {
            Self::Identity => 0.0,
            Self::Frozen(c) => c.log_det(),
            Self::LowRank(c) => c.log_det(),
        }
    }

    /// `out <- C y`.
    fn multiply(&self, y: &[f64], out: &mut [f64], work: &mut Vec<f64>) {
        match self {
            Self::Identity => out.copy_from_slice(y),
            Self::Frozen(c) => c.multiply(y, out, work),
            Self::LowRank(c) => c.multiply(y, out),
        }
    }

    /// `out <- C' d`.
    fn multiply_transposed(&self, d: &[f64], out: &mut [f64], work: &mut Vec<f64>) {
        match self {
            Self::Identity => out.copy_from_slice(d),
            Self::Frozen(c) => c.multiply_transposed(d, out, work),
            Self::LowRank(c) => c.multiply(d, out),
        }
    }
}

impl Arrow {
    /// Completes `effects` by the scales, at places `theta` (the last ones), with two gradients each.
    /// `None` if the curvature is not finite, or after a cancel.
    pub fn at_mode<D: LogDensity>(
        density: &mut D, mode: &[f64], theta: Range<usize>, effects: Effects, cancel: &AtomicBool,
    ) -> Option<Self> {
        let (n, k) = (theta.start, theta.len());
        let (mut x, mut column, mut work) = (mode.to_vec(), vec![0.0; mode.len()], vec![]);
        let mut f = Mat::<f64>::zeros(k, k);
        let mut white = vec![vec![0.0; n]; k];
        for j in 0..k {
            if cancel.load(Ordering::Relaxed) {
                return None;
            }
            dense::curvature_along(density, &mut x, std::iter::once((n + j, 1.0)), &mut column);
            (0..k).for_each(|i| f[(i, j)] = column[n + i]);
            effects.multiply_transposed(&column[..n], &mut white[j], &mut work);
        }
        let schur = |i: usize, j: usize| 0.5 * (f[(i, j)] + f[(j, i)]) - dot(&white[i], &white[j]);
        let scales = dense::upper_factor(&Mat::from_fn(k, k, schur))?;
        let mut cross = vec![0.0; n * k];
        for (j, column) in cross.chunks_mut(n.max(1)).enumerate() {
            let mut sum = vec![0.0; n];
            for (i, white) in white.iter().enumerate().take(j + 1) {
                sum.iter_mut().zip(white).for_each(|(s, w)| *s += scales[i * k + j] * w);
            }
            effects.multiply(&sum, column, &mut work);
        }
        Some(Self { effects, theta, cross, scales })
    }

    /// Logarithm of `|det W|`.
    pub fn log_det(&self) -> f64 {
        let k = self.theta.len();
        self.effects.log_det() + (0..k).map(|i| self.scales[i * k + i].abs().ln()).sum::<f64>()
    }

    /// `out <- W y`.
    pub fn multiply(&self, y: &[f64], out: &mut [f64], work: &mut Vec<f64>) {
        let n = self.theta.start;
        let (effects, scales) = out.split_at_mut(n);
        self.effects.multiply(&y[..n], effects, work);
        for (column, y) in self.cross.chunks(n.max(1)).zip(&y[n..]) {
            effects.iter_mut().zip(column).for_each(|(e, c)| *e -= c * y);
        }
        dense::multiply(&self.scales, &y[n..], scales);
    }

    /// `out <- W' d`.
    pub fn multiply_transposed(&self, d: &[f64], out: &mut [f64], work: &mut Vec<f64>) {
        let n = self.theta.start;
        let (effects, scales) = out.split_at_mut(n);
        self.effects.multiply_transposed(&d[..n], effects, work);
        dense::multiply_transposed(&self.scales, &d[n..], scales);
        for (column, out) in self.cross.chunks(n.max(1)).zip(scales) {
            *out -= dot(column, &d[..n]);
        }
    }
}
