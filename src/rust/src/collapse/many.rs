//! Exact draws at many positions with the factor of one of them.
//!
//! With `S` the core's precision at a position, `F` a factor of that at the frame, scaled as `sigma` is, and `M = F^-1 S F^-T`, which is
//! near the identity where the position is near the frame,
//!
//! ```text
//! x = m_0 + F^-T (M^-1 F^-1 (s - S m_0) + M^-1/2 z)
//! ```
//!
//! is a draw of the core with mean `S^-1 s` and covariance `S^-1`, by a few products ([`crate::linalg::lanczos`]). Blocks follow as at
//! the frame itself.

use super::blocks::Blocked;
use super::constants::BlockConstants;
use super::factors::LevelFactors;
use super::several::{Several, gram_starts};
use crate::density::Posterior;
use crate::linalg::dense::{solve_lower, solve_lower_transposed};
use crate::linalg::lanczos::{dots, powers, scale_rows};
use faer::Mat;
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Length by which a draw of the core may be wrong, in posterior standard deviations.
const TOLERANCE: f64 = 1e-4;
const MOST_PRODUCTS: usize = 60;
/// Positions at once, and the memory that they may take.
const WIDEST: usize = 32;
const MOST_BYTES: usize = 512 << 20;

/// A position with its factor.
pub struct FactorFrame {
    constants: Arc<BlockConstants>,
    grams: Arc<Vec<usize>>,
    factor: Mat<f64>,
    /// At the scales of the frame.
    posterior: Posterior,
    k: f64,
    /// Natural mean of the core.
    mean: Vec<f64>,
    cancel: Arc<AtomicBool>,
}

/// Draws of one chain.
pub struct Drawer<'a> {
    frame: &'a FactorFrame,
    posterior: Posterior,
}

impl FactorFrame {
    /// At the last position of a density.
    pub fn new(blocked: Blocked) -> Self {
        let Blocked { constants, posterior, core, at, cancel, .. } = blocked;
        let (grams, k) = (Arc::new(gram_starts(&constants)), constants.of_sigma(&posterior.scales).1);
        let mut mean = at.t_core;
        core.solve_transposed(&mut mean);
        let mut frame = Self { constants, grams, factor: core.matrix, posterior, k, mean: vec![], cancel };
        frame.factors().times(&mut mean);
        frame.mean = mean;
        frame
    }

    /// Positions that are worth taking at once, as memory allows.
    pub fn width(&self) -> usize {
        let plan = &self.constants.plan;
        let numbers = plan.inner.len() + plan.mix.len() + self.grams.last().unwrap_or(&0) + 4 * plan.n_lead();
        let of_core = 30 * plan.n_core;
        (MOST_BYTES / 8 / (numbers + of_core).max(1)).clamp(1, WIDEST)
    }

    /// `x <- F^-T x`, for vectors whose positions have `k`.
    fn out_of(&self, k: &[f64], x: &mut Mat<f64>) {
        solve_lower_transposed(&self.factor, x.as_mut().transpose_mut());
        self.factors().times_columns(x);
        scale_rows(x, &self.ratios(k, x.nrows()));
    }

    /// `x <- F^-1 x`.
    fn into(&self, k: &[f64], x: &mut Mat<f64>) {
        self.factors().transposed_times_columns(x);
        solve_lower(&self.factor, x.as_mut().transpose_mut());
        scale_rows(x, &self.ratios(k, x.nrows()));
    }

    fn factors(&self) -> LevelFactors<'_> {
        let Posterior { model, scales, .. } = &self.posterior;
        LevelFactors { scales, layout: &model.layout, nodes: &self.constants.plan.core_nodes }
    }

    /// `sigma / sigma_0` of each vector.
    fn ratios(&self, k: &[f64], n: usize) -> Vec<f64> {
        (0..n).map(|at| (self.k / k[at % k.len()]).sqrt()).collect()
    }
}

impl<'a> Drawer<'a> {
    /// With parameters of its own.
    pub fn new(frame: &'a FactorFrame) -> Self {
        Self { frame, posterior: frame.posterior.clone() }
    }

    /// A draw at each position, in their order; false where there is none, or after a cancel.
    pub fn draw<R: Rng>(&mut self, positions: &[Vec<f64>], rng: &mut R, mut see: impl FnMut(&Posterior)) -> bool {
        let (frame, model) = (self.frame, Arc::clone(&self.posterior.model));
        let (plan, layout, width) = (&frame.constants.plan, &model.layout, positions.len());
        let scales = positions.iter().map(|theta| {
            model.scale_priors.evaluate(theta, &mut self.posterior.scales);
            self.posterior.scales.clone()
        });
        let several = Several::new(&frame.constants, &frame.grams, layout, scales.collect());
        let normal = |rng: &mut R| <StandardNormal as Distribution<f64>>::sample(&StandardNormal, rng);
        let mut noise = Mat::<f64>::zeros(width, plan.n_core);
        let mut leads: Vec<Vec<f64>> = vec![];
        for d in 0..width {
            (0..plan.n_core).for_each(|i| noise[(d, i)] = normal(rng));
            leads.push((0..plan.n_lead()).map(|_| normal(rng)).collect());
        }
        let Some(core) = self.core(&several, &noise) else { return false };
        let times = several.times(&core);
        let (linear, quadratic) = (dots(&several.rhs, &core), dots(&times, &core));
        let mut alongs = vec![];
        for block in &plan.blocks {
            let mut along = vec![];
            several.along(block, &core, &mut along);
            alongs.push(along);
        }
        for (d, (own, mut lead)) in several.roots.iter().zip(leads).enumerate() {
            let mut squares: f64 = own.t.iter().zip(&lead).map(|(t, z)| t * t - z * z).sum();
            self.posterior.scales = several.scales[d].clone();
            let Posterior { scales, mapped, .. } = &mut self.posterior;
            let of_core: Vec<f64> = (0..plan.n_core).map(|i| core[(d, i)]).collect();
            frame.constants.place(layout, &plan.core_nodes, &of_core, mapped);
            for (block, along) in plan.blocks.iter().zip(&alongs) {
                let (x, nodes) = (&mut lead[block.columns.clone()], &plan.nodes[block.nodes.clone()]);
                own.draw(block, along.iter().skip(d).step_by(width).copied(), x);
                LevelFactors { scales, layout, nodes }.times(x);
                frame.constants.place(layout, nodes, x, mapped);
            }
            if let Some(innermost) = &plan.innermost {
                let at = (layout, &*scales, several.k[d]);
                squares -= innermost.draw(at, [&lead, &of_core], || normal(rng), mapped);
            }
            let lp = frame.constants.at_scales(scales) + linear[d] - 0.5 * quadratic[d] + 0.5 * squares;
            self.posterior.take_parameters(lp);
            see(&self.posterior);
        }
        true
    }

    /// Natural values of the core.
    fn core(&self, several: &Several, noise: &Mat<f64>) -> Option<Mat<f64>> {
        let (frame, width) = (self.frame, noise.nrows());
        let mean = Mat::from_fn(width, frame.mean.len(), |_, i| frame.mean[i]);
        let mut left = &several.rhs - &several.times(&mean);
        frame.into(&several.k, &mut left);
        let both =
            Mat::from_fn(2 * width, left.ncols(), |d, i| if d < width { left[(d, i)] } else { noise[(d - width, i)] });
        let by: Vec<f64> = (0..2 * width).map(|d| if d < width { -1.0 } else { -0.5 }).collect();
        let apply = |x: &Mat<f64>| {
            if frame.cancel.load(Ordering::Relaxed) {
                return None;
            }
            let mut x = x.clone();
            frame.out_of(&several.k, &mut x);
            let mut product = several.times(&x);
            frame.into(&several.k, &mut product);
            Some(product)
        };
        let (found, _) = powers(&both, &by, TOLERANCE, MOST_PRODUCTS, apply)?;
        let mut core = Mat::from_fn(width, left.ncols(), |d, i| found[(d, i)] + found[(d + width, i)]);
        frame.out_of(&several.k, &mut core);
        Some(core + mean)
    }
}
