//! The data reduced to what the likelihood needs of them. The row-wise likelihood stays the
//! definition; the forms here are equal to it, or within a bound of it (`offsets`).

pub mod cells;
pub mod gaussian;
pub mod groups;
pub mod leaves;
pub mod offsets;
pub mod quadrature;
pub mod statistics;

use crate::design::Design;
use crate::spec::Family;
use groups::{DispersionGroup, dispersion_groups};
use leaves::Leaves;
use offsets::OffsetRow;

/// A design with few rows in the place of many.
#[derive(Debug)]
pub struct Compressed {
    /// The design of each row, with its summed weights and, where a row stands for responses, their mean.
    pub design: Design,
    /// Weighted sums of the responses, for counts. (A row may have responses and no weight.)
    pub totals: Vec<f64>,
    /// Weighted sums of squares around the mean, per row of a Gaussian; else empty.
    pub squares: Vec<f64>,
    /// Groups of rows if the dispersion is a regression; else empty.
    pub groups: Vec<DispersionGroup>,
    /// Terms of the log-likelihood that do not depend on the parameters.
    pub constant: f64,
}

/// Merges rows and sorts them by their dispersion. `None` if there is nothing to gain: if one dispersion
/// serves all rows and they become no fewer, or if nearly each row has its own.
///
/// Rows of a leaf have one linear predictor `eta` but for the offsets `o_i`, weights `w_i`:
///
/// ```text
/// Gaussian           one row with the mean response and offset, and the residuals' sum of squares
/// Poisson            sum w_i e^(eta + o_i) = e^eta sum w_i e^o_i: one row of equivalent offset
/// negative binomial  rows per distinct offset, or the nodes of two quadratures (`offsets`)
/// ```
pub fn compress(design: &Design, family: Family) -> Option<Compressed> {
    if !design.latents.is_empty() {
        return None;
    }
    if design.x_disp.ncols() == 0 {
        return compress_leaves(design, &leaves(design)?, family);
    }
    let (group_of, mut groups) = dispersion_groups(design, family)?;
    let leaves = Leaves::find(design);
    let mut out = Builder::new(design, family, leaves.len());
    let members = leaves.members();
    let group = |leaf: usize| group_of.of_row[leaves.first[leaf]] as usize;
    let mut order: Vec<usize> = (0..leaves.len()).collect();
    order.sort_by_key(|&leaf| group(leaf));
    for leaf in order {
        out.add_leaf(leaves.first[leaf], members.of_leaf(leaf));
        groups[group(leaf)].end = out.from.len();
    }
    Some(out.finish(groups))
}

/// Leaves of a design that has fewer of them than rows, one dispersion for all rows, and errors that are independent. Rows that stand
/// for many have been merged by who made them.
pub fn leaves(design: &Design) -> Option<Leaves> {
    if design.x_disp.ncols() > 0 || design.errors.is_some() || !design.squares.is_empty() {
        return None;
    }
    let leaves = Leaves::find(design);
    (leaves.len() < design.n()).then_some(leaves)
}

/// As [`compress`], with the [`leaves`] of a design that differs in response, offset and weights only.
pub fn compress_leaves(design: &Design, leaves: &Leaves, family: Family) -> Option<Compressed> {
    let mut out = Builder::new(design, family, leaves.len());
    let members = leaves.members();
    (0..leaves.len()).for_each(|leaf| out.add_leaf(leaves.first[leaf], members.of_leaf(leaf)));
    (out.from.len() < design.n()).then(|| out.finish(vec![]))
}

/// Rows that replace others, as they are made.
struct Builder<'a> {
    design: &'a Design,
    family: Family,
    /// Error that a unit of count may have.
    allowance: f64,
    /// Per row, a row of the same design.
    from: Vec<usize>,
    rows: Vec<OffsetRow>,
    /// Mean responses.
    means: Vec<f64>,
    squares: Vec<f64>,
    constant: f64,
    leaf: Vec<OffsetRow>,
}

impl<'a> Builder<'a> {
    fn new(design: &'a Design, family: Family, n_leaves: usize) -> Self {
        let total = design.y.iter().zip(design.weights.iter()).map(|(y, w)| w * y).sum();
        let allowance = offsets::allowance(if family.has_shape() { total } else { 0.0 }, n_leaves);
        let (from, rows, means, squares, leaf) = (vec![], vec![], vec![], vec![], vec![]);
        Self { design, family, allowance, from, rows, means, squares, constant: 0.0, leaf }
    }

    fn add_leaf(&mut self, first: usize, rows: &[usize]) {
        match self.family {
            Family::Gaussian => self.add_gaussian(first, rows),
            Family::Poisson => self.add_poisson(first, rows),
            Family::NegBinomial => self.add_negative_binomial(first, rows),
        }
    }

    fn push(&mut self, first: usize, row: OffsetRow, mean: f64) {
        self.from.push(first);
        self.rows.push(row);
        self.means.push(mean);
    }

    fn add_gaussian(&mut self, first: usize, rows: &[usize]) {
        let Design { y, offset, weights, squares, .. } = self.design;
        let (mean_y, _) = mean(rows, weights, |i| y[i]);
        let (mean_offset, weight) = mean(rows, weights, |i| offset[i]);
        let residual = |i: usize| (y[i] - mean_y) - (offset[i] - mean_offset);
        let own = |i: usize| squares.get(i).copied().unwrap_or(0.0);
        self.squares.push(rows.iter().map(|&i| weights[i] * residual(i).powi(2) + own(i)).sum());
        self.push(first, OffsetRow { offset: mean_offset, weight, total: weight * mean_y }, mean_y);
    }

    fn add_poisson(&mut self, first: usize, rows: &[usize]) {
        let Design { y, offset, weights, .. } = self.design;
        let top = rows.iter().map(|&i| offset[i]).fold(f64::NEG_INFINITY, f64::max);
        let (rate, weight) = mean(rows, weights, |i| (offset[i] - top).exp());
        let equivalent = if rate > 0.0 { top + rate.ln() } else { top };
        let (mean_y, _) = mean(rows, weights, |i| y[i]);
        self.constant += rows.iter().map(|&i| weights[i] * y[i] * (offset[i] - equivalent)).sum::<f64>();
        self.push(first, OffsetRow { offset: equivalent, weight, total: weight * mean_y }, mean_y);
    }

    fn add_negative_binomial(&mut self, first: usize, rows: &[usize]) {
        let Design { y, offset, weights, .. } = self.design;
        let row = |&i: &usize| OffsetRow { offset: offset[i], weight: weights[i], total: weights[i] * y[i] };
        let mut leaf = std::mem::take(&mut self.leaf);
        leaf.clear();
        leaf.extend(rows.iter().map(row));
        offsets::compress(&mut leaf, self.allowance);
        // A node's response: what the mean rate of the leaf gives at its offset. Only a rough start reads it.
        let top = leaf.iter().map(|r| r.offset).fold(f64::NEG_INFINITY, f64::max);
        let exposure: f64 = leaf.iter().map(|r| r.weight * (r.offset - top).exp()).sum();
        let rate = leaf.iter().map(|r| r.total).sum::<f64>() / exposure.max(f64::MIN_POSITIVE);
        leaf.iter().for_each(|r| self.push(first, *r, rate * (r.offset - top).exp()));
        self.leaf = leaf;
    }

    fn finish(self, groups: Vec<DispersionGroup>) -> Compressed {
        let weights = self.rows.iter().map(|r| r.weight).collect();
        let offset = self.rows.iter().map(|r| r.offset).collect();
        Compressed {
            design: Design { y: self.means.into(), offset, weights, ..self.design.select(&self.from) },
            totals: self.rows.iter().map(|r| r.total).collect(),
            squares: self.squares,
            groups,
            constant: self.constant,
        }
    }
}

/// Weighted mean over rows and the sum of the weights; 0 where that is 0.
fn mean(rows: &[usize], weights: &[f64], value: impl Fn(usize) -> f64) -> (f64, f64) {
    let (mut mean, mut weight) = (0.0, 0.0);
    for &i in rows.iter().filter(|&&i| weights[i] > 0.0) {
        weight += weights[i];
        // A running mean loses no digits to a distant origin.
        mean += (value(i) - mean) * weights[i] / weight;
    }
    (mean, weight)
}
