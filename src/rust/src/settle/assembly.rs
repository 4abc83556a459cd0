//! Information and pull of the data, summed over rows into the pieces of an incidence: the constants of a joint
//! transport, and the cross-products of a Gaussian model.

use super::dispersions::{follow, rows_of_sigmas, scaled_by_sigma};
use super::incidence::{nodes, pairs_up_to, related, row_nodes, row_pairs, row_values, skeleton};
use super::row_pieces::{PieceNumbers, RowPieces, leave_now_and_then};
use crate::compress::gaussian::GaussianSums;
use crate::density::{Model, Posterior};
use crate::error::leave_after;
use crate::kernels::dot;
use crate::linalg::cholesky::Factor;
use crate::transport::follow::{Follow, Group};
use crate::transport::joint::{JointTransport, factor_at};
use crate::transport::joint_constants::{DataAtCentre, DataPart};
use crate::transport::pieces::{Incidence, Node, Skeleton};
use crate::transport::{Context, small};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// For those who go on after a cancel: they may have draws to keep.
static NEVER: AtomicBool = AtomicBool::new(false);

/// Incidence of a model, with the pieces that each row adds to.
#[derive(Debug, Clone)]
pub struct Assembly {
    /// Nodes and pieces.
    pub incidence: Arc<Incidence>,
    /// With the factor's pattern, unless that is beyond memory.
    pub skeleton: Option<Arc<Skeleton>>,
    /// Per block of the layout, the nodes of its levels.
    pub node_of: Vec<Vec<usize>>,
    row_pieces: Arc<RowPieces>,
}

impl Assembly {
    /// Reads the pattern off the rows.
    pub fn new(model: &Model) -> Self {
        Self::unless(model, &NEVER)
    }

    /// The same; leaves the job after a cancel ([`leave_after`]).
    pub fn unless(model: &Model, cancel: &AtomicBool) -> Self {
        let (nodes, node_of, position) = nodes(model);
        let mut found = PieceNumbers::new(&nodes);
        let mut row_pieces = RowPieces::find(model, &node_of, nodes.len(), |i, j| found.piece(i, j), cancel);
        leave_after(cancel);
        row_pairs(model, &node_of, nodes.len(), |i, j| found.piece(i, j));
        let related = related(model, &node_of);
        related.iter().for_each(|&(i, j, _)| _ = found.piece(i, j));
        let (mut incidence, renumbered) = Incidence::new(nodes, position, found.into_pieces());
        incidence.relate(&related);
        row_pieces.renumber(&renumbered);
        let incidence = Arc::new(incidence);
        let skeleton = skeleton(&incidence, &model.layout).map(Arc::new);
        Self { incidence, skeleton, node_of, row_pieces: Arc::new(row_pieces) }
    }

    /// The same for a model with other rows of the same design.
    pub fn with_rows(&self, model: &Model) -> Self {
        let piece_of = |i, j| self.incidence.piece(i, j);
        let row_pieces = RowPieces::find(model, &self.node_of, self.incidence.nodes.len(), piece_of, &NEVER);
        Self { row_pieces: Arc::new(row_pieces), ..self.clone() }
    }

    /// Multiplications of one factorisation; `usize::MAX` if it is beyond memory.
    pub fn n_products(&self) -> usize {
        self.skeleton.as_ref().map_or(usize::MAX, |s| s.pattern().n_products())
    }

    /// Transport centred at the last evaluation of `posterior`; `None` if its factor is beyond memory.
    pub fn transport_at(&self, posterior: &Posterior) -> Option<JointTransport> {
        let skeleton = Arc::clone(self.skeleton.as_ref()?);
        Some(JointTransport::new(skeleton, &self.centre_at(posterior)))
    }

    /// The factor that it has there.
    pub fn factor_at(&self, posterior: &Posterior) -> Option<Factor<f64>> {
        let ctx = Context { layout: &posterior.model.layout, scales: &posterior.scales };
        factor_at(self.skeleton.as_ref()?, ctx, &self.centre_at(posterior))
    }

    fn centre_at(&self, posterior: &Posterior) -> DataAtCentre {
        let model = &posterior.model;
        let (prior_precision, prior_pull) = coefficient_prior(posterior);
        let parts = if model.prior_only {
            let (information, pull) = (vec![0.0; self.incidence.n_values], vec![0.0; self.incidence.dim()]);
            vec![DataPart { information, pull, follow: None }]
        } else {
            self.data(posterior)
        };
        DataAtCentre { parts, prior_precision, prior_pull }
    }

    /// Cross-products that stand for the rows of a Gaussian model, about the last evaluation of
    /// `posterior`. `None` where they are not the whole likelihood, or not cheaper than the rows.
    pub fn sums(&self, posterior: &Posterior) -> Option<GaussianSums> {
        let model = &posterior.model;
        let has_known_sd = model.layout.dispersion_columns().is_empty() && model.design.latents.is_empty();
        let is_whole = model.family().is_linear() && (scaled_by_sigma(model) || has_known_sd);
        let n_members: usize = model.design.terms.iter().map(|t| t.members).sum();
        let row_cost = posterior.beta.len() + 2 * n_members + 2;
        let cost = row_cost * model.design.n() + model.design.errors.as_ref().map_or(0, |e| 2 * e.entries.len());
        let is_worth_it = is_whole && !model.prior_only && self.incidence.n_values <= cost;
        is_worth_it.then(|| self.all_sums(posterior, &NEVER))
    }

    /// The same whatever it costs, where they are the whole likelihood; leaves the job after a cancel.
    pub fn all_sums(&self, posterior: &Posterior, cancel: &AtomicBool) -> GaussianSums {
        let model = &posterior.model;
        let (mut d_eta, mut d_dispersion) =
            (vec![0.0; model.design.n()], vec![0.0; model.layout.dispersion_columns().len()]);
        let mut eta = vec![0.0; model.design.n()];
        model.linear_predictor(&posterior.beta, &posterior.mapped.effects, &mut eta);
        let at_centre = model.likelihood.evaluate(&eta, &posterior.scales.dispersion, &mut d_eta, &mut d_dispersion);
        let dispersion = &posterior.scales.dispersion;
        let n: f64 = model.design.weights.iter().sum();
        // There can be many rows: what has been summed goes before more is made of them.
        let score = self.project(model, &d_eta, cancel);
        drop(d_eta);
        let weights = model.likelihood.information(&eta, dispersion);
        drop(eta);
        let mut centre = vec![];
        self.incidence.columns(&model.layout, &posterior.mapped.effects, &posterior.mapped.swept, &mut centre);
        GaussianSums {
            incidence: Arc::clone(&self.incidence),
            information: self.information(model, &weights, dispersion, cancel),
            score,
            centre,
            squares: d_dispersion.first().map_or(0.0, |d| d + n),
            n,
            at_centre,
            log_sigma: scaled_by_sigma(model).then(|| posterior.scales.dispersion[0]),
        }
    }

    /// Sum over rows of design times `rows`, per column.
    fn project(&self, model: &Model, rows: &[f64], cancel: &AtomicBool) -> Vec<f64> {
        let mut out = vec![0.0; self.incidence.dim()];
        let (mut at, mut values, mut starts) = (vec![], vec![], vec![]);
        for (row, x) in rows.iter().enumerate() {
            leave_now_and_then(row, cancel);
            row_nodes(model, &self.node_of, self.incidence.nodes.len(), row, &mut at);
            row_values(model, row, &mut values, &mut starts);
            for (node, &start) in at.iter().zip(&starts) {
                let Node { first, q, .. } = self.incidence.nodes[*node];
                (0..q).for_each(|a| out[first + a] += x * values[start + a]);
            }
        }
        out
    }

    /// Values of all pieces of `D'WD`.
    fn information(&self, model: &Model, weights: &[f64], dispersion: &[f64], cancel: &AtomicBool) -> Vec<f64> {
        let Incidence { nodes, pieces, n_values, .. } = &*self.incidence;
        let mut information = vec![0.0; *n_values];
        let (mut at, mut values, mut starts) = (vec![], vec![], vec![]);
        for (row, w) in weights.iter().enumerate() {
            leave_now_and_then(row, cancel);
            row_nodes(model, &self.node_of, nodes.len(), row, &mut at);
            row_values(model, row, &mut values, &mut starts);
            for ((a, b), piece) in pairs_up_to(at.len()).zip(self.row_pieces.of_row(row, &at)) {
                let (a, b) = if at[a] >= at[b] { (a, b) } else { (b, a) };
                let (x, y) = (starts[a], starts[b]);
                let (q_x, q_y) = (nodes[at[a]].q, nodes[at[b]].q);
                let out = &mut information[pieces[piece].at()..];
                for r in 0..q_x {
                    (0..q_y).for_each(|c| out[r * q_y + c] += w * values[x + r] * values[y + c]);
                }
            }
        }
        self.add_between_rows(model, dispersion, &mut information);
        information
    }

    /// Adds `x (d_i d_j' + d_j d_i')` for each entry `x` of the information between rows `i` and `j`.
    fn add_between_rows(&self, model: &Model, dispersion: &[f64], information: &mut [f64]) {
        let Incidence { nodes, pieces, .. } = &*self.incidence;
        let (mut values, mut others) = (vec![], vec![]);
        let [mut at_i, mut at_j, mut starts_i, mut starts_j] = std::array::from_fn(|_| vec![]);
        for (i, j, x) in model.likelihood.between_rows(dispersion) {
            row_nodes(model, &self.node_of, nodes.len(), i, &mut at_i);
            row_nodes(model, &self.node_of, nodes.len(), j, &mut at_j);
            row_values(model, i, &mut values, &mut starts_i);
            row_values(model, j, &mut others, &mut starts_j);
            for (&a, &start_a) in at_i.iter().zip(&starts_i) {
                for (&b, &start_b) in at_j.iter().zip(&starts_j) {
                    let of_a = (nodes[a].q, &values[start_a..]);
                    let of_b = (nodes[b].q, &others[start_b..]);
                    let out = &mut information[pieces[self.incidence.piece(a.max(b), a.min(b)) as usize].at()..];
                    if a >= b {
                        add_product(x, of_a, of_b, out);
                    }
                    if a <= b {
                        add_product(x, of_b, of_a, out);
                    }
                }
            }
        }
    }

    /// What all rows say, or those of each residual sd.
    fn data(&self, posterior: &Posterior) -> Vec<DataPart> {
        let dispersion = &posterior.scales.dispersion;
        let Some((rows, of_row)) = rows_of_sigmas(&posterior.model) else {
            let follow = follow(posterior).map(|follow| Group { follow, x: vec![] });
            let (information, pull) = self.data_of(posterior, |_| true);
            return vec![DataPart { information, pull, follow }];
        };
        let part = |(group, x): (usize, &Vec<f64>)| {
            let (information, pull) = self.data_of(posterior, |row| of_row[row] == group);
            let follow = Follow::Sigma(dot(x, dispersion));
            DataPart { information, pull, follow: Some(Group { follow, x: x.clone() }) }
        };
        rows.iter().enumerate().map(part).collect()
    }

    /// Information and pull (information times the linear predictor without offset, plus score) of some rows.
    fn data_of(&self, posterior: &Posterior, is_in: impl Fn(usize) -> bool) -> (Vec<f64>, Vec<f64>) {
        let model = &posterior.model;
        let dispersion = &posterior.scales.dispersion;
        let mut weights = posterior.information();
        weights.iter_mut().enumerate().filter(|(row, _)| !is_in(*row)).for_each(|(_, w)| *w = 0.0);
        let information = self.information(model, &weights, dispersion, &NEVER);
        let without_offset = posterior.linear_part();
        let fitted = model.likelihood.weighted(&weights, dispersion, &without_offset);
        if model.family().is_linear() {
            // The conditional mean itself, wherever the centre is.
            let pull: Vec<f64> = fitted.iter().zip(posterior.score()).map(|(f, s)| f + s).collect();
            let pull: Vec<f64> =
                pull.into_iter().enumerate().map(|(row, p)| if is_in(row) { p } else { 0.0 }).collect();
            return (information, self.project(model, &pull, &NEVER));
        }
        let mut pull = self.project(model, &fitted, &NEVER);
        self.add_prior_pull(posterior, &mut pull);
        (information, pull)
    }

    /// Adds the pull of the priors at the centre, so that the centre maps to itself. (A Newton step
    /// away from it, as for Gaussian rows, can overflow the exponential of a count's predictor.)
    fn add_prior_pull(&self, posterior: &Posterior, pull: &mut [f64]) {
        let layout = &posterior.model.layout;
        let mut score = vec![0.0; posterior.beta.len()];
        posterior.model.coefficient_prior(&posterior.beta, &mut score);
        for node in &self.incidence.nodes {
            let out = &mut pull[node.first..node.first + node.q];
            let Some((block, level)) = node.level else {
                out.iter_mut().zip(&layout.swept).for_each(|(p, &j)| *p -= score[j]);
                continue;
            };
            let (e, source) = (layout.blocks[block].start + level * node.q, layout.blocks[block].source);
            let mut prior = posterior.mapped.tension[e..e + node.q].to_vec();
            small::solve_lower_transposed(node.q, posterior.scales.factor_of(source, level), &mut prior);
            out.iter_mut().zip(prior).for_each(|(p, d)| *p += if d.is_finite() { d } else { 0.0 });
        }
    }
}

/// `out <- out + x a b'`, from the numbers of values and the values of both.
fn add_product(x: f64, (q_a, a): (usize, &[f64]), (q_b, b): (usize, &[f64]), out: &mut [f64]) {
    for r in 0..q_a {
        (0..q_b).for_each(|c| out[r * q_b + c] += x * a[r] * b[c]);
    }
}

/// Rough prior precision of the swept coefficients, and the pull that is exact at the centre.
fn coefficient_prior(posterior: &Posterior) -> (Vec<f64>, Vec<f64>) {
    let model = &posterior.model;
    let swept = &model.layout.swept;
    let p = swept.len();
    let mut precision = vec![0.0; p * p];
    for (&j, i) in swept.iter().zip(0..) {
        let own = model.coefficient_priors[j].precision();
        let direction = model.prior_direction(j, i);
        for (a, x) in direction.iter().enumerate() {
            direction.iter().enumerate().for_each(|(b, y)| precision[a * p + b] += own * x * y);
        }
    }
    let mut score = vec![0.0; posterior.beta.len()];
    model.coefficient_prior(&posterior.beta, &mut score);
    let at = |a: usize| {
        let row = &precision[a * p..(a + 1) * p];
        score[swept[a]] + row.iter().zip(&posterior.mapped.swept).map(|(s, b)| s * b).sum::<f64>()
    };
    let pull = (0..p).map(at).collect();
    (precision, pull)
}
