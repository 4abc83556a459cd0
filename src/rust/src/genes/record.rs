//! What is kept of one gene: draws of the population-level variables, moments of the effects, and
//! how the fit went.

use super::blueprint::Variables;
use crate::adapt::metric::Variances;
use crate::density::Posterior;
use crate::draws::push_draw;

/// Above this R-hat or share of divergences a gene is sampled again, longer.
pub(super) const MAX_RHAT: f64 = 1.05;
const MAX_DIVERGENT: f64 = 0.02;

/// How a gene's fit ended; the numbers cross the boundary.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Status {
    /// By the method asked for.
    #[default]
    Ok = 0,
    /// By NUTS, because the approximation cannot be trusted.
    Refined = 1,
    /// No starting point with a finite density.
    NoStart = 2,
    /// The run was stopped before.
    Unfinished = 3,
    /// R-hat is high after a second, longer try.
    HighRhat = 4,
    /// See the message.
    Failed = 5,
    /// An approximation that cannot be trusted.
    HighKhat = 6,
}

/// How a gene's fit went.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// How it ended.
    pub status: Status,
    /// Why it failed, or empty.
    pub message: String,
    /// Pareto k-hat of the approximation; not a number where none was made.
    pub khat: f64,
    /// Divergences after warm-up.
    pub divergent: usize,
    /// Gradients, without those that settle and whiten.
    pub n_gradients: usize,
    /// Estimates of the ELBO, step by step.
    pub elbo: Vec<f64>,
    /// Wall time.
    pub seconds: f64,
    /// R-hat per variable; not numbers for an approximation.
    pub rhat: Vec<f64>,
    /// Bulk ESS per variable; of an approximation the effective size of its weights.
    pub ess: Vec<f64>,
    /// Posterior means of the effects.
    pub effects_mean: Vec<f64>,
    /// Posterior standard deviations of the effects.
    pub effects_sd: Vec<f64>,
}

impl Report {
    /// What a further try found, with the gradients of this one.
    pub(super) fn then(self, mut later: Self) -> Self {
        later.n_gradients += self.n_gradients;
        later
    }

    /// Draws in the place of an approximation.
    pub(super) fn refines(self, approximate: Self) -> Self {
        let status = if self.status == Status::Ok { Status::Refined } else { self.status };
        let n_gradients = self.n_gradients + approximate.n_gradients;
        Self { status, n_gradients, khat: approximate.khat, elbo: approximate.elbo, ..self }
    }

    /// Whether the draws ask for a longer run.
    pub(super) fn is_poor(&self, n_saved: usize) -> bool {
        self.rhat.iter().any(|&r| r > MAX_RHAT) || self.divergent as f64 > MAX_DIVERGENT * n_saved as f64
    }
}

/// Where the draws of one gene go; `NaN` until they are there.
#[derive(Debug)]
pub struct Slot<'a> {
    /// `[n_saved, n_variables]`, column by column.
    pub draws: &'a mut [f64],
    /// `[n_saved, n_effects]`, or empty.
    pub effects: &'a mut [f64],
}

/// Takes draws of one gene in.
pub struct Recorder<'a> {
    variables: &'a Variables,
    slot: Slot<'a>,
    n_saved: usize,
    draw: Vec<f64>,
    kept: Vec<f64>,
    effects: Variances,
}

impl<'a> Recorder<'a> {
    /// For `n_saved` draws.
    pub fn new(variables: &'a Variables, slot: Slot<'a>, n_saved: usize) -> Self {
        let effects = Variances::new(variables.effect_names.len());
        Self { variables, slot, n_saved, draw: vec![], kept: vec![], effects }
    }

    /// Forgets all draws.
    pub fn restart(&mut self) {
        self.effects.clear();
        self.slot.draws.fill(f64::NAN);
        self.slot.effects.fill(f64::NAN);
    }

    /// Keeps the draw at the last position of `posterior` as number `s`.
    pub fn push(&mut self, posterior: &Posterior, s: usize) {
        let mut draw = std::mem::take(&mut self.draw);
        draw.clear();
        push_draw(posterior, true, &mut draw);
        self.push_values(&draw, s);
        self.draw = draw;
    }

    /// Keeps the last draw again, as number `s`.
    pub fn repeat(&mut self, s: usize) {
        let draw = std::mem::take(&mut self.draw);
        self.push_values(&draw, s);
        self.draw = draw;
    }

    /// Keeps a draw with its effects as number `s`.
    pub fn push_values(&mut self, draw: &[f64], s: usize) {
        let effects = self.variables.split(draw, &mut self.kept);
        self.kept.iter().enumerate().for_each(|(v, x)| self.slot.draws[v * self.n_saved + s] = *x);
        if !self.slot.effects.is_empty() {
            effects.iter().enumerate().for_each(|(e, x)| self.slot.effects[e * self.n_saved + s] = *x);
        }
        self.effects.push(effects);
    }

    /// Draws of each variable.
    pub fn draws(&self) -> impl Iterator<Item = &[f64]> {
        self.slot.draws.chunks_exact(self.n_saved)
    }

    /// Means and standard deviations of the effects.
    pub fn effects(&self) -> (Vec<f64>, Vec<f64>) {
        (self.effects.mean.clone(), self.effects.variances().map(f64::sqrt).collect())
    }
}
