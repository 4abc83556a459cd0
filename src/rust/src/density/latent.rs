//! Rows whose predictors are measured with error or missing.
//!
//! A predictor `x ~ N(m, t^2)` of which `u ~ N(x, e^2)` was seen is, given `u` alone, normal with
//!
//! ```text
//! mean m + r (u - m),    variance r e^2,    r = t^2 / (t^2 + e^2);    u ~ N(m, t^2 + e^2)
//! ```
//!
//! (`r = 0` and the variance `t^2` where nothing was seen), so that with the loading `l` of a row its linear predictor is normal
//! too: moved by `l (mean - c)`, where `c` stands for `x` in the design's columns, and spread by `l^2` times the variance. The
//! likelihood integrates over that (`likelihood/spread.rs`), and no `x` is sampled; a draw is completed by them, given the
//! response. `m` and `t` are parameters, or the linear predictor and the dispersion of a row of the response that imputes `x`;
//! then what was measured is a row of that response, and its density is there.

use super::{Model, Posterior, linear};
use crate::design::{Latent, LatentSource};
use crate::scales::{LatentScale, Scales};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use std::f64::consts::PI;

/// What predictors measured with error or missing do to the rows at one position.
#[derive(Debug, Clone, Default)]
pub struct LatentRows {
    /// What they move the linear predictor by.
    shift: Vec<f64>,
    /// Variance that they give it.
    spread: Vec<f64>,
    d_spread: Vec<f64>,
    /// Log dispersions of the rows, where they impute.
    log_dispersion: Vec<f64>,
    d_log_dispersion: Vec<f64>,
    /// Predictor by predictor, values of their rows for the draw.
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
    fn new(latent: &Latent, at: usize, [mean, sd]: [f64; 2]) -> Self {
        let (deviation, t2, e2) = (latent.observed[at] - mean, sd * sd, latent.error2[at]);
        let share = t2 / (t2 + e2);
        let variance = if e2.is_finite() { share * e2 } else { t2 };
        Self { deviation, share, mean: mean + share * deviation, variance }
    }
}

impl Latent {
    /// Mean and standard deviation of the predictor of the `at`-th row that has it, before it is measured.
    fn prior(&self, at: usize, scales: &Scales, eta: &[f64], log_dispersion: &[f64]) -> [f64; 2] {
        match &self.source {
            LatentSource::Scale(k) => [scales.latents[*k].mean, scales.latents[*k].sd],
            LatentSource::Rows(rows) => [eta[rows[at]], log_dispersion[rows[at]].exp()],
        }
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
    /// As `likelihood_of_rows`, for rows whose predictors are measured with error or missing.
    pub(super) fn likelihood_with_latents(&mut self) -> f64 {
        self.place_predictor();
        let model = &self.model;
        let design = &model.design;
        let LatentRows { shift, spread, d_spread, log_dispersion, .. } = &mut self.latents;
        for values in [&mut *shift, &mut *spread, &mut *d_spread] {
            values.clear();
            values.resize(design.n(), 0.0);
        }
        let mut value = 0.0;
        for latent in &design.latents {
            for (at, i) in latent.places() {
                let given = Given::new(latent, at, latent.prior(at, &self.scales, &self.eta, log_dispersion));
                let loading = latent.loading(at, &self.beta);
                // What is known of the loading is in the offset.
                shift[i] += loading * (given.mean - latent.expected[at]);
                spread[i] += loading * loading * given.variance;
            }
            if let LatentSource::Scale(k) = latent.source {
                let [log_density, d_mean, d_log_sd] = measured(latent, self.scales.latents[k]);
                value += log_density;
                self.d_scales.latents[k] = [d_mean, d_log_sd];
            }
        }
        self.eta.iter_mut().zip(&*shift).for_each(|(eta, s)| *eta += s);
        let (rows, out) = ([&*self.eta, &**spread], [&mut *self.d_eta, &mut **d_spread]);
        let d_dispersion = &mut self.d_scales.dispersion;
        value += model.likelihood.evaluate_spread(rows, &self.scales.dispersion, out, d_dispersion);
        self.pull_back_means();
        let Model { design, layout, .. } = &*self.model;
        linear::pull_back(design, layout, &self.d_eta, &mut self.d_beta, &mut self.d_effects);
        self.pull_back_latents();
        value
    }

    /// The linear predictor without what these predictors add, and the dispersions of rows that impute.
    fn place_predictor(&mut self) {
        let (design, layout) = (&self.model.design, &self.model.layout);
        linear::predictor(design, layout, &self.beta, &self.mapped.effects, &mut self.eta);
        if design.latents.iter().any(|l| !l.sources().is_empty()) {
            self.latents.log_dispersion = self.model.likelihood.log_dispersions(&self.scales.dispersion);
        }
    }

    fn given(&self, latent: &Latent, at: usize) -> Given {
        Given::new(latent, at, latent.prior(at, &self.scales, &self.eta, &self.latents.log_dispersion))
    }

    /// Derivatives in the predictors of rows that impute.
    fn pull_back_means(&mut self) {
        let model = &self.model;
        for latent in &model.design.latents {
            for ((at, i), &source) in latent.places().zip(latent.sources()) {
                let share = self.given(latent, at).share;
                self.d_eta[source] += self.d_eta[i] * latent.loading(at, &self.beta) * (1.0 - share);
            }
        }
    }

    /// Derivatives through the rows' shifts and spreads, but for those in means that are predictors.
    fn pull_back_latents(&mut self) {
        let model = std::sync::Arc::clone(&self.model);
        let n_own = self.latents.log_dispersion.len();
        self.latents.d_log_dispersion.clear();
        self.latents.d_log_dispersion.resize(n_own, 0.0);
        for latent in &model.design.latents {
            let [mut d_mean, mut d_log_sd] = [0.0; 2];
            for (at, i) in latent.places() {
                let (given, loading) = (self.given(latent, at), latent.loading(at, &self.beta));
                let (d_eta, d_spread) = (self.d_eta[i], self.latents.d_spread[i]);
                let d_loading = d_eta * (given.mean - latent.expected[at]) + d_spread * 2.0 * loading * given.variance;
                for (c, &j) in latent.columns.iter().enumerate() {
                    self.d_beta[j] += d_loading * latent.loadings[(at, c)];
                }
                let rest = 1.0 - given.share;
                d_mean += d_eta * loading * rest;
                let moves = d_eta * loading * given.deviation * given.share;
                let d_log = 2.0 * rest * (moves + d_spread * loading * loading * given.variance);
                match &latent.source {
                    LatentSource::Scale(_) => d_log_sd += d_log,
                    LatentSource::Rows(rows) => self.latents.d_log_dispersion[rows[at]] += d_log,
                }
            }
            if let LatentSource::Scale(k) = latent.source {
                let own = &mut self.d_scales.latents[k];
                *own = [own[0] + d_mean, own[1] + d_log_sd];
            }
        }
        if n_own > 0 {
            let d_log = &self.latents.d_log_dispersion;
            model.likelihood.pull_back_dispersions(d_log, &mut self.d_scales.dispersion);
        }
    }

    /// Expected information of the rows at the last position.
    pub fn information(&self) -> Vec<f64> {
        let (likelihood, dispersion) = (&self.model.likelihood, &self.scales.dispersion);
        if self.latents.spread.is_empty() {
            return likelihood.information(&self.eta, dispersion);
        }
        let mut out = likelihood.information_with_spread(&self.eta, &self.latents.spread, dispersion);
        for latent in &self.model.design.latents {
            for ((at, i), &source) in latent.places().zip(latent.sources()) {
                let slope = latent.loading(at, &self.beta) * (1.0 - self.given(latent, at).share);
                out[source] += slope * slope * out[i];
            }
        }
        out
    }

    /// The part of the linear predictor at the last position that is columns times coefficients and effects.
    pub fn linear_part(&self) -> Vec<f64> {
        let mut out: Vec<f64> = self.eta.iter().zip(self.model.design.offset.iter()).map(|(e, o)| e - o).collect();
        out.iter_mut().zip(&self.latents.shift).for_each(|(e, s)| *e -= s);
        out
    }

    /// Draws the predictors measured with error or missing, given all else.
    pub fn draw_latents<R: Rng>(&mut self, rng: &mut R) {
        self.latents.drawn.clear();
        if self.model.prior_only {
            self.place_predictor();
            for latent in &self.model.design.latents {
                for (at, _) in latent.places() {
                    let [mean, sd] = latent.prior(at, &self.scales, &self.eta, &self.latents.log_dispersion);
                    self.latents.drawn.push(mean + sd * normal(rng));
                }
            }
            return;
        }
        let latents = &self.model.design.latents;
        let starts = latents.iter().scan(0, |end, latent| {
            *end += latent.rows.len();
            Some(*end - latent.rows.len())
        });
        let starts: Vec<usize> = starts.collect();
        let n_drawn = latents.iter().map(|l| l.rows.len()).sum();
        self.latents.drawn.resize(n_drawn, 0.0);
        let mut next = vec![0; latents.len()];
        for i in 0..self.model.design.n() {
            // Each as if the response said nothing, then moved so that together they make the deviation of the row.
            let mut here: Vec<(usize, Given, f64)> = vec![];
            for ((latent, start), next) in latents.iter().zip(&starts).zip(&mut next) {
                if latent.rows.get(*next) == Some(&i) {
                    here.push((start + *next, self.given(latent, *next), latent.loading(*next, &self.beta)));
                    *next += 1;
                }
            }
            if here.is_empty() {
                continue;
            }
            let spread = self.latents.spread[i];
            let (likelihood, dispersion) = (&self.model.likelihood, &self.scales.dispersion);
            let mut missing = likelihood.draw_deviation(i, self.eta[i], spread, dispersion, rng);
            for (place, given, loading) in &here {
                let error = given.variance.sqrt() * normal(rng);
                missing -= loading * error;
                self.latents.drawn[*place] = given.mean + error;
            }
            for (place, given, loading) in here.iter().filter(|_| spread > 0.0) {
                self.latents.drawn[*place] += given.variance * loading / spread * missing;
            }
        }
    }
}

fn normal<R: Rng>(rng: &mut R) -> f64 {
    StandardNormal.sample(rng)
}
