//! A chain that keeps its target by proposals of a guide.
//!
//! The guide `q` is fixed before the chain begins. A proposal is where some steps of a chain end that keeps `q` reversibly,
//! `q(x) K(x, x') = q(x') K(x', x)`; it is taken with probability `min(1, w(x') / w(x))`, `w = p / q`. The flow from `x` to `x'` is
//!
//! ```text
//! p(x) K(x, x') min(1, w(x') / w(x)) = q(x) K(x, x') min(w(x), w(x'))
//! ```
//!
//! which is the flow back: `p` is left as it is, however far the guide is from it (surrogate transitions, Liu 2001, section 9.4.3;
//! the steps of the guide are those of an independence chain, Tierney 1994, whose proposals are the guide's Student t). What the
//! guide decides is speed. A bounded `w` makes the chain forget its start at a geometric rate (Mengersen and Tweedie 1996), and
//! it is bounded: a Student t falls as a power, and densities of scales at least exponentially in their logarithms and in
//! partial correlations on the line.

use super::guide::{Proposal, StudentGuide};
use crate::density::LogDensity;
use crate::hmc::tree::Transition;
use crate::hmc::{ChainState, Steps};
use rand::{Rng, RngExt};

/// Where the chain is, and a place to look elsewhere.
pub struct Independent<'a, D> {
    guide: &'a StudentGuide,
    /// Evaluated at `state`.
    current: D,
    candidate: D,
    state: Proposal,
}

impl<'a, D: LogDensity + Clone> Independent<'a, D> {
    /// From a position.
    pub fn new(target: &D, guide: &'a StudentGuide, state: Proposal) -> Self {
        let (mut current, candidate) = (target.clone(), target.clone());
        current.value(&state.y);
        Self { guide, current, candidate, state }
    }

    /// Returns the probability with which the step was accepted.
    fn propose<R: Rng>(&mut self, rng: &mut R) -> f64 {
        let Some(proposal) = self.guide.propose(&self.state, &mut self.candidate, rng) else { return 0.0 };
        let gain = proposal.log_ratio - self.state.log_ratio;
        // Not a number is no gain: both have no mass.
        if rng.random::<f64>().ln() < gain {
            self.state = proposal;
            std::mem::swap(&mut self.current, &mut self.candidate);
        }
        if gain.is_nan() { 0.0 } else { gain.exp().min(1.0) }
    }
}

impl<D: LogDensity + Clone> Steps for Independent<'_, D> {
    type Target = D;

    fn step<R: Rng>(&mut self, rng: &mut R, n_gradients: &mut usize) -> Transition {
        let accept_stat = self.propose(rng);
        *n_gradients += 1;
        let energy = -self.state.log_density;
        Transition { accept_stat, tree_depth: 0, n_leapfrog: 1, divergent: false, energy }
    }

    fn current(&mut self, _: &mut usize) -> &mut D {
        &mut self.current
    }

    fn step_size(&self) -> f64 {
        1.0
    }

    fn place(&self) -> ChainState {
        ChainState { position: self.state.y.clone(), tuning: self.state.numbers().to_vec() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::guide::Learned;
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use std::sync::atomic::AtomicBool;

    /// Logs of two gamma variables with shapes 1.5 and 4, the second's rate the first: skewed, and of changing width.
    #[derive(Clone)]
    struct Gammas {
        shift: f64,
    }

    impl LogDensity for Gammas {
        fn dim(&self) -> usize {
            2
        }
        fn evaluate(&mut self, q: &[f64], _: &mut [f64]) -> f64 {
            let [a, b] = [q[0] - self.shift, q[1] - self.shift];
            1.5 * a - a.exp() + 4.0 * (a + b) - (a + b).exp()
        }
    }

    /// Mean and its Monte Carlo error, by batches.
    fn mean_and_error(x: &[f64]) -> (f64, f64) {
        let size = x.len() / 50;
        let means: Vec<f64> = x.chunks_exact(size).map(|b| b.iter().sum::<f64>() / size as f64).collect();
        let mean = means.iter().sum::<f64>() / means.len() as f64;
        let variance = means.iter().map(|b| (b - mean).powi(2)).sum::<f64>() / (means.len() - 1) as f64;
        (mean, (variance / means.len() as f64).sqrt())
    }

    /// `E log Gamma(k) = psi(k)`, with R's `digamma(1.5)` and `digamma(4)`; variances `trigamma()`, sums independent.
    fn assert_kept(target: &Gammas, guide: &StudentGuide, start: Proposal, seed: u64) -> f64 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut walk = Independent::new(target, guide, start);
        let mut draws = [vec![], vec![], vec![]];
        let mut accepted = 0.0;
        for _ in 0..100_000 {
            accepted += walk.step(&mut rng, &mut 0).accept_stat / 100_000.0;
            let [a, b] = [walk.state.y[0] - target.shift, walk.state.y[1] - target.shift];
            let values = [a, b + a, (a - 0.036_489_973_978_576_5).powi(2)];
            draws.iter_mut().zip(values).for_each(|(d, v)| d.push(v));
        }
        let expected = [0.036_489_973_978_576_5, 1.256_117_668_431_800_5, 0.934_802_200_544_679_3];
        for (draws, expected) in draws.iter().zip(expected) {
            let (mean, error) = mean_and_error(draws);
            assert!((mean - expected).abs() < 4.0 * error && error < 0.1, "{mean} {expected} {error}");
        }
        accepted
    }

    #[test]
    fn the_target_is_kept_by_a_guide_that_has_learned_it() {
        let target = Gammas { shift: 0.4 };
        let found = Learned::learn(&target, 1, 0, 2, &AtomicBool::new(false));
        assert!(found.efficiency > 0.3, "{}", found.efficiency);
        let start = found.start(&mut ChaCha8Rng::seed_from_u64(2));
        let accepted = assert_kept(&target, &found.guide, start, 3);
        assert!(accepted > 0.6, "{accepted}");
    }

    /// Exactness is that of the step, not of the guide.
    #[test]
    fn the_target_is_kept_by_a_guide_of_something_else() {
        let (target, other) = (Gammas { shift: 0.0 }, Gammas { shift: 0.5 });
        let found = Learned::learn(&other, 1, 0, 1, &AtomicBool::new(false));
        let start = found.guide.at(&[0.1, 0.2], &mut target.clone());
        let accepted = assert_kept(&target, &found.guide, start, 4);
        assert!(accepted < 0.9, "{accepted}");
    }
}
