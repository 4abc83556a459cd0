//! Draws of core and blocks at given scales.

use super::Nested;
use super::ratios::{PAIRS, Weighed};
use crate::density::Posterior;
use crate::kernels::dot;
use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};
use std::f64::consts::PI;
use std::sync::Arc;

/// What a draw misses before it is weighed.
#[derive(Debug, Default)]
pub struct BlocksDrawn {
    /// Log of the density of scales and core over that of the core's proposal.
    pub log_ratio: f64,
    /// Of each block, the log of density over proposal of one draw, over that at the mode.
    pub of_blocks: Vec<f64>,
}

impl Nested {
    /// A draw at scales, which leaves it in `posterior`. `None` where there is none, or after a cancel.
    pub fn draw<R: Rng>(&mut self, theta: &[f64], rng: &mut R) -> Option<BlocksDrawn> {
        if !self.settle(theta) {
            return None;
        }
        let constants = Arc::clone(&self.constants);
        let plan = &constants.plan;
        let normal = |rng: &mut R| <StandardNormal as Distribution<f64>>::sample(&StandardNormal, rng);
        let mut moved: Vec<f64> = (0..plan.n_core).map(|_| normal(rng)).collect();
        let log_q = self.core().log_det() - 0.5 * (dot(&moved, &moved) + plan.n_core as f64 * (2.0 * PI).ln());
        self.core().solve_transposed(&mut moved);
        let step = self.natural_core(&moved);
        let core: Vec<f64> = self.at.core.iter().zip(&moved).map(|(x, m)| x + m).collect();
        let natural = self.natural_core(&core);
        self.place(&plan.core_nodes, &natural);
        let n_effects = self.posterior.model.layout.n_effects;
        let n_levels = n_effects - plan.n_lead();
        let prior = self.prior_of_core(&core, &natural, &mut vec![0.0; plan.n_core]) + self.of_scales();
        let log_normal = 0.5 * (2.0 * PI).ln();
        let mut drawn = BlocksDrawn {
            log_ratio: prior - n_levels as f64 * log_normal - self.at.log_det - log_q,
            of_blocks: Vec::with_capacity(plan.blocks.len()),
        };
        let mut lp = prior - n_effects as f64 * log_normal;
        let (mut to, mut centre, mut noise) = (Weighed::default(), vec![], vec![]);
        for (b, block) in plan.blocks.iter().enumerate() {
            if b % super::newton::BLOCKS == 0 && self.is_cancelled() {
                return None;
            }
            let n = block.columns.len();
            centre.clear();
            centre.resize(n, 0.0);
            self.follow_core(b, &step, &mut centre);
            centre.iter_mut().zip(&self.at.lead[block.columns.clone()]).for_each(|(c, u)| *c += u);
            noise.clear();
            noise.extend((0..PAIRS * n).map(|_| normal(rng)));
            // Noise that all draws share makes no noise between them, and its own draws would be few.
            drawn.log_ratio += self.weigh_block(b, &natural, &centre, self.common_noise(b), &mut to);
            self.weigh_block(b, &natural, &centre, noise.chunks_exact(n), &mut to);
            let at_centre = self.log_at(b, &centre, &mut to);
            drawn.of_blocks.push(to.logs[0] - at_centre);
            let number = one_of(&to.weights, rng);
            let own = &mut to.draws[number * n..(number + 1) * n];
            lp += to.of_rows[number] - 0.5 * dot(own, own);
            let nodes = &plan.nodes[block.nodes.clone()];
            self.factors(nodes).times(own);
            self.place(nodes, own);
        }
        self.posterior.take_parameters(lp);
        Some(drawn)
    }

    /// The posterior of the last draw.
    pub fn drawn(&self) -> &Posterior {
        &self.posterior
    }
}

/// A number drawn by weights that sum to 1.
fn one_of<R: Rng>(weights: &[f64], rng: &mut R) -> usize {
    let mut left: f64 = rng.random();
    let found = weights.iter().position(|w| {
        left -= w;
        left < 0.0
    });
    found.unwrap_or(weights.len() - 1)
}
