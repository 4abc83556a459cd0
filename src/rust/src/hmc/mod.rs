//! Hamiltonian Monte Carlo with trajectories that stop when they turn back (NUTS), or of one length.

pub mod chain;
pub mod fixed;
pub mod hamiltonian;
pub mod tree;

use crate::density::LogDensity;
use chain::Chain;
use fixed::Walk;
use hamiltonian::PhasePoint;
use rand::Rng;
use tree::Transition;

/// A running chain, by trajectories or not; gradients, or values, are added to `n_gradients`.
pub trait Steps {
    /// What it samples.
    type Target;
    /// One transition.
    fn step<R: Rng>(&mut self, rng: &mut R, n_gradients: &mut usize) -> Transition;
    /// The target, evaluated at the current position.
    fn current(&mut self, n_gradients: &mut usize) -> &mut Self::Target;
    /// Size of its steps.
    fn step_size(&self) -> f64;
    /// All that the next transition depends on beside random numbers.
    fn place(&self) -> ChainState;
}

/// Where a chain is, and what warm-up has tuned.
#[derive(Debug, Clone, PartialEq)]
pub struct ChainState {
    /// Its position.
    pub position: Vec<f64>,
    /// Step size and metric, or whatever such a chain has in their place.
    pub tuning: Vec<f64>,
}

/// A running chain by trajectories, of either kind.
pub trait Sampler: Steps {
    /// Whether the last transition led to another position.
    fn has_moved(&self) -> bool;
    /// Where it is.
    fn state(&self) -> &PhasePoint;
}

impl<D: LogDensity> Steps for Chain<'_, D> {
    type Target = D;

    fn step<R: Rng>(&mut self, rng: &mut R, n_gradients: &mut usize) -> Transition {
        let t = self.transition(rng);
        // It ends with an evaluation at the new position.
        *n_gradients += t.n_leapfrog + 1;
        t
    }

    fn current(&mut self, _: &mut usize) -> &mut D {
        self.density()
    }

    fn step_size(&self) -> f64 {
        self.step_size()
    }

    fn place(&self) -> ChainState {
        let tuning = std::iter::once(self.step_size()).chain(self.inverse_mass().iter().copied());
        ChainState { position: self.state().position.clone(), tuning: tuning.collect() }
    }
}

impl<D: LogDensity> Sampler for Chain<'_, D> {
    fn has_moved(&self) -> bool {
        true
    }

    fn state(&self) -> &PhasePoint {
        self.state()
    }
}

impl<D: LogDensity> Steps for Walk<'_, D> {
    type Target = D;

    fn step<R: Rng>(&mut self, rng: &mut R, n_gradients: &mut usize) -> Transition {
        let t = self.transition(rng);
        *n_gradients += t.n_leapfrog;
        t
    }

    fn current(&mut self, n_gradients: &mut usize) -> &mut D {
        let (density, was_stale) = self.density();
        *n_gradients += usize::from(was_stale);
        density
    }

    fn step_size(&self) -> f64 {
        self.step_size()
    }

    fn place(&self) -> ChainState {
        ChainState { position: self.state().position.clone(), tuning: vec![self.rung() as f64] }
    }
}

impl<D: LogDensity> Sampler for Walk<'_, D> {
    fn has_moved(&self) -> bool {
        self.has_accepted()
    }

    fn state(&self) -> &PhasePoint {
        self.state()
    }
}
