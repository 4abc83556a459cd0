//! Cells of a leaf as measures on the logarithm of their capture: what the counts of thousands of genes
//! leave of them.
//!
//! A leaf's cells share all of the design but their capture `nu_c`, so that the counts `u_c` of a gene enter
//! as in [`super::offsets`], with `o_c = log nu_c`, by two measures: one cell each, the same for all genes, and
//! `u_c` each, of the cells with counts alone. With the sums of `ln Gamma` terms, which need a histogram
//! of the counts, that is all: the cost of a gene is that of some nodes per leaf, whatever the number of cells.
//!
//! A capture that is known with a standard error enters as a log-normal: each cell is three points, the
//! Gauss-Hermite rule of its `o_c`.

use super::offsets;
use super::quadrature::Measure;

/// Absolute error of a gene's log-likelihood, in the bound of [`super::offsets`].
pub const TOLERANCE: f64 = 1e-3;
/// Standard errors below this one move no digit that counts.
const MIN_SD: f64 = 0.01;

/// Cells with their leaves.
#[derive(Debug)]
pub struct Cells {
    /// Leaf of each cell.
    pub leaf: Vec<u32>,
    /// Natural logarithm of the capture of each.
    pub log_capture: Vec<f64>,
    /// Its standard error, or empty.
    pub sd: Vec<f64>,
    /// Number of leaves.
    pub n_leaves: usize,
}

/// Nodes with their leaves.
#[derive(Debug, Default)]
pub struct Nodes {
    /// Leaf of each node, ascending.
    pub leaf: Vec<u32>,
    /// Natural logarithm of the capture.
    pub at: Vec<f64>,
    /// Cells, or counts.
    pub mass: Vec<f64>,
}

/// How many cells of a leaf have a count.
#[derive(Debug, Default)]
pub struct Histogram {
    /// Leaf of each value, ascending.
    pub leaf: Vec<u32>,
    /// Counts above zero.
    pub value: Vec<f64>,
    /// Cells.
    pub number: Vec<f64>,
}

impl Nodes {
    /// Of one measure per leaf.
    fn of(measures: &[Measure], grows: bool, allowance: f64) -> Self {
        let mut out = Self::default();
        for (leaf, measure) in measures.iter().enumerate().filter(|(_, m)| !m.is_empty()) {
            for (at, mass) in offsets::rule(measure, grows, allowance).points() {
                out.leaf.push(leaf as u32);
                out.at.push(at);
                out.mass.push(mass);
            }
        }
        out
    }

    /// Adds others.
    pub fn append(&mut self, mut other: Self) {
        self.leaf.append(&mut other.leaf);
        self.at.append(&mut other.at);
        self.mass.append(&mut other.mass);
    }
}

impl Histogram {
    /// Adds others.
    pub fn append(&mut self, mut other: Self) {
        self.leaf.append(&mut other.leaf);
        self.value.append(&mut other.value);
        self.number.append(&mut other.number);
    }
}

/// Rules of the cells for genes of up to 10, 100, ... counts, from one that is close enough for more, as long as they are
/// shorter. A rule of a rule is the rule of the cells.
pub fn coarser_rules(rule: &Nodes) -> Vec<(f64, Nodes)> {
    let n_leaves = rule.leaf.iter().max().map_or(0, |&leaf| leaf as usize + 1);
    let mut measures = vec![Measure::default(); n_leaves];
    for ((&leaf, &at), &mass) in rule.leaf.iter().zip(&rule.at).zip(&rule.mass) {
        measures[leaf as usize].push(at, mass);
    }
    let totals = (1..16).map(|digits| 10f64.powi(digits));
    let rules = totals.map(|total| (total, Nodes::of(&measures, true, allowance(total, n_leaves))));
    rules.take_while(|(_, coarser)| coarser.at.len() < rule.at.len()).collect()
}

fn allowance(total: f64, n_leaves: usize) -> f64 {
    TOLERANCE / (total + n_leaves as f64)
}

impl Cells {
    /// Rules of the cells, close enough for genes of at most `total` counts.
    pub fn rule(&self, total: f64) -> Nodes {
        let mut measures = self.measures();
        (0..self.leaf.len()).for_each(|cell| self.push(&mut measures, cell, 1.0));
        Nodes::of(&measures, true, allowance(total, self.n_leaves))
    }

    /// Rules of the counts `values` of one gene in the cells `rows`.
    pub fn count_rule(&self, rows: &[i32], values: &[f64]) -> Nodes {
        let mut measures = self.measures();
        rows.iter().zip(values).for_each(|(&cell, &u)| self.push(&mut measures, cell as usize, u));
        Nodes::of(&measures, false, allowance(values.iter().sum(), self.n_leaves))
    }

    /// Counts above zero, leaf by leaf.
    pub fn histogram(&self, rows: &[i32], values: &[f64]) -> Histogram {
        let cells = rows.iter().zip(values).filter(|(_, u)| **u > 0.0);
        let mut found: Vec<(u32, f64)> = cells.map(|(&cell, &u)| (self.leaf[cell as usize], u)).collect();
        found.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let mut out = Histogram::default();
        for same in found.chunk_by(|a, b| a == b) {
            out.leaf.push(same[0].0);
            out.value.push(same[0].1);
            out.number.push(same.len() as f64);
        }
        out
    }

    fn measures(&self) -> Vec<Measure> {
        vec![Measure::default(); self.n_leaves]
    }

    fn push(&self, measures: &mut [Measure], cell: usize, mass: f64) {
        let (measure, at) = (&mut measures[self.leaf[cell] as usize], self.log_capture[cell]);
        match self.sd.get(cell) {
            Some(&sd) if sd > MIN_SD => {
                let step = 3f64.sqrt() * sd;
                measure.push(at, mass * 2.0 / 3.0);
                measure.push(at - step, mass / 6.0);
                measure.push(at + step, mass / 6.0);
            }
            _ => measure.push(at, mass),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::special::ln_gamma;
    use proptest::prelude::*;

    /// Log-likelihood of a leaf's cells but for constants, cell by cell.
    fn by_cells(cells: &Cells, counts: &[f64], log_mu: &[f64], phi: f64) -> f64 {
        let cell = |c: usize| {
            let eta = log_mu[cells.leaf[c] as usize] + cells.log_capture[c];
            let gammas = ln_gamma(counts[c] + phi) - ln_gamma(phi);
            gammas + counts[c] * (eta - phi.ln()) - (counts[c] + phi) * (eta.exp() / phi).ln_1p()
        };
        (0..counts.len()).map(cell).sum()
    }

    fn by_nodes(cells: &Cells, rows: &[i32], values: &[f64], log_mu: &[f64], phi: f64) -> f64 {
        let softplus = |leaf: u32, at: f64| ((log_mu[leaf as usize] + at).exp() / phi).ln_1p();
        let of_counts = |n: Nodes| -> f64 {
            let nodes = n.leaf.iter().zip(&n.at).zip(&n.mass);
            let linear = |leaf: u32, at: f64| log_mu[leaf as usize] + at - phi.ln();
            nodes.map(|((&l, &at), m)| m * (linear(l, at) - softplus(l, at))).sum()
        };
        let of_cells = |n: Nodes| -> f64 {
            n.leaf.iter().zip(&n.at).zip(&n.mass).map(|((&l, &at), m)| -phi * m * softplus(l, at)).sum()
        };
        let h = cells.histogram(rows, values);
        let gammas = h.value.iter().zip(&h.number).map(|(u, n)| n * (ln_gamma(u + phi) - ln_gamma(phi))).sum::<f64>();
        gammas + of_counts(cells.count_rule(rows, values)) + of_cells(cells.rule(values.iter().sum()))
    }

    proptest! {
        #[test]
        fn nodes_give_the_likelihood_of_the_cells(
            n in 1..1500usize, spread in 0.0..1.5f64, level in -4.0..3.0f64, off in -2.0..2.0f64,
            log_phi in -2.0..4.0f64, seed in 0..1000u64,
        ) {
            let noise = |i: usize| ((i as u64 + 1) * (2 * seed + 12_345)) as f64 * 0.618_033_988_749_895 % 1.0;
            let leaf: Vec<u32> = (0..n).map(|i| (i % 3) as u32).collect();
            let log_capture: Vec<f64> = (0..n).map(|i| spread * (noise(i) + noise(7 * i + 1) + noise(3 * i) - 2.0)).collect();
            let mean = |i: usize| (level + log_capture[i]).exp();
            let counts: Vec<f64> = (0..n).map(|i| (-mean(i) * (1.0 - noise(5 * i)).ln()).floor()).collect();
            let rows: Vec<i32> = (0..n as i32).filter(|&i| counts[i as usize] > 0.0).collect();
            let values: Vec<f64> = rows.iter().map(|&i| counts[i as usize]).collect();
            let cells = Cells { leaf, log_capture, sd: vec![], n_leaves: 3 };
            let (log_mu, phi) = ([level + off, level, level - off], log_phi.exp());
            let exact = by_cells(&cells, &counts, &log_mu, phi);
            let expected: f64 = (0..n).map(|c| (log_mu[c % 3] + cells.log_capture[c]).exp()).sum();
            let total: f64 = values.iter().sum();
            let bound = TOLERANCE * (1.0 + (expected + total) / (total + 3.0)) + 1e-11 * exact.abs();
            let error = by_nodes(&cells, &rows, &values, &log_mu, phi) - exact;
            prop_assert!(error.abs() <= bound, "{error} {bound}");
        }
    }

    #[test]
    fn an_uncertain_capture_keeps_its_moments() {
        let cells = Cells { leaf: vec![0], log_capture: vec![-1.0], sd: vec![0.2], n_leaves: 1 };
        let rule = cells.rule(1e6);
        let moment = |p: i32| rule.at.iter().zip(&rule.mass).map(|(x, m)| m * (x + 1.0).powi(p)).sum::<f64>();
        assert!((moment(0) - 1.0).abs() < 1e-12 && moment(1).abs() < 1e-12);
        assert!((moment(2) - 0.04).abs() < 1e-12 && (moment(4) - 3.0 * 0.0016).abs() < 1e-12);
    }
}
