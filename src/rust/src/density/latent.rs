//! Rows whose predictors are measured with error.
//!
//! A predictor `x ~ N(m, t^2)` of which `u ~ N(x, e^2)` was seen is, given `u` alone, normal with
//!
//! ```text
//! mean m + r (u - m),    variance r e^2,    r = t^2 / (t^2 + e^2);    u ~ N(m, t^2 + e^2)
//! ```
//!
//! so that with the loading `l` of a row its linear predictor is normal too: moved by `l (mean - c)`, where `c` stands for `x` in
//! the design's columns, and spread by `l^2` times the variance. The likelihood integrates over that (`likelihood/spread.rs`), and
//! no `x` is sampled; a draw is completed by them, given the response.

use super::{Posterior, linear};
use crate::design::Latent;
use crate::scales::LatentScale;
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use std::f64::consts::PI;

/// What predictors measured with error do to the rows at one position.
#[derive(Debug, Clone, Default)]
pub struct LatentRows {
    /// What they move the linear predictor by.
    shift: Vec<f64>,
    /// Variance that they give it.
    spread: Vec<f64>,
    d_spread: Vec<f64>,
    /// Predictor by predictor, values of all rows for the draw.
    pub drawn: Vec<f64>,
}

/// A row's predictor given what was measured.
struct Given {
    /// Measured less the mean.
    deviation: f64,
    /// `r`.
    share: f64,
    mean: f64,
    variance: f64,
}

impl Given {
    fn new(latent: &Latent, i: usize, scale: LatentScale<f64>) -> Self {
        let (deviation, t2) = (latent.observed[i] - scale.mean, scale.sd * scale.sd);
        let share = t2 / (t2 + latent.error2[i]);
        Self { deviation, share, mean: scale.mean + share * deviation, variance: share * latent.error2[i] }
    }
}

/// Log density of what was measured; its derivatives in the mean and in the log standard deviation.
fn measured(latent: &Latent, scale: LatentScale<f64>) -> [f64; 3] {
    let mut out = [0.0; 3];
    let t2 = scale.sd * scale.sd;
    for (u, e2) in latent.observed.iter().zip(&latent.error2) {
        let (variance, deviation) = (t2 + e2, u - scale.mean);
        let pull = deviation / variance;
        out[0] -= 0.5 * ((2.0 * PI * variance).ln() + deviation * pull);
        out[1] += pull;
        out[2] += t2 * (pull * pull - variance.recip());
    }
    out
}

impl Posterior {
    /// As `likelihood_of_rows`, for rows whose predictors are measured with error.
    pub(super) fn likelihood_with_latents(&mut self) -> f64 {
        let model = &self.model;
        let (design, layout) = (&model.design, &model.layout);
        linear::predictor(design, layout, &self.beta, &self.mapped.effects, &mut self.eta);
        let LatentRows { shift, spread, d_spread, .. } = &mut self.latents;
        for values in [&mut *shift, &mut *spread, &mut *d_spread] {
            values.clear();
            values.resize(design.n(), 0.0);
        }
        let mut value = 0.0;
        for (k, latent) in design.latents.iter().enumerate() {
            let scale = self.scales.latents[k];
            for i in 0..design.n() {
                let (given, loading) = (Given::new(latent, i, scale), latent.loading(i, &self.beta));
                // What is known of the loading is in the offset.
                shift[i] += loading * (given.mean - latent.expected[i]);
                spread[i] += loading * loading * given.variance;
            }
            let [log_density, d_mean, d_log_sd] = measured(latent, scale);
            value += log_density;
            self.d_scales.latents[k] = [d_mean, d_log_sd];
        }
        self.eta.iter_mut().zip(&*shift).for_each(|(eta, s)| *eta += s);
        let (rows, out) = ([&*self.eta, &**spread], [&mut *self.d_eta, &mut **d_spread]);
        let d_dispersion = &mut self.d_scales.dispersion;
        value += model.likelihood.evaluate_spread(rows, &self.scales.dispersion, out, d_dispersion);
        linear::pull_back(design, layout, &self.d_eta, &mut self.d_beta, &mut self.d_effects);
        self.pull_back_latents();
        value
    }

    /// Derivatives through the rows' shifts and spreads.
    fn pull_back_latents(&mut self) {
        let design = &self.model.design;
        for (k, latent) in design.latents.iter().enumerate() {
            let scale = self.scales.latents[k];
            let [mut d_mean, mut d_log_sd] = [0.0; 2];
            for i in 0..design.n() {
                let (given, loading) = (Given::new(latent, i, scale), latent.loading(i, &self.beta));
                let (d_eta, d_spread) = (self.d_eta[i], self.latents.d_spread[i]);
                let d_loading = d_eta * (given.mean - latent.expected[i]) + d_spread * 2.0 * loading * given.variance;
                for (c, &j) in latent.columns.iter().enumerate() {
                    self.d_beta[j] += d_loading * latent.loadings[(i, c)];
                }
                let d_share = 2.0 * given.share * (1.0 - given.share);
                d_mean += d_eta * loading * (1.0 - given.share);
                d_log_sd += (d_eta * given.deviation + d_spread * loading * latent.error2[i]) * loading * d_share;
            }
            let own = &mut self.d_scales.latents[k];
            *own = [own[0] + d_mean, own[1] + d_log_sd];
        }
    }

    /// Expected information of the rows at the last position.
    pub fn information(&self) -> Vec<f64> {
        let (likelihood, dispersion) = (&self.model.likelihood, &self.scales.dispersion);
        if self.latents.spread.is_empty() {
            return likelihood.information(&self.eta, dispersion);
        }
        likelihood.information_with_spread(&self.eta, &self.latents.spread, dispersion)
    }

    /// The part of the linear predictor at the last position that is columns times coefficients and effects.
    pub fn linear_part(&self) -> Vec<f64> {
        let mut out: Vec<f64> = self.eta.iter().zip(&self.model.design.offset).map(|(e, o)| e - o).collect();
        out.iter_mut().zip(&self.latents.shift).for_each(|(e, s)| *e -= s);
        out
    }

    /// Draws the predictors measured with error, given all else.
    pub fn draw_latents<R: Rng>(&mut self, rng: &mut R) {
        let (design, scales) = (&self.model.design, &self.scales);
        let (n, n_latents) = (design.n(), design.latents.len());
        self.latents.drawn.resize(n * n_latents, 0.0);
        if self.model.prior_only {
            for (at, x) in self.latents.drawn.iter_mut().enumerate() {
                let LatentScale { mean, sd, .. } = scales.latents[at / n];
                *x = mean + sd * normal(rng);
            }
            return;
        }
        for i in 0..n {
            let (spread, dispersion) = (self.latents.spread[i], &scales.dispersion);
            let likelihood = &self.model.likelihood;
            let mut missing = likelihood.draw_deviation(i, self.eta[i], spread, dispersion, rng);
            // Each as if the response said nothing, then moved so that together they make the deviation of the row.
            let rows = design.latents.iter().zip(&scales.latents);
            let rows: Vec<(Given, f64)> =
                rows.map(|(l, &scale)| (Given::new(l, i, scale), l.loading(i, &self.beta))).collect();
            for (k, (given, loading)) in rows.iter().enumerate() {
                let error = given.variance.sqrt() * normal(rng);
                missing -= loading * error;
                self.latents.drawn[k * n + i] = given.mean + error;
            }
            for (k, (given, loading)) in rows.iter().enumerate().filter(|_| spread > 0.0) {
                self.latents.drawn[k * n + i] += given.variance * loading / spread * missing;
            }
        }
    }
}

fn normal<R: Rng>(rng: &mut R) -> f64 {
    StandardNormal.sample(rng)
}
