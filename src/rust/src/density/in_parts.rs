//! A target in two halves around its likelihood, which may be computed elsewhere: from a position to parameters, and
//! from derivatives in them back.

use super::batch::Natural;
use super::{LogDensity, Posterior};
use crate::transport::Context;
use std::f64::consts::PI;
use std::sync::Arc;

/// A density whose likelihood can be taken out: [`LogDensity::evaluate`] is `place`, the likelihood, `finish`.
pub trait InParts: LogDensity {
    /// Sets the parameters at a position.
    fn place(&mut self, position: &[f64]);
    /// The posterior at the bottom, for its parameters and for derivatives of the likelihood.
    fn bottom(&mut self) -> &mut Posterior;
    /// Log density at the position of `place`, given the log-likelihood; overwrites `gradient`.
    fn finish(&mut self, log_likelihood: f64, gradient: &mut [f64]) -> f64;
}

impl Posterior {
    /// What the likelihood depends on, at the last position.
    pub fn natural(&self) -> Natural<'_> {
        Natural { beta: &self.beta, effects: &self.mapped.effects, dispersion: &self.scales.dispersion }
    }

    /// Takes the derivatives of the rows' sum in coefficients, effects of terms and log dispersions, one after the other.
    /// Returns the part of the log-likelihood that is no sum over rows.
    pub fn accept(&mut self, derivatives: &[f64]) -> f64 {
        let own = &mut self.d_scales.dispersion;
        let (beta, rest) = derivatives.split_at(self.d_beta.len());
        let (effects, dispersion) = rest.split_at(rest.len() - own.len());
        self.d_beta.copy_from_slice(beta);
        // Behind the terms' effects are those of horseshoes, which are coefficients to rows.
        self.d_effects[..effects.len()].copy_from_slice(effects);
        self.d_effects[effects.len()..].fill(0.0);
        self.d_columns.fill(0.0);
        own.iter_mut().zip(dispersion).for_each(|(own, d)| *own += d);
        self.model.likelihood.common(&self.scales.dispersion, own)
    }

    /// Log density at the last position, given the log-likelihood; adds the slope of the coefficients' prior to their derivatives.
    pub(super) fn total(&mut self, log_likelihood: f64) -> f64 {
        let prior = self.model.coefficient_prior(&self.beta, &mut self.d_beta);
        let pairs = self.mapped.standard.iter().zip(&self.mapped.tension);
        let standard: f64 = pairs.map(|(s, t)| -0.5 * s * t).sum();
        let standard = standard - 0.5 * self.mapped.standard.len() as f64 * (2.0 * PI).ln() + self.model.half_log_det;
        self.lprior = prior + self.scales.lprior;
        self.lp = log_likelihood + self.lprior + self.scales.log_jacobian + standard;
        self.lp + self.mapped.log_jacobian
    }
}

impl InParts for Posterior {
    fn place(&mut self, position: &[f64]) {
        self.map(position);
        self.d_scales.reset(&self.scales);
    }

    fn bottom(&mut self) -> &mut Posterior {
        self
    }

    fn finish(&mut self, log_likelihood: f64, gradient: &mut [f64]) -> f64 {
        let model = Arc::clone(&self.model);
        let value = self.total(log_likelihood);
        self.route_coefficients();
        gradient.fill(0.0);
        let (at, d) = (&mut self.mapped, &mut self.d_scales);
        let ctx = Context { layout: &model.layout, scales: &self.scales };
        self.transport.backward(ctx, at, &self.d_swept, &mut self.d_effects, gradient, d);
        model.scale_priors.pull_back(&self.scales, d, &mut gradient[model.layout.theta()]);
        value
    }
}
