//! The posterior of the scales of counts whose effects fall into small blocks that meet only through a small core: a gene with its
//! guides, and lines with the coefficients.
//!
//! Given scales and core the blocks are independent. Each has a normal distribution about its conditional mode, and a few draws from that
//! with their ratios, which correct its integral (importance sampling): with `H` minus the second derivatives at the mode `m` of
//! `f(u) = log p(rows | u, core) - u'u / 2`, in standardised effects,
//!
//! ```text
//! log p(rows of the block | core, scales) = log mean_s exp(f(u_s) + z_s'z_s / 2) - log |H| / 2,   u_s = m + H^(-1/2) z_s
//! ```
//!
//! whose slope in the core are the weighted means of the slopes at the draws (Fisher's identity). The core is integrated by Laplace's
//! method about the mode of that sum, which all rows determine closely. The `z_s` are the same at all scales, so that values are smooth.
//!
//! Draws take scales and core from a normal distribution about their modes, and of each block one of its draws by weight. What the
//! distribution of scales and core misses, and what that of each block misses before it is weighed, is in their ratios.

mod draw;
mod newton;
mod ratios;
mod rows;

use crate::collapse::constants::{CoefficientPrior, coefficient_priors, n_products, place};
use crate::collapse::core::{Core, Products};
use crate::collapse::factors::LevelFactors;
use crate::collapse::plan::Plan;
use crate::density::{LogDensity, Posterior};
use crate::rising::Rising;
use crate::settle::assembly::Assembly;
use crate::transport::pieces::Node;
pub use draw::BlocksDrawn;
use newton::At;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use ratios::PAIRS;
use rows::BlockRows;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Scales beyond which their mode is not looked for by values.
const MOST_SCALES: usize = 30;
/// How often the core's mode is moved to where the weighted slopes vanish.
const TILTS: usize = 3;

/// What all positions share.
#[derive(Debug)]
struct NestedConstants {
    plan: Plan,
    products: Products,
    rows: BlockRows,
    priors: Vec<CoefficientPrior>,
    /// Draws of a standard normal distribution for the columns of all blocks, [`PAIRS`] times.
    noise: Vec<f64>,
}

/// Where values begin to look for modes.
#[derive(Debug, Default)]
struct Base {
    /// Natural effects of the blocks, and of the core with the coefficients.
    lead: Vec<f64>,
    core: Vec<f64>,
    /// What the weighted slope of the core is beyond that of the rows at the modes of the blocks, in natural units.
    tilt: Vec<f64>,
    /// Variance that the log density of the scales has from the noise that all positions share.
    noise: f64,
    /// Scales there.
    theta: Vec<f64>,
    /// Derivatives of both in each scale, if they are known.
    slopes: Vec<[Vec<f64>; 2]>,
}

/// The posterior of the scales.
#[derive(Debug, Clone)]
pub struct Nested {
    constants: Arc<NestedConstants>,
    base: Arc<Base>,
    /// Scales of the last position, and the parameters of draws.
    pub posterior: Posterior,
    at: At,
    /// Every so many blocks are there, and terms in `ln Gamma` of their rows where these are not all.
    stride: usize,
    rising: Option<Arc<Rising>>,
    cancel: Arc<AtomicBool>,
}

impl Nested {
    /// About the parameters of `posterior`, whose effects are zero. `None` where rows have no counts of one shape, effects do not fall
    /// into small blocks, or a step would take more than `most` multiplications.
    pub fn new(posterior: Posterior, assembly: &Assembly, most: usize, cancel: &Arc<AtomicBool>) -> Option<Self> {
        let model = &posterior.model;
        let (design, layout) = (&model.design, &model.layout);
        let may_be = !model.family().is_linear()
            && !model.prior_only
            && design.latents.is_empty()
            && !design.has_relations()
            && design.x_disp.ncols() == 0
            && model.shrunken.iter().all(Vec::is_empty)
            && (1..=MOST_SCALES).contains(&layout.n_theta);
        if !may_be {
            return None;
        }
        let (plan, homes) = Plan::of_places(&assembly.incidence, design.terms.len())?;
        let products = Products::of(&plan);
        if n_products(&plan, &products) > most {
            return None;
        }
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let noise = (0..PAIRS * plan.n_lead()).map(|_| StandardNormal.sample(&mut rng)).collect();
        let mut core = vec![0.0; plan.n_core];
        plan.core_nodes.iter().filter(|n| n.level.is_none()).for_each(|n| {
            core[n.first..n.first + n.q].copy_from_slice(&posterior.mapped.swept);
        });
        let base = Base { lead: vec![0.0; plan.n_lead()], core, tilt: vec![0.0; plan.n_core], ..Base::default() };
        let rows = BlockRows::new(model, &plan, &homes, &assembly.node_of);
        let priors = coefficient_priors(model, &posterior.beta, &plan);
        let constants = Arc::new(NestedConstants { products, rows, priors, noise, plan });
        let (posterior, cancel) = (posterior.without_rows(), Arc::clone(cancel));
        Some(Self { constants, base: Arc::new(base), posterior, at: At::default(), stride: 1, rising: None, cancel })
    }

    /// The posterior given every so many blocks alone, which has its mode near for a fraction of the price. `None` where these
    /// cannot be told apart.
    pub fn of_some(&self, stride: usize) -> Option<Self> {
        let rising = Arc::new(self.constants.rows.rising(stride)?);
        Some(Self { stride, rising: Some(rising), ..self.clone() })
    }

    /// Number of blocks, and the level of each with the fewest others of its term: its term and its number there.
    pub fn blocks(&self) -> Vec<(usize, usize)> {
        let (plan, blocks) = (&self.constants.plan, &self.posterior.model.layout.blocks);
        let levels = |nodes: &[Node]| nodes.iter().filter_map(|n| n.level).collect::<Vec<_>>();
        let outermost = |levels: Vec<(usize, usize)>| levels.into_iter().min_by_key(|&(term, _)| blocks[term].n_levels);
        plan.blocks.iter().filter_map(|b| outermost(levels(&plan.nodes[b.nodes.clone()]))).collect()
    }

    /// Values begin from the modes at `theta` from now on. False where there are none, or after a cancel.
    pub fn begin_at(&mut self, theta: &[f64]) -> bool {
        for _ in 0..TILTS {
            if !self.settle(theta) || !self.weigh(true).is_finite() {
                return false;
            }
            let [lead, core] = self.modes();
            let (theta, tilt) = (theta.to_vec(), self.at.tilt.clone());
            self.base = Arc::new(Base { lead, core, tilt, noise: self.at.noise, theta, slopes: vec![] });
        }
        true
    }

    /// Learns how the modes follow the scales, by differences of these widths. False as [`Nested::begin_at`].
    pub fn follow(&mut self, widths: &[f64]) -> bool {
        let theta = self.base.theta.clone();
        let mut slopes = vec![];
        for (j, width) in widths.iter().enumerate() {
            let mut sides = [1.0, -1.0].map(|sign| {
                let mut moved = theta.clone();
                moved[j] += sign * width;
                self.settle(&moved).then(|| self.modes())
            });
            let [Some(up), Some(down)] = [sides[0].take(), sides[1].take()] else { return false };
            let slope = |at: usize| up[at].iter().zip(&down[at]).map(|(u, d)| (u - d) / (2.0 * width)).collect();
            slopes.push([slope(0), slope(1)]);
        }
        let Base { lead, core, tilt, noise, .. } = &*self.base;
        self.base =
            Arc::new(Base { lead: lead.clone(), core: core.clone(), tilt: tilt.clone(), noise: *noise, theta, slopes });
        true
    }

    /// Variance of the log density of the scales over other draws of the blocks, at the last modes from which values begin.
    pub fn noise(&self) -> f64 {
        self.base.noise
    }

    /// Natural effects of blocks and core at the last modes.
    fn modes(&self) -> [Vec<f64>; 2] {
        let mut lead = self.at.lead.clone();
        self.factors(&self.constants.plan.nodes).times(&mut lead);
        [lead, self.natural_core(&self.at.core)]
    }

    fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    fn factors<'a>(&'a self, nodes: &'a [Node]) -> LevelFactors<'a> {
        LevelFactors { scales: &self.posterior.scales, layout: &self.posterior.model.layout, nodes }
    }

    /// Natural effects and coefficients of the core.
    fn natural_core(&self, core: &[f64]) -> Vec<f64> {
        let mut natural = core.to_vec();
        self.factors(&self.constants.plan.core_nodes).times(&mut natural);
        natural
    }

    fn log_shape(&self) -> f64 {
        self.posterior.scales.dispersion.first().copied().unwrap_or(0.0)
    }

    /// What the log density has of the core alone, its coefficients being set from natural values; adds its slope in `slope`, which has
    /// that of the rows in natural units, and turns it to the core's coordinates.
    fn prior_of_core(&mut self, core: &[f64], natural: &[f64], slope: &mut [f64]) -> f64 {
        let constants = Arc::clone(&self.constants);
        let nodes = &constants.plan.core_nodes;
        self.factors(nodes).transposed_times(slope);
        let Posterior { model, beta, .. } = &mut self.posterior;
        let (mut value, mut d_beta) = (0.0, vec![0.0; beta.len()]);
        for node in nodes {
            let own = node.first..node.first + node.q;
            match node.level {
                Some(_) => own.for_each(|i| {
                    value -= 0.5 * core[i] * core[i];
                    slope[i] -= core[i];
                }),
                None => model.layout.swept.iter().zip(own).for_each(|(&j, i)| beta[j] = natural[i]),
            }
        }
        value += model.coefficient_prior(beta, &mut d_beta);
        for node in nodes.iter().filter(|n| n.level.is_none()) {
            model.layout.swept.iter().zip(node.first..).for_each(|(&j, i)| slope[i] += d_beta[j]);
        }
        value
    }

    /// What the log density has of the scales alone.
    fn of_scales(&self) -> f64 {
        let scales = &self.posterior.scales;
        let mut unused = vec![0.0; scales.dispersion.len()];
        let common = match &self.rising {
            Some(rising) if rising.is_empty() => 0.0,
            Some(rising) => rising.evaluate(self.log_shape().exp()).0,
            None => self.posterior.model.likelihood.common(&scales.dispersion, &mut unused),
        };
        common + scales.lprior + scales.log_jacobian
    }

    /// Natural values to where draws have them.
    fn place(&mut self, nodes: &[Node], x: &[f64]) {
        let Posterior { model, mapped, .. } = &mut self.posterior;
        place(None, &model.layout, nodes, x, mapped);
    }

    /// Memory for a core.
    fn empty_core(&self) -> Core {
        Core::new(self.constants.plan.n_core)
    }
}

impl LogDensity for Nested {
    fn dim(&self) -> usize {
        self.posterior.model.layout.n_theta
    }

    /// Nobody asks for its gradient.
    fn evaluate(&mut self, theta: &[f64], gradient: &mut [f64]) -> f64 {
        gradient.fill(f64::NAN);
        self.value(theta)
    }

    fn value(&mut self, theta: &[f64]) -> f64 {
        if self.settle(theta) { self.weigh(false) } else { f64::NAN }
    }
}
