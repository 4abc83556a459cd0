//! One chain: warm-up with adaptation, then draws.

use super::hamiltonian::PhasePoint;
use super::tree::{Dynamics, Transition, Tree};
use crate::adapt::metric::Variances;
use crate::adapt::step_size::DualAveraging;
use crate::adapt::{Stage, schedule};
use crate::density::LogDensity;
use rand::Rng;
use std::sync::atomic::AtomicBool;

/// A running chain.
pub struct Chain<'a, D> {
    density: D,
    state: PhasePoint,
    tree: Tree,
    inverse_mass: Vec<f64>,
    step_size: f64,
    cancel: &'a AtomicBool,
}

impl<'a, D: LogDensity> Chain<'a, D> {
    /// Starts at `state`, which must be finite.
    pub fn new(density: D, state: PhasePoint, max_depth: usize, cancel: &'a AtomicBool) -> Self {
        let dim = density.dim();
        Self { density, state, tree: Tree::new(dim, max_depth), inverse_mass: vec![1.0; dim], step_size: 1.0, cancel }
    }

    /// Adapts step size and metric over `n_warmup` iterations; `watch` sees each of them.
    pub fn warm_up<R: Rng>(
        &mut self, n_warmup: usize, target: f64, rng: &mut R, watch: impl FnMut(&mut D, &Transition, &mut R) -> bool,
    ) {
        self.adapt(&schedule(n_warmup), target, rng, watch);
    }

    /// As [`Chain::warm_up`], by a schedule of one's own.
    pub fn adapt<R: Rng>(
        &mut self, stages: &[Stage], target: f64, rng: &mut R,
        mut watch: impl FnMut(&mut D, &Transition, &mut R) -> bool,
    ) {
        self.step_size = self.reasonable_step(rng);
        let mut step = DualAveraging::new(self.step_size, target);
        let mut variances = Variances::new(self.inverse_mass.len());
        for &stage in stages {
            let transition = self.transition(rng);
            step.update(transition.accept_stat);
            self.step_size = step.current();
            if stage != Stage::StepSize {
                variances.push(&self.state.position);
            }
            if stage == Stage::Renew {
                variances.renew(&mut self.inverse_mass);
                self.step_size = self.reasonable_step(rng);
                step.restart(self.step_size);
            }
            if !watch(&mut self.density, &transition, rng) {
                return;
            }
        }
        self.step_size = step.adapted();
    }

    /// Takes over what another chain of the same target has adapted.
    pub fn tune_as(&mut self, step_size: f64, inverse_mass: &[f64]) {
        self.step_size = step_size;
        self.inverse_mass.copy_from_slice(inverse_mass);
    }

    /// One transition; the density is left evaluated at the new position.
    pub fn transition<R: Rng>(&mut self, rng: &mut R) -> Transition {
        let mut dynamics = Dynamics {
            density: &mut self.density,
            inverse_mass: &self.inverse_mass,
            step_size: self.step_size,
            cancel: self.cancel,
        };
        self.tree.transition(&mut dynamics, &mut self.state, rng)
    }

    /// The target, evaluated at the current position.
    pub fn density(&mut self) -> &mut D {
        &mut self.density
    }

    /// Where the chain is.
    pub fn state(&self) -> &PhasePoint {
        &self.state
    }

    /// Step size in use.
    pub fn step_size(&self) -> f64 {
        self.step_size
    }

    /// Diagonal metric in use.
    pub fn inverse_mass(&self) -> &[f64] {
        &self.inverse_mass
    }

    /// Doubles or halves the step until the acceptance of one step crosses 0.8 (Stan's rule).
    fn reasonable_step<R: Rng>(&mut self, rng: &mut R) -> f64 {
        let mut step = self.step_size;
        let grows = self.one_step_change(step, rng) > 0.8_f64.ln();
        for _ in 0..50 {
            let next = if grows { 2.0 * step } else { 0.5 * step };
            if (self.one_step_change(next, rng) > 0.8_f64.ln()) != grows {
                return if grows { step } else { next };
            }
            step = next;
        }
        step
    }

    /// Energy lost over one leapfrog step from the state with a fresh momentum.
    fn one_step_change<R: Rng>(&mut self, step: f64, rng: &mut R) -> f64 {
        let mut point = self.state.clone();
        point.refresh(&self.inverse_mass, rng);
        let before = point.energy(&self.inverse_mass);
        point.leapfrog(&mut self.density, &self.inverse_mass, step);
        before - point.energy(&self.inverse_mass)
    }
}
