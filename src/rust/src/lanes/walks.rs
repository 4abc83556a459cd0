//! Hamiltonian Monte Carlo of one model: eight chains in lockstep, one per vector lane, in the frame of a guide.
//!
//! There the target is nearly a standard normal, whose flow rotates position `q` and momentum `p`. A step is half a kick by the
//! residual gradient `grad log density + q`, a rotation, and half a kick (Shahbaba, Lan, Johnson and Neal 2014, section 3.1):
//! its error of energy comes from what the guide misses alone. All lanes take the same number of steps of the same angle,
//! and each accepts or refuses by itself. Guide and number of steps are fixed after warm-up, so that the draws are of the
//! target whatever the guide.

use super::target::Target;
use crate::hmc::fixed::next_rung;
use crate::natural::guide::Guide;
use crate::natural::lane::Lane;
use crate::natural::noise::Noise;
use crate::tuning::{
    ADAPTED, ANGLE, FIRST_RUNG, LADDER, LANES, LONGEST, MAX_ENERGY_ERROR, MOMENTA, SHORTEST, START_TRIES,
};
use pulp::{Arch, NullaryFnOnce};

/// Eight points of phase space, their residual gradients and log densities.
#[derive(Debug, Clone)]
struct Points {
    position: Vec<Lane>,
    momentum: Vec<Lane>,
    residual: Vec<Lane>,
    log_density: Lane,
}

/// What is taken of positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// [`Target::values`].
    Values,
    /// [`Target::parameters`].
    Parameters,
}

/// Eight running chains.
#[derive(Debug, Clone)]
pub struct Walks<'a> {
    target: Target<'a>,
    guide: Guide,
    noise: Noise,
    /// Number of the first lane in the noise.
    first: u32,
    iteration: u32,
    rung: usize,
    now: Points,
    next: Points,
    y: Vec<Lane>,
    wanted: Wanted,
    /// `[LANES, width]`: what is wanted of the current positions.
    values: Vec<f64>,
}

/// What became of a transition.
#[derive(Debug, Clone, Copy)]
pub struct Moved {
    /// Probabilities of acceptance.
    pub accepted: [f64; LANES],
    /// Which lanes' energy exploded.
    pub divergent: [bool; LANES],
    /// Energies at the start, but for a constant.
    pub energy: Lane,
}

impl Moved {
    /// Mean over lanes of the probability of acceptance.
    pub fn accept_stat(&self) -> f64 {
        self.accepted.iter().sum::<f64>() / LANES as f64
    }
}

impl<'a> Walks<'a> {
    /// Starts at draws of the guide; `first` numbers the lanes of several walks of one model apart. `None` if a lane finds no
    /// start of finite density.
    pub fn new(target: Target<'a>, guide: Guide, noise: Noise, first: usize) -> Option<Self> {
        Self::with(Wanted::Values, target, guide, noise, first)
    }

    /// The same, with what is wanted of positions.
    pub fn with(wanted: Wanted, target: Target<'a>, guide: Guide, noise: Noise, first: usize) -> Option<Self> {
        let d = guide.dim();
        let zeros = || vec![Lane::ZERO; d];
        let now = Points { position: zeros(), momentum: zeros(), residual: zeros(), log_density: Lane::ZERO };
        let width = if wanted == Wanted::Values { d } else { d + 1 };
        let (next, y, values, first) = (now.clone(), zeros(), vec![0.0; LANES * width], first as u32);
        let (iteration, rung) = (0, FIRST_RUNG);
        let mut walks = Self { target, guide, noise, first, iteration, rung, now, next, y, wanted, values };
        walks.start().then_some(walks)
    }

    /// Whether all lanes are at a finite density: draws of the guide, again for the lanes that were not.
    fn start(&mut self) -> bool {
        let mut has_start = [false; LANES];
        for _ in 0..START_TRIES {
            self.refresh();
            self.next.position.copy_from_slice(&self.next.momentum);
            self.evaluate();
            let found = self.next.log_density.0;
            let takes = std::array::from_fn(|s| !has_start[s] && found[s].is_finite());
            self.accept(&takes);
            has_start.iter_mut().zip(takes).for_each(|(has, takes)| *has |= takes);
            if has_start == [true; LANES] {
                return true;
            }
        }
        false
    }

    /// Adapts the number of steps to a mean acceptance of at least `target`; returns that of the last iterations.
    pub fn adapt(&mut self, n: usize, target: f64) -> f64 {
        let mut mean = 1.0;
        for block in (0..n).step_by(ADAPTED) {
            let length = ADAPTED.min(n - block);
            let accepted: f64 = (0..length).map(|_| self.step().accept_stat()).sum();
            // Half a block says too little.
            if 2 * length > ADAPTED {
                mean = accepted / length as f64;
                self.rung = next_rung(self.rung, mean, target, LADDER.len());
            }
        }
        mean
    }

    /// One transition of each lane.
    pub fn step(&mut self) -> Moved {
        let n_steps = LADDER[self.rung];
        let [chance, length] = self.noise.uniforms(self.lanes(), MOMENTA | self.iteration);
        let share = SHORTEST + (LONGEST - SHORTEST) * length.0[0];
        let [gain, energy] = self.trajectory(n_steps, ANGLE * share / n_steps as f64);
        let takes = std::array::from_fn(|s| chance.0[s].ln() < gain.0[s]);
        self.accept(&takes);
        let (accepted, divergent) = (gain.0.map(|g| g.exp().min(1.0)), gain.0.map(|g| g < -MAX_ENERGY_ERROR));
        Moved { accepted, divergent, energy }
    }

    /// A trajectory with fresh momenta to where the lanes may go next; returns the energies lost on the way, and those at the start.
    pub fn trajectory(&mut self, n_steps: usize, angle: f64) -> [Lane; 2] {
        self.refresh();
        self.next.position.copy_from_slice(&self.now.position);
        self.next.residual.copy_from_slice(&self.now.residual);
        let before = self.now.log_density - self.next.kinetic();
        for i in 0..n_steps {
            // Half kicks that meet are one.
            self.next.advance(if i == 0 { 0.5 * angle } else { angle }, angle);
            self.evaluate();
        }
        self.next.advance(0.5 * angle, 0.0);
        let gain = self.next.log_density - self.next.kinetic() - before;
        [gain.map(|g| if g.is_nan() { f64::NEG_INFINITY } else { g }), -before]
    }

    /// Fresh momenta.
    fn refresh(&mut self) {
        self.noise.normals(self.lanes(), MOMENTA | self.iteration, &mut self.next.momentum);
        self.iteration += 1;
    }

    /// Numbers of the lanes in the noise.
    fn lanes(&self) -> [u32; LANES] {
        std::array::from_fn(|s| self.first + s as u32)
    }

    /// Log densities and residual gradients at the next positions. Where gradients are very long they are shortened, which is as
    /// good a kick as any: it depends on the position alone.
    fn evaluate(&mut self) {
        let next = &mut self.next;
        self.guide.place(&next.position, &mut self.y);
        next.log_density = self.target.evaluate(&self.y);
        let is_finite = next.log_density.0.map(f64::is_finite);
        self.guide.path(&next.position, &self.target.gradient, &is_finite, &mut next.residual);
    }

    /// Takes the next positions over in some lanes; the target was evaluated there last.
    fn accept(&mut self, takes: &[bool; LANES]) {
        Arch::new().dispatch(Choosing { now: &mut self.now, next: &self.next, takes });
        let d = self.values.len() / LANES;
        for s in (0..LANES).filter(|&s| takes[s]) {
            let out = &mut self.values[s * d..(s + 1) * d];
            match self.wanted {
                Wanted::Values => self.target.values(s, out),
                Wanted::Parameters => self.target.parameters(s, self.now.log_density.0[s], out),
            }
        }
    }

    /// What is wanted of the current position of lane `s`.
    pub fn values(&self, s: usize) -> &[f64] {
        let d = self.values.len() / LANES;
        &self.values[s * d..(s + 1) * d]
    }

    /// Steps of a trajectory.
    pub fn n_steps(&self) -> usize {
        LADDER[self.rung]
    }

    /// Mean angle of a step.
    pub fn step_size(&self) -> f64 {
        0.5 * (SHORTEST + LONGEST) * ANGLE / self.n_steps() as f64
    }

    /// Gradients taken of the target so far.
    pub fn n_gradients(&self) -> usize {
        LANES * self.target.n_evaluations
    }
}

impl Points {
    fn kinetic(&self) -> Lane {
        let mut squares = Lane::ZERO;
        self.momentum.iter().for_each(|p| squares += *p * *p);
        squares * 0.5
    }

    /// A kick, then a rotation.
    fn advance(&mut self, kick: f64, angle: f64) {
        Arch::new().dispatch(Advancing { points: self, kick, angle });
    }
}

struct Advancing<'a> {
    points: &'a mut Points,
    kick: f64,
    angle: f64,
}

impl NullaryFnOnce for Advancing<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Points { position, momentum, residual, .. } = self.points;
        let (sin, cos) = self.angle.sin_cos();
        for ((q, p), r) in position.iter_mut().zip(momentum).zip(residual) {
            let kicked = *p + *r * self.kick;
            *p = kicked * cos - *q * sin;
            *q = *q * cos + kicked * sin;
        }
    }
}

struct Choosing<'a> {
    now: &'a mut Points,
    next: &'a Points,
    takes: &'a [bool; LANES],
}

impl NullaryFnOnce for Choosing<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { now, next, takes } = self;
        let choose = |to: &mut Lane, from: &Lane| {
            to.0.iter_mut()
                .zip(&from.0)
                .zip(takes)
                .for_each(|((to, from), take)| *to = if *take { *from } else { *to });
        };
        now.position.iter_mut().zip(&next.position).for_each(|(to, from)| choose(to, from));
        now.residual.iter_mut().zip(&next.residual).for_each(|(to, from)| choose(to, from));
        choose(&mut now.log_density, &next.log_density);
    }
}
