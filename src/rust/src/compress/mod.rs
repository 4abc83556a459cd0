//! The data reduced to what the likelihood needs of them. The row-wise likelihood stays the
//! definition; the forms here are equal to it, or within a bound of it (`offsets`).

pub mod gaussian;
pub mod leaves;
pub mod offsets;
pub mod quadrature;

use crate::design::Design;
use crate::spec::Family;
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
    /// Terms of the log-likelihood that do not depend on the parameters.
    pub constant: f64,
}

/// Merges rows; `None` if that makes none fewer, or if the dispersion differs between rows.
///
/// Rows of a leaf have one linear predictor `eta` but for the offsets `o_i`, weights `w_i`:
///
/// ```text
/// Gaussian           one row with the mean response and offset, and the residuals' sum of squares
/// Poisson            sum w_i e^(eta + o_i) = e^eta sum w_i e^o_i: one row of equivalent offset
/// negative binomial  rows per distinct offset, or the nodes of two quadratures (`offsets`)
/// ```
pub fn compress(design: &Design, family: Family) -> Option<Compressed> {
    compress_leaves(design, &leaves(design)?, family)
}

/// Leaves of a design that has fewer of them than rows, and one dispersion for all rows.
pub fn leaves(design: &Design) -> Option<Leaves> {
    if design.x_disp.ncols() > 0 || !design.se.is_empty() {
        return None;
    }
    let leaves = Leaves::find(design);
    (leaves.len() < design.n()).then_some(leaves)
}

/// As [`compress`], with the [`leaves`] of a design that differs in response, offset and weights only.
pub fn compress_leaves(design: &Design, leaves: &Leaves, family: Family) -> Option<Compressed> {
    let mut out = Builder::new(design, family, leaves.len());
    let (rows, ends) = leaves.members();
    let mut start = 0;
    for (end, &first) in ends.iter().zip(&leaves.first) {
        out.add_leaf(first, &rows[start..*end]);
        start = *end;
    }
    (out.from.len() < design.n()).then(|| out.finish())
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
        let total = design.y.iter().zip(&design.weights).map(|(y, w)| w * y).sum();
        let allowance = offsets::allowance(if family == Family::NegBinomial { total } else { 0.0 }, n_leaves);
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
        let Design { y, offset, weights, .. } = self.design;
        let (mean_y, _) = mean(rows, weights, |i| y[i]);
        let (mean_offset, weight) = mean(rows, weights, |i| offset[i]);
        let residual = |i: usize| (y[i] - mean_y) - (offset[i] - mean_offset);
        self.squares.push(rows.iter().map(|&i| weights[i] * residual(i).powi(2)).sum());
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

    fn finish(self) -> Compressed {
        let weights = self.rows.iter().map(|r| r.weight).collect();
        let offset = self.rows.iter().map(|r| r.offset).collect();
        Compressed {
            design: Design { y: self.means, offset, weights, ..self.design.select(&self.from) },
            totals: self.rows.iter().map(|r| r.total).collect(),
            squares: self.squares,
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
