//! Rows of counts in the order of the blocks that they belong to, with what each has of its block's columns and of the core's.

use crate::collapse::partition::Home;
use crate::collapse::plan::{LevelBlock, Plan};
use crate::density::Model;
use crate::kernels;
use crate::likelihood::RowParts;
use crate::rising::Rising;
use std::ops::Range;

/// What each row has of some columns: as many values as every other.
#[derive(Debug, Default)]
struct RowColumns {
    /// Values of a row.
    width: usize,
    /// Row-major columns: among those of the row's block, or among the rows of the core that this meets.
    places: Vec<u32>,
    values: Vec<f64>,
}

/// Rows of all blocks.
#[derive(Debug)]
pub struct BlockRows {
    /// Where the rows of each block begin, and the end.
    starts: Vec<usize>,
    totals: Vec<f64>,
    weights: Vec<f64>,
    offset: Vec<f64>,
    has_shape: bool,
    of_blocks: RowColumns,
    of_core: RowColumns,
}

/// Sums over the rows of a block, and what rows leave on the way.
#[derive(Debug, Default)]
pub struct Sums {
    /// Linear predictor of rows, and derivatives in it.
    pub eta: Vec<f64>,
    pub d_eta: Vec<f64>,
    /// `[n, n]` information about the block's columns, and its slope.
    pub inner: Vec<f64>,
    pub slope: Vec<f64>,
    /// `[rows of the core, n]` between both, and the slope of the core.
    pub cross: Vec<f64>,
    pub slope_core: Vec<f64>,
    curvature: Vec<f64>,
}

impl BlockRows {
    /// Of a model whose levels went to `homes`.
    pub fn new(model: &Model, plan: &Plan, homes: &[Home], node_of: &[Vec<usize>]) -> Self {
        let (design, layout, n) = (&model.design, &model.layout, model.design.n());
        let home = |k: usize, row: usize| homes[node_of[k][design.terms[k].codes[row] as usize]];
        let is_in_block = |k: &usize| matches!(homes[node_of[*k][0]], Home::Block(..));
        let in_block = (0..design.terms.len()).find(is_in_block);
        let block_of = |row: usize| match in_block.map(|k| home(k, row)) {
            Some(Home::Block(b, _)) => b,
            _ => 0,
        };
        let mut order: Vec<(u32, u32)> = (0..n).map(|row| (block_of(row) as u32, row as u32)).collect();
        order.sort_unstable();
        let starts = (0..=plan.blocks.len()).map(|b| order.partition_point(|&(of, _)| (of as usize) < b)).collect();
        let pick = |from: &[f64]| order.iter().map(|&(_, row)| from[row as usize]).collect::<Vec<f64>>();
        let RowParts { totals, weights, .. } = model.likelihood.parts();
        let swept = plan.core_nodes.iter().find(|node| node.level.is_none());
        let (mut of_blocks, mut of_core) = (RowColumns::default(), RowColumns::default());
        for &(b, row) in &order {
            let (block, row) = (&plan.blocks[b as usize], row as usize);
            for (k, term) in design.terms.iter().enumerate() {
                match home(k, row) {
                    Home::Block(_, first) => of_blocks.push(first as u32, term.z.row(row)),
                    Home::Core(node) => of_core.push(local(plan, block, plan.core_nodes[node].first), term.z.row(row)),
                    // Counts have none.
                    Home::Innermost => {}
                }
            }
            if let Some(node) = swept {
                let x = design.x.row(row);
                of_core.push(local(plan, block, node.first), layout.swept.iter().map(|&j| &x[j]));
            }
        }
        of_blocks.width = of_blocks.values.len() / n;
        of_core.width = of_core.values.len() / n;
        Self {
            starts,
            totals: pick(totals),
            weights: pick(weights),
            offset: pick(&design.offset),
            has_shape: model.family().has_shape(),
            of_blocks,
            of_core,
        }
    }

    /// Terms in `ln Gamma` of the rows of every so many blocks; `None` where rows stand for many, and have no counts of their own.
    pub fn rising(&self, stride: usize) -> Option<Rising> {
        let rows = (0..self.starts.len() - 1).step_by(stride).flat_map(|b| self.of(b));
        let mut counts = rows.map(|row| (self.totals[row] / self.weights[row], self.weights[row]));
        if !self.has_shape {
            return Some(Rising::default());
        }
        let is_whole = |&(y, _): &(f64, f64)| y.is_finite() && (y - y.round()).abs() < 1e-9 * (1.0 + y);
        let counts = counts.by_ref().collect::<Vec<_>>();
        counts.iter().all(is_whole).then(|| Rising::new(counts.into_iter().map(|(y, w)| (y.round(), w))))
    }

    /// Rows of a block.
    fn of(&self, b: usize) -> Range<usize> {
        self.starts[b]..self.starts[b + 1]
    }

    /// Sets `eta` to what a block's rows have beside their block: `core` are natural values of the core's rows that it meets.
    pub fn set_core(&self, b: usize, core: &[f64], eta: &mut Vec<f64>) {
        eta.clear();
        eta.extend_from_slice(&self.offset[self.of(b)]);
        self.of_core.add(self.of(b), core, eta);
    }

    /// Adds what they have of their block, `own` being its natural effects.
    pub fn add_block(&self, b: usize, own: &[f64], eta: &mut [f64]) {
        self.of_blocks.add(self.of(b), own, eta);
    }

    /// Log-likelihood of a block's rows, but for what depends on the shape alone; overwrites its derivatives.
    pub fn evaluate(&self, b: usize, eta: &[f64], log_shape: f64, d_eta: &mut Vec<f64>) -> f64 {
        let rows = self.of(b);
        d_eta.resize(rows.len(), 0.0);
        let (totals, weights) = (&self.totals[rows.clone()], &self.weights[rows]);
        if self.has_shape {
            kernels::negative_binomial(totals, weights, eta, log_shape, d_eta).0
        } else {
            kernels::poisson(totals, weights, eta, d_eta)
        }
    }

    /// Sets sums to those of a block's rows at their derivatives `d_eta`, and adds what the core has by itself to the lower half of
    /// `matrix`, `[n, n]` column by column.
    pub fn sum(&self, b: usize, plan: &Plan, log_shape: f64, sums: &mut Sums, matrix: &mut [f64]) {
        let block = &plan.blocks[b];
        let (n, n_core, met) = (block.columns.len(), plan.n_core, &plan.rows[block.rows.clone()]);
        let Sums { inner, slope, cross, slope_core, d_eta, curvature, .. } = sums;
        for (to, size) in [(&mut *inner, n * n), (slope, n), (cross, n * met.len()), (slope_core, met.len())] {
            to.clear();
            to.resize(size, 0.0);
        }
        self.curvature(b, log_shape, d_eta, curvature);
        self.of_blocks.pull_back(self.of(b), d_eta, &mut sums.slope);
        self.of_core.pull_back(self.of(b), d_eta, &mut sums.slope_core);
        for (row, w) in self.of(b).zip(&sums.curvature) {
            let (own, core) = (self.of_blocks.row(row), self.of_core.row(row));
            for (a, (&i, x)) in own.0.iter().zip(own.1).enumerate() {
                let (wx, i) = (w * x, i as usize);
                let to = &mut sums.inner[i * n..(i + 1) * n];
                own.0[..=a].iter().zip(own.1).for_each(|(&j, y)| to[j as usize] += wx * y);
                core.0.iter().zip(core.1).for_each(|(&j, y)| sums.cross[j as usize * n + i] += wx * y);
            }
            for (a, (&i, x)) in core.0.iter().zip(core.1).enumerate() {
                let (wx, row) = (w * x, met[i as usize]);
                for (&j, y) in core.0[..=a].iter().zip(core.1) {
                    let column = met[j as usize];
                    matrix[row.min(column) as usize * n_core + row.max(column) as usize] += wx * y;
                }
            }
        }
        // What was summed is one half, in the order of the terms.
        let inner = &mut sums.inner;
        for i in 0..n {
            for j in 0..i {
                let both = inner[i * n + j] + inner[j * n + i];
                (inner[i * n + j], inner[j * n + i]) = (both, both);
            }
        }
    }

    /// Adds the slopes of a block's columns, and of the core's rows that it meets, at rows' derivatives.
    pub fn pull_back(&self, b: usize, d_eta: &[f64], own: &mut [f64], core: &mut [f64]) {
        self.of_blocks.pull_back(self.of(b), d_eta, own);
        self.of_core.pull_back(self.of(b), d_eta, core);
    }

    /// Second derivatives in the linear predictor, their sign turned, from the first: with `m` the share of the mean in `t - d`.
    fn curvature(&self, b: usize, log_shape: f64, d_eta: &[f64], out: &mut Vec<f64>) {
        let rows = self.of(b);
        let rows = self.totals[rows.clone()].iter().zip(&self.weights[rows]).zip(d_eta);
        out.clear();
        if self.has_shape {
            let shape = log_shape.exp();
            out.extend(rows.map(|((t, w), d)| {
                let own = w * shape;
                // Rows that stand for many have counts at some and weights at others.
                if t + own > 0.0 { ((t - d) * (own + d) / (t + own)).max(0.0) } else { 0.0 }
            }));
        } else {
            out.extend(rows.map(|((t, _), d)| (t - d).max(0.0)));
        }
    }
}

impl RowColumns {
    /// Adds values of the row that comes next.
    fn push<'a>(&mut self, first: u32, values: impl IntoIterator<Item = &'a f64>) {
        self.values.extend(values);
        self.places.extend((first..).take(self.values.len() - self.places.len()));
    }

    fn row(&self, row: usize) -> (&[u32], &[f64]) {
        let own = row * self.width..(row + 1) * self.width;
        (&self.places[own.clone()], &self.values[own])
    }

    /// Adds the products of rows with `values`.
    fn add(&self, rows: Range<usize>, values: &[f64], to: &mut [f64]) {
        for (row, to) in rows.zip(to) {
            let (places, own) = self.row(row);
            *to += places.iter().zip(own).map(|(&j, x)| x * values[j as usize]).sum::<f64>();
        }
    }

    /// Adds the products of columns with `d`.
    fn pull_back(&self, rows: Range<usize>, d: &[f64], out: &mut [f64]) {
        for (row, d) in rows.zip(d) {
            let (places, own) = self.row(row);
            places.iter().zip(own).for_each(|(&j, x)| out[j as usize] += d * x);
        }
    }
}

/// Place of a column of the core among those that a block meets.
fn local(plan: &Plan, block: &LevelBlock, column: usize) -> u32 {
    plan.rows[block.rows.clone()].partition_point(|&row| (row as usize) < column) as u32
}
