//! Genes of compressed cells: from their nodes and histograms to the rows of one gene's likelihood.

use super::Compressed;
use super::cells::{Histogram, Nodes, coarser_rules};
use super::groups::{DispersionGroup, groups_of};
use super::leaves::Leaves;
use crate::design::Design;
use crate::error::{Error, Result};
use crate::spec::Family;
use std::ops::Range;

/// Compressed cells of many genes, under a design with one row per leaf.
#[derive(Debug)]
pub struct CellStatistics {
    /// Rules of the cells, close enough for all genes.
    pub rule: Nodes,
    /// Shorter ones for genes of up to so many counts, ascending.
    pub coarser: Vec<(f64, Nodes)>,
    /// `[n_genes + 1]` starts of `nodes`.
    pub node_starts: Vec<usize>,
    /// Rules of the counts.
    pub nodes: Nodes,
    /// `[n_genes + 1]` starts of `histogram`.
    pub histogram_starts: Vec<usize>,
    /// Counts above zero.
    pub histogram: Histogram,
}

impl CellStatistics {
    /// With shorter rules for genes of few counts. `node_starts` and `histogram_starts` as below.
    pub fn new(
        rule: Nodes, node_starts: Vec<usize>, nodes: Nodes, histogram_starts: Vec<usize>, histogram: Histogram,
    ) -> Self {
        Self { coarser: coarser_rules(&rule), rule, node_starts, nodes, histogram_starts, histogram }
    }

    /// Number of genes.
    pub fn n_genes(&self) -> usize {
        self.node_starts.len() - 1
    }

    /// # Errors
    /// [`Error::Spec`] if lengths do not fit each other or a leaf is not among `n`.
    pub fn check(&self, n: usize) -> Result<()> {
        let starts = |s: &[usize], len: usize| s.is_sorted() && s.first() == Some(&0) && s.last() == Some(&len);
        let nodes = |x: &Nodes| x.at.len() == x.leaf.len() && x.mass.len() == x.leaf.len() && within(&x.leaf, n);
        let h = &self.histogram;
        let fits = starts(&self.node_starts, self.nodes.at.len())
            && starts(&self.histogram_starts, h.value.len())
            && self.node_starts.len() == self.histogram_starts.len()
            && nodes(&self.rule)
            && nodes(&self.nodes)
            && h.leaf.len() == h.value.len()
            && h.number.len() == h.value.len()
            && within(&h.leaf, n);
        if fits { Ok(()) } else { Err(Error::Spec("the compressed cells do not fit their design".into())) }
    }

    /// The counts of gene `g` as a design, one row per value of its histogram, and the rows that stand for them.
    pub fn rows_of(&self, g: usize, design: &Design, family: Family) -> (Design, Compressed) {
        let counts = self.counts_of(g, design);
        let is_regression = design.x_disp.ncols() > 0;
        let mut groups =
            if is_regression { groups_of(&counts, &Leaves::of_dispersion(&counts), family) } else { vec![] };
        let group_of = Leaves::of_dispersion(design).of_row;
        let mut leaves: Vec<usize> = (0..design.n()).collect();
        leaves.sort_by_key(|&leaf| group_of[leaf]);
        let (mut rows, rule) = (RowsMade::default(), self.rule_of(g));
        for leaf in leaves {
            self.add_leaf(g, leaf as u32, rule, &mut rows);
            if is_regression {
                groups[group_of[leaf] as usize].end = rows.leaf.len();
            }
        }
        (counts, rows.compressed(design, groups))
    }

    /// Begins with a zero without weight per leaf, so that each leaf is there, in order.
    fn counts_of(&self, g: usize, design: &Design) -> Design {
        let (h, n) = (&self.histogram, design.n());
        let own = self.histogram_starts[g]..self.histogram_starts[g + 1];
        let leaves: Vec<usize> = (0..n).chain(h.leaf[own.clone()].iter().map(|&leaf| leaf as usize)).collect();
        let led = |values: &[f64]| [&vec![0.0; n], &values[own.clone()]].concat();
        Design { y: led(&h.value).into(), weights: led(&h.number).into(), ..design.select(&leaves) }
    }

    /// The shortest rule of the cells that is close enough for the counts of gene `g`.
    fn rule_of(&self, g: usize) -> &Nodes {
        let total: f64 = self.nodes.mass[self.node_starts[g]..self.node_starts[g + 1]].iter().sum();
        self.coarser.iter().find(|(most, _)| total <= *most).map_or(&self.rule, |(_, rule)| rule)
    }

    fn add_leaf(&self, g: usize, leaf: u32, rule: &Nodes, rows: &mut RowsMade) {
        let counts = of_leaf(&self.nodes, self.node_starts[g]..self.node_starts[g + 1], leaf);
        let cells = of_leaf(rule, 0..rule.leaf.len(), leaf);
        // Where there are no other rows, a gene's mean rate in the leaf is a rough start.
        let exposure: f64 = cells.clone().map(|i| rule.mass[i] * rule.at[i].exp()).sum();
        let rate = self.nodes.mass[counts.clone()].iter().sum::<f64>() / exposure.max(f64::MIN_POSITIVE);
        cells.for_each(|i| rows.push(leaf, rule.at[i], rule.mass[i], 0.0, rate));
        counts.for_each(|i| rows.push(leaf, self.nodes.at[i], 0.0, self.nodes.mass[i], rate));
    }
}

fn within(leaves: &[u32], n: usize) -> bool {
    leaves.iter().all(|&leaf| (leaf as usize) < n)
}

/// Which of `own` nodes, ascending by leaf, are those of a leaf.
fn of_leaf(nodes: &Nodes, own: Range<usize>, leaf: u32) -> Range<usize> {
    let place = |below: &dyn Fn(u32) -> bool| own.start + nodes.leaf[own.clone()].partition_point(|&l| below(l));
    place(&|l| l < leaf)..place(&|l| l <= leaf)
}

/// Rows of the likelihood as they are made.
#[derive(Default)]
struct RowsMade {
    leaf: Vec<usize>,
    offset: Vec<f64>,
    weight: Vec<f64>,
    total: Vec<f64>,
    mean: Vec<f64>,
}

impl RowsMade {
    fn push(&mut self, leaf: u32, at: f64, weight: f64, total: f64, rate: f64) {
        self.leaf.push(leaf as usize);
        self.offset.push(at);
        self.weight.push(weight);
        self.total.push(total);
        self.mean.push(rate * at.exp());
    }

    fn compressed(self, design: &Design, groups: Vec<DispersionGroup>) -> Compressed {
        Compressed {
            design: Design {
                y: self.mean.into(),
                offset: self.offset.into(),
                weights: self.weight.into(),
                ..design.select(&self.leaf)
            },
            totals: self.total,
            squares: vec![],
            groups,
            constant: 0.0,
        }
    }
}
