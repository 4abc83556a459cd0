//! Gaussian models with all effects and coefficients integrated out.
//!
//! Where the joint transport is the exact conditional distribution, the target factors into a
//! standard normal for `z` and the posterior of the scales, which is the target at `z = 0` up to a
//! constant. The sampler moves the scales alone; each draw is completed by a fresh `z`.

pub mod blocks;
pub mod constants;
pub mod core;
mod cost;
pub mod factors;
mod innermost;
mod layers;
pub mod many;
pub mod partition;
pub mod plan;
mod planning;
mod several;
pub mod values;

use crate::density::LogDensity;
use crate::density::{Model, Posterior};
use crate::draws::Draw;
use crate::settle::dispersions::{rows_of_sigmas, scaled_by_sigma};
use crate::transport::Transport;
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use std::f64::consts::PI;

/// The posterior of the scale parameters.
#[derive(Debug, Clone)]
pub struct Collapsed {
    inner: Posterior,
    position: Vec<f64>,
    gradient: Vec<f64>,
}

impl Collapsed {
    /// Integrates out what is not a scale. `None` if that is not exact for this posterior.
    pub fn new(inner: Posterior) -> Option<Self> {
        let dim = inner.dim();
        is_exact(&inner).then(|| Self { inner, position: vec![0.0; dim], gradient: vec![0.0; dim] })
    }
}

/// Whether the transport is the exact conditional distribution of effects and coefficients.
fn is_exact(posterior: &Posterior) -> bool {
    let model = &posterior.model;
    matches!(*posterior.transport, Transport::Joint(_)) && may_collapse(model) && !intercept_sees_shrunken(model)
}

/// Whether the prior of the intercept is one of coefficients with a horseshoe, too, which the joint transport leaves out: it is
/// at the means of their columns.
fn intercept_sees_shrunken(model: &Model) -> bool {
    let is_seen = |j: &usize| model.intercept.as_ref().is_some_and(|i| i.centre[*j] != 0.0);
    let has_prior = model.intercept.as_ref().is_some_and(|i| model.coefficient_priors[i.column].precision() > 0.0);
    has_prior && model.shrunken.iter().flatten().any(is_seen)
}

/// Whether effects and coefficients given the scales are Gaussian: rows whose variances are known or proportional to `sigma^2`,
/// normal or flat priors.
pub fn may_collapse(model: &Model) -> bool {
    model.family().is_linear()
        && !model.prior_only
        && model.design.latents.is_empty()
        && model.layout.n_theta > 0
        && (has_sums(model) || rows_of_sigmas(model).is_some())
        && model.layout.swept.iter().all(|&j| model.coefficient_priors[j].is_gaussian())
}

/// Whether cross-products about one centre stand for the rows, whatever the dispersion.
fn has_sums(model: &Model) -> bool {
    scaled_by_sigma(model) || model.layout.dispersion_columns().is_empty()
}

impl LogDensity for Collapsed {
    fn dim(&self) -> usize {
        self.inner.model.layout.n_theta
    }

    fn evaluate(&mut self, position: &[f64], gradient: &mut [f64]) -> f64 {
        let theta = self.inner.model.layout.theta();
        self.position[..theta.start].fill(0.0);
        self.position[theta.clone()].copy_from_slice(position);
        let value = self.inner.evaluate(&self.position, &mut self.gradient);
        gradient.copy_from_slice(&self.gradient[theta]);
        value
    }

    fn value(&mut self, position: &[f64]) -> f64 {
        let theta = self.inner.model.layout.theta();
        self.position[..theta.start].fill(0.0);
        self.position[theta].copy_from_slice(position);
        self.inner.value(&self.position)
    }

    /// Values are those at `z = 0`, where a standard normal has its density for a factor.
    fn log_constant(&self) -> f64 {
        self.inner.log_constant() + 0.5 * self.inner.model.layout.theta().start as f64 * (2.0 * PI).ln()
    }
}

impl Draw for Collapsed {
    const IS_PARTIAL: bool = true;

    fn complete<R: Rng>(&mut self, rng: &mut R) {
        let theta = self.inner.model.layout.theta();
        for z in &mut self.position[..theta.start] {
            *z = StandardNormal.sample(rng);
        }
        self.inner.value_at_same_scales(&self.position);
    }

    fn posterior(&self) -> &Posterior {
        &self.inner
    }
}
