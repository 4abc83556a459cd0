//! The guide: a normal density times a polynomial's exponential, through all values of the target that are known, with the tails of
//! a Student t, whose moments are those of the posterior as rounds of proposals see them.

use super::correction::Correction;
use super::standardised::Standardised;
use crate::density::LogDensity;
use crate::kernels::dot;
use crate::laplace::{log_student_t, student_stretch};
use crate::psis::Weights;
use crate::values::values;
use crate::whiten::dense::lower_root;
use faer::Mat;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use std::f64::consts::PI;
use std::sync::atomic::AtomicBool;

/// Degrees of freedom.
const DF: f64 = 10.0;
/// Proposals of a round, and more of them for each parameter.
const ROUND: [usize; 2] = [40, 12];
/// Rounds at most, and those after which an effective guide is taken though its values are too few for a polynomial with cubes.
const ROUNDS: [usize; 2] = [5, 3];
const ENOUGH: f64 = 0.6;
/// Share of proposals that are effective below which trajectories are the better way, and k-hat above which the share is not
/// to be believed.
const POOR: f64 = 0.1;
const MAX_KHAT: f64 = 0.7;
/// Draws that the present moments of the guide count for, beside those of a round: for each parameter.
const INERTIA: f64 = 2.0;
/// Steps that keep the corrected guide between two values of the target: enough to forget where they began.
const STEPS: usize = 20;

/// A Student t about a mean, times the exponential of a correction.
#[derive(Debug, Clone)]
pub struct StudentGuide {
    /// Its mean and covariance, but for the correction.
    pub frame: Standardised,
    correction: Correction,
}

/// A position with what target and guide say of it.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// Position.
    pub y: Vec<f64>,
    /// Log density of the target.
    pub log_density: f64,
    /// Less that of the guide, but for a constant; minus infinity where it is not finite.
    pub log_ratio: f64,
    correction: f64,
}

impl Proposal {
    /// All but the position.
    pub fn numbers(&self) -> [f64; 3] {
        [self.log_density, self.log_ratio, self.correction]
    }

    /// From a position and [`Proposal::numbers`].
    pub fn from_numbers(y: Vec<f64>, numbers: &[f64]) -> Self {
        Self { y, log_density: numbers[0], log_ratio: numbers[1], correction: numbers[2] }
    }
}

/// A guide with the proposals of the last round.
#[derive(Debug)]
pub struct Learned {
    /// The guide.
    pub guide: StudentGuide,
    /// Share of its proposals that are effective, before the correction.
    pub efficiency: f64,
    /// Evaluations of the target.
    pub n_values: usize,
    proposals: Vec<Proposal>,
    weights: Weights,
}

impl StudentGuide {
    fn standard(dim: usize) -> Self {
        Self { frame: Standardised::identity(dim), correction: Correction::default() }
    }

    fn dim(&self) -> usize {
        self.frame.dim()
    }

    /// A draw of the standard Student t.
    fn draw<R: Rng>(&self, rng: &mut R) -> Vec<f64> {
        let stretch = student_stretch(DF, rng);
        let normal = |rng: &mut R| <StandardNormal as Distribution<f64>>::sample(&StandardNormal, rng);
        (0..self.dim()).map(|_| stretch * normal(rng)).collect()
    }

    /// A position whose log density is known.
    fn see(&self, y: Vec<f64>, log_density: f64) -> Proposal {
        let x = self.frame.standardise(&y);
        self.see_standardised(y, &x, log_density)
    }

    fn see_standardised(&self, y: Vec<f64>, x: &[f64], log_density: f64) -> Proposal {
        let correction = self.correct(x);
        let ratio = log_density - log_student(x) - correction;
        let log_ratio = if ratio.is_finite() { ratio } else { f64::NEG_INFINITY };
        Proposal { y, log_density, log_ratio, correction }
    }

    fn correct(&self, x: &[f64]) -> f64 {
        self.correction.at(x, log_normal_ratio(x))
    }

    /// Some steps from a state that keep the corrected guide, by draws of the Student t: where they end, at which `target` is left
    /// evaluated; `None` where all were refused.
    pub fn propose<D: LogDensity, R: Rng>(&self, from: &Proposal, target: &mut D, rng: &mut R) -> Option<Proposal> {
        let (mut at, mut correction) = (None, from.correction);
        for _ in 0..STEPS {
            let x = self.draw(rng);
            let own = self.correct(&x);
            if rng.random::<f64>().ln() < own - correction {
                (at, correction) = (Some(x), own);
            }
        }
        at.map(|x| {
            let y = self.frame.place(&x);
            let log_density = target.value(&y);
            self.see_standardised(y, &x, log_density)
        })
    }

    /// A state at a position of the target.
    #[cfg(test)]
    pub fn at<D: LogDensity>(&self, y: &[f64], target: &mut D) -> Proposal {
        self.see(y.to_vec(), target.value(y))
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
            let last = dot(&self.frame.root[i * d..(i + 1) * d], &self.frame.root[j * d..(j + 1) * d]);
            (1.0 - own) * found + own * last
        });
        Some(Self { frame: Standardised { root: lower_root(&covariance)?, mean }, correction: Correction::default() })
    }

    /// With the polynomial through all that is known, most closely where the target has its mass.
    fn corrected(mut self, known: Vec<Proposal>) -> Self {
        let seen = known.into_iter().map(|p| self.see(p.y, p.log_density));
        let seen: Vec<Proposal> = seen.filter(|p| p.log_ratio.is_finite()).collect();
        let top = seen.iter().map(|p| p.log_ratio).fold(f64::NEG_INFINITY, f64::max);
        let mean = top + (seen.iter().map(|p| (p.log_ratio - top).exp()).sum::<f64>() / seen.len() as f64).ln();
        let positions: Vec<Vec<f64>> = seen.iter().map(|p| self.frame.standardise(&p.y)).collect();
        let values =
            seen.iter().zip(&positions).map(|(p, x)| p.log_ratio - mean - log_normal_ratio(x)).collect::<Vec<_>>();
        let weights: Vec<f64> = seen.iter().map(|p| 1.0 / (1.0 + (mean - p.log_ratio).exp())).collect();
        self.correction = Correction::fit(&positions, &values, &weights);
        self
    }
}

/// Log density of the standard Student t.
fn log_student(x: &[f64]) -> f64 {
    log_student_t(DF, x.len(), dot(x, x))
}

/// Log of the standard normal density over that.
fn log_normal_ratio(x: &[f64]) -> f64 {
    -0.5 * dot(x, x) - 0.5 * x.len() as f64 * (2.0 * PI).ln() - log_student(x)
}

impl Learned {
    /// Rounds of proposals, each from the guide that the last has corrected. They do not depend on the number of threads.
    pub fn learn<D: LogDensity + Clone + Send + Sync>(
        target: &D, seed: u64, stream: u64, threads: usize, cancel: &AtomicBool,
    ) -> Self {
        Self::learn_by(1, target, (seed, stream), threads, cancel)
    }

    /// As [`Self::learn`], by so many times as many proposals a round, where values cost nothing.
    pub fn learn_by<D: LogDensity + Clone + Send + Sync>(
        times: usize, target: &D, (seed, stream): (u64, u64), threads: usize, cancel: &AtomicBool,
    ) -> Self {
        let (mut rng, dim) = (ChaCha8Rng::seed_from_u64(seed), target.dim());
        rng.set_stream(stream);
        let (mut guide, mut known) = (StudentGuide::standard(dim), vec![]);
        let n = times * (ROUND[0] + ROUND[1] * dim);
        for round in 1.. {
            let drawn: Vec<_> = (0..n).map(|_| guide.draw(&mut rng)).collect();
            let positions: Vec<_> = drawn.iter().map(|x| guide.frame.place(x)).collect();
            let found = values(target, &positions, threads, cancel);
            let seen = positions.into_iter().zip(drawn).zip(found);
            let proposals: Vec<Proposal> = seen.map(|((y, x), v)| guide.see_standardised(y, &x, v)).collect();
            let ratios: Vec<f64> = proposals.iter().map(|p| p.log_ratio).collect();
            let weights = Weights::from_log_ratios(&ratios);
            let efficiency = weights.ess() / n as f64;
            let is_known = round >= ROUNDS[1] || Correction::has_cubes(dim, round * n);
            let is_last = round >= ROUNDS[0] || is_known && efficiency > ENOUGH;
            let next = if is_last { None } else { guide.updated(&proposals, &weights) };
            known.extend_from_slice(&proposals);
            match next.filter(|_| proposals.len() == n) {
                Some(next) => guide = next,
                None => {
                    let guide = guide.corrected(known);
                    return Self { guide, efficiency, n_values: round * n, proposals, weights };
                }
            }
        }
        unreachable!("the rounds end")
    }

    /// Whether the guide is near enough to the target.
    pub fn is_good(&self) -> bool {
        self.efficiency >= POOR && self.weights.khat < MAX_KHAT
    }

    /// Share of the posterior where that is so.
    pub fn share(&self, is_so: impl Fn(&[f64]) -> bool) -> f64 {
        self.proposals.iter().zip(&self.weights.values).filter(|(p, _)| is_so(&p.y)).map(|(_, w)| w).sum()
    }

    /// One of the proposals by their weights.
    pub fn start<R: Rng>(&self, rng: &mut R) -> Proposal {
        let proposal = &self.proposals[self.weights.resample(1, rng)[0]];
        self.guide.see(proposal.y.clone(), proposal.log_density)
    }
}
