//! What a block's normal distribution misses: ratios of a few draws.

use super::Nested;
use crate::kernels::dot;
use crate::transport::small;
use std::f64::consts::PI;
use std::sync::Arc;

/// Pairs of draws, either side of the mode.
pub const PAIRS: usize = 2;

/// Draws of a block, and its rows there.
#[derive(Debug, Default)]
pub struct Weighed {
    /// Standardised effects, draw by draw.
    pub draws: Vec<f64>,
    /// Log of density over proposal of each, but for constants.
    pub logs: Vec<f64>,
    /// Their weights, which sum to 1.
    pub weights: Vec<f64>,
    /// The part of the logs that rows have.
    pub of_rows: Vec<f64>,
    /// Rows at the core alone, and their derivatives at each draw.
    from_core: Vec<f64>,
    slopes: Vec<Vec<f64>>,
    eta: Vec<f64>,
    own: Vec<f64>,
    met: Vec<f64>,
}

impl Weighed {
    /// Variance of the log of the mean ratio over other pairs of draws.
    fn noise(&self) -> f64 {
        let pairs = PAIRS as f64;
        let off = |pair: &[f64]| pairs * pair.iter().sum::<f64>() - 1.0;
        self.weights.chunks_exact(2).map(|pair| off(pair).powi(2)).sum::<f64>() / (pairs * (pairs - 1.0))
    }
}

impl Nested {
    /// Draws a block about `centre`, standardised, where the core has natural values `core`; `noise` are standard normal numbers for
    /// each column and pair. Returns the log of the mean ratio.
    pub(super) fn weigh_block<'a>(
        &self, b: usize, core: &[f64], centre: &[f64], noise: impl Iterator<Item = &'a [f64]>, to: &mut Weighed,
    ) -> f64 {
        let (plan, rows, log_shape) = (&self.constants.plan, &self.constants.rows, self.log_shape());
        let (block, n) = (&plan.blocks[b], centre.len());
        let root = &self.at.roots[block.inner..block.inner + n * n];
        let factors = self.factors(&plan.nodes[block.nodes.clone()]);
        to.met.clear();
        to.met.extend(plan.rows[block.rows.clone()].iter().map(|&i| core[i as usize]));
        rows.set_core(b, &to.met, &mut to.from_core);
        [&mut to.draws, &mut to.logs, &mut to.of_rows].into_iter().for_each(Vec::clear);
        for z in noise {
            let squares = dot(z, z);
            for sign in [1.0, -1.0] {
                to.own.clear();
                to.own.extend(z.iter().map(|z| sign * z));
                small::solve_lower_transposed(n, root, &mut to.own);
                to.own.iter_mut().zip(centre).for_each(|(x, c)| *x += c);
                to.draws.extend_from_slice(&to.own);
                let prior = -0.5 * dot(&to.own, &to.own);
                factors.times(&mut to.own);
                to.eta.clone_from(&to.from_core);
                rows.add_block(b, &to.own, &mut to.eta);
                let number = to.logs.len();
                to.slopes.resize(to.slopes.len().max(number + 1), vec![]);
                let value = rows.evaluate(b, &to.eta, log_shape, &mut to.slopes[number]);
                to.of_rows.push(value);
                to.logs.push(value + prior + 0.5 * squares);
            }
        }
        let top = to.logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        to.weights.clear();
        to.weights.extend(to.logs.iter().map(|log| (log - top).exp()));
        let sum: f64 = to.weights.iter().sum();
        to.weights.iter_mut().for_each(|w| *w /= sum);
        top + (sum / to.logs.len() as f64).ln()
    }

    /// Noise that all positions share.
    pub(super) fn common_noise(&self, b: usize) -> impl Iterator<Item = &[f64]> {
        let (plan, noise) = (&self.constants.plan, &self.constants.noise);
        noise.chunks_exact(plan.n_lead()).map(move |noise| &noise[plan.blocks[b].columns.clone()])
    }

    /// Log density at a block's effects over that of the proposal, as the logs of its draws.
    pub(super) fn log_at(&self, b: usize, u: &[f64], to: &mut Weighed) -> f64 {
        let (plan, rows, log_shape) = (&self.constants.plan, &self.constants.rows, self.log_shape());
        to.own.clear();
        to.own.extend_from_slice(u);
        self.factors(&plan.nodes[plan.blocks[b].nodes.clone()]).times(&mut to.own);
        to.eta.clone_from(&to.from_core);
        rows.add_block(b, &to.own, &mut to.eta);
        // Behind those of the draws.
        let number = to.logs.len();
        to.slopes.resize(to.slopes.len().max(number + 1), vec![]);
        rows.evaluate(b, &to.eta, log_shape, &mut to.slopes[number]) - 0.5 * dot(u, u)
    }

    /// Adds to the natural slope of the core that of a block where its rows have derivatives `d_eta` and its effects are `u`, and follow
    /// the core as their mode does. That these do follow takes most of the noise out of a mean of slopes.
    fn add_slope(&self, b: usize, d_eta: &[f64], u: &[f64], out: &mut [f64]) {
        let plan = &self.constants.plan;
        let block = &plan.blocks[b];
        let (rows, n) = (&plan.rows[block.rows.clone()], u.len());
        let (mut own, mut core) = (vec![0.0; n], vec![0.0; rows.len()]);
        self.constants.rows.pull_back(b, d_eta, &mut own, &mut core);
        self.factors(&plan.nodes[block.nodes.clone()]).transposed_times(&mut own);
        own.iter_mut().zip(u).for_each(|(s, u)| *s -= u);
        small::solve_lower(n, &self.at.roots[block.inner..block.inner + n * n], &mut own);
        for (s, x) in own.iter().enumerate() {
            let vector = &self.at.vectors[block.basis + s * rows.len()..][..rows.len()];
            core.iter_mut().zip(vector).for_each(|(c, v)| *c -= x * v);
        }
        rows.iter().zip(&core).for_each(|(&i, x)| out[i as usize] += x);
    }

    /// Log density of the scales, at the modes of [`Nested::settle`]; with `tilts`, what the weighted slope of the core is beyond that at
    /// the modes of the blocks.
    pub(super) fn weigh(&mut self, tilts: bool) -> f64 {
        let constants = Arc::clone(&self.constants);
        let (plan, core) = (&constants.plan, self.at.core.clone());
        let natural = self.natural_core(&core);
        let (mut value, mut slope, mut at_modes) =
            (self.of_scales() - self.at.log_det, vec![0.0; plan.n_core], vec![0.0; plan.n_core]);
        let (mut to, mut mean, mut noise) = (Weighed::default(), vec![], 0.0);
        for (b, block) in plan.blocks.iter().enumerate().step_by(self.stride) {
            if b % super::newton::BLOCKS == 0 && self.is_cancelled() {
                return f64::NAN;
            }
            let centre = &self.at.lead[block.columns.clone()];
            value += self.weigh_block(b, &natural, centre, self.common_noise(b), &mut to);
            noise += to.noise();
            mean.clear();
            mean.resize(to.eta.len(), 0.0);
            to.own.clear();
            to.own.resize(centre.len(), 0.0);
            for ((w, d), u) in to.weights.iter().zip(&to.slopes).zip(to.draws.chunks_exact(centre.len())) {
                mean.iter_mut().zip(d).for_each(|(m, d)| *m += w * d);
                to.own.iter_mut().zip(u).for_each(|(m, u)| *m += w * u);
            }
            let mean_effects = std::mem::take(&mut to.own);
            self.add_slope(b, &mean, &mean_effects, &mut slope);
            if tilts {
                self.log_at(b, centre, &mut to);
                self.add_slope(b, &to.slopes[to.logs.len()], centre, &mut at_modes);
            }
            to.own = mean_effects;
        }
        self.at.noise = noise;
        if tilts {
            self.at.tilt = slope.iter().zip(&at_modes).map(|(s, m)| s - m).collect();
        }
        value += self.prior_of_core(&core, &natural, &mut slope);
        self.core().solve(&mut slope);
        let n_swept = self.posterior.model.layout.swept.len();
        value + 0.5 * dot(&slope, &slope) - self.core().log_det() + 0.5 * n_swept as f64 * (2.0 * PI).ln()
    }
}
