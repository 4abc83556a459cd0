//! The guide: a Student t whose moments are those of the posterior, as rounds of proposals see them.

use crate::density::LogDensity;
use crate::genes::psis::Weights;
use crate::kernels::dot;
use crate::special::ln_gamma;
use crate::whiten::dense::lower_root;
use faer::Mat;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{ChiSquared, Distribution, StandardNormal};
use rayon::prelude::*;
use std::f64::consts::PI;
use std::sync::atomic::{AtomicBool, Ordering};

/// Degrees of freedom.
const DF: f64 = 10.0;
/// Proposals of a round, and more of them for each parameter.
const ROUND: [usize; 2] = [40, 12];
/// Rounds at least, and at most while too few proposals are effective.
const ROUNDS: [usize; 2] = [2, 5];
const ENOUGH: f64 = 0.6;
/// Share of proposals that are effective below which trajectories are the better way, and k-hat above which the share is not
/// to be believed.
const POOR: f64 = 0.1;
const MAX_KHAT: f64 = 0.7;
/// Draws that the present moments of the guide count for, beside those of a round: for each parameter.
const INERTIA: f64 = 2.0;

/// A Student t about a mean.
#[derive(Debug, Clone)]
pub struct Guide {
    mean: Vec<f64>,
    /// `[d, d]` row-major lower triangle.
    root: Vec<f64>,
}

/// A position that was proposed.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// Position.
    pub y: Vec<f64>,
    /// Log density of the target.
    pub log_density: f64,
    /// Less that of the guide, but for a constant; minus infinity where it is not finite.
    pub log_ratio: f64,
}

/// A guide with the proposals of its last round.
#[derive(Debug)]
pub struct Learned {
    /// The guide.
    pub guide: Guide,
    /// Share of its proposals that are effective.
    pub efficiency: f64,
    /// Evaluations of the target.
    pub n_values: usize,
    proposals: Vec<Proposal>,
    weights: Weights,
}

impl Guide {
    fn standard(dim: usize) -> Self {
        let root = (0..dim * dim).map(|at| f64::from(u8::from(at / dim == at % dim))).collect();
        Self { mean: vec![0.0; dim], root }
    }

    fn dim(&self) -> usize {
        self.mean.len()
    }

    /// A position, and the log density of the guide there but for a constant.
    fn draw<R: Rng>(&self, rng: &mut R) -> (Vec<f64>, f64) {
        let d = self.dim();
        let chi = ChiSquared::new(DF).expect("positive degrees of freedom");
        let stretch = (DF / chi.sample(rng)).sqrt();
        let x: Vec<f64> =
            (0..d).map(|_| stretch * <StandardNormal as Distribution<f64>>::sample(&StandardNormal, rng)).collect();
        let y = (0..d).map(|i| self.mean[i] + dot(&self.root[i * d..=i * d + i], &x[..=i])).collect();
        (y, log_student(&x))
    }

    /// A proposal, at which `target` is left evaluated.
    pub fn propose<D: LogDensity, R: Rng>(&self, target: &mut D, rng: &mut R) -> Proposal {
        evaluated(target, self.draw(rng))
    }

    /// With the moments of weighted proposals.
    fn updated(&self, proposals: &[Proposal], weights: &Weights) -> Option<Self> {
        let (d, ess) = (self.dim(), weights.ess());
        let mean: Vec<f64> =
            (0..d).map(|i| proposals.iter().zip(&weights.values).map(|(p, w)| w * p.y[i]).sum()).collect();
        let own = INERTIA * d as f64 / (ess + INERTIA * d as f64);
        let covariance = Mat::from_fn(d, d, |i, j| {
            let of = |(p, w): (&Proposal, &f64)| w * (p.y[i] - mean[i]) * (p.y[j] - mean[j]);
            let found: f64 = proposals.iter().zip(&weights.values).map(of).sum();
            let last = dot(&self.root[i * d..(i + 1) * d], &self.root[j * d..(j + 1) * d]);
            (1.0 - own) * found + own * last
        });
        Some(Self { root: lower_root(&covariance)?, mean })
    }
}

fn evaluated<D: LogDensity>(target: &mut D, (y, log_q): (Vec<f64>, f64)) -> Proposal {
    let log_density = target.value(&y);
    let ratio = log_density - log_q;
    Proposal { y, log_density, log_ratio: if ratio.is_finite() { ratio } else { f64::NEG_INFINITY } }
}

/// Log density of a standard Student t.
fn log_student(x: &[f64]) -> f64 {
    let d = x.len() as f64;
    let constant = ln_gamma(0.5 * (DF + d)) - ln_gamma(0.5 * DF) - 0.5 * d * (DF * PI).ln();
    constant - 0.5 * (DF + d) * (dot(x, x) / DF).ln_1p()
}

impl Learned {
    /// Rounds of proposals, each from the guide that the last has corrected. They do not depend on the number of threads.
    pub fn learn<D: LogDensity + Clone + Send + Sync>(
        target: &D, seed: u64, stream: u64, threads: usize, cancel: &AtomicBool,
    ) -> Self {
        let (mut rng, dim) = (ChaCha8Rng::seed_from_u64(seed), target.dim());
        rng.set_stream(stream);
        let mut guide = Guide::standard(dim);
        let n = ROUND[0] + ROUND[1] * dim;
        for round in 1.. {
            let drawn: Vec<_> = (0..n).map(|_| guide.draw(&mut rng)).collect();
            let of_thread = |drawn: &[(Vec<f64>, f64)]| {
                let mut target = target.clone();
                let going = drawn.iter().take_while(|_| !cancel.load(Ordering::Relaxed));
                going.map(|drawn| evaluated(&mut target, drawn.clone())).collect::<Vec<_>>()
            };
            let proposals: Vec<Proposal> = drawn.par_chunks(n.div_ceil(threads)).flat_map_iter(of_thread).collect();
            let ratios: Vec<f64> = proposals.iter().map(|p| p.log_ratio).collect();
            let weights = Weights::from_log_ratios(&ratios);
            let efficiency = weights.ess() / n as f64;
            let is_last = round >= ROUNDS[1] || round >= ROUNDS[0] && efficiency > ENOUGH;
            let next = if is_last { None } else { guide.updated(&proposals, &weights) };
            match next.filter(|_| proposals.len() == n) {
                Some(next) => guide = next,
                None => return Self { guide, efficiency, n_values: round * n, proposals, weights },
            }
        }
        unreachable!("the rounds end")
    }

    /// Whether the guide is near enough to the target.
    pub fn is_good(&self) -> bool {
        self.efficiency >= POOR && self.weights.khat < MAX_KHAT
    }

    /// One of the proposals by their weights.
    pub fn start<R: Rng>(&self, rng: &mut R) -> Proposal {
        self.proposals[self.weights.resample(1, rng)[0]].clone()
    }
}
