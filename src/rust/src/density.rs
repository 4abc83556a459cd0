//! Log posterior density and gradient at a position: prior, group effects and likelihood.

pub mod batch;
pub mod exact;
pub mod in_parts;
mod latent;
mod linear;
mod model;

pub use model::Model;

use crate::compress::gaussian::GaussianSums;
use crate::layout::Source;
use crate::scales::{ScaleGradient, Scales};
use crate::transport::{Context, Mapped, Transport};
use batch::{Batch, Derivatives, Natural};
use in_parts::InParts;
use latent::LatentRows;
use std::sync::Arc;

/// A differentiable log density; all that a sampler sees.
pub trait LogDensity {
    /// Length of a position.
    fn dim(&self) -> usize;
    /// Log density at `position`, up to [`LogDensity::log_constant`]; overwrites `gradient`. Not finite where there is no
    /// mass.
    fn evaluate(&mut self, position: &[f64], gradient: &mut [f64]) -> f64;
    /// Log density alone, where that is cheaper than with its gradient.
    fn value(&mut self, position: &[f64]) -> f64 {
        let mut gradient = vec![0.0; self.dim()];
        self.evaluate(position, &mut gradient)
    }
    /// What is to be added to values so that the density's integral over positions is the evidence: the same everywhere,
    /// so that samplers need not ask.
    fn log_constant(&self) -> f64 {
        0.0
    }
}

/// The posterior in transported coordinates, with the scratch space of one chain.
#[derive(Debug, Clone)]
pub struct Posterior {
    /// Model and data.
    pub model: Arc<Model>,
    /// The map from positions to parameters.
    pub transport: Arc<Transport>,
    /// Scale parameters at the last position.
    pub scales: Scales,
    /// Effects and swept coefficients at the last position.
    pub mapped: Mapped,
    /// All coefficients at the last position.
    pub beta: Vec<f64>,
    /// Linear predictor at the last position.
    pub eta: Vec<f64>,
    /// Log prior density on the natural scale at the last position.
    pub lprior: f64,
    /// Log density of coefficients, standardised effects and `theta` at the last position.
    pub lp: f64,
    /// Cross-products that stand for the rows of a Gaussian model.
    pub sums: Option<Arc<GaussianSums>>,
    /// Rows are drawn afresh for each evaluation, which is then an unbiased estimate.
    pub batch: Option<Box<Batch>>,
    /// What predictors measured with error or missing do to the rows.
    pub latents: LatentRows,
    columns: Vec<f64>,
    d_columns: Vec<f64>,
    d_scales: ScaleGradient,
    d_eta: Vec<f64>,
    short: Vec<f64>,
    d_beta: Vec<f64>,
    d_swept: Vec<f64>,
    d_effects: Vec<f64>,
}

impl Posterior {
    /// Joins a model and a map.
    pub fn new(model: Arc<Model>, transport: Arc<Transport>) -> Self {
        let (n, p, u) = (model.design.n(), model.coefficient_priors.len(), model.layout.n_effects);
        let n_swept = model.layout.swept.len();
        Self {
            scales: Scales::default(),
            mapped: Mapped::default(),
            beta: vec![0.0; p],
            eta: vec![0.0; n],
            lprior: 0.0,
            lp: 0.0,
            sums: None,
            batch: None,
            latents: LatentRows::default(),
            columns: vec![],
            d_columns: vec![],
            d_scales: ScaleGradient::default(),
            d_eta: vec![0.0; n],
            short: vec![],
            d_beta: vec![0.0; p],
            d_swept: vec![0.0; n_swept],
            d_effects: vec![0.0; u],
            model,
            transport,
        }
    }

    /// For parameters of draws alone: without memory for rows.
    pub fn without_rows(mut self) -> Self {
        (self.eta, self.d_eta, self.short) = (vec![], vec![], vec![]);
        self
    }

    /// Takes effects and coefficients that were set from elsewhere, with the log density that [`Self::lp`] is.
    pub fn take_parameters(&mut self, lp: f64) {
        self.place_coefficients();
        self.lprior = self.model.coefficient_prior(&self.beta, &mut self.d_beta) + self.scales.lprior;
        self.lp = lp;
    }

    /// Sets scales, effects and coefficients from a position.
    fn map(&mut self, position: &[f64]) {
        let layout = &self.model.layout;
        self.model.scale_priors.evaluate(&position[layout.theta()], &mut self.scales);
        let ctx = Context { layout, scales: &self.scales };
        self.transport.forward(ctx, position, &mut self.mapped);
        self.place_coefficients();
    }

    /// Moves all but the scales, which stay those of the last position, and with them what is dear of the map; as
    /// [`LogDensity::value`].
    pub fn value_at_same_scales(&mut self, position: &[f64]) -> f64 {
        let ctx = Context { layout: &self.model.layout, scales: &self.scales };
        self.transport.forward_at_same_scales(ctx, position, &mut self.mapped);
        self.place_coefficients();
        self.d_scales.reset(&self.scales);
        let log_likelihood = self.log_likelihood();
        self.total(log_likelihood)
    }

    /// Coefficients, and what pulls standardised effects, from what was mapped.
    fn place_coefficients(&mut self) {
        let layout = &self.model.layout;
        self.model.tension(self.transport.turns(), &mut self.mapped);
        layout.swept.iter().zip(&self.mapped.swept).for_each(|(&j, &b)| self.beta[j] = b);
        for block in &layout.blocks {
            if let Source::Horseshoe(h) = block.source {
                let effects = &self.mapped.effects[block.start..];
                self.model.shrunken[h].iter().zip(effects).for_each(|(&j, &b)| self.beta[j] = b);
            }
        }
    }

    /// Evaluates by the rows, whatever stands for them: linear predictor and score are then those of `position`.
    pub fn evaluate_rows(&mut self, position: &[f64]) -> f64 {
        let sums = self.sums.take();
        let value = self.evaluate(position, &mut vec![0.0; position.len()]);
        self.sums = sums;
        value
    }

    /// Derivative of the log-likelihood in the linear predictor at the last position.
    pub fn score(&self) -> &[f64] {
        &self.d_eta
    }

    /// Log-likelihood at the mapped parameters; overwrites `d_beta`, `d_effects` and `d_columns`.
    fn log_likelihood(&mut self) -> f64 {
        self.d_columns.fill(0.0);
        self.d_beta.fill(0.0);
        self.d_effects.fill(0.0);
        if self.model.prior_only {
            return 0.0;
        }
        if let Some(mut batch) = self.batch.take() {
            let value = self.likelihood_of_batch(&mut batch);
            self.batch = Some(batch);
            return value;
        }
        match self.sums.clone() {
            Some(sums) => self.likelihood_of_sums(&sums),
            None => self.likelihood_of_rows(),
        }
    }

    fn likelihood_of_rows(&mut self) -> f64 {
        if !self.model.design.latents.is_empty() {
            return self.likelihood_with_latents();
        }
        let Model { design, layout, runs, .. } = &*self.model;
        let (beta, effects) = (&self.beta, &self.mapped.effects);
        match runs {
            Some(runs) => runs.predictor(&design.offset, layout, beta, effects, &mut self.short, &mut self.eta),
            None => linear::predictor(design, layout, beta, effects, &mut self.eta),
        }
        let d = &mut self.d_scales.dispersion;
        let value = self.model.likelihood.evaluate(&self.eta, &self.scales.dispersion, &mut self.d_eta, d);
        let (d_beta, d_effects) = (&mut self.d_beta, &mut self.d_effects);
        match runs {
            Some(runs) => runs.pull_back(layout, &self.d_eta, &mut self.short, d_beta, d_effects),
            None => linear::pull_back(design, layout, &self.d_eta, d_beta, d_effects),
        }
        value
    }

    fn likelihood_of_batch(&mut self, batch: &mut Batch) -> f64 {
        let at = Natural { beta: &self.beta, effects: &self.mapped.effects, dispersion: &self.scales.dispersion };
        let d = Derivatives {
            beta: &mut self.d_beta,
            effects: &mut self.d_effects,
            dispersion: &mut self.d_scales.dispersion,
        };
        batch.evaluate(&self.model, at, d)
    }

    fn likelihood_of_sums(&mut self, sums: &GaussianSums) -> f64 {
        sums.incidence.columns(&self.model.layout, &self.mapped.effects, &self.mapped.swept, &mut self.columns);
        self.d_columns.resize(self.columns.len(), 0.0);
        let log_sigma = self.scales.dispersion.first().copied();
        let (value, d_log_sigma) = sums.evaluate(&mut self.columns, log_sigma, &mut self.d_columns);
        if sums.log_sigma.is_some() {
            self.d_scales.dispersion[0] += d_log_sigma;
        }
        value
    }

    /// Splits the gradient in all coefficients into swept ones and horseshoe effects.
    fn route_coefficients(&mut self) {
        let layout = &self.model.layout;
        layout.swept.iter().zip(&mut self.d_swept).for_each(|(&j, d)| *d = self.d_beta[j]);
        for block in &layout.blocks {
            if let Source::Horseshoe(h) = block.source {
                let effects = &mut self.d_effects[block.start..];
                self.model.shrunken[h].iter().zip(effects).for_each(|(&j, d)| *d = self.d_beta[j]);
            }
        }
        if let Some(sums) = &self.sums {
            sums.incidence.add_columns(layout, &self.d_columns, &mut self.d_swept, &mut self.d_effects);
        }
    }
}

impl LogDensity for Posterior {
    fn dim(&self) -> usize {
        self.model.layout.dim()
    }

    fn evaluate(&mut self, position: &[f64], gradient: &mut [f64]) -> f64 {
        self.place(position);
        let log_likelihood = self.log_likelihood();
        self.finish(log_likelihood, gradient)
    }

    fn value(&mut self, position: &[f64]) -> f64 {
        self.place(position);
        let log_likelihood = self.log_likelihood();
        self.total(log_likelihood)
    }

    fn log_constant(&self) -> f64 {
        self.transport.log_constant()
    }
}
