//! Draws on the natural scale, in the order of their names.

use crate::density::{LogDensity, Posterior};
use crate::hmc::tree::Transition;
use crate::layout::Source;
use crate::spec::Settings;
use crate::whiten::Whitened;
use crate::whiten::coordinatewise::{Coordinatewise, Map};
use rand::Rng;

/// A target that gives whole draws of the model's parameters.
pub trait Draw: LogDensity {
    /// Whether [`Draw::complete`] adds anything.
    const IS_PARTIAL: bool;
    /// Adds what the sampler does not move, at the position of the last evaluation.
    fn complete<R: Rng>(&mut self, rng: &mut R);
    /// The posterior, evaluated at the completed draw.
    fn posterior(&self) -> &Posterior;
    /// Completes the draw and appends it to `out`, as [`push_draw`].
    fn record<R: Rng>(&mut self, with_effects: bool, rng: &mut R, out: &mut Vec<f64>) {
        self.complete(rng);
        push_draw(self.posterior(), with_effects, out);
    }
    /// The same for a draw after warm-up, with what is kept of its effects.
    fn keep<R: Rng>(&mut self, settings: &Settings, rng: &mut R, out: &mut ChainDraws) {
        self.complete(rng);
        keep_draw(self.posterior(), settings, out);
    }
}

/// Appends the parameters at the density's last position, with what is kept of the effects.
pub fn keep_draw(posterior: &Posterior, settings: &Settings, out: &mut ChainDraws) {
    push_draw(posterior, settings.save_effects, &mut out.values);
    if let Some(stride) = settings.effect_stride() {
        out.effects.push(posterior, stride);
    }
}

/// Group effects of one chain: moments over all its draws, and some of the draws.
#[derive(Debug, Clone, Default)]
pub struct EffectDraws {
    /// Draws so far.
    pub n: usize,
    /// Means.
    pub mean: Vec<f64>,
    /// Sums of squares about them.
    pub squares: Vec<f64>,
    /// Effects of each `stride`-th draw, from the first, draw by draw.
    pub values: Vec<f64>,
    own: Vec<f64>,
}

impl EffectDraws {
    /// From the fields.
    pub fn of(n: usize, mean: Vec<f64>, squares: Vec<f64>, values: Vec<f64>) -> Self {
        Self { n, mean, squares, values, own: Vec::new() }
    }

    /// Adds the effects at the last position of `posterior` (Welford 1962).
    fn push(&mut self, posterior: &Posterior, stride: usize) {
        self.own.clear();
        push_effects(posterior, &mut self.own);
        self.mean.resize(self.own.len(), 0.0);
        self.squares.resize(self.own.len(), 0.0);
        if self.n % stride == 0 {
            self.values.extend_from_slice(&self.own);
        }
        self.n += 1;
        let n = self.n as f64;
        for ((mean, squares), x) in self.mean.iter_mut().zip(&mut self.squares).zip(&self.own) {
            let change = x - *mean;
            *mean += change / n;
            *squares += change * (x - *mean);
        }
    }
}

impl Draw for Posterior {
    const IS_PARTIAL: bool = false;

    fn complete<R: Rng>(&mut self, rng: &mut R) {
        if !self.model.design.latents.is_empty() {
            self.draw_latents(rng);
        }
    }

    fn posterior(&self) -> &Posterior {
        self
    }
}

impl<D: Draw> Draw for Whitened<D> {
    const IS_PARTIAL: bool = D::IS_PARTIAL;

    fn complete<R: Rng>(&mut self, rng: &mut R) {
        self.inner.complete(rng);
    }

    fn posterior(&self) -> &Posterior {
        self.inner.posterior()
    }
}

impl<D: Draw, M: Map> Draw for Coordinatewise<D, M> {
    const IS_PARTIAL: bool = D::IS_PARTIAL;

    fn complete<R: Rng>(&mut self, rng: &mut R) {
        self.inner.complete(rng);
    }

    fn posterior(&self) -> &Posterior {
        self.inner.posterior()
    }
}

/// Names of what the sampler reports per draw, as bayesplot expects them.
pub const SAMPLER_NAMES: [&str; 6] =
    ["accept_stat__", "stepsize__", "treedepth__", "n_leapfrog__", "divergent__", "energy__"];

/// Draws of one chain, draw by draw.
#[derive(Debug, Clone, Default)]
pub struct ChainDraws {
    /// Values, `n_variables` per draw.
    pub values: Vec<f64>,
    /// Sampler reports, one row of [`SAMPLER_NAMES`] per draw.
    pub sampler: Vec<[f64; 6]>,
    /// Positions of the sampler, draw by draw, and the log density there up to its constant, if asked for.
    pub positions: Vec<f64>,
    /// One per draw.
    pub log_density: Vec<f64>,
    /// What is kept of group effects that are not among the values.
    pub effects: EffectDraws,
    /// Draws of the warm-up, if kept.
    pub warmup: Vec<f64>,
    /// Divergences during warm-up.
    pub warmup_divergent: usize,
    /// Gradients over warm-up and sampling.
    pub n_gradients: usize,
    /// Step size after warm-up.
    pub step_size: f64,
    /// Wall time of warm-up and sampling.
    pub seconds: [f64; 2],
}

impl ChainDraws {
    /// Adds a transition's report.
    pub fn push_report(&mut self, t: &Transition, step_size: f64) {
        let (depth, steps) = (t.tree_depth as f64, t.n_leapfrog as f64);
        self.sampler.push([t.accept_stat, step_size, depth, steps, f64::from(t.divergent), t.energy]);
    }
}

/// Appends the parameters at the density's last position to `out`, in the order of
/// [`crate::layout::draw_names`].
pub fn push_draw(posterior: &Posterior, with_effects: bool, out: &mut Vec<f64>) {
    let (scales, model) = (&posterior.scales, &posterior.model);
    out.extend_from_slice(&posterior.beta);
    model.scale_priors.dispersion_draw(scales, out);
    scales.sd.iter().chain(&scales.dispersion_sd).for_each(|sd| out.extend_from_slice(sd));
    for (k, places) in model.layout.cors.iter().enumerate() {
        if !places.is_empty() {
            out.extend(scales.correlations(k));
        }
    }
    out.extend(model.scale_priors.df_draw(scales));
    out.extend(model.scale_priors.horseshoe_draw(scales));
    out.extend(scales.latents.iter().flat_map(|latent| [latent.mean, latent.sd]));
    if with_effects {
        push_effects(posterior, out);
    }
    out.extend([posterior.lprior, posterior.lp]);
}

/// Group effects, and predictors measured with error or missing.
fn push_effects(posterior: &Posterior, out: &mut Vec<f64>) {
    let model = &posterior.model;
    for block in model.layout.blocks.iter().filter(|b| matches!(b.source, Source::Term(_))) {
        out.extend_from_slice(&posterior.mapped.effects[block.start..block.start + block.len()]);
    }
    out.extend_from_slice(model.scale_priors.dispersion_effects(&posterior.scales));
    out.extend_from_slice(&posterior.latents.drawn);
}
