//! Sparse counts of cells on a device: log-likelihood and gradient of all genes, a batch of cells at a time.
//!
//! See `kernels/cells.cu`. Cells are sorted so that a segment has one leaf, at most [`SEGMENT`] cells and one batch. A count
//! too large for its 16 bits is cut into several: it enters linearly, but for the terms in `ln Gamma`, which are
//! not here (`rising`: they need the counts' histogram, whatever the batch).
//!
//! No fit takes this path yet: where covariates differ from cell to cell, [`super::genes`] has a row per cell. Nodes that
//! stand for fewer points than there are cells need a quadrature of log capture and covariates together, which the CPU
//! has not either; with a node per cell the zeros cost what they cost there.

use super::error::Result;
use super::machine::{Argument, Buffer, LaunchShape, Machine, download, index_bytes, real_bytes, upload};
use super::source::Precision;
use std::ops::Range;

/// Cells of a segment at most, and the largest count of an entry.
pub const SEGMENT: usize = 1 << 16;
const MAX_COUNT: u32 = 0xffff;
/// Covariates of a cell at most: `MAX_COVARIATES` of the kernel.
pub const MAX_COVARIATES: usize = 8;
/// Threads of a block.
const THREADS: u32 = 128;

/// Points that stand for cells, leaf by leaf.
#[derive(Debug, Clone, Default)]
pub struct Nodes {
    /// `[leaves + 1]`.
    pub starts: Vec<u32>,
    /// Log capture.
    pub offset: Vec<f64>,
    /// How many cells a node stands for.
    pub mass: Vec<f64>,
    /// `[covariates, nodes]`.
    pub covariates: Vec<f64>,
}

/// Cells in segments, in the order of the batches.
#[derive(Debug, Clone, Default)]
pub struct CellArrays {
    /// Number of leaves.
    pub n_leaves: usize,
    /// Leaf and cells of each segment.
    pub segments: Vec<(u32, Range<usize>)>,
    /// What a count of the segment stands for: all cells over those of its batch.
    pub rate: Vec<f64>,
    /// Log capture of each cell.
    pub offset: Vec<f64>,
    /// `[covariates, cells]`.
    pub covariates: Vec<f64>,
    /// Covariates per cell.
    pub n_covariates: usize,
    /// For all that is not a count.
    pub nodes: Nodes,
}

/// Counts of genes in the segments.
#[derive(Debug, Clone, Default)]
pub struct CountArrays {
    /// `[genes, segments + 1]`.
    pub starts: Vec<u32>,
    /// Number of the cell in its segment above 16 bits, and the count.
    pub entries: Vec<u32>,
}

/// One gene's sums.
#[derive(Debug, Clone, PartialEq)]
pub struct CellGradient {
    /// Log-likelihood, but for the terms in `ln Gamma`.
    pub value: f64,
    /// Derivative in log phi.
    pub d_log_phi: f64,
    /// In the coefficients of the covariates.
    pub d_gamma: Vec<f64>,
    /// In the leaves' linear predictors.
    pub d_leaf: Vec<f64>,
}

impl CountArrays {
    /// Adds a gene from its cells, ascending, and their counts.
    pub fn push(&mut self, cells: &CellArrays, counts: impl IntoIterator<Item = (usize, u32)>) {
        let mut counts = counts.into_iter().peekable();
        for (_, range) in &cells.segments {
            self.starts.push(self.entries.len() as u32);
            while let Some((cell, mut count)) = counts.next_if(|(cell, _)| *cell < range.end) {
                let place = ((cell - range.start) as u32) << 16;
                while count > 0 {
                    self.entries.push(place | count.min(MAX_COUNT));
                    count -= count.min(MAX_COUNT);
                }
            }
        }
        self.starts.push(self.entries.len() as u32);
    }
}

/// Cells and counts on a device.
pub struct Cells<'a> {
    machine: &'a dyn Machine,
    precision: Precision,
    arrays: Vec<Buffer>,
    header: [i32; 5],
    n_genes: usize,
}

impl<'a> Cells<'a> {
    /// Puts them there.
    ///
    /// # Errors
    /// Memory that does not suffice, and a device that does not answer.
    pub fn new(
        machine: &'a dyn Machine, precision: Precision, cells: &CellArrays, counts: &CountArrays,
    ) -> Result<Self> {
        assert!(cells.n_covariates <= MAX_COVARIATES && cells.segments.iter().all(|(_, cells)| cells.len() <= SEGMENT));
        let leaf: Vec<u32> = cells.segments.iter().map(|(leaf, _)| *leaf).collect();
        let first: Vec<u32> = cells.segments.iter().map(|(_, cells)| cells.start as u32).collect();
        let real = |values: &[f64]| real_bytes(values, precision);
        let nodes = &cells.nodes;
        let mut bytes = vec![index_bytes(&leaf), index_bytes(&first), real_bytes(&cells.rate, Precision::Double)];
        bytes.extend([real(&cells.offset), real(&cells.covariates), index_bytes(&nodes.starts)]);
        bytes.extend([real(&nodes.offset), real(&nodes.mass), real(&nodes.covariates)]);
        bytes.extend([index_bytes(&counts.starts), index_bytes(&counts.entries)]);
        let arrays = bytes.iter().map(|bytes| upload(machine, bytes)).collect::<Result<_>>()?;
        let sizes = [cells.n_leaves, cells.segments.len(), cells.offset.len(), nodes.offset.len(), cells.n_covariates];
        let n_genes = counts.starts.len() / (cells.segments.len() + 1);
        Ok(Self { machine, precision, arrays, header: sizes.map(|n| n as i32), n_genes })
    }

    /// Memory for the parameters: leaves' linear predictors less log phi, coefficients of covariates and log phi, gene
    /// by gene; and for what comes out.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn memory(&self) -> Result<[Buffer; 2]> {
        let [leaves, _, _, _, covariates] = self.header.map(|n| n as usize);
        let sizes = [leaves + covariates + 1, leaves + covariates + 2];
        let [parameters, out] = sizes.map(|n| self.machine.zeros(8 * n * self.n_genes));
        Ok([parameters?, out?])
    }

    /// Starts the sums over the counts of `segments` and over all nodes.
    ///
    /// # Errors
    /// A device that does not answer.
    pub fn start(&self, segments: Range<usize>, memory: &[Buffer; 2]) -> Result<()> {
        let [leaves, _, _, _, covariates] = self.header.map(|n| n as u32);
        let mut arguments: Vec<Argument> = self.header.map(Argument::Int).to_vec();
        arguments.extend(self.arrays.iter().chain(memory).map(Argument::Pointer));
        let last = [segments.start, segments.end, self.n_genes].map(|n| Argument::Int(n as i32));
        arguments.extend(last);
        let shared_bytes = 8 * THREADS.div_ceil(32) * (leaves + covariates + 2);
        let shape = LaunchShape { blocks: (self.n_genes as u32, 1), threads: THREADS, shared_bytes };
        self.machine.launch("twill_cells", self.precision, shape, &arguments)
    }

    /// Sums at `parameters`, as [`Self::memory`] says.
    ///
    /// # Errors
    /// A device that does not answer.
    pub fn gradient(&self, segments: Range<usize>, parameters: &[f64]) -> Result<Vec<CellGradient>> {
        let memory = self.memory()?;
        self.machine.write(&memory[0], &real_bytes(parameters, Precision::Double))?;
        self.start(segments, &memory)?;
        let size = memory[1].bytes() / 8 / self.n_genes;
        let out = download(self.machine, &memory[1], size * self.n_genes, Precision::Double)?;
        let q = self.header[4] as usize;
        let one = |sums: &[f64]| CellGradient {
            value: sums[0],
            d_log_phi: sums[1],
            d_gamma: sums[2..2 + q].to_vec(),
            d_leaf: sums[2 + q..].to_vec(),
        };
        Ok(out.chunks_exact(size).map(one).collect())
    }
}
