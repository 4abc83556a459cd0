//! Gaussian guides: draws, densities and path gradients.
//!
//! ```text
//! mean-field  y = m + exp(r) * epsilon
//! low rank    y = m + exp(r) * epsilon + F xi,    covariance D^2 + F F'
//! full rank   y = m + T epsilon,                  T lower, diagonal exp(r)
//! ```

use crate::kernels::dot;
use crate::whiten::dense::solve_and_spread;
use faer::Mat;
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use std::f64::consts::PI;

/// Structure of the covariance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuideShape {
    /// Diagonal.
    MeanField,
    /// Diagonal plus this many factors.
    LowRank(usize),
    /// Dense.
    FullRank,
}

/// A guide with its parameters.
#[derive(Debug, Clone)]
pub struct ShapedGuide {
    kind: GuideShape,
    dim: usize,
    rank: usize,
    /// `m`, `r`, then the factors `[rank, dim]` or the rows of `T` below the diagonal.
    pub parameters: Vec<f64>,
}

/// A draw of a guide, with the noise that it was made from.
#[derive(Debug, Clone)]
pub struct Drawn {
    epsilon: Vec<f64>,
    xi: Vec<f64>,
    /// Where it is.
    pub y: Vec<f64>,
}

/// What the inverse of a low-rank covariance needs, with the capacitance `C = I + F D^-2 F'`.
struct Woodbury {
    /// `(y - m) / D`.
    white: Vec<f64>,
    /// `F D^-1` times that.
    against: Mat<f64>,
    /// `C^-1` times that.
    projected: Mat<f64>,
    /// `L^-T`, row-major, `L L' = C`.
    spread: Vec<f64>,
}

impl ShapedGuide {
    /// The standard normal. Factors start small, not at zero, where their gradient would vanish.
    pub fn standard(kind: GuideShape, dim: usize) -> Self {
        let (extra, rank) = match kind {
            GuideShape::MeanField => (0, 0),
            GuideShape::LowRank(rank) => (rank * dim, rank),
            GuideShape::FullRank => (dim * (dim - 1) / 2, 0),
        };
        let mut parameters = vec![0.0; 2 * dim + extra];
        for (i, f) in parameters[2 * dim..2 * dim + rank * dim].iter_mut().enumerate() {
            *f = if i % 2 == 0 { 0.01 } else { -0.01 } * (1.0 + (i % 7) as f64);
        }
        Self { kind, dim, rank, parameters }
    }

    /// A fresh draw.
    pub fn draw<R: Rng>(&self, rng: &mut R) -> Drawn {
        let mut noise = |n: usize| (0..n).map(|_| StandardNormal.sample(rng)).collect::<Vec<f64>>();
        let (epsilon, xi) = (noise(self.dim), noise(self.rank));
        let mut y = vec![0.0; self.dim];
        let (mean, rest) = self.parameters.split_at(self.dim);
        let (log_sd, extra) = rest.split_at(self.dim);
        for i in 0..self.dim {
            y[i] = mean[i] + log_sd[i].exp() * epsilon[i];
        }
        match self.kind {
            GuideShape::MeanField => {}
            GuideShape::LowRank(_) => {
                for (row, xi) in extra.chunks_exact(self.dim).zip(&xi) {
                    y.iter_mut().zip(row).for_each(|(y, f)| *y += f * xi);
                }
            }
            GuideShape::FullRank => {
                for i in 1..self.dim {
                    y[i] += dot(&extra[i * (i - 1) / 2..i * (i + 1) / 2], &epsilon[..i]);
                }
            }
        }
        Drawn { epsilon, xi, y }
    }

    /// Log density of a draw of the guide as it is.
    pub fn log_density(&self, drawn: &Drawn) -> f64 {
        let log_sd = &self.parameters[self.dim..2 * self.dim];
        let constant = -0.5 * self.dim as f64 * (2.0 * PI).ln() - log_sd.iter().sum::<f64>();
        let GuideShape::LowRank(rank) = self.kind else { return constant - 0.5 * dot(&drawn.epsilon, &drawn.epsilon) };
        let Woodbury { white, against, projected, spread } = self.woodbury(drawn);
        let quadratic = dot(&white, &white) - (0..rank).map(|k| against[(k, 0)] * projected[(k, 0)]).sum::<f64>();
        // The spread is the inverse transpose of the Cholesky factor.
        let log_det: f64 = (0..rank).map(|k| -spread[k * rank + k].ln()).sum();
        constant - log_det - 0.5 * quadratic
    }

    fn woodbury(&self, drawn: &Drawn) -> Woodbury {
        let (mean, rest) = self.parameters.split_at(self.dim);
        let (log_sd, factors) = rest.split_at(self.dim);
        let rank = self.rank;
        let white: Vec<f64> = (0..self.dim).map(|i| (drawn.y[i] - mean[i]) * (-log_sd[i]).exp()).collect();
        let f = |k: usize, i: usize| factors[k * self.dim + i] * (-log_sd[i]).exp();
        let against = Mat::from_fn(rank, 1, |k, _| (0..self.dim).map(|i| f(k, i) * white[i]).sum());
        let capacitance = Mat::from_fn(rank, rank, |k, l| {
            (0..self.dim).map(|i| f(k, i) * f(l, i)).sum::<f64>() + f64::from(u8::from(k == l))
        });
        let (projected, spread) = solve_and_spread(&capacitance, &against);
        Woodbury { white, against, projected, spread }
    }

    /// `-d log q / dy` at a draw, parameters held: the precision times `y - m`.
    fn pull_to_mean(&self, drawn: &Drawn) -> Vec<f64> {
        let (log_sd, extra) = self.parameters[self.dim..].split_at(self.dim);
        match self.kind {
            GuideShape::MeanField => drawn.epsilon.iter().zip(log_sd).map(|(e, r)| e * (-r).exp()).collect(),
            GuideShape::LowRank(_) => {
                let Woodbury { white, projected, .. } = self.woodbury(drawn);
                let f = |k: usize, i: usize| extra[k * self.dim + i] * (-log_sd[i]).exp();
                let explained = |i: usize| (0..self.rank).map(|k| f(k, i) * projected[(k, 0)]).sum::<f64>();
                (0..self.dim).map(|i| (white[i] - explained(i)) * (-log_sd[i]).exp()).collect()
            }
            GuideShape::FullRank => {
                let mut x = drawn.epsilon.clone();
                for i in (0..self.dim).rev() {
                    x[i] *= (-log_sd[i]).exp();
                    let (head, tail) = x.split_at_mut(i);
                    let row = &extra[(i * i - i) / 2..(i * i + i) / 2];
                    head.iter_mut().zip(row).for_each(|(h, t)| *h -= t * tail[0]);
                }
                x
            }
        }
    }

    /// Adds the path gradient of `log p - log q` at a draw, given `d log p / dy`.
    pub fn add_gradient(&self, drawn: &Drawn, d_log_p: &[f64], gradient: &mut [f64]) {
        let pull = self.pull_to_mean(drawn);
        let d: Vec<f64> = d_log_p.iter().zip(&pull).map(|(a, b)| a + b).collect();
        let log_sd = &self.parameters[self.dim..2 * self.dim];
        for i in 0..self.dim {
            gradient[i] += d[i];
            gradient[self.dim + i] += d[i] * drawn.epsilon[i] * log_sd[i].exp();
        }
        let extra = &mut gradient[2 * self.dim..];
        match self.kind {
            GuideShape::MeanField => {}
            GuideShape::LowRank(_) => {
                for (row, xi) in extra.chunks_exact_mut(self.dim).zip(&drawn.xi) {
                    row.iter_mut().zip(&d).for_each(|(g, d)| *g += d * xi);
                }
            }
            GuideShape::FullRank => {
                for i in 1..self.dim {
                    let row = &mut extra[i * (i - 1) / 2..i * (i + 1) / 2];
                    row.iter_mut().zip(&drawn.epsilon).for_each(|(g, e)| *g += d[i] * e);
                }
            }
        }
    }
}
