//! Constants of a collapsed model by blocks: which levels belong together, and what the data say of them.
//!
//! Some terms and the coefficients are the core. The others fall into blocks that meet only through it, a gene with its
//! guides. With `A` the information of the data and `b`, `c` the columns of a block and of the core, `A_bc = M V'`: rows of `A_bc` that
//! are combinations of each other, as those of guides that were seen in the same lines, are kept once.
//!
//! What the data say has one layer, and another for each class of levels that are integrated out before ([`super::innermost`]); the layers
//! of a block, or of a piece of the core, stand one after the other, and have `V` in common.

use super::innermost::Innermost;
use crate::transport::pieces::{Node, Piece};
use std::ops::Range;

/// A block's places among the numbers of all.
#[derive(Debug, Clone)]
pub struct LevelBlock {
    /// Levels.
    pub nodes: Range<usize>,
    /// Columns among those of all blocks.
    pub columns: Range<usize>,
    /// First of its `[n, n]` entries of one layer of `A`.
    pub inner: usize,
    /// First of its `[r, n]` entries of one layer of `M'`.
    pub mix: usize,
    /// Its vectors, columns of `V`, among those of all blocks.
    pub vectors: Range<usize>,
    /// Rows of the core that it meets.
    pub rows: Range<usize>,
    /// First of the `[r, rows]` entries of `V'`.
    pub basis: usize,
}

/// Constants that all positions share.
#[derive(Debug, Default)]
pub struct Plan {
    /// Levels of the blocks, block by block.
    pub nodes: Vec<Node>,
    /// Their blocks.
    pub blocks: Vec<LevelBlock>,
    /// Levels of the core, then the coefficients; columns are counted from the core's first.
    pub core_nodes: Vec<Node>,
    /// Columns of the core.
    pub n_core: usize,
    /// Pieces of the core, row-major.
    pub core_pieces: Vec<Piece>,
    /// `A_bb`.
    pub inner: Vec<f64>,
    /// `M'`.
    pub mix: Vec<f64>,
    /// Rows of the core that blocks meet, level by level.
    pub rows: Vec<u32>,
    /// `V'`.
    pub basis: Vec<f64>,
    /// Values of the core's pieces.
    pub core: Vec<f64>,
    /// `g`, the score at the centre, of the blocks' columns and of the core's.
    pub score: [Vec<f64>; 2],
    /// Layers of `A`, `M'` and `g`.
    pub n_layers: usize,
    /// Levels that are integrated out before.
    pub innermost: Option<Innermost>,
}

impl LevelBlock {
    /// Vectors that a position subtracts from the core, never more than columns.
    pub fn n_subtracted(&self) -> usize {
        self.columns.len().min(self.vectors.len())
    }
}

impl Plan {
    /// Vectors that a position subtracts from the core.
    pub fn n_subtracted(&self) -> usize {
        self.blocks.iter().map(LevelBlock::n_subtracted).sum()
    }

    /// Vectors of all blocks.
    pub fn n_vectors(&self) -> usize {
        self.blocks.last().map_or(0, |b| b.vectors.end)
    }

    /// Columns of all blocks.
    pub fn n_lead(&self) -> usize {
        self.blocks.last().map_or(0, |b| b.columns.end)
    }
}
