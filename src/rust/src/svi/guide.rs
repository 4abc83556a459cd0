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
pub enum Kind {
    /// Diagonal.
    MeanField,
    /// Diagonal plus this many factors.
    LowRank(usize),
    /// Dense.
    FullRank,
}

/// A guide with its parameters and its last draw.
#[derive(Debug, Clone)]
pub struct Guide {
    kind: Kind,
    dim: usize,
    /// `m`, `r`, then the factors `[rank, dim]` or the rows of `T` below the diagonal.
    pub parameters: Vec<f64>,
    epsilon: Vec<f64>,
    xi: Vec<f64>,
    y: Vec<f64>,
}

impl Guide {
    /// The standard normal. Factors start small, not at zero, where their gradient would vanish.
    pub fn standard(kind: Kind, dim: usize) -> Self {
        let (extra, rank) = match kind {
            Kind::MeanField => (0, 0),
            Kind::LowRank(rank) => (rank * dim, rank),
            Kind::FullRank => (dim * (dim - 1) / 2, 0),
        };
        let mut parameters = vec![0.0; 2 * dim + extra];
        for (i, f) in parameters[2 * dim..2 * dim + rank * dim].iter_mut().enumerate() {
            *f = if i % 2 == 0 { 0.01 } else { -0.01 } * (1.0 + (i % 7) as f64);
        }
        Self { kind, dim, parameters, epsilon: vec![0.0; dim], xi: vec![0.0; rank], y: vec![0.0; dim] }
    }

    /// Draws `y`.
    pub fn draw<R: Rng>(&mut self, rng: &mut R) {
        for e in self.epsilon.iter_mut().chain(&mut self.xi) {
            *e = StandardNormal.sample(rng);
        }
        let (mean, rest) = self.parameters.split_at(self.dim);
        let (log_sd, extra) = rest.split_at(self.dim);
        for i in 0..self.dim {
            self.y[i] = mean[i] + log_sd[i].exp() * self.epsilon[i];
        }
        match self.kind {
            Kind::MeanField => {}
            Kind::LowRank(_) => {
                for (row, xi) in extra.chunks_exact(self.dim).zip(&self.xi) {
                    self.y.iter_mut().zip(row).for_each(|(y, f)| *y += f * xi);
                }
            }
            Kind::FullRank => {
                for i in 1..self.dim {
                    self.y[i] += dot(&extra[i * (i - 1) / 2..i * (i + 1) / 2], &self.epsilon[..i]);
                }
            }
        }
    }

    /// The last draw.
    pub fn y(&self) -> &[f64] {
        &self.y
    }

    /// Log density of the last draw.
    pub fn log_density(&self) -> f64 {
        let log_sd = &self.parameters[self.dim..2 * self.dim];
        let constant = -0.5 * self.dim as f64 * (2.0 * PI).ln() - log_sd.iter().sum::<f64>();
        match self.kind {
            Kind::LowRank(rank) => {
                let (scaled, capacitance) = self.low_rank_parts();
                let (projected, spread) = solve_and_spread(&capacitance, &scaled.1);
                let quadratic =
                    dot(&scaled.0, &scaled.0) - (0..rank).map(|k| scaled.1[(k, 0)] * projected[(k, 0)]).sum::<f64>();
                // The spread is the inverse transpose of the Cholesky factor.
                let log_det: f64 = (0..rank).map(|k| -spread[k * rank + k].ln()).sum();
                constant - log_det - 0.5 * quadratic
            }
            _ => constant - 0.5 * dot(&self.epsilon, &self.epsilon),
        }
    }

    /// `((y - m) / D, F D^-1 (y - m) / D)` and the capacitance `I + F D^-2 F'`.
    fn low_rank_parts(&self) -> ((Vec<f64>, Mat<f64>), Mat<f64>) {
        let (mean, rest) = self.parameters.split_at(self.dim);
        let (log_sd, factors) = rest.split_at(self.dim);
        let rank = self.xi.len();
        let white: Vec<f64> = (0..self.dim).map(|i| (self.y[i] - mean[i]) * (-log_sd[i]).exp()).collect();
        let f = |k: usize, i: usize| factors[k * self.dim + i] * (-log_sd[i]).exp();
        let against = Mat::from_fn(rank, 1, |k, _| (0..self.dim).map(|i| f(k, i) * white[i]).sum());
        let capacitance = Mat::from_fn(rank, rank, |k, l| {
            (0..self.dim).map(|i| f(k, i) * f(l, i)).sum::<f64>() + f64::from(u8::from(k == l))
        });
        ((white, against), capacitance)
    }

    /// `-d log q / dy` at the last draw, parameters held: the precision times `y - m`.
    fn pull_to_mean(&self) -> Vec<f64> {
        let (log_sd, extra) = self.parameters[self.dim..].split_at(self.dim);
        match self.kind {
            Kind::MeanField => self.epsilon.iter().zip(log_sd).map(|(e, r)| e * (-r).exp()).collect(),
            Kind::LowRank(_) => {
                let ((white, against), capacitance) = self.low_rank_parts();
                let (projected, _) = solve_and_spread(&capacitance, &against);
                let f = |k: usize, i: usize| extra[k * self.dim + i] * (-log_sd[i]).exp();
                let explained = |i: usize| (0..self.xi.len()).map(|k| f(k, i) * projected[(k, 0)]).sum::<f64>();
                (0..self.dim).map(|i| (white[i] - explained(i)) * (-log_sd[i]).exp()).collect()
            }
            Kind::FullRank => {
                let mut x = self.epsilon.clone();
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

    /// Adds the path gradient of `log p - log q` at the last draw, given `d log p / dy`.
    pub fn add_gradient(&self, d_log_p: &[f64], gradient: &mut [f64]) {
        let pull = self.pull_to_mean();
        let d: Vec<f64> = d_log_p.iter().zip(&pull).map(|(a, b)| a + b).collect();
        let log_sd = &self.parameters[self.dim..2 * self.dim];
        for i in 0..self.dim {
            gradient[i] += d[i];
            gradient[self.dim + i] += d[i] * self.epsilon[i] * log_sd[i].exp();
        }
        let extra = &mut gradient[2 * self.dim..];
        match self.kind {
            Kind::MeanField => {}
            Kind::LowRank(_) => {
                for (row, xi) in extra.chunks_exact_mut(self.dim).zip(&self.xi) {
                    row.iter_mut().zip(&d).for_each(|(g, d)| *g += d * xi);
                }
            }
            Kind::FullRank => {
                for i in 1..self.dim {
                    let row = &mut extra[i * (i - 1) / 2..i * (i + 1) / 2];
                    row.iter_mut().zip(&self.epsilon).for_each(|(g, e)| *g += d[i] * e);
                }
            }
        }
    }
}
