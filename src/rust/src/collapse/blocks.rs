//! A collapsed model by blocks ([`super::plan`]): the same conditional Gaussian as that of the joint transport, from what the data
//! say about a fixed centre, without its pattern and without derivatives.
//!
//! With `u` the standardised effects and the coefficients less their centre, `L` the factors of the effects, `g` the score at the centre and
//! `k = (sigma_0 / sigma)^2`, the log density is `c + v'u - u'Gu / 2`, `G = S + k L'AL`, `v = k L'g` and the slope of the
//! coefficients' prior. With `G = RR'` its integral over `u` is `c + |R^-1 v|^2 / 2 - log |R|`, up to a constant. Of a block
//!
//! ```text
//! R_b R_b' = I + k L_b' A_bb L_b,   W = k R_b^-1 L_b' M,   C = S_c + L_c' (k A_cc - sum V W'W V') L_c
//! ```
//!
//! `C` being what is left for the core: blocks cost their size, and the core as many products as there are vectors in `V`.

use super::constants::{BlockConstants, coefficient_priors, n_products};
use super::core::{Core, Products};
use super::cost::{of_draw, of_value};
use super::factors::{CoreScales, LevelFactors};
use super::innermost::Innermost;
use super::layers::combine;
use super::plan::{LevelBlock, Plan};
use super::values::BlockValues;
use super::{has_sums, may_collapse};
use crate::compress::gaussian::GaussianSums;
use crate::density::{LogDensity, Posterior};
use crate::draws::Draw;
use crate::kernels::dot;
use crate::settle::assembly::Assembly;
use crate::transport::pieces::Node;
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use std::f64::consts::PI;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Half-width of differences of values.
const DIFFERENCE: f64 = 1e-3;

/// The posterior of the scale parameters.
#[derive(Debug, Clone)]
pub struct Blocked {
    pub(super) constants: Arc<BlockConstants>,
    /// Scales of the last position, and the parameters of draws.
    pub posterior: Posterior,
    pub(super) core: Core,
    pub(super) at: BlockValues,
    /// Value and `log |R|` at the last position.
    value: f64,
    log_det: f64,
    pub(super) cancel: Arc<AtomicBool>,
}

impl Blocked {
    /// About the parameters of the last evaluation of `posterior` by its rows, whose effects are zero. `None` where effects cannot be
    /// integrated out, or do not fall into small blocks, or a value would take more than `most` multiplications. Leaves the job after a
    /// cancel; values are given up then, and are not numbers.
    pub fn new(posterior: Posterior, assembly: &Assembly, most: usize, cancel: &Arc<AtomicBool>) -> Option<Self> {
        if !may_collapse(&posterior.model) || !has_sums(&posterior.model) {
            return None;
        }
        let posterior = posterior.without_rows();
        let sums = assembly.all_sums(&posterior, cancel);
        let scale_of = |term: usize, level: usize| posterior.scales.places(term, level).start;
        let plan = Plan::new(&sums, posterior.model.design.terms.len(), &scale_of, cancel)?;
        let products = Products::of(&plan);
        if n_products(&plan, &products) > most {
            return None;
        }
        let GaussianSums { at_centre, squares, n, log_sigma, .. } = sums;
        let (model, beta) = (&posterior.model, &posterior.beta);
        let mut d_beta = vec![0.0; beta.len()];
        let prior = model.coefficient_prior(beta, &mut d_beta);
        let constant = 0.5 * model.layout.n_effects as f64 * (2.0 * PI).ln();
        let (core, at) = (Core::new(plan.n_core), BlockValues::new(&plan));
        let constants = BlockConstants {
            products,
            at_centre: at_centre + prior - constant + model.half_log_det,
            squares,
            n,
            log_sigma,
            centre: posterior.mapped.swept.clone(),
            priors: coefficient_priors(model, beta, &plan),
            plan,
        };
        let constants = Arc::new(constants);
        Some(Self { constants, posterior, core, at, value: f64::NAN, log_det: f64::NAN, cancel: Arc::clone(cancel) })
    }

    /// Rounding of the squares about the centre, and of what is left where levels are integrated out before, at the last position and at
    /// the centre's sigma, in units of log density.
    pub fn rounding(&self) -> f64 {
        let (k, plan) = (self.k(), &self.constants.plan);
        let n = (plan.n_lead() + plan.n_core) as f64;
        let of_innermost = plan.innermost.as_ref().map_or(0.0, |x| n * x.most_lost(&self.posterior.scales, k));
        (k.max(1.0) * self.constants.squares + of_innermost) * f64::EPSILON
    }

    /// Seconds of a value, and of a draw among many, as they are on one machine.
    pub fn seconds(&self) -> [f64; 2] {
        let BlockConstants { plan, products, .. } = &*self.constants;
        [of_value(plan, products), of_draw(plan)]
    }

    /// Multiplications of a value; those of dense products count for what they cost beside the others.
    pub fn n_products(&self) -> usize {
        n_products(&self.constants.plan, &self.constants.products)
    }

    /// Levels that are integrated out before blocks.
    pub fn n_before(&self) -> usize {
        self.constants.plan.innermost.as_ref().map_or(0, Innermost::len)
    }

    fn k(&self) -> f64 {
        self.constants.of_sigma(&self.posterior.scales).1
    }

    /// Sets all to the scales in `posterior`.
    fn factor(&mut self) {
        let (constants, k) = (Arc::clone(&self.constants), self.k());
        let times = constants.times(&self.posterior.scales);
        let BlockConstants { plan, products, .. } = &*constants;
        let (scales, layout) = (&self.posterior.scales, &self.posterior.model.layout);
        let of_core = LevelFactors { scales, layout, nodes: &plan.core_nodes };
        combine(&times, &plan.score[1], &mut self.at.t_core);
        self.at.t_core.iter_mut().for_each(|t| *t *= k);
        let core = CoreScales::new(plan, of_core);
        let of_block = |block: &LevelBlock| {
            let factors = of_core.of(&plan.nodes[block.nodes.clone()]);
            self.at.factor_block(plan, block, &factors, &core, (k, &times))
        };
        self.log_det = plan.blocks.iter().map(of_block).sum();
        self.core.clear();
        constants.add_core(&mut self.core, &of_core, (k, &times));
        self.core.subtract(plan, products, &self.at.vectors, &self.cancel);
        of_core.transposed_times(&mut self.at.t_core);
        constants.add_priors(&mut self.core, &mut self.at.t_core, &of_core);
        if !self.core.factor(&self.cancel) {
            self.value = f64::NAN;
            return;
        }
        self.core.solve(&mut self.at.t_core);
        self.log_det += self.core.log_det() + plan.innermost.as_ref().map_or(0.0, |x| x.log_det(scales, k));
        let squares = dot(&self.at.own.t, &self.at.own.t) + dot(&self.at.t_core, &self.at.t_core);
        self.value = constants.at_scales(scales) + 0.5 * squares - self.log_det;
    }
}

impl LogDensity for Blocked {
    fn dim(&self) -> usize {
        self.posterior.model.layout.n_theta
    }

    /// By differences of values, which cost less than derivatives where there are few scales.
    fn evaluate(&mut self, position: &[f64], gradient: &mut [f64]) -> f64 {
        let mut x = position.to_vec();
        for (j, d) in gradient.iter_mut().enumerate() {
            let [up, down] = [DIFFERENCE, -DIFFERENCE].map(|h| {
                x[j] = position[j] + h;
                self.value(&x)
            });
            x[j] = position[j];
            *d = (up - down) / (2.0 * DIFFERENCE);
        }
        self.value(position)
    }

    fn value(&mut self, position: &[f64]) -> f64 {
        self.posterior.model.scale_priors.evaluate(position, &mut self.posterior.scales);
        self.factor();
        self.value
    }

    fn log_constant(&self) -> f64 {
        let plan = &self.constants.plan;
        let n = plan.n_lead() + plan.n_core + self.n_before();
        0.5 * n as f64 * (2.0 * PI).ln()
    }
}

impl Draw for Blocked {
    const IS_PARTIAL: bool = true;

    fn complete<R: Rng>(&mut self, rng: &mut R) {
        let (constants, model, k) = (Arc::clone(&self.constants), Arc::clone(&self.posterior.model), self.k());
        let (plan, layout) = (&constants.plan, &model.layout);
        let mut squares = 0.0;
        let mut standard = |x: &mut [f64]| {
            for x in x {
                *x = StandardNormal.sample(rng);
                squares += *x * *x;
            }
        };
        let mut core = vec![0.0; plan.n_core];
        standard(&mut core);
        core.iter_mut().zip(&self.at.t_core).for_each(|(x, t)| *x += t);
        self.core.solve_transposed(&mut core);
        let Posterior { scales, mapped, .. } = &mut self.posterior;
        let factors = LevelFactors { scales, layout, nodes: &plan.core_nodes };
        factors.times(&mut core);
        let mut place = |nodes: &[Node], x: &[f64]| constants.place(layout, nodes, x, mapped);
        place(&plan.core_nodes, &core);
        let mut lead = vec![0.0; plan.n_lead()];
        for block in &plan.blocks {
            let own = &mut lead[block.columns.clone()];
            standard(own);
            self.at.draw_block(plan, block, &core, own);
            let nodes = &plan.nodes[block.nodes.clone()];
            factors.of(nodes).times(own);
            place(nodes, own);
        }
        if let Some(innermost) = &plan.innermost {
            squares += innermost.draw((layout, scales, k), [&lead, &core], || StandardNormal.sample(rng), mapped);
        }
        self.posterior.take_parameters(self.value - 0.5 * squares + self.log_det);
    }

    fn posterior(&self) -> &Posterior {
        &self.posterior
    }
}
