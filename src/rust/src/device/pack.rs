//! Genes in plain arrays, laid out as `kernels/frame.cuh` reads them.

use crate::tuning::{BEND_SIZE, DIRECT, PRIOR_SIZE};

/// What genes share. Coordinates are the effects of `n_blocks` blocks of `b`, then the core of `c`: other effects, and
/// last the `p` coefficients; then the scales: standard deviations and, if there is one, the shape.
#[derive(Debug, Clone, Default)]
pub struct FrameArrays {
    /// Coefficients.
    pub p: usize,
    /// Standard deviations.
    pub n_sd: usize,
    /// Whether there is a shape.
    pub has_shape: bool,
    /// Blocks, effects of each, and what is not in blocks.
    pub n_blocks: usize,
    /// Effects of each block.
    pub b: usize,
    /// What is in no block.
    pub c: usize,
    /// Standard deviation of each effect, `None` for coefficients.
    pub sd_of: Vec<Option<usize>>,
    /// Block of each leaf.
    pub block: Vec<usize>,
    /// `[leaves, b]`.
    pub z: Vec<f64>,
    /// `[leaves, c]`.
    pub x: Vec<f64>,
}

/// One gene: rows sorted by leaf, sums over counts, priors, and the constants of its map.
#[derive(Debug, Clone, Default)]
pub struct GeneArrays {
    /// Terms of the log-likelihood without parameters.
    pub constant: f64,
    /// Log shape at the map's centre, and the share of the variance that is in excess there.
    pub excess: (f64, f64),
    /// Information, `[n_blocks, b, b]`, `[n_blocks, c, b]`, `[c, c]`.
    pub information: [Vec<f64>; 3],
    /// `[n]`.
    pub pull: Vec<f64>,
    /// Prior of the core as a quadratic, `[c, c]` and `[c]`.
    pub core_prior: [Vec<f64>; 2],
    /// `[p, p]` arguments of the coefficients' priors.
    pub directions: Vec<f64>,
    /// Bends of the scales: middle, slope, both, skew (`natural/bend.rs`).
    pub bends: Vec<[f64; BEND_SIZE]>,
    /// Weights of the counts above `j`, at most [`DIRECT`].
    pub above: Vec<f64>,
    /// What exceeds [`DIRECT`] in larger counts, and their weights.
    pub large: [Vec<f64>; 2],
    /// Priors of coefficients, then of scales.
    pub priors: Vec<[f64; PRIOR_SIZE]>,
    /// `[leaves + 1]` starts of the leaves' rows.
    pub starts: Vec<usize>,
    /// Offsets, weights and weighted counts of the rows.
    pub rows: [Vec<f64>; 3],
}

/// Many genes one after the other.
#[derive(Debug, Default)]
pub struct Packed {
    /// Records of fixed length.
    pub records: Vec<f64>,
    /// `[genes, leaves + 1]`.
    pub row_start: Vec<u32>,
    /// Offsets, weights and weighted counts.
    pub rows: [Vec<f64>; 3],
    /// `[genes + 1]`.
    pub large_start: Vec<u32>,
    /// Excesses and weights.
    pub large: [Vec<f64>; 2],
}

impl FrameArrays {
    /// Coefficients and effects.
    pub fn n(&self) -> usize {
        self.n_blocks * self.b + self.c
    }

    /// Standard deviations and shape.
    pub fn n_scales(&self) -> usize {
        self.n_sd + usize::from(self.has_shape)
    }

    /// All coordinates.
    pub fn dim(&self) -> usize {
        self.n() + self.n_scales()
    }

    /// Number of leaves.
    pub fn n_leaves(&self) -> usize {
        self.block.len()
    }

    /// The kernels' whole numbers.
    pub fn ints(&self) -> Vec<u32> {
        let header = [self.p, self.n_sd, self.n_scales(), self.n_blocks, self.b, self.c, self.n_leaves()];
        let mut out: Vec<u32> = header.iter().map(|&v| v as u32).collect();
        out.push(u32::from(self.has_shape));
        // -1 as the kernels read it.
        out.extend(self.sd_of.iter().map(|sd| sd.map_or(u32::MAX, |k| k as u32)));
        let (starts, leaves) = self.leaves_by_block();
        out.extend(starts.iter().chain(&leaves).chain(&self.block).map(|&v| v as u32));
        out
    }

    /// The kernels' numbers.
    pub fn reals(&self) -> Vec<f64> {
        [&self.z[..], &self.x[..]].concat()
    }

    fn leaves_by_block(&self) -> (Vec<usize>, Vec<usize>) {
        let of = |block: usize| (0..self.n_leaves()).filter(move |&leaf| self.block[leaf] == block);
        let leaves = (0..self.n_blocks).flat_map(of).collect::<Vec<_>>();
        let ends = (0..self.n_blocks).scan(0, |end, block| {
            *end += of(block).count();
            Some(*end)
        });
        let starts = std::iter::once(0).chain(ends).collect();
        // Without blocks nobody asks for their leaves; the place must be there all the same.
        (starts, if leaves.is_empty() { vec![0; self.n_leaves()] } else { leaves })
    }
}

impl Packed {
    /// Genes under one frame.
    pub fn new<'a>(genes: impl IntoIterator<Item = &'a GeneArrays>) -> Self {
        let mut out = Self { large_start: vec![0], ..Self::default() };
        genes.into_iter().for_each(|gene| out.push(gene));
        out
    }

    fn push(&mut self, gene: &GeneArrays) {
        self.push_record(gene);
        let from = self.rows[0].len();
        self.row_start.extend(gene.starts.iter().map(|s| (from + s) as u32));
        self.rows.iter_mut().zip(&gene.rows).for_each(|(all, own)| all.extend(own));
        self.large.iter_mut().zip(&gene.large).for_each(|(all, own)| all.extend(own));
        self.large_start.push(self.large[0].len() as u32);
    }

    fn push_record(&mut self, gene: &GeneArrays) {
        let (centre, excess) = gene.excess;
        self.records.extend([gene.constant, centre, excess]);
        let parts = gene.information.iter().chain([&gene.pull]).chain(&gene.core_prior);
        parts.chain([&gene.directions]).for_each(|part| self.records.extend(part));
        gene.bends.iter().for_each(|bend| self.records.extend(bend));
        let unused = DIRECT - gene.above.len().min(DIRECT);
        self.records.extend(gene.above.iter().take(DIRECT));
        self.records.extend(std::iter::repeat_n(0.0, unused));
        gene.priors.iter().for_each(|prior| self.records.extend(prior));
    }
}
