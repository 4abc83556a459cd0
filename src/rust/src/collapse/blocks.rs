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

use super::core::{Core, DENSE_PER_SPARSE, Products};
use super::may_collapse;
use super::plan::{Block, Plan};
use crate::compress::gaussian::GaussianSums;
use crate::density::{LogDensity, Model, Posterior};
use crate::draws::Draw;
use crate::kernels::dot;
use crate::layout::{Layout, Source};
use crate::scales::Scales;
use crate::settle::assembly::Assembly;
use crate::transport::pieces::Node;
use crate::transport::small;
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use std::f64::consts::PI;
use std::sync::Arc;

/// Half-width of differences of values.
const DIFFERENCE: f64 = 1e-3;

/// What all positions share.
#[derive(Debug)]
struct Constants {
    plan: Plan,
    products: Products,
    /// Log density at the centre when `sigma = sigma_0`, but for what the scales add.
    at_centre: f64,
    squares: f64,
    n: f64,
    log_sigma: Option<f64>,
    /// Centre of the swept coefficients.
    centre: Vec<f64>,
    priors: Vec<CoefficientPrior>,
}

/// The prior of a sum of coefficients, among them those under a horseshoe.
#[derive(Debug)]
struct CoefficientPrior {
    precision: f64,
    /// Of its log at the centre.
    slope: f64,
    /// Derivative of the sum in the core's columns.
    direction: Vec<f64>,
}

/// The posterior of the scale parameters.
#[derive(Debug, Clone)]
pub struct Blocked {
    constants: Arc<Constants>,
    /// Scales of the last position, and the parameters of draws.
    posterior: Posterior,
    core: Core,
    at: Values,
    /// Value and `log |R|` at the last position.
    value: f64,
    log_det: f64,
}

/// Numbers at one position, in the order of the plan.
#[derive(Debug, Clone)]
struct Values {
    /// `R_b`.
    roots: Vec<f64>,
    /// `W'`.
    w: Vec<f64>,
    /// `U'`, with `UU'` all that blocks subtract from the core.
    vectors: Vec<f64>,
    /// `R^-1 v`, of the blocks and of the core.
    t: Vec<f64>,
    t_core: Vec<f64>,
    /// Of a block, `W'W` and `W'R_b^-1 v_b`.
    gram: Vec<f64>,
    along: Vec<f64>,
}

/// Factors of levels, one after the other.
struct Factors<'a> {
    scales: &'a Scales,
    layout: &'a Layout,
    nodes: &'a [Node],
}

impl Factors<'_> {
    /// Calls `each` with the factor of a level, if it is one, and its place in `x`.
    fn each<'x>(&self, x: &'x mut [f64], mut each: impl FnMut(usize, &[f64], &mut [f64])) {
        let mut rest = x;
        for node in self.nodes {
            let (own, after) = rest.split_at_mut(node.q);
            if let Some((block, level)) = node.level {
                each(node.q, self.scales.factor_of(self.layout.blocks[block].source, level), own);
            }
            rest = after;
        }
    }

    /// `x <- L'x`.
    fn transposed_times(&self, x: &mut [f64]) {
        self.each(x, |q, l, x| (0..q).for_each(|i| x[i] = (i..q).map(|k| l[k * q + i] * x[k]).sum()));
    }

    /// `x <- L x`.
    fn times(&self, x: &mut [f64]) {
        self.each(x, |q, l, x| (0..q).rev().for_each(|i| x[i] = (0..=i).map(|k| l[i * q + k] * x[k]).sum()));
    }
}

impl Blocked {
    /// About the parameters of the last evaluation of `posterior` by its rows, whose effects are zero. `None` where effects cannot be
    /// integrated out, or do not fall into small blocks, or a value would take more than `most` multiplications.
    pub fn new(posterior: Posterior, assembly: &Assembly, most: usize) -> Option<Self> {
        if !may_collapse(&posterior.model) {
            return None;
        }
        let sums = assembly.all_sums(&posterior);
        let plan = Plan::new(&sums, posterior.model.design.terms.len())?;
        let products = Products::of(&plan);
        if n_products(&plan, &products) > most {
            return None;
        }
        let GaussianSums { at_centre, squares, n, log_sigma, .. } = sums;
        let (model, beta) = (&posterior.model, &posterior.beta);
        let mut d_beta = vec![0.0; beta.len()];
        let prior = model.coefficient_prior(beta, &mut d_beta);
        let constant = 0.5 * model.layout.n_effects as f64 * (2.0 * PI).ln();
        let most = plan.blocks.iter().map(|b| b.vectors.len()).max().unwrap_or(0);
        let at = Values {
            roots: vec![0.0; plan.inner.len()],
            w: vec![0.0; plan.mix.len()],
            vectors: vec![0.0; plan.basis.len()],
            t: vec![0.0; plan.n_lead()],
            t_core: vec![0.0; plan.n_core],
            gram: vec![0.0; most * most],
            along: vec![0.0; most],
        };
        let core = Core::new(plan.n_core);
        let constants = Constants {
            products,
            at_centre: at_centre + prior - constant + model.half_log_det,
            squares,
            n,
            log_sigma,
            centre: posterior.mapped.swept.clone(),
            priors: coefficient_priors(model, beta, &plan),
            plan,
        };
        let (constants, posterior) = (Arc::new(constants), posterior.without_rows());
        Some(Self { constants, posterior, core, at, value: f64::NAN, log_det: f64::NAN })
    }

    /// Share of the squares about the centre that is lost to rounding, in units of log density, at the last position.
    pub fn rounding(&self) -> f64 {
        self.k() * self.constants.squares * f64::EPSILON
    }

    /// Multiplications of a value; those of dense products count for what they cost beside the others.
    pub fn n_products(&self) -> usize {
        n_products(&self.constants.plan, &self.constants.products)
    }

    /// `log(sigma / sigma_0)`.
    fn log_ratio(&self) -> f64 {
        let log_sigma = self.posterior.scales.dispersion.first().zip(self.constants.log_sigma);
        log_sigma.map_or(0.0, |(s, s0)| s - s0)
    }

    fn k(&self) -> f64 {
        (-2.0 * self.log_ratio()).exp()
    }

    /// Sets all to the scales in `posterior`.
    fn factor(&mut self) {
        let (constants, k, log_ratio) = (Arc::clone(&self.constants), self.k(), self.log_ratio());
        let Constants { plan, products, .. } = &*constants;
        let (scales, layout) = (&self.posterior.scales, &self.posterior.model.layout);
        let of_core = Factors { scales, layout, nodes: &plan.core_nodes };
        self.at.t_core.iter_mut().zip(&plan.score[1]).for_each(|(t, g)| *t = k * g);
        let core = CoreScales::new(plan, &of_core);
        let of_block = |block: &Block| {
            let factors = Factors { scales, layout, nodes: &plan.nodes[block.nodes.clone()] };
            self.at.factor_block(plan, block, &factors, &core, k)
        };
        self.log_det = plan.blocks.iter().map(of_block).sum();
        self.core.clear();
        constants.add_core(&mut self.core, scales, layout, k);
        self.core.subtract(plan, products, &self.at.vectors);
        of_core.transposed_times(&mut self.at.t_core);
        constants.add_priors(&mut self.core, &mut self.at.t_core, &of_core);
        if !self.core.factor() {
            self.value = f64::NAN;
            return;
        }
        self.core.solve(&mut self.at.t_core);
        self.log_det += self.core.log_det();
        let squares = dot(&self.at.t, &self.at.t) + dot(&self.at.t_core, &self.at.t_core);
        let of_rows = constants.at_centre - constants.n * log_ratio - 0.5 * (k - 1.0) * constants.squares;
        self.value = of_rows + scales.lprior + scales.log_jacobian + 0.5 * squares - self.log_det;
    }
}

impl Constants {
    /// Adds `S_c + k L_c' A_cc L_c`.
    fn add_core(&self, core: &mut Core, scales: &Scales, layout: &Layout, k: f64) {
        let (plan, mut own) = (&self.plan, vec![]);
        for piece in &plan.core_pieces {
            let [i, j] = [piece.i, piece.j].map(|node| &plan.core_nodes[node]);
            let factors = [i, j].map(|node| Factors { scales, layout, nodes: std::slice::from_ref(node) });
            own.clear();
            own.extend(plan.core[piece.at..piece.at + i.q * j.q].iter().map(|x| k * x));
            own.chunks_exact_mut(j.q).for_each(|row| factors[1].transposed_times(row));
            let mut column = vec![0.0; i.q];
            for b in 0..j.q {
                (0..i.q).for_each(|a| column[a] = own[a * j.q + b]);
                factors[0].transposed_times(&mut column);
                for (a, x) in column.iter().enumerate() {
                    let (row, column) = (i.first + a, j.first + b);
                    // A level's own piece has both halves.
                    if row >= column || piece.i != piece.j {
                        core.matrix[(row.max(column), row.min(column))] += x;
                    }
                }
            }
        }
        let effects = plan.core_nodes.iter().filter(|n| n.level.is_some()).flat_map(|n| n.first..n.first + n.q);
        effects.for_each(|j| core.matrix[(j, j)] += 1.0);
    }

    /// Adds what the priors of the coefficients say.
    fn add_priors(&self, core: &mut Core, t: &mut [f64], factors: &Factors) {
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

/// Priors of the swept coefficients about `beta`.
fn coefficient_priors(model: &Model, beta: &[f64], plan: &Plan) -> Vec<CoefficientPrior> {
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

impl Values {
    /// Factors of a block and its vectors; subtracts `V W R_b^-1 v_b` from `t_core`. Returns `log |R_b|`.
    fn factor_block(&mut self, plan: &Plan, block: &Block, factors: &Factors, core: &CoreScales, k: f64) -> f64 {
        let (n, r, length) = (block.columns.len(), block.vectors.len(), block.rows.len());
        let root = &mut self.roots[block.inner..block.inner + n * n];
        root.copy_from_slice(&plan.inner[block.inner..block.inner + n * n]);
        for _ in 0..2 {
            root.chunks_exact_mut(n).for_each(|row| factors.transposed_times(row));
            transpose(n, root);
        }
        root.iter_mut().for_each(|x| *x *= k);
        (0..n).for_each(|a| root[a * n + a] += 1.0);
        small::cholesky(n, root);
        let root = &*root;
        let whiten = |x: &mut [f64]| {
            x.iter_mut().for_each(|x| *x *= k);
            factors.transposed_times(x);
            small::solve_lower(n, root, x);
        };
        let t = &mut self.t[block.columns.clone()];
        t.copy_from_slice(&plan.score[0][block.columns.clone()]);
        whiten(t);
        let w = &mut self.w[block.mix..block.mix + r * n];
        w.copy_from_slice(&plan.mix[block.mix..block.mix + r * n]);
        w.chunks_exact_mut(n).for_each(whiten);
        let (gram, along) = (&mut self.gram[..r * r], &mut self.along[..r]);
        for s in 0..r {
            along[s] = dot(&w[s * n..(s + 1) * n], t);
            (0..=s).for_each(|m| gram[s * r + m] = dot(&w[s * n..(s + 1) * n], &w[m * n..(m + 1) * n]));
        }
        semidefinite_root(r, gram);
        let rows = &plan.rows[block.rows.clone()];
        let basis = &plan.basis[block.basis..block.basis + r * length];
        let vectors = &mut self.vectors[block.basis..block.basis + r * length];
        for (s, x) in along.iter().enumerate() {
            let from = &basis[s * length..(s + 1) * length];
            rows.iter().zip(from).for_each(|(&i, v)| self.t_core[i as usize] -= x * v);
            let to = &mut vectors[s * length..(s + 1) * length];
            to.iter_mut().zip(from).for_each(|(u, v)| *u = gram[s * r + s] * v);
            for m in s + 1..r {
                let x = gram[m * r + s];
                to.iter_mut().zip(&basis[m * length..(m + 1) * length]).for_each(|(u, v)| *u += x * v);
            }
            core.transposed_times(rows, to);
        }
        (0..n).map(|a| root[a * n + a].ln()).sum()
    }

    /// A draw of a block's columns into `x`, from numbers of a standard normal distribution and natural values of the core.
    fn draw_block(&mut self, plan: &Plan, block: &Block, core: &[f64], x: &mut [f64]) {
        let (n, r, length) = (block.columns.len(), block.vectors.len(), block.rows.len());
        let rows = &plan.rows[block.rows.clone()];
        x.iter_mut().zip(&self.t[block.columns.clone()]).for_each(|(x, t)| *x += t);
        for s in 0..r {
            let vector = &plan.basis[block.basis + s * length..][..length];
            let along: f64 = rows.iter().zip(vector).map(|(&i, v)| core[i as usize] * v).sum();
            let w = &self.w[block.mix + s * n..][..n];
            x.iter_mut().zip(w).for_each(|(x, w)| *x -= along * w);
        }
        small::solve_lower_transposed(n, &self.roots[block.inner..block.inner + n * n], x);
    }
}

/// Factors of the core's columns.
enum CoreScales<'a> {
    /// A number for each.
    Numbers(Vec<f64>),
    /// Some levels have several effects.
    Levels(&'a Factors<'a>, Vec<u32>),
}

impl<'a> CoreScales<'a> {
    fn new(plan: &Plan, factors: &'a Factors<'a>) -> Self {
        if plan.core_nodes.iter().any(|n| n.level.is_some() && n.q > 1) {
            let of_column = |(i, n): (usize, &Node)| std::iter::repeat_n(i as u32, n.q);
            return Self::Levels(factors, plan.core_nodes.iter().enumerate().flat_map(of_column).collect());
        }
        let mut numbers = vec![1.0; plan.n_core];
        factors.times(&mut numbers);
        Self::Numbers(numbers)
    }

    /// `x <- L_c'x`, of the entries in `rows`, which have all columns of a level or none.
    fn transposed_times(&self, rows: &[u32], x: &mut [f64]) {
        match self {
            Self::Numbers(scales) => rows.iter().zip(x).for_each(|(&i, x)| *x *= scales[i as usize]),
            Self::Levels(factors, node_of) => {
                let mut at = 0;
                while at < rows.len() {
                    let node = &factors.nodes[node_of[rows[at] as usize] as usize];
                    let own = Factors { nodes: std::slice::from_ref(node), ..**factors };
                    own.transposed_times(&mut x[at..at + node.q]);
                    at += node.q;
                }
            }
        }
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
        let n = self.constants.plan.n_lead() + self.constants.plan.n_core;
        0.5 * n as f64 * (2.0 * PI).ln()
    }
}

impl Draw for Blocked {
    const IS_PARTIAL: bool = true;

    fn complete<R: Rng>(&mut self, rng: &mut R) {
        let (constants, model) = (Arc::clone(&self.constants), Arc::clone(&self.posterior.model));
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
        Factors { scales, layout, nodes: &plan.core_nodes }.times(&mut core);
        let mut place = |nodes: &[Node], x: &[f64]| {
            let mut at = 0;
            for node in nodes {
                let own = &x[at..at + node.q];
                at += node.q;
                match node.first_effect(layout) {
                    Some(e) => mapped.effects[e..e + node.q].copy_from_slice(own),
                    None => (0..node.q).for_each(|i| mapped.swept[i] = constants.centre[i] + own[i]),
                }
            }
        };
        place(&plan.core_nodes, &core);
        let mut own = vec![];
        for block in &plan.blocks {
            own.resize(block.columns.len(), 0.0);
            standard(&mut own);
            self.at.draw_block(plan, block, &core, &mut own);
            let nodes = &plan.nodes[block.nodes.clone()];
            Factors { scales, layout, nodes }.times(&mut own);
            place(nodes, &own);
        }
        self.posterior.take_parameters(self.value - 0.5 * squares + self.log_det);
    }

    fn posterior(&self) -> &Posterior {
        &self.posterior
    }
}

fn n_products(plan: &Plan, products: &Products) -> usize {
    let of_block = |b: &Block| {
        let (n, r, length) = (b.columns.len(), b.vectors.len(), b.rows.len());
        n * n * n / 6 + n * n * r + r * (r + 1) * length
    };
    let n = plan.n_core;
    plan.blocks.iter().map(of_block).sum::<usize>() + products.n_products(plan) + n * n * n / 6 / DENSE_PER_SPARSE
}

fn transpose(n: usize, a: &mut [f64]) {
    for i in 0..n {
        (0..i).for_each(|j| a.swap(i * n + j, j * n + i));
    }
}

/// In-place lower `X` of `XX'`; what has no size leaves a column of zeros.
fn semidefinite_root(n: usize, a: &mut [f64]) {
    for j in 0..n {
        for i in j..n {
            let sum: f64 = (0..j).map(|k| a[i * n + k] * a[j * n + k]).sum();
            let rest = a[i * n + j] - sum;
            let pivot = if i == j { 0.0 } else { a[j * n + j] };
            a[i * n + j] = if i == j { rest.max(0.0).sqrt() } else if pivot > 0.0 { rest / pivot } else { 0.0 };
        }
    }
}
