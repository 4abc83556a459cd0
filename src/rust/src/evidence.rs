//! What the evidence of a model, `p(y)`, is estimated from by bridge sampling: its chains against a normal distribution.
//!
//! With `p` the posterior times the evidence, `q` a normal distribution and `h` any bridge between them,
//! `p(y) = E_q[h p] / E_posterior[h q]` (Meng and Wong 1996). Both are compared where the sampler moves: there scales are
//! bent and everything is whitened, so that the posterior is nearly normal. The chains are those of the fit with the same
//! settings; half of their draws gives `q` its moments, and the other half is compared.

use crate::density::{LogDensity, Model};
use crate::draws::{ChainDraws, Draw};
use crate::error::{Error, Result};
use crate::kernels::dot;
use crate::run::{Keeps, Prepared, Progress, Shared, on_workers, prepare, run_chains, suited};
use crate::spec::Settings;
use crate::whiten::Whitened;
use crate::whiten::dense::lower_root;
use faer::Mat;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use std::f64::consts::PI;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Draws per parameter that a full covariance needs; with fewer, or more parameters than that, it is diagonal.
const DRAWS_PER_PARAMETER: usize = 10;
const MAX_DENSE: usize = 500;
/// Stream of the random numbers of `q`: no chain's.
const STREAM: u64 = 0;
/// Draws of `q` that one task evaluates.
const TASK: usize = 64;

/// Log densities to be compared.
#[derive(Debug, Default)]
pub struct Bridge {
    /// Of posterior times evidence and of `q`, at draws of the posterior, chain after chain.
    pub at_posterior: Vec<[f64; 2]>,
    /// And at draws of `q`.
    pub at_normal: Vec<[f64; 2]>,
    /// Chains, of as many draws each.
    pub n_chains: usize,
    /// Whether the run was stopped early.
    pub interrupted: bool,
}

/// The normal distribution.
struct Normal {
    mean: Vec<f64>,
    /// `[d, d]` lower triangle, or the diagonal alone.
    root: Vec<f64>,
}

/// Runs the chains of a fit and compares their posterior with a normal distribution.
///
/// # Errors
/// As [`crate::run::sample_settled`].
pub fn bridge(model: Model, settings: &Settings, watch: impl FnMut(Progress) -> bool) -> Result<Bridge> {
    settings.check()?;
    if settings.n_kept() < 4 {
        return Err(Error::Spec("bridge sampling needs four draws per chain at least".into()));
    }
    on_workers(settings.threads, settings.chains * settings.iter, watch, |shared| {
        match prepare(Arc::new(model), settings.engine, settings.metric, &shared.cancel)? {
            Prepared::Collapsed(target) => compare(&suited(target, settings), settings, shared),
            Prepared::Full(_, target) => compare(&suited(target, settings), settings, shared),
        }
    })
}

fn compare<D: Draw + Clone + Send + Sync>(
    target: &Whitened<D>, settings: &Settings, shared: &Shared,
) -> Result<Bridge> {
    let output = run_chains("", target, settings, shared, Keeps::Positions)?;
    if output.interrupted {
        return Ok(Bridge { interrupted: true, ..Bridge::default() });
    }
    let (dim, constant) = (target.dim(), target.log_constant());
    let halves: Vec<_> = output.chains.iter().map(|chain| halves(chain, dim)).collect();
    let normal = Normal::fit(&halves.iter().map(|(first, _)| *first).collect::<Vec<_>>(), dim);
    let second = halves.iter().flat_map(|(_, (y, value))| y.chunks_exact(dim).zip(*value));
    let at_posterior: Vec<_> = second.map(|(y, value)| [value + constant, normal.log_density(y)]).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
    rng.set_stream(STREAM);
    let draws: Vec<_> = at_posterior.iter().map(|_| normal.draw(&mut rng)).collect();
    let of_task = |draws: &[(Vec<f64>, f64)]| {
        let (mut target, mut gradient) = (target.clone(), vec![0.0; dim]);
        let value = |(y, log_q): &(Vec<f64>, f64)| [finite(target.evaluate(y, &mut gradient)) + constant, *log_q];
        draws.iter().map(value).collect::<Vec<_>>()
    };
    let at_normal = draws.par_chunks(TASK).flat_map_iter(of_task).collect();
    let interrupted = shared.cancel.load(Ordering::Relaxed);
    Ok(Bridge { at_posterior, at_normal, n_chains: output.chains.len(), interrupted })
}

/// Outside of the support there is no mass.
fn finite(log_density: f64) -> f64 {
    if log_density.is_finite() { log_density } else { f64::NEG_INFINITY }
}

/// Positions of the first half of a chain, and positions and log densities of the second.
fn halves(chain: &ChainDraws, dim: usize) -> (&[f64], (&[f64], &[f64])) {
    let middle = chain.log_density.len() / 2;
    let (first, second) = chain.positions.split_at(middle * dim);
    (first, (second, &chain.log_density[middle..]))
}

impl Normal {
    /// With the moments of these positions.
    fn fit(positions: &[&[f64]], dim: usize) -> Self {
        let draws = || positions.iter().flat_map(|p| p.chunks_exact(dim));
        let n = draws().count() as f64;
        let mut mean = vec![0.0; dim];
        draws().for_each(|y| mean.iter_mut().zip(y).for_each(|(m, y)| *m += y / n));
        let is_dense = dim <= MAX_DENSE && n >= (DRAWS_PER_PARAMETER * dim) as f64;
        let root = if is_dense { dense_root(draws(), &mean, n) } else { None };
        let root = root.unwrap_or_else(|| {
            let mut variance = vec![0.0; dim];
            draws().for_each(|y| (0..dim).for_each(|i| variance[i] += (y[i] - mean[i]).powi(2) / (n - 1.0)));
            variance.iter().map(|v| v.sqrt()).collect()
        });
        Self { mean, root }
    }

    fn is_dense(&self) -> bool {
        self.root.len() > self.mean.len()
    }

    fn log_det(&self) -> f64 {
        let d = self.mean.len();
        let diagonal = |i: usize| if self.is_dense() { self.root[i * d + i] } else { self.root[i] };
        (0..d).map(|i| diagonal(i).ln()).sum()
    }

    /// Of a draw made from `squares` of standard normal noise.
    fn of_squares(&self, squares: f64) -> f64 {
        -0.5 * (squares + self.mean.len() as f64 * (2.0 * PI).ln()) - self.log_det()
    }

    fn log_density(&self, y: &[f64]) -> f64 {
        let d = self.mean.len();
        let mut noise = vec![0.0; d];
        for i in 0..d {
            let rest = y[i] - self.mean[i];
            noise[i] = if self.is_dense() {
                let row = &self.root[i * d..=i * d + i];
                (rest - dot(&row[..i], &noise[..i])) / row[i]
            } else {
                rest / self.root[i]
            };
        }
        self.of_squares(dot(&noise, &noise))
    }

    /// A draw and its log density.
    fn draw(&self, rng: &mut ChaCha8Rng) -> (Vec<f64>, f64) {
        let d = self.mean.len();
        let noise: Vec<f64> = (0..d).map(|_| StandardNormal.sample(rng)).collect();
        let away = |i: usize| {
            if self.is_dense() { dot(&self.root[i * d..=i * d + i], &noise[..=i]) } else { self.root[i] * noise[i] }
        };
        ((0..d).map(|i| self.mean[i] + away(i)).collect(), self.of_squares(dot(&noise, &noise)))
    }
}

/// Row-major lower Cholesky factor of the covariance; `None` if it has none.
fn dense_root<'a>(draws: impl Iterator<Item = &'a [f64]>, mean: &[f64], n: f64) -> Option<Vec<f64>> {
    let dim = mean.len();
    let mut covariance = Mat::<f64>::zeros(dim, dim);
    for y in draws {
        let away: Vec<f64> = y.iter().zip(mean).map(|(y, m)| y - m).collect();
        (0..dim).for_each(|i| (0..=i).for_each(|j| covariance[(i, j)] += away[i] * away[j] / (n - 1.0)));
    }
    lower_root(&covariance)
}
