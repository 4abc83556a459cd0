//! A polynomial that stands for the log density of a few parameters, with its error measured where the posterior is.
//!
//! The log density of the scales of a large model is a smooth function, without noise, and its posterior is narrow: a few dozen values give
//! a polynomial of third or fourth degree, which has errors of thousandths where the posterior has its mass. Values that it has not seen,
//! at draws from itself, say how large they are. Where they are not small the degree rises, then the surrogate is given up.

use super::guide::Learned;
use super::polynomial::{Polynomial, n_terms};
use super::standardised::Standardised;
use super::walk::Independent;
use crate::density::LogDensity;
use crate::hmc::Steps;
use crate::kernels::dot;
use crate::run::Measured;
use crate::values::values;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Degrees, one after the other.
const DEGREES: [usize; 3] = [3, 4, 4];
/// Values for each coefficient, and the fewest where some are far from the posterior.
const PER_TERM: f64 = 1.4;
const FEWEST_PER_TERM: f64 = 1.2;
/// Spread of the positions of values, in posterior standard deviations.
const SPREAD: f64 = 1.25;
/// Values that measure the error, and more of them for each parameter.
const CHECKS: [usize; 2] = [10, 2];
/// Largest error, and root of the mean square, in units of log density.
const LARGEST: f64 = 0.05;
const TYPICAL: f64 = 0.02;
/// Square of the radius beyond which the surrogate is zero, for each parameter and beside: a normal distribution has a millionth
/// of its mass there.
const RADIUS: [f64; 2] = [3.2, 20.0];
/// Share of that square beyond which there may be so much of the posterior: with a longer tail something is beyond the radius.
const FAR: f64 = 0.75;
const LONG_TAIL: f64 = 1e-3;
/// Weights of values fall as a normal density that is as many times wider than the posterior.
const WIDER: f64 = 2.0;
/// How many times more proposals teach a guide of the surrogate than one of the density: they cost nothing.
const PROPOSALS: usize = 10;
/// Steps of a chain on the surrogate between two of these.
const STEPS: usize = 5;
/// Streams of the positions, and of the proposals on the surrogate.
const STREAMS: [u64; 2] = [0, u64::MAX];

/// Values that the first degree takes, at least.
pub fn n_values(dim: usize) -> usize {
    n_positions(dim, DEGREES[0]) + CHECKS[0] + CHECKS[1] * dim
}

fn n_positions(dim: usize, degree: usize) -> usize {
    (PER_TERM * n_terms(dim, degree) as f64).ceil() as usize + 2
}

/// Of the surrogate, in coordinates in which the posterior is about standard normal.
#[derive(Debug, Clone)]
pub struct Emulator {
    frame: Arc<Standardised>,
    polynomial: Polynomial,
    powers: Vec<f64>,
}

/// A surrogate that is near enough.
#[derive(Debug)]
pub struct Surrogate {
    /// Its density.
    pub emulator: Emulator,
    /// A guide of that.
    pub guide: Learned,
    /// How near it is.
    pub measured: Measured,
}

impl Emulator {
    /// The position that stands for one of the surrogate.
    pub fn place(&self, x: &[f64]) -> Vec<f64> {
        self.frame.place(x)
    }

    /// Through all that is known.
    fn fit(frame: &Arc<Standardised>, known: &[(Vec<f64>, f64)], degree: usize) -> Option<Self> {
        let top = known.iter().map(|(_, v)| *v).fold(f64::NEG_INFINITY, f64::max);
        let dim = frame.dim();
        let near = known.iter().map(|(y, v)| (frame.standardise(y), v - top));
        let near: Vec<_> = near.filter(|(x, v)| v.is_finite() && dot(x, x) <= radius(dim)).collect();
        if (near.len() as f64) < FEWEST_PER_TERM * n_terms(dim, degree) as f64 {
            return None;
        }
        let weights: Vec<f64> = near.iter().map(|(x, _)| (-0.5 * dot(x, x) / WIDER.powi(2)).exp()).collect();
        let (positions, values): (Vec<_>, Vec<_>) = near.into_iter().unzip();
        let polynomial = Polynomial::fit(degree, &positions, &values, &weights)?;
        Some(Self { frame: Arc::clone(frame), polynomial, powers: vec![] })
    }
}

fn radius(dim: usize) -> f64 {
    RADIUS[0] * dim as f64 + RADIUS[1]
}

impl LogDensity for Emulator {
    fn dim(&self) -> usize {
        self.frame.dim()
    }

    /// Nobody asks for its gradient.
    fn evaluate(&mut self, x: &[f64], gradient: &mut [f64]) -> f64 {
        gradient.fill(f64::NAN);
        self.value(x)
    }

    fn value(&mut self, x: &[f64]) -> f64 {
        if dot(x, x) <= radius(x.len()) { self.polynomial.at(x, &mut self.powers) } else { f64::NEG_INFINITY }
    }
}

impl Surrogate {
    /// Of a density whose mode is about zero and whose curvature there is about the identity. It does not depend on the number of
    /// threads. `None` where it does not come near, or after a cancel.
    pub fn learn<D: LogDensity + Clone + Send + Sync>(
        target: &D, seed: u64, threads: usize, cancel: &AtomicBool,
    ) -> Option<Self> {
        let (mut rng, dim) = (ChaCha8Rng::seed_from_u64(seed), target.dim());
        rng.set_stream(STREAMS[0]);
        let mut frame = Arc::new(Standardised::identity(dim));
        let mut known: Vec<(Vec<f64>, f64)> = vec![];
        let guide_of = |e: &Emulator| Learned::learn_by(PROPOSALS, e, (seed, STREAMS[1]), threads, cancel);
        for degree in DEGREES {
            let n = n_positions(dim, degree).saturating_sub(known.len()).max(known.len() / 4);
            let mut normal = || SPREAD * <StandardNormal as Distribution<f64>>::sample(&StandardNormal, &mut rng);
            let positions: Vec<Vec<f64>> =
                (0..n).map(|_| frame.place(&(0..dim).map(|_| normal()).collect::<Vec<_>>())).collect();
            known.extend(evaluated(target, positions, threads, cancel)?);
            let Some(emulator) = Emulator::fit(&frame, &known, degree) else { continue };
            let found = guide_of(&emulator);
            let mut walk = Independent::new(&emulator, &found.guide, found.start(&mut rng));
            let drawn = (0..CHECKS[0] + CHECKS[1] * dim).map(|_| {
                (0..STEPS).for_each(|_| _ = walk.step(&mut rng, &mut 0));
                emulator.place(&walk.place().position)
            });
            let checks = evaluated(target, drawn.collect(), threads, cancel)?;
            let (largest, typical) = errors(&emulator, &checks);
            let measured =
                Measured { degree, n_values: known.len() + checks.len(), n_checks: checks.len(), largest, typical };
            known.extend(checks);
            frame = Arc::new(frame.then(&found.guide.frame));
            let is_narrow = found.share(|x| dot(x, x) > FAR * radius(dim)) < LONG_TAIL;
            if found.is_good() && is_narrow && largest < LARGEST && typical < TYPICAL {
                let emulator = Emulator::fit(&frame, &known, degree)?;
                let guide = guide_of(&emulator);
                return guide.is_good().then_some(Self { emulator, guide, measured });
            }
        }
        None
    }
}

/// Positions with their values; `None` after a cancel.
fn evaluated<D: LogDensity + Clone + Send + Sync>(
    target: &D, positions: Vec<Vec<f64>>, threads: usize, cancel: &AtomicBool,
) -> Option<Vec<(Vec<f64>, f64)>> {
    let found = values(target, &positions, threads, cancel);
    (!cancel.load(Ordering::Relaxed)).then(|| positions.into_iter().zip(found).collect())
}

/// Largest error and root of the mean square, of differences but for their mean.
fn errors(emulator: &Emulator, checks: &[(Vec<f64>, f64)]) -> (f64, f64) {
    let mut emulator = emulator.clone();
    let mut left: Vec<f64> = vec![];
    for (y, value) in checks {
        let x = emulator.frame.standardise(y);
        left.push(value - emulator.value(&x));
    }
    let mean = left.iter().sum::<f64>() / left.len() as f64;
    let largest = left.iter().map(|x| (x - mean).abs()).fold(0.0, f64::max);
    let typical = (left.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (left.len() - 1) as f64).sqrt();
    // Not a number is no error that is small.
    if typical.is_finite() { (largest, typical) } else { (f64::INFINITY, f64::INFINITY) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Logs of gamma variables of such shapes, standardised, the second's rate the first.
    #[derive(Clone)]
    struct Gammas([f64; 2]);

    impl LogDensity for Gammas {
        fn dim(&self) -> usize {
            2
        }
        fn evaluate(&mut self, y: &[f64], _: &mut [f64]) -> f64 {
            let of = |k: f64, a: f64| k * a - k * a.exp();
            let [a, b] = [y[0] / self.0[0].sqrt(), y[1] / self.0[1].sqrt()];
            of(self.0[0], a) + of(self.0[1], a / 3.0 + b)
        }
    }

    fn learned(shapes: [f64; 2], threads: usize, cancelled: bool) -> Option<Surrogate> {
        Surrogate::learn(&Gammas(shapes), 1, threads, &AtomicBool::new(cancelled))
    }

    #[test]
    fn a_narrow_posterior_is_learned_and_its_error_is_what_is_said() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for (shapes, degree) in [([4000.0, 900.0], 3), ([90.0, 60.0], 4)] {
            let (found, mut target) = (learned(shapes, 2, false).unwrap(), Gammas(shapes));
            assert!(found.measured.degree <= degree && found.measured.n_values < 70, "{:?}", found.measured);
            let mut walk = Independent::new(&found.emulator, &found.guide.guide, found.guide.start(&mut rng));
            let draws = (0..2000).map(|_| {
                walk.step(&mut rng, &mut 0);
                found.emulator.place(&walk.place().position)
            });
            let draws: Vec<(Vec<f64>, f64)> = draws.map(|y| (y.clone(), target.value(&y))).collect();
            let (_, typical) = errors(&found.emulator, &draws);
            assert!(typical < 0.02, "{typical}");
            let mean = |power: i32| draws.iter().map(|(y, _)| y[0].powi(power)).sum::<f64>() / draws.len() as f64;
            let expected = by_quadrature(&mut target);
            let spread = (expected[1] - expected[0].powi(2)).sqrt();
            assert!((mean(1) - expected[0]).abs() < 4.5 * spread / (draws.len() as f64 * 0.5).sqrt());
            assert!((mean(2) / expected[1] - 1.0).abs() < 4.5 * 1.5 / (draws.len() as f64 * 0.5).sqrt());
        }
    }

    /// Mean and mean square of the first coordinate.
    fn by_quadrature(target: &mut Gammas) -> [f64; 2] {
        let top = target.value(&[0.0; 2]);
        let mut sums = [0.0; 3];
        for i in -80..=80 {
            for j in -80..=80 {
                let y = [f64::from(i) / 10.0, f64::from(j) / 10.0];
                let weight = (target.value(&y) - top).exp();
                sums.iter_mut().zip([1.0, y[0], y[0] * y[0]]).for_each(|(s, x)| *s += weight * x);
            }
        }
        [sums[1] / sums[0], sums[2] / sums[0]]
    }

    #[test]
    fn threads_do_not_matter() {
        let [one, two] = [1, 2].map(|threads| learned([900.0, 4000.0], threads, false).unwrap());
        let mut emulators = [one.emulator, two.emulator];
        let [a, b] = [0, 1].map(|i| emulators[i].value(&[0.3, -0.8]));
        assert_eq!(a.to_bits(), b.to_bits());
    }

    /// A standard normal with ripples that no polynomial of a low degree follows.
    #[derive(Clone)]
    struct Rippled(f64);

    impl LogDensity for Rippled {
        fn dim(&self) -> usize {
            2
        }
        fn evaluate(&mut self, y: &[f64], _: &mut [f64]) -> f64 {
            self.0 * (6.0 * y[0]).sin() - 0.5 * dot(y, y)
        }
    }

    #[test]
    fn there_is_none_where_its_error_is_too_large() {
        let learned = |size| Surrogate::learn(&Rippled(size), 1, 2, &AtomicBool::new(false));
        assert!(learned(0.15).is_none());
        let small = learned(0.01).unwrap().measured;
        assert!(small.largest > 0.005 && small.largest < 0.03, "{small:?}");
    }

    #[test]
    fn there_is_none_of_long_tails_nor_after_a_cancel() {
        assert!(learned([0.5, 0.7], 2, false).is_none());
        assert!(learned([900.0, 4000.0], 2, true).is_none());
    }
}
