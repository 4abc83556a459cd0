//! An unbiased estimate of the log-likelihood and its gradient from a batch of rows.
//!
//! Of `n` rows (leaves, where rows are compressed) `B` are drawn without replacement. With `w` coefficients,
//! effects and dispersion, `w0` their values at a centre, and `g_i` the gradient of row `i`,
//!
//! ```text
//! sum_i l_i(w)  ~  sum_i [ l_i(w0) + g_i(w0)'(w - w0) ]                       all rows, summed once
//!                  + n/B sum_batch [ l_i(w) - l_i(w0) - g_i(w0)'(w - w0) ]
//! ```
//!
//! Near the centre the last sum is small, and with it the noise: that of the plain sum, `n/B sum_batch l_i(w)`,
//! has in whitened coordinates a gradient of standard deviation `sqrt(n/B)`, this one about `sqrt(dim/B)`. (Control
//! variates as in Baker et al. 2019.) Terms that belong to no row, such as sums over counts, are whole.

use super::{Model, Posterior, linear};
use crate::design::Design;
use crate::likelihood::Likelihood;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Parameters that rows depend on.
#[derive(Debug, Clone, Copy)]
pub struct Natural<'a> {
    /// Coefficients.
    pub beta: &'a [f64],
    /// Effects.
    pub effects: &'a [f64],
    /// Log dispersion or its coefficients.
    pub dispersion: &'a [f64],
}

/// Where derivatives in them go.
#[derive(Debug)]
pub struct Derivatives<'a> {
    /// Overwritten.
    pub beta: &'a mut [f64],
    /// Overwritten.
    pub effects: &'a mut [f64],
    /// Added to.
    pub dispersion: &'a mut [f64],
}

/// Coefficients, effects and dispersion one after the other: values, or derivatives.
#[derive(Debug, Clone, Default)]
struct Joined {
    beta: Vec<f64>,
    effects: Vec<f64>,
    dispersion: Vec<f64>,
}

/// The rows drawn and the sums at the centre.
#[derive(Debug, Clone)]
pub struct Batch {
    size: usize,
    rng: ChaCha8Rng,
    /// All rows; those drawn last come first.
    order: Vec<usize>,
    centre: Joined,
    /// Sum of all rows at the centre, and its derivatives.
    value: f64,
    score: Joined,
    eta: [Vec<f64>; 2],
    d_eta: [Vec<f64>; 2],
}

impl Batch {
    /// Batches of `size` rows, centred at the last evaluation of `posterior`.
    pub fn new(posterior: &Posterior, size: usize, seed: u64) -> Self {
        let (model, n) = (&posterior.model, posterior.model.design.n());
        let centre = Joined {
            beta: posterior.beta.clone(),
            effects: posterior.mapped.effects.clone(),
            dispersion: posterior.scales.dispersion.clone(),
        };
        let mut score = centre.clone();
        score.dispersion.fill(0.0);
        let (mut eta, mut d_eta) = (vec![0.0; n], vec![0.0; n]);
        model.linear_predictor(&centre.beta, &centre.effects, &mut eta);
        let value = model.likelihood.of_rows(0..n, &eta, &centre.dispersion, &mut d_eta, &mut score.dispersion);
        linear::pull_back(&model.design, &model.layout, &d_eta, &mut score.beta, &mut score.effects);
        let buffers = || [vec![0.0; size], vec![0.0; size]];
        let rng = ChaCha8Rng::seed_from_u64(seed);
        Self { size, rng, order: (0..n).collect(), centre, value, score, eta: buffers(), d_eta: buffers() }
    }

    /// Log-likelihood and derivatives, estimated from a fresh batch.
    pub fn evaluate(&mut self, model: &Model, at: Natural, d: Derivatives) -> f64 {
        let (design, likelihood) = self.draw(model);
        let common = model.likelihood.common(at.dispersion, d.dispersion);
        let centre = &self.centre;
        let factor = model.design.n() as f64 / self.size as f64;
        let [eta, eta_0] = &mut self.eta;
        let [d_eta, d_eta_0] = &mut self.d_eta;
        let [mut slope, mut slope_0] = [(); 2].map(|()| vec![0.0; at.dispersion.len()]);
        linear::predictor(&design, &model.layout, at.beta, at.effects, eta);
        linear::predictor(&design, &model.layout, &centre.beta, &centre.effects, eta_0);
        let rows = 0..self.size;
        let value = likelihood.of_rows(rows.clone(), eta, at.dispersion, d_eta, &mut slope);
        let value_0 = likelihood.of_rows(rows, eta_0, &centre.dispersion, d_eta_0, &mut slope_0);
        let linear = along(d_eta_0, eta, eta_0) + along(&slope_0, at.dispersion, &centre.dispersion);
        d_eta.iter_mut().zip(&*d_eta_0).for_each(|(d, d_0)| *d = factor * (*d - d_0));
        linear::pull_back(&design, &model.layout, d_eta, d.beta, d.effects);
        slope.iter_mut().zip(&slope_0).for_each(|(d, d_0)| *d = factor * (*d - d_0));
        add(d.dispersion, &slope);
        common + factor * (value - value_0 - linear) + self.around_centre(at, d)
    }

    /// The linear part, which is that of all rows.
    fn around_centre(&self, at: Natural, d: Derivatives) -> f64 {
        let (centre, score) = (&self.centre, &self.score);
        add(d.beta, &score.beta);
        add(d.effects, &score.effects);
        add(d.dispersion, &score.dispersion);
        self.value
            + along(&score.beta, at.beta, &centre.beta)
            + along(&score.effects, at.effects, &centre.effects)
            + along(&score.dispersion, at.dispersion, &centre.dispersion)
    }

    /// Draws rows. In their order, because rows of one dispersion stand together.
    fn draw(&mut self, model: &Model) -> (Design, Likelihood) {
        let n = self.order.len();
        for i in 0..self.size {
            let j = self.rng.random_range(i..n);
            self.order.swap(i, j);
        }
        let drawn = &mut self.order[..self.size];
        drawn.sort_unstable();
        (model.design.select(drawn), model.likelihood.select(drawn))
    }
}

/// `d'(x - x0)`.
fn along(d: &[f64], x: &[f64], x_0: &[f64]) -> f64 {
    d.iter().zip(x.iter().zip(x_0)).map(|(d, (x, x_0))| d * (x - x_0)).sum()
}

fn add(to: &mut [f64], from: &[f64]) {
    to.iter_mut().zip(from).for_each(|(t, f)| *t += f);
}
