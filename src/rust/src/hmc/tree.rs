//! One transition of the No-U-Turn sampler.
//!
//! A trajectory doubles forwards or backwards until it turns back; its points are weighted by
//! `exp(-H)` and one is drawn, biased towards the newer half at each doubling (multinomial NUTS,
//! Betancourt 2017, appendix A.3.2). It turns back when the sum of momenta `rho` no longer points
//! along either end: `rho' M^-1 p < 0` (generalised criterion, appendix A.4.2), checked for the
//! whole, and for each half with the nearest point of the other, as Stan does since 2.21.

use super::hamiltonian::PhasePoint;
use crate::density::LogDensity;
use crate::tuning::MAX_ENERGY_ERROR;
use rand::{Rng, RngExt};
use std::sync::atomic::{AtomicBool, Ordering};

/// What one transition reports.
#[derive(Debug, Clone, Copy, Default)]
pub struct Transition {
    /// Mean Metropolis acceptance probability over the trajectory.
    pub accept_stat: f64,
    /// Doublings made.
    pub tree_depth: usize,
    /// Gradients taken.
    pub n_leapfrog: usize,
    /// Whether the energy error exploded.
    pub divergent: bool,
    /// Energy of the trajectory, after the momentum was drawn.
    pub energy: f64,
}

/// Momenta at the two ends of a stretch of trajectory, and their sum over it.
#[derive(Debug, Clone, Default)]
struct Ends {
    first: Vec<f64>,
    last: Vec<f64>,
    rho: Vec<f64>,
}

/// Buffers of one level of the recursion.
#[derive(Debug, Clone, Default)]
struct Subtrees {
    near: Ends,
    far: Ends,
    proposal: Vec<f64>,
}

/// The sampler's memory; nothing is allocated during a transition.
#[derive(Debug)]
pub struct Tree {
    frames: Vec<Subtrees>,
    whole: Ends,
    grown: Ends,
    forward: PhasePoint,
    backward: PhasePoint,
    point: PhasePoint,
    proposal: Vec<f64>,
    selected: Vec<f64>,
    initial_energy: f64,
    sum_accept: f64,
    report: Transition,
}

/// What a trajectory needs besides its memory.
pub struct Dynamics<'a, D> {
    /// Target.
    pub density: &'a mut D,
    /// Diagonal of the inverse mass matrix.
    pub inverse_mass: &'a [f64],
    /// Leapfrog step size.
    pub step_size: f64,
    /// Checked before every gradient.
    pub cancel: &'a AtomicBool,
}

impl Tree {
    /// Memory for trajectories of up to `max_depth` doublings in `dim` dimensions.
    pub fn new(dim: usize, max_depth: usize) -> Self {
        let v = || vec![0.0; dim];
        let ends = || Ends { first: v(), last: v(), rho: v() };
        let point = || PhasePoint { position: v(), momentum: v(), gradient: v(), log_density: 0.0 };
        let frame = |_| Subtrees { near: ends(), far: ends(), proposal: v() };
        Self {
            frames: (0..max_depth).map(frame).collect(),
            whole: ends(),
            grown: ends(),
            forward: point(),
            backward: point(),
            point: point(),
            proposal: v(),
            selected: v(),
            initial_energy: 0.0,
            sum_accept: 0.0,
            report: Transition::default(),
        }
    }

    /// Moves `state` by one transition. After a cancel the state is where it was.
    pub fn transition<D: LogDensity, R: Rng>(
        &mut self, dynamics: &mut Dynamics<D>, state: &mut PhasePoint, rng: &mut R,
    ) -> Transition {
        self.begin(dynamics, state, rng);
        let mut log_weight = 0.0;
        while self.report.tree_depth < self.frames.len() {
            let forward: bool = rng.random();
            let Some(grown) = self.extend(dynamics, forward, rng) else { break };
            self.report.tree_depth += 1;
            if rng.random::<f64>().ln() < grown - log_weight {
                self.selected.copy_from_slice(&self.proposal);
            }
            log_weight = log_add(log_weight, grown);
            if self.joins_turning(dynamics.inverse_mass, forward) {
                break;
            }
        }
        self.finish(dynamics, state)
    }

    fn begin<D: LogDensity, R: Rng>(&mut self, d: &Dynamics<D>, state: &mut PhasePoint, rng: &mut R) {
        state.refresh(d.inverse_mass, rng);
        self.initial_energy = state.energy(d.inverse_mass);
        for point in [&mut self.forward, &mut self.backward, &mut self.point] {
            point.copy_from(state);
        }
        for v in [&mut self.whole.first, &mut self.whole.last, &mut self.whole.rho] {
            v.copy_from_slice(&state.momentum);
        }
        self.selected.copy_from_slice(&state.position);
        self.sum_accept = 0.0;
        self.report = Transition::default();
    }

    /// Doubles the trajectory on one side. Log weight of the new half, or `None` if it must be discarded.
    fn extend<D: LogDensity, R: Rng>(&mut self, d: &mut Dynamics<D>, forward: bool, rng: &mut R) -> Option<f64> {
        let depth = self.report.tree_depth;
        let end = if forward { &mut self.forward } else { &mut self.backward };
        std::mem::swap(&mut self.point, end);
        let mut grown = std::mem::take(&mut self.grown);
        let mut proposal = std::mem::take(&mut self.proposal);
        let sign = if forward { 1.0 } else { -1.0 };
        let weight = self.build(d, depth, sign, &mut grown, &mut proposal, rng);
        self.grown = grown;
        self.proposal = proposal;
        let end = if forward { &mut self.forward } else { &mut self.backward };
        std::mem::swap(&mut self.point, end);
        weight
    }

    /// Adds the new half to the whole and checks the three criteria. `grown.first` is next to the old half.
    fn joins_turning(&mut self, inverse_mass: &[f64], forward: bool) -> bool {
        if !forward {
            // The backward half was built away from the old one: its first point is next to it.
            std::mem::swap(&mut self.whole.first, &mut self.whole.last);
        }
        let turning = is_turning_joined(&self.whole, &self.grown, inverse_mass);
        add(&mut self.whole.rho, &self.grown.rho);
        self.whole.last.copy_from_slice(&self.grown.last);
        if !forward {
            std::mem::swap(&mut self.whole.first, &mut self.whole.last);
        }
        turning
    }

    fn build<D: LogDensity, R: Rng>(
        &mut self, d: &mut Dynamics<D>, depth: usize, sign: f64, out: &mut Ends, proposal: &mut [f64], rng: &mut R,
    ) -> Option<f64> {
        if depth == 0 {
            return self.leaf(d, sign, out, proposal);
        }
        let mut frame = std::mem::take(&mut self.frames[depth - 1]);
        let weight = self.branch(d, depth, sign, &mut frame, proposal, rng);
        if weight.is_some() {
            out.first.copy_from_slice(&frame.near.first);
            out.last.copy_from_slice(&frame.far.last);
            out.rho.copy_from_slice(&frame.near.rho);
            add(&mut out.rho, &frame.far.rho);
        }
        self.frames[depth - 1] = frame;
        weight
    }

    fn branch<D: LogDensity, R: Rng>(
        &mut self, d: &mut Dynamics<D>, depth: usize, sign: f64, frame: &mut Subtrees, proposal: &mut [f64],
        rng: &mut R,
    ) -> Option<f64> {
        let near = self.build(d, depth - 1, sign, &mut frame.near, proposal, rng)?;
        let far = self.build(d, depth - 1, sign, &mut frame.far, &mut frame.proposal, rng)?;
        let both = log_add(near, far);
        if rng.random::<f64>().ln() < far - both {
            proposal.copy_from_slice(&frame.proposal);
        }
        (!is_turning_joined(&frame.near, &frame.far, d.inverse_mass)).then_some(both)
    }

    fn leaf<D: LogDensity>(
        &mut self, d: &mut Dynamics<D>, sign: f64, out: &mut Ends, proposal: &mut [f64],
    ) -> Option<f64> {
        if d.cancel.load(Ordering::Relaxed) {
            return None;
        }
        self.point.leapfrog(d.density, d.inverse_mass, sign * d.step_size);
        self.report.n_leapfrog += 1;
        let log_weight = self.initial_energy - self.point.energy(d.inverse_mass);
        self.sum_accept += log_weight.exp().min(1.0);
        if log_weight < -MAX_ENERGY_ERROR {
            self.report.divergent = true;
            return None;
        }
        for v in [&mut out.first, &mut out.last, &mut out.rho] {
            v.copy_from_slice(&self.point.momentum);
        }
        proposal.copy_from_slice(&self.point.position);
        Some(log_weight)
    }

    fn finish<D: LogDensity>(&mut self, d: &mut Dynamics<D>, state: &mut PhasePoint) -> Transition {
        state.position.copy_from_slice(&self.selected);
        // Evaluated again rather than kept with each leaf: the draw needs the density's state here.
        state.log_density = d.density.evaluate(&state.position, &mut state.gradient);
        self.report.energy = self.initial_energy;
        self.report.accept_stat = self.sum_accept / self.report.n_leapfrog.max(1) as f64;
        self.report
    }
}

/// Whether two neighbouring stretches, `far.first` next to `near.last`, turn back together or
/// across their seam.
fn is_turning_joined(near: &Ends, far: &Ends, inverse_mass: &[f64]) -> bool {
    let mut dots = [0.0; 6];
    for (i, m) in inverse_mass.iter().enumerate() {
        let whole = near.rho[i] + far.rho[i];
        let (left, right) = (near.rho[i] + far.first[i], far.rho[i] + near.last[i]);
        dots[0] += m * whole * near.first[i];
        dots[1] += m * whole * far.last[i];
        dots[2] += m * left * near.first[i];
        dots[3] += m * left * far.first[i];
        dots[4] += m * right * near.last[i];
        dots[5] += m * right * far.last[i];
    }
    dots.iter().any(|&d| d <= 0.0)
}

fn add(to: &mut [f64], from: &[f64]) {
    to.iter_mut().zip(from).for_each(|(t, f)| *t += f);
}

fn log_add(a: f64, b: f64) -> f64 {
    let top = a.max(b);
    if top == f64::NEG_INFINITY { top } else { top + (-(a - b).abs()).exp().ln_1p() }
}
