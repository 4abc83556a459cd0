//! The information of a joint transport in pieces: which columns belong together, where each piece
//! goes in the factor's pattern, and products of a piece with the factors of its two sides.

use super::scheme::Scheme;
use crate::layout::Layout;
use crate::linalg::pattern::Pattern;
use std::sync::Arc;

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

/// A dense piece of the information: rows of node `i`, columns of node `j`, `i >= j`. There can be more of them than rows, so their
/// numbers take half the room.
#[derive(Debug, Clone, Copy)]
pub struct Piece {
    i: u32,
    j: u32,
    at: u32,
}

impl Piece {
    /// Of two nodes, with the place of its first value.
    pub fn new(i: usize, j: usize, at: usize) -> Self {
        let [i, j, at] = [i, j, at].map(|x| u32::try_from(x).expect("memory has no room for 2^32 sums"));
        Self { i, j, at }
    }

    /// Row node.
    pub fn i(&self) -> usize {
        self.i as usize
    }

    /// Column node.
    pub fn j(&self) -> usize {
        self.j as usize
    }

    /// First of its values, row-major.
    pub fn at(&self) -> usize {
        self.at as usize
    }
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

/// Which effects and coefficients meet in the rows.
#[derive(Debug)]
pub struct Incidence {
    /// Nodes in the order of elimination.
    pub nodes: Vec<Node>,
    /// Pieces of the information, sorted by [`Shape`], then by node `j`.
    pub pieces: Vec<Piece>,
    /// Where the pieces of each shape end.
    pub ends: [usize; 3],
    /// Values of all pieces together.
    pub n_values: usize,
    /// Per column, its place in the position.
    pub position: Vec<usize>,
    /// Where the pieces of one number of each node `j` start among them all, and the end; the first is its diagonal.
    pub number_starts: Vec<usize>,
    /// The row's column of each piece of one number.
    pub number_rows: Vec<u32>,
    /// Entries of the effects' prior precision, where that is not the identity: place among the values of all pieces, and entry.
    pub prior: Vec<(usize, f64)>,
}

/// The factor of an incidence; shared by all centres of a model.
#[derive(Debug)]
pub struct Skeleton {
    /// Nodes and pieces.
    pub incidence: Arc<Incidence>,
    /// Pattern of the factor, and which scales belong to its columns.
    pub scheme: Scheme,
    /// The same with eight levels for one, where that can be.
    pub of_levels: Option<Scheme>,
    /// Per value of a piece, its place in the pattern (upper halves of diagonal pieces: that of the lower).
    pub places: Vec<u32>,
}

impl Skeleton {
    /// Pattern of the factor.
    pub fn pattern(&self) -> &Pattern {
        &self.scheme.pattern
    }
}

/// Numbers of pieces by shape, node `j` and node `i`. There can be as many as rows: they are counted into the first two.
fn sorted(pieces: &[Piece], n_nodes: usize, shape: &dyn Fn(&Piece) -> Shape) -> Vec<u32> {
    let group = |piece: &Piece| shape(piece) as usize * n_nodes + piece.j();
    let mut ends = vec![0; 3 * n_nodes + 1];
    pieces.iter().for_each(|piece| ends[group(piece) + 1] += 1);
    (1..ends.len()).for_each(|k| ends[k] += ends[k - 1]);
    let mut order = vec![0; pieces.len()];
    for (piece, at) in pieces.iter().zip(0..) {
        let end = &mut ends[group(piece)];
        order[*end] = at;
        *end += 1;
    }
    // Each group was filled up to where the next begins.
    let mut start = 0;
    for &end in &ends[..3 * n_nodes] {
        order[start..end].sort_unstable_by_key(|&at: &u32| pieces[at as usize].i);
        start = end;
    }
    order
}

impl Incidence {
    /// Sorts pieces by shape and nodes, and gives their values places. Also returns the new number of each piece.
    pub fn new(nodes: Vec<Node>, position: Vec<usize>, mut pieces: Vec<Piece>) -> (Self, Vec<u32>) {
        let shape = |p: &Piece| Shape::between(&nodes[p.i()], &nodes[p.j()]);
        let order = sorted(&pieces, nodes.len(), &shape);
        let mut renumbered = vec![0u32; pieces.len()];
        order.iter().zip(0..).for_each(|(&old, new)| renumbered[old as usize] = new);
        pieces = order.into_iter().map(|at| pieces[at as usize]).collect();
        let mut n_values = 0;
        for piece in &mut pieces {
            *piece = Piece::new(piece.i(), piece.j(), n_values);
            n_values += nodes[piece.i()].q * nodes[piece.j()].q;
        }
        let end = |s: Shape| pieces.partition_point(|p| shape(p) <= s);
        let ends = [end(Shape::Number), end(Shape::Column), end(Shape::Block)];
        let numbers = &pieces[..ends[0]];
        let number_rows = numbers.iter().map(|p| nodes[p.i()].first as u32).collect();
        let mut number_starts: Vec<usize> = (0..ends[0]).filter(|&at| numbers[at].i == numbers[at].j).collect();
        number_starts.push(ends[0]);
        (Self { nodes, pieces, ends, n_values, position, number_starts, number_rows, prior: vec![] }, renumbered)
    }

    /// Gives levels a prior precision: entries by node, the later first.
    pub fn relate(&mut self, entries: &[(usize, usize, f64)]) {
        let mut prior = vec![];
        for &(i, j, x) in entries {
            let (first, q) = (self.pieces[self.piece(i, j) as usize].at(), self.nodes[i].q);
            prior.extend((0..q).map(|c| (first + c * q + c, x)));
        }
        self.prior = prior;
    }

    /// Number of columns.
    pub fn dim(&self) -> usize {
        self.position.len()
    }

    /// Number of the piece between two nodes that meet.
    pub fn piece(&self, i: usize, j: usize) -> u32 {
        let shape = |p: &Piece| Shape::between(&self.nodes[p.i()], &self.nodes[p.j()]);
        let wanted = (Shape::between(&self.nodes[i], &self.nodes[j]), j, i);
        self.pieces.partition_point(|p| (shape(p), p.j(), p.i()) < wanted) as u32
    }

    /// Pieces by shape.
    pub fn by_shape(&self) -> (&[Piece], &[Piece], &[Piece]) {
        let [numbers, columns, _] = self.ends;
        (&self.pieces[..numbers], &self.pieces[numbers..columns], &self.pieces[columns..])
    }

    /// Natural effects and coefficients in the order of the columns.
    pub fn columns(&self, layout: &Layout, effects: &[f64], swept: &[f64], out: &mut Vec<f64>) {
        out.resize(self.dim(), 0.0);
        for node in &self.nodes {
            let out = &mut out[node.first..node.first + node.q];
            match node.first_effect(layout) {
                Some(e) => out.copy_from_slice(&effects[e..e + node.q]),
                None => out.copy_from_slice(swept),
            }
        }
    }

    /// Adds values per column to values per coefficient and effect.
    pub fn add_columns(&self, layout: &Layout, columns: &[f64], swept: &mut [f64], effects: &mut [f64]) {
        for node in &self.nodes {
            let from = &columns[node.first..node.first + node.q];
            let to = match node.first_effect(layout) {
                Some(e) => &mut effects[e..e + node.q],
                None => &mut *swept,
            };
            to.iter_mut().zip(from).for_each(|(t, f)| *t += f);
        }
    }
}

impl Node {
    /// First of its effects; `None` for the swept coefficients.
    pub fn first_effect(&self, layout: &Layout) -> Option<usize> {
        self.level.map(|(block, level)| layout.blocks[block].start + level * layout.blocks[block].q)
    }
}
