//! Approximations of one gene's posterior, and whether they can be trusted.

use super::found::{Found, Guided};
use super::input::{GeneMethod, GeneSettings};
use super::record::{Recorder, Report, Status};
use super::task::Task;
use super::walks::Start;
use crate::density::LogDensity;
use crate::draws::Draw;
use crate::error::{Error, Result};
use crate::lanes::frame::Frame;
use crate::laplace;
use crate::natural::steps::Ascent;
use crate::psis::Weights;
use crate::svi::guide::{GuideShape, ShapedGuide};
use crate::svi::{AdamSettings, fit as fit_by_adam};
use crate::whiten::Whitened;

/// Above this an approximation cannot be trusted (Vehtari et al. 2024), nor below this ESS if it is resampled.
const MAX_KHAT: f64 = 0.7;
const MIN_ESS: f64 = 100.0;
/// Proposals of an approximation: as many as k-hat needs. A guide is so close that it needs fewer.
const N_PROPOSALS: usize = 1000;
const N_GUIDED: usize = 250;
/// Steps after the search of a guide at least.
const POLISH: usize = 32;
/// Without lanes: largest dimension of a dense guide, its steps, their first size and draws.
const MAX_DENSE: usize = 100;
const SLOW_STEPS: usize = 4000;
const SLOW_RATE: f64 = 0.05;
const SLOW_DRAWS: usize = 4;
/// And factors of a guide that is not dense.
const RANK: usize = 10;
/// Draws of it per draw that is kept, at most, where some lie outside the support of a prior.
const MAX_TRIES: usize = 10;
/// Stream of the random numbers of an approximation.
const STREAM: u64 = 2;

/// Draws of a guide, for their weights; and how many of these are needed.
pub(super) fn draws_of(settings: &GeneSettings) -> [usize; 2] {
    let n = settings.n_saved().max(N_GUIDED);
    [n, if settings.resample { n } else { settings.n_saved() }]
}

/// How guides are fitted.
pub(super) fn ascent_of(settings: &GeneSettings) -> Ascent {
    Ascent { max_steps: settings.max_steps, polish: POLISH, tolerance: settings.tolerance }
}

/// The first `n` proposals inside the support, again and again if there are fewer.
fn first_inside(ratios: &[f64], n: usize) -> Vec<usize> {
    let inside: Vec<usize> = (0..ratios.len()).filter(|&i| ratios[i].is_finite()).collect();
    if inside.is_empty() { (0..n).collect() } else { inside.into_iter().cycle().take(n).collect() }
}

impl Task<'_> {
    /// Whether a gene is sampled after this approximation.
    pub(super) fn is_refined(&self, report: &Report) -> bool {
        let is_far = report.khat > MAX_KHAT || report.khat.is_nan();
        match self.settings.method {
            GeneMethod::Svi => self.settings.refine && (is_far || report.status == Status::HighKhat),
            GeneMethod::Auto => is_far || report.ess.iter().any(|&e| e < MIN_ESS),
            _ => false,
        }
    }

    /// A report of an approximation with these weights.
    fn weighted(&self, weights: &Weights) -> Report {
        let n_variables = self.blueprint.variables.names.len();
        let (rhat, ess) = (vec![f64::NAN; n_variables], vec![weights.ess(); n_variables]);
        Report { khat: weights.khat, rhat, ess, ..Report::default() }
    }

    /// The guide of many draws at once. `None` where the model needs more than it has, or no start is found.
    pub(super) fn guided_in_lanes(&self, start: &mut Start, recorder: &mut Recorder) -> Result<Option<Report>> {
        let s = self.settings;
        let Some(frame) = &self.blueprint.frame else { return Ok(None) };
        if let Some(Found::Guide(guided)) = self.found {
            return Ok(Some(self.record(frame, guided, recorder)));
        }
        let Some(start) = start.of()? else { return Ok(None) };
        let mut fit = start.fit(ascent_of(s), self.noise());
        let (mut draws, dim) = (vec![], frame.dim());
        let ratios = fit.draws(draws_of(s)[0], |_, draw| draws.extend_from_slice(draw));
        let weights = Weights::from_log_ratios(&ratios);
        for (i, from) in self.chosen(&weights, &ratios).into_iter().enumerate() {
            recorder.push_values(&draws[from * dim..(from + 1) * dim], i);
        }
        let elbo = std::mem::take(&mut fit.fitted.elbo);
        Ok(Some(self.of_guide(&weights, fit.fitted.converged, elbo, fit.n_gradients())))
    }

    /// Which draws of a guide are kept: the first, or by their weights where hyper-parameters are learned from them.
    fn chosen(&self, weights: &Weights, ratios: &[f64]) -> Vec<usize> {
        let n_saved = self.settings.n_saved();
        if self.settings.resample && weights.khat <= MAX_KHAT {
            return weights.resample(n_saved, &mut self.rng(STREAM, 0));
        }
        first_inside(ratios, n_saved)
    }

    /// What a device has found.
    fn record(&self, frame: &Frame, guided: &Guided, recorder: &mut Recorder) -> Report {
        let (mut draw, dim) = (vec![0.0; frame.dim()], frame.dim());
        let weights = Weights::from_log_ratios(&guided.ratios);
        for (i, from) in self.chosen(&weights, &guided.ratios).into_iter().enumerate() {
            frame.from_device(&guided.values[from * dim..(from + 1) * dim], &mut draw);
            recorder.push_values(&draw, i);
        }
        self.of_guide(&weights, guided.converged, guided.elbo.clone(), guided.n_gradients)
    }

    fn of_guide(&self, weights: &Weights, converged: bool, elbo: Vec<f64>, n_gradients: usize) -> Report {
        let is_near = converged && weights.khat <= MAX_KHAT;
        let status = if is_near { Status::Ok } else { Status::HighKhat };
        Report { status, elbo, n_gradients, ..self.weighted(weights) }
    }

    /// A guide in settled and whitened coordinates, for any model.
    pub(super) fn guided<D: Draw>(&self, target: &mut Whitened<D>, recorder: &mut Recorder) -> Result<Report> {
        let (dim, n_saved, mut rng) = (LogDensity::dim(target), self.settings.n_saved(), self.rng(STREAM, 0));
        let kind = if dim <= MAX_DENSE { GuideShape::FullRank } else { GuideShape::LowRank(RANK) };
        let ascent = AdamSettings { max_steps: SLOW_STEPS, n_draws: SLOW_DRAWS, step_size: SLOW_RATE, tolerance: 1.0 };
        let fitted = fit_by_adam(target, ShapedGuide::standard(kind, dim), ascent, &mut rng, self.cancel, || true)?;
        let (mut gradient, mut ratios, mut n_kept) = (vec![0.0; dim], vec![], 0);
        let n = n_saved.max(N_GUIDED);
        while ratios.len() < n || (n_kept < n_saved && ratios.len() < MAX_TRIES * n) {
            if self.is_cancelled() {
                return Err(Error::Interrupt);
            }
            let drawn = fitted.guide.draw(&mut rng);
            let ratio = target.evaluate(&drawn.y, &mut gradient) - fitted.guide.log_density(&drawn);
            ratios.push(ratio);
            if n_kept < n_saved && ratio.is_finite() {
                target.complete(&mut rng);
                recorder.push(target.posterior(), n_kept);
                n_kept += 1;
            }
        }
        if n_kept == 0 {
            return Err(Error::Start("no draw of the guide lies in the support of the priors".into()));
        }
        (n_kept..n_saved).for_each(|s| recorder.repeat(s));
        let n_gradients = SLOW_DRAWS * fitted.elbo.len() + ratios.len();
        let constant = LogDensity::log_constant(target);
        let elbo = fitted.elbo.iter().map(|value| value + constant).collect();
        Ok(self.of_guide(&Weights::from_log_ratios(&ratios), fitted.converged, elbo, n_gradients))
    }

    /// Laplace approximation, resampled by importance if its weights can be trusted.
    pub(super) fn approximate<D: Draw>(&self, target: &mut Whitened<D>, recorder: &mut Recorder) -> Result<Report> {
        let (dim, n_saved, n_theta) = (target.dim(), self.settings.n_saved(), target.posterior().model.layout.n_theta);
        let n = N_PROPOSALS.max(2 * n_saved);
        let mut rng = self.rng(STREAM, 0);
        let (mut y, mut gradient) = (vec![0.0; n * dim], vec![0.0; dim]);
        let mut ratios = Vec::with_capacity(n);
        for y in y.chunks_exact_mut(dim) {
            ratios.push(laplace::draw(target, n_theta, &mut rng, y, &mut gradient));
            if self.is_cancelled() {
                return Err(Error::Interrupt);
            }
        }
        let weights = Weights::from_log_ratios(&ratios);
        let is_trusted = weights.khat <= MAX_KHAT;
        let drawn = if is_trusted { weights.resample(n_saved, &mut rng) } else { first_inside(&ratios, n_saved) };
        for (s, i) in drawn.into_iter().enumerate() {
            target.evaluate(&y[i * dim..(i + 1) * dim], &mut gradient);
            target.complete(&mut rng);
            recorder.push(target.posterior(), s);
        }
        Ok(Report { n_gradients: n + n_saved, ..self.weighted(&weights) })
    }
}
