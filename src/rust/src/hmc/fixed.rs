//! Hamiltonian Monte Carlo with trajectories of one length, for targets that whitening has brought close to a
//! standard normal.
//!
//! There a quarter turn, `pi / 2`, forgets where it began, and somewhat more makes draws negatively correlated
//! (Neal 2011, section 5.3). The integrators have two or three gradients a step and little error of energy for steps
//! this long (Blanes, Casas and Sanz-Serna 2014), so that three or four gradients make a draw. Lengths vary about
//! their mean, lest a direction come back to where it was.

use super::hamiltonian::{PhasePoint, Splitting};
use super::tree::Transition;
use crate::density::LogDensity;
use crate::tuning::{LONGEST, LOW_ACCEPTANCE, MAX_ENERGY_ERROR, NEARLY_ALL, SHORTEST};
use rand::{Rng, RngExt};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

/// Mean length of a trajectory, in standard deviations of the target.
const LENGTH: f64 = 2.0;
/// Lengths as shares of the mean.
const JITTER: Range<f64> = SHORTEST..LONGEST;
/// Iterations after which the number of steps is reconsidered.
const BLOCK: usize = 12;

const B2: f64 = 0.211_324_865_405_187;
const TWO: Splitting = Splitting { kicks: &[B2, 1.0 - 2.0 * B2, B2], drifts: &[0.5, 0.5] };
const A3: f64 = 0.296_195_042_611_26;
const B3: f64 = 0.118_880_109_665_48;
const THREE: Splitting = Splitting { kicks: &[B3, 0.5 - B3, 0.5 - B3, B3], drifts: &[A3, 1.0 - 2.0 * A3, A3] };

/// Steps of a trajectory and their splitting, from coarse to fine.
const LADDER: [(usize, Splitting); 6] = [(1, THREE), (2, TWO), (2, THREE), (3, THREE), (5, THREE), (8, THREE)];

/// A running chain under the unit metric.
pub struct Walk<'a, D> {
    density: D,
    state: PhasePoint,
    candidate: PhasePoint,
    unit: Vec<f64>,
    rung: usize,
    /// Whether the density was evaluated last at the state.
    is_current: bool,
    has_accepted: bool,
    cancel: &'a AtomicBool,
}

impl<'a, D: LogDensity> Walk<'a, D> {
    /// Starts at `state`, which must be finite and the density's last position; `rung` of another chain, or 0.
    pub fn new(density: D, state: PhasePoint, rung: usize, cancel: &'a AtomicBool) -> Self {
        let unit = vec![1.0; density.dim()];
        Self { density, candidate: state.clone(), state, unit, rung, is_current: true, has_accepted: true, cancel }
    }

    /// Adapts the number of steps to a mean acceptance of at least `target`; `watch` sees each transition,
    /// and ends the adaptation by `false`.
    pub fn adapt<R: Rng>(
        &mut self, n: usize, target: f64, rng: &mut R, mut watch: impl FnMut(&mut Self, &Transition, &mut R) -> bool,
    ) {
        for block in (0..n).step_by(BLOCK) {
            let length = BLOCK.min(n - block);
            let mut accepted = 0.0;
            for _ in 0..length {
                let t = self.transition(rng);
                accepted += t.accept_stat;
                if !watch(self, &t, rng) {
                    return;
                }
            }
            // Half a block says too little.
            if 2 * length > BLOCK {
                self.rung = next_rung(self.rung, accepted / length as f64, target, LADDER.len());
            }
        }
    }

    /// One transition.
    pub fn transition<R: Rng>(&mut self, rng: &mut R) -> Transition {
        let (n_steps, splitting) = &LADDER[self.rung];
        let step = LENGTH * rng.random_range(JITTER) / *n_steps as f64;
        self.state.refresh(&self.unit, rng);
        let energy = self.state.energy(&self.unit);
        self.candidate.copy_from(&self.state);
        for _ in 0..*n_steps {
            self.candidate.split_step(&mut self.density, splitting, &self.unit, step);
        }
        let gain = energy - self.candidate.energy(&self.unit);
        self.has_accepted = rng.random::<f64>().ln() < gain && !self.cancel.load(Ordering::Relaxed);
        self.is_current = self.has_accepted;
        if self.has_accepted {
            std::mem::swap(&mut self.state, &mut self.candidate);
        }
        let n_leapfrog = n_steps * splitting.drifts.len();
        let divergent = gain < -MAX_ENERGY_ERROR;
        Transition { accept_stat: gain.exp().min(1.0), tree_depth: 0, n_leapfrog, divergent, energy }
    }

    /// The target, evaluated at the current position; and whether that took a gradient.
    pub fn density(&mut self) -> (&mut D, bool) {
        let is_stale = !self.is_current;
        if is_stale {
            self.density.evaluate(&self.state.position, &mut self.state.gradient);
            self.is_current = true;
        }
        (&mut self.density, is_stale)
    }

    /// Where the chain is.
    pub fn state(&self) -> &PhasePoint {
        &self.state
    }

    /// Mean size of a step of the splitting.
    pub fn step_size(&self) -> f64 {
        LENGTH / LADDER[self.rung].0 as f64
    }

    /// Whether the last transition led to another position.
    pub fn has_accepted(&self) -> bool {
        self.has_accepted
    }

    /// Where on the ladder of step sizes the chain is.
    pub fn rung(&self) -> usize {
        self.rung
    }
}

/// On a ladder of `n` rungs finer where too little is accepted, coarser where nearly all is.
pub fn next_rung(rung: usize, accepted: f64, target: f64, n: usize) -> usize {
    let up = if accepted < LOW_ACCEPTANCE.min(target) { 2 } else { usize::from(accepted < target) };
    let down = usize::from(accepted > 1.0 - (1.0 - target) / NEARLY_ALL);
    (rung + up).saturating_sub(down).min(n - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    /// Independent logs of gamma variables of shape 4, times a spread: skew, mean `digamma(4)`, variance `trigamma(4)`.
    struct LogGamma(f64);
    impl LogDensity for LogGamma {
        fn dim(&self) -> usize {
            5
        }
        fn evaluate(&mut self, q: &[f64], g: &mut [f64]) -> f64 {
            g.iter_mut().zip(q).for_each(|(g, q)| *g = (4.0 - (q / self.0).exp()) / self.0);
            q.iter().map(|q| 4.0 * q / self.0 - (q / self.0).exp()).sum()
        }
    }

    /// Mean and variance of `q / spread`, and the share of trajectories accepted.
    fn moments(spread: f64, warmup: usize) -> [f64; 3] {
        let (mut rng, cancel) = (ChaCha8Rng::seed_from_u64(1), AtomicBool::new(false));
        let mut target = LogGamma(spread);
        let start = PhasePoint::at(&mut target, vec![spread; 5]);
        let mut walk = Walk::new(target, start, 0, &cancel);
        walk.adapt(warmup, 0.75, &mut rng, |_, _, _| true);
        let (n, mut sum, mut squares, mut accepted) = (20_000, 0.0, 0.0, 0);
        for _ in 0..n {
            walk.transition(&mut rng);
            accepted += usize::from(walk.has_accepted());
            for q in walk.state.position.iter().map(|q| q / spread) {
                (sum, squares) = (sum + q, squares + q * q);
            }
        }
        let mean = sum / (5 * n) as f64;
        [mean, squares / (5 * n) as f64 - mean * mean, accepted as f64 / n as f64]
    }

    #[test]
    fn draws_are_of_the_target() {
        let [mean, variance, _] = moments(2.0, 60);
        assert!((mean - 1.256_117_7).abs() < 0.01, "{mean}");
        assert!((variance - 0.283_823).abs() < 0.01, "{variance}");
    }

    /// Coarse steps, of which many are refused: draws are right because of the refusals.
    #[test]
    fn refusals_correct_for_coarse_steps() {
        let [mean, variance, accepted] = moments(1.1, 0);
        assert!(accepted < 0.6, "{accepted}");
        assert!((mean - 1.256_117_7).abs() < 0.015, "{mean}");
        assert!((variance - 0.283_823).abs() < 0.025, "{variance}");
    }

    #[test]
    fn splittings_add_up_and_the_ladder_gets_finer() {
        for (_, s) in &LADDER {
            assert!((s.kicks.iter().sum::<f64>() - 1.0).abs() < 1e-14);
            assert!((s.drifts.iter().sum::<f64>() - 1.0).abs() < 1e-14);
        }
        assert!(LADDER.windows(2).all(|w| w[0].0 * w[0].1.drifts.len() < w[1].0 * w[1].1.drifts.len()));
        assert_eq!((next_rung(0, 0.99, 0.75, 6), next_rung(1, 0.99, 0.75, 6), next_rung(1, 0.3, 0.75, 6)), (0, 0, 3));
        assert_eq!((next_rung(1, 0.9, 0.75, 6), next_rung(5, 0.3, 0.75, 6)), (1, 5));
    }
}
