//! The information of a joint transport in pieces: which columns belong together, where each piece
//! goes in the factor's pattern, and products of a piece with the factors of its two sides.

use crate::sparse::Pattern;

/// Columns that are eliminated together: a level of a block, or all swept coefficients.
#[derive(Debug, Clone)]
pub struct Node {
    /// First column.
    pub first: usize,
    /// Number of columns.
    pub q: usize,
    /// Block and level; `None` for the swept coefficients.
    pub level: Option<(usize, usize)>,
}

/// A dense piece of the information: rows of node `i`, columns of node `j`, `i >= j`.
#[derive(Debug, Clone, Copy)]
pub struct Piece {
    /// Row node.
    pub i: usize,
    /// Column node.
    pub j: usize,
    /// First of its values, row-major.
    pub at: usize,
}

/// How much work a piece is. Most are numbers, and cost the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    /// One number between two levels of one effect each.
    Number,
    /// A column of the swept coefficients and a level of one effect.
    Column,
    /// Anything else.
    Block,
}

impl Shape {
    /// Shape of the piece between two nodes, `i` eliminated no earlier than `j`.
    pub fn between(i: &Node, j: &Node) -> Self {
        match (i.level, j.level) {
            (Some(_), Some(_)) if i.q * j.q == 1 => Self::Number,
            (None, Some(_)) if j.q == 1 => Self::Column,
            _ => Self::Block,
        }
    }
}

/// Where everything is; shared by all centres of a model.
#[derive(Debug)]
pub struct Skeleton {
    /// Pattern of the factor.
    pub pattern: Pattern,
    /// Nodes in the order of elimination.
    pub nodes: Vec<Node>,
    /// Pieces of the information, sorted by [`Shape`].
    pub pieces: Vec<Piece>,
    /// Where the pieces of each shape end.
    pub ends: [usize; 3],
    /// Per value of a piece, its place in the pattern (upper halves of diagonal pieces: that of the lower).
    pub places: Vec<u32>,
    /// Per column, its place in the position.
    pub position: Vec<usize>,
}

/// `out <- A L` for `A` `[q_i, q_j]` and lower `L` (`None`: identity).
pub fn times_lower(q_i: usize, q_j: usize, a: &[f64], l: Option<&[f64]>, out: &mut [f64]) {
    let Some(l) = l else { return out.copy_from_slice(a) };
    for r in 0..q_i {
        for c in 0..q_j {
            out[r * q_j + c] = (c..q_j).map(|m| a[r * q_j + m] * l[m * q_j + c]).sum();
        }
    }
}

/// `out <- L' A` for lower `L` (`None`: identity) and `A` `[q_i, q_j]`.
pub fn lower_transposed_times(q_i: usize, q_j: usize, l: Option<&[f64]>, a: &[f64], out: &mut [f64]) {
    let Some(l) = l else { return out.copy_from_slice(a) };
    for r in 0..q_i {
        for c in 0..q_j {
            out[r * q_j + c] = (r..q_i).map(|m| l[m * q_i + r] * a[m * q_j + c]).sum();
        }
    }
}
