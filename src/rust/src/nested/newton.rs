//! Modes of blocks and core at given scales, by Newton steps that blocks share through the core.

use super::Nested;
use super::rows::Sums;
use crate::collapse::core::Core;
use crate::collapse::factors::LevelFactors;
use crate::collapse::values::block_root;
use crate::kernels::dot;
use crate::transport::small;
use faer::Mat;
use std::sync::Arc;

/// Steps at most.
const STEPS: usize = 60;
/// A step that promised less ends them: in units of log density, and more of them for each column. It is taken, and squares that.
const SMALLEST_GAIN: [f64; 2] = [1e-3, 1e-3];
/// Loss, relative to the value, that is rounding.
const ROUNDING: f64 = 1e-12;
/// Share of a step that is taken where the whole of it loses.
const SHORTER: f64 = 0.4;
/// Blocks between two looks at a cancel.
pub const BLOCKS: usize = 64;

/// Numbers at the last position; a copy has none before it is used.
#[derive(Debug, Default)]
pub struct At {
    /// Standardised effects of the blocks, and of the core with the coefficients.
    pub lead: Vec<f64>,
    pub core: Vec<f64>,
    /// `R_b`, with `R_b R_b'` minus the second derivatives in a block.
    pub roots: Vec<f64>,
    /// `U = R_b^-1 L_b' A_bc`, the core in natural units.
    pub vectors: Vec<f64>,
    /// Factor of what is left for the core.
    pub matrix: Option<Core>,
    /// `log |R_b|` of all blocks.
    pub log_det: f64,
    /// As that of the base, where it was asked for.
    pub tilt: Vec<f64>,
    /// Variance of the sum of the blocks' log integrals over other noise.
    pub noise: f64,
    /// `R^-1` times the slope.
    t: Vec<f64>,
    t_core: Vec<f64>,
    /// The step from the last position.
    step: Vec<f64>,
    step_core: Vec<f64>,
}

impl Clone for At {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Nested {
    /// Goes to the modes at scales; false where there are none, or after a cancel.
    pub(super) fn settle(&mut self, theta: &[f64]) -> bool {
        self.posterior.model.scale_priors.evaluate(theta, &mut self.posterior.scales);
        self.begin(theta);
        let (mut last, mut share) = (f64::NEG_INFINITY, 0.0);
        for _ in 0..STEPS {
            let (value, promised) = self.factor();
            if self.is_cancelled() {
                return false;
            }
            let is_up = value >= last - ROUNDING * last.abs();
            if value.is_finite() && is_up && promised.is_finite() {
                (last, share) = (value, 1.0);
                self.take_step();
                self.advance(share);
                let n_columns = self.at.lead.len() + self.at.core.len();
                if promised < SMALLEST_GAIN[0] + SMALLEST_GAIN[1] * n_columns as f64 {
                    return true;
                }
            } else if share == 0.0 {
                return false;
            } else {
                self.advance((SHORTER - 1.0) * share);
                share *= SHORTER;
            }
        }
        false
    }

    /// From the natural effects that the base has for these scales.
    fn begin(&mut self, theta: &[f64]) {
        let (constants, base) = (Arc::clone(&self.constants), Arc::clone(&self.base));
        let plan = &constants.plan;
        let standardised = |nodes, natural: &[f64], which: usize| {
            let mut x = natural.to_vec();
            for ((slopes, to), from) in base.slopes.iter().zip(theta).zip(&base.theta) {
                x.iter_mut().zip(&slopes[which]).for_each(|(x, slope)| *x += (to - from) * slope);
            }
            self.factors(nodes).solve(&mut x);
            x.iter_mut().filter(|x| !x.is_finite()).for_each(|x| *x = 0.0);
            x
        };
        (self.at.lead, self.at.core) =
            (standardised(&plan.nodes, &base.lead, 0), standardised(&plan.core_nodes, &base.core, 1));
        self.at.roots.resize(plan.inner.len(), 0.0);
        self.at.vectors.resize(plan.basis.len(), 0.0);
        self.at.t.resize(plan.n_lead(), 0.0);
        self.at.matrix.get_or_insert_with(|| Core::new(plan.n_core));
    }

    /// Factors at the present position. Returns its log density, but for what is the same at all positions of these scales, and the gain
    /// that the step promises.
    fn factor(&mut self) -> (f64, f64) {
        let (constants, base, mut at) =
            (Arc::clone(&self.constants), Arc::clone(&self.base), std::mem::take(&mut self.at));
        let (plan, natural) = (&constants.plan, self.natural_core(&at.core));
        let of_core = self.factors(&plan.core_nodes);
        let mut matrix = at.matrix.take().unwrap_or_else(|| self.empty_core());
        matrix.clear();
        let (mut value, mut slope) = (dot(&base.tilt, &natural) - 0.5 * dot(&at.lead, &at.lead), base.tilt.clone());
        let mut of_core_alone = vec![0.0; plan.n_core * plan.n_core];
        let (mut sums, mut own, mut met, log_shape) = (Sums::default(), vec![], vec![], self.log_shape());
        at.log_det = 0.0;
        for (b, block) in plan.blocks.iter().enumerate().step_by(self.stride) {
            if b % BLOCKS == 0 && self.is_cancelled() {
                break;
            }
            let (rows, n) = (&plan.rows[block.rows.clone()], block.columns.len());
            let factors = of_core.of(&plan.nodes[block.nodes.clone()]);
            met.clear();
            met.extend(rows.iter().map(|&i| natural[i as usize]));
            constants.rows.set_core(b, &met, &mut sums.eta);
            own.clear();
            own.extend_from_slice(&at.lead[block.columns.clone()]);
            factors.times(&mut own);
            constants.rows.add_block(b, &own, &mut sums.eta);
            value += constants.rows.evaluate(b, &sums.eta, log_shape, &mut sums.d_eta);
            constants.rows.sum(b, plan, log_shape, &mut sums, &mut of_core_alone);
            let root = &mut at.roots[block.inner..block.inner + n * n];
            root.copy_from_slice(&sums.inner);
            at.log_det += block_root(n, root, &factors, 1.0);
            let t = &mut at.t[block.columns.clone()];
            t.copy_from_slice(&sums.slope);
            factors.transposed_times(t);
            t.iter_mut().zip(&at.lead[block.columns.clone()]).for_each(|(t, u)| *t -= u);
            small::solve_lower(n, root, t);
            for (at_row, (x, &i)) in sums.cross.chunks_exact_mut(n).zip(rows).enumerate() {
                factors.transposed_times(x);
                small::solve_lower(n, root, x);
                slope[i as usize] += sums.slope_core[at_row] - x.iter().zip(&*t).map(|(x, t)| x * t).sum::<f64>();
                (0..n).for_each(|s| at.vectors[block.basis + s * rows.len() + at_row] = x[s]);
            }
        }
        for (j, column) in of_core_alone.chunks_exact(plan.n_core.max(1)).enumerate() {
            matrix.matrix.col_as_slice_mut(j).copy_from_slice(column);
        }
        matrix.subtract(plan, &constants.products, &at.vectors, &self.cancel);
        scale_core(&mut matrix.matrix, &of_core);
        for node in plan.core_nodes.iter().filter(|n| n.level.is_some()) {
            (node.first..node.first + node.q).for_each(|i| matrix.matrix[(i, i)] += 1.0);
        }
        constants.priors.iter().for_each(|prior| prior.add_precision(&mut matrix.matrix));
        value += self.prior_of_core(&at.core, &natural, &mut slope);
        let has_factor = matrix.factor(&self.cancel);
        matrix.solve(&mut slope);
        let promised = 0.5 * (dot(&at.t, &at.t) + dot(&slope, &slope));
        (at.t_core, at.matrix) = (slope, Some(matrix));
        self.at = at;
        (value, if has_factor { promised } else { f64::NAN })
    }

    /// Newton's step from the present position.
    fn take_step(&mut self) {
        let constants = Arc::clone(&self.constants);
        let mut step = self.at.t_core.clone();
        self.core().solve_transposed(&mut step);
        let natural = self.natural_core(&step);
        self.at.step_core = step;
        let mut lead = std::mem::take(&mut self.at.step);
        lead.clone_from(&self.at.t);
        for b in (0..constants.plan.blocks.len()).step_by(self.stride) {
            self.follow_core(b, &natural, &mut lead[constants.plan.blocks[b].columns.clone()]);
        }
        self.at.step = lead;
    }

    /// `R_b^-T (x - U c)`: where a block goes with the core, `c` being natural.
    pub(super) fn follow_core(&self, b: usize, core: &[f64], x: &mut [f64]) {
        let plan = &self.constants.plan;
        let block = &plan.blocks[b];
        let (rows, n) = (&plan.rows[block.rows.clone()], block.columns.len());
        for (s, x) in x.iter_mut().enumerate() {
            let vector = &self.at.vectors[block.basis + s * rows.len()..][..rows.len()];
            *x -= rows.iter().zip(vector).map(|(&i, v)| core[i as usize] * v).sum::<f64>();
        }
        small::solve_lower_transposed(n, &self.at.roots[block.inner..block.inner + n * n], x);
    }

    pub(super) fn core(&self) -> &Core {
        self.at.matrix.as_ref().expect("a factor is there")
    }

    fn advance(&mut self, share: f64) {
        let at = &mut self.at;
        for (x, step) in [(&mut at.lead, &at.step), (&mut at.core, &at.step_core)] {
            x.iter_mut().zip(step).for_each(|(x, s)| *x += share * s);
        }
    }
}

/// `X <- L'X L`, of which the lower half is there.
fn scale_core(matrix: &mut Mat<f64>, factors: &LevelFactors) {
    let n = matrix.ncols();
    for j in 0..n {
        (0..j).for_each(|i| matrix[(i, j)] = matrix[(j, i)]);
    }
    factors.transposed_times_columns(matrix);
    *matrix = matrix.transpose().to_owned();
    factors.transposed_times_columns(matrix);
}
