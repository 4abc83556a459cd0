//! What all positions of a model by blocks share: what the data and the priors of coefficients say about a centre.

use super::core::{Core, Products};
use super::factors::LevelFactors;
use super::layers::combine;
use super::plan::{LevelBlock, Plan};
use crate::density::Model;
use crate::layout::{Layout, Source};
use crate::linalg::dense::DENSE_PER_SPARSE;
use crate::scales::Scales;
use crate::transport::Mapped;
use crate::transport::pieces::Node;
use faer::Mat;

/// What all positions share.
#[derive(Debug)]
pub struct BlockConstants {
    /// Blocks and core.
    pub plan: Plan,
    /// How the blocks' vectors are multiplied.
    pub products: Products,
    /// Log density at the centre when `sigma = sigma_0`, but for what the scales add.
    pub at_centre: f64,
    /// Weighted squares of the residuals there, over `sigma_0^2`.
    pub squares: f64,
    /// Sum of the weights.
    pub n: f64,
    /// Log of `sigma_0`; `None` where sigma is known.
    pub log_sigma: Option<f64>,
    /// Centre of the swept coefficients.
    pub centre: Vec<f64>,
    /// Of them.
    pub priors: Vec<CoefficientPrior>,
}

/// The prior of a sum of coefficients, among them those under a horseshoe.
#[derive(Debug)]
pub struct CoefficientPrior {
    /// Of the sum.
    pub precision: f64,
    /// Of its log at the centre.
    pub slope: f64,
    /// Derivative of the sum in the core's columns.
    pub direction: Vec<f64>,
}

impl CoefficientPrior {
    /// Adds its precision to the lower half of a core's matrix, where levels have their natural effects.
    pub fn add_precision(&self, matrix: &mut Mat<f64>) {
        for (i, x) in self.direction.iter().enumerate().filter(|(_, x)| **x != 0.0) {
            (0..=i).for_each(|j| matrix[(i, j)] += self.precision * x * self.direction[j]);
        }
    }
}

impl BlockConstants {
    /// `log(sigma / sigma_0)` at scales, and `k`.
    pub fn of_sigma(&self, scales: &Scales) -> (f64, f64) {
        let log_ratio = scales.dispersion.first().zip(self.log_sigma).map_or(0.0, |(s, s0)| s - s0);
        (log_ratio, (-2.0 * log_ratio).exp())
    }

    /// Log density at the centre at other scales, their priors included.
    pub fn at_scales(&self, scales: &Scales) -> f64 {
        let (log_ratio, k) = self.of_sigma(scales);
        let of_rows = self.at_centre - self.n * log_ratio - 0.5 * (k - 1.0) * self.squares;
        let of_innermost = self.plan.innermost.as_ref().map_or(0.0, |x| x.squares(scales, k));
        of_rows + of_innermost + scales.lprior + scales.log_jacobian
    }

    /// How often each layer of what the data say counts at scales.
    pub fn times(&self, scales: &Scales) -> Vec<f64> {
        let k = self.of_sigma(scales).1;
        std::iter::once(1.0).chain(self.plan.innermost.iter().flat_map(|x| x.times(scales, k))).collect()
    }

    /// Natural effects, and coefficients less their centre, to where draws have them.
    pub fn place(&self, layout: &Layout, nodes: &[Node], x: &[f64], mapped: &mut Mapped) {
        place(Some(&self.centre), layout, nodes, x, mapped);
    }

    /// Adds `S_c + k L_c' A_cc L_c`.
    pub fn add_core(&self, core: &mut Core, factors: &LevelFactors, (k, times): (f64, &[f64])) {
        let (plan, mut own) = (&self.plan, vec![]);
        for piece in &plan.core_pieces {
            let [i, j] = [piece.i(), piece.j()].map(|node| &plan.core_nodes[node]);
            let factors = [i, j].map(|node| factors.of(std::slice::from_ref(node)));
            own.resize(i.q * j.q, 0.0);
            combine(times, &plan.core[piece.at() * times.len()..], &mut own);
            own.iter_mut().for_each(|x| *x *= k);
            own.chunks_exact_mut(j.q).for_each(|row| factors[1].transposed_times(row));
            let mut column = vec![0.0; i.q];
            for b in 0..j.q {
                (0..i.q).for_each(|a| column[a] = own[a * j.q + b]);
                factors[0].transposed_times(&mut column);
                for (a, x) in column.iter().enumerate() {
                    let (row, column) = (i.first + a, j.first + b);
                    // A level's own piece has both halves.
                    if row >= column || piece.i() != piece.j() {
                        core.matrix[(row.max(column), row.min(column))] += x;
                    }
                }
            }
        }
        let effects = plan.core_nodes.iter().filter(|n| n.level.is_some()).flat_map(|n| n.first..n.first + n.q);
        effects.for_each(|j| core.matrix[(j, j)] += 1.0);
    }

    /// Adds what the priors of the coefficients say.
    pub fn add_priors(&self, core: &mut Core, t: &mut [f64], factors: &LevelFactors) {
        for prior in &self.priors {
            let mut direction = prior.direction.clone();
            factors.transposed_times(&mut direction);
            let met: Vec<(usize, f64)> = direction.into_iter().enumerate().filter(|(_, d)| *d != 0.0).collect();
            for (at, &(i, x)) in met.iter().enumerate() {
                t[i] += prior.slope * x;
                met[..=at].iter().for_each(|&(j, y)| core.matrix[(i, j)] += prior.precision * x * y);
            }
        }
    }
}

/// Natural effects, and coefficients less their centre if there is one, to where draws have them.
pub fn place(centre: Option<&[f64]>, layout: &Layout, nodes: &[Node], x: &[f64], mapped: &mut Mapped) {
    let mut at = 0;
    for node in nodes {
        let own = &x[at..at + node.q];
        at += node.q;
        match node.first_effect(layout) {
            Some(e) => mapped.effects[e..e + node.q].copy_from_slice(own),
            None => (0..node.q).for_each(|i| mapped.swept[i] = centre.map_or(0.0, |c| c[i]) + own[i]),
        }
    }
}

/// Priors of the swept coefficients about `beta`.
pub fn coefficient_priors(model: &Model, beta: &[f64], plan: &Plan) -> Vec<CoefficientPrior> {
    let layout = &model.layout;
    let mut column = vec![None; beta.len()];
    for node in &plan.core_nodes {
        match node.level {
            None => layout.swept.iter().enumerate().for_each(|(i, &j)| column[j] = Some(node.first + i)),
            Some((block, level)) => {
                if let Source::Horseshoe(h) = layout.blocks[block].source {
                    column[model.shrunken[h][level]] = Some(node.first);
                }
            }
        }
    }
    let of = |&j: &usize| {
        let (prior, mut direction) = (&model.coefficient_priors[j], vec![0.0; plan.n_core]);
        let mut add = |j: usize, x: f64| column[j].into_iter().for_each(|at| direction[at] += x);
        add(j, 1.0);
        let centred = model.intercept.as_ref().filter(|i| i.column == j);
        centred.into_iter().for_each(|i| i.centre.iter().enumerate().for_each(|(j, &c)| add(j, c)));
        let [_, slope] = prior.log_density(model.prior_argument(j, beta));
        CoefficientPrior { precision: prior.precision(), slope, direction }
    };
    layout.swept.iter().map(of).collect()
}

/// Multiplications of a value; those of dense products count for what they cost beside the others.
pub fn n_products(plan: &Plan, products: &Products) -> usize {
    let of_block = |b: &LevelBlock| {
        let (n, r, length) = (b.columns.len(), b.vectors.len(), b.rows.len());
        n * n * n / 6 + n * n * r + b.n_subtracted() * (r + 1) * length
    };
    let n = plan.n_core;
    plan.blocks.iter().map(of_block).sum::<usize>() + products.n_products(plan) + n * n * n / 6 / DENSE_PER_SPARSE
}
