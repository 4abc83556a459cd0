//! Single cells: the capture of each, and the counts of each gene compressed leaf by leaf.

pub mod capture;

use crate::compress::cells::{Cells, Histogram, Nodes};
use crate::design::check_columns;
use crate::error::{Error, Result};
use crate::run::{Progress, on_workers};
use rayon::prelude::*;
use std::sync::atomic::Ordering;

/// Counts above zero, cells x genes, in compressed columns.
#[derive(Debug, Clone, Copy)]
pub struct CellColumns<'a> {
    /// `[n_genes + 1]` starts of the columns.
    pub starts: &'a [i32],
    /// Cell of each value.
    pub cells: &'a [i32],
    /// Values.
    pub values: &'a [f64],
}

impl<'a> CellColumns<'a> {
    /// Checked.
    ///
    /// # Errors
    /// [`Error::Spec`] if starts or cells do not describe counts of `n` cells.
    pub fn new(starts: &'a [i32], cells: &'a [i32], values: &'a [f64], n: usize) -> Result<Self> {
        check_columns(starts, cells, values, n, "cell")?;
        Ok(Self { starts, cells, values })
    }

    /// Number of genes.
    pub fn n_genes(&self) -> usize {
        self.starts.len() - 1
    }

    /// Cells and values of a gene.
    pub fn of(&self, gene: usize) -> (&'a [i32], &'a [f64]) {
        let own = self.starts[gene] as usize..self.starts[gene + 1] as usize;
        (&self.cells[own.clone()], &self.values[own])
    }
}

/// What is kept of each gene.
#[derive(Debug, Default)]
pub struct CompressedCells {
    /// `[n_genes + 1]` starts of `nodes`.
    pub node_starts: Vec<i32>,
    /// Rules of the counts.
    pub nodes: Nodes,
    /// `[n_genes + 1]` starts of `histogram`.
    pub histogram_starts: Vec<i32>,
    /// Counts above zero.
    pub histogram: Histogram,
}

/// Compresses all genes; `watch` as in [`on_workers`].
///
/// # Errors
/// [`Error::Interrupt`] if `watch` says so, or if threads cannot be started.
pub fn compress(
    cells: &Cells, counts: CellColumns, threads: usize, watch: impl FnMut(Progress) -> bool,
) -> Result<CompressedCells> {
    on_workers(threads, counts.n_genes(), watch, |shared| {
        let gene = |g: usize| {
            if shared.cancel.load(Ordering::Relaxed) {
                return Err(Error::Interrupt);
            }
            let (rows, values) = counts.of(g);
            let kept = (cells.count_rule(rows, values), cells.histogram(rows, values));
            shared.tick();
            Ok(kept)
        };
        let genes: Vec<(Nodes, Histogram)> = (0..counts.n_genes()).into_par_iter().map(gene).collect::<Result<_>>()?;
        Ok(joined(genes))
    })
}

fn joined(genes: Vec<(Nodes, Histogram)>) -> CompressedCells {
    let mut out = CompressedCells { node_starts: vec![0], histogram_starts: vec![0], ..CompressedCells::default() };
    for (nodes, histogram) in genes {
        out.nodes.append(nodes);
        out.histogram.append(histogram);
        out.node_starts.push(out.nodes.at.len() as i32);
        out.histogram_starts.push(out.histogram.value.len() as i32);
    }
    out
}
