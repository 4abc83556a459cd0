//! To which piece of the information each pair of a row's nodes adds.

use super::incidence::{pairs_up_to, row_nodes};
use crate::density::Model;
use crate::error::leave_after;
use crate::transport::pieces::{Node, Piece};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::AtomicBool;

/// No piece.
const NONE: u32 = u32::MAX;
/// Rows after which a cancel is looked for: some milliseconds.
const ROWS_BETWEEN_LOOKS: usize = 1 << 16;

/// As [`leave_after`], in a loop over rows.
pub fn leave_now_and_then(row: usize, cancel: &AtomicBool) {
    if row % ROWS_BETWEEN_LOOKS == 0 {
        leave_after(cancel);
    }
}

/// What pairs of nodes have.
type PairMap<V> = HashMap<(u32, u32), V, BuildHasherDefault<PairHasher>>;

/// Hashes the numbers of two nodes, as often as rows have pairs of them: by a multiplication each.
#[derive(Default)]
struct PairHasher(u64);

impl Hasher for PairHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|b| self.write_u32(u32::from(*b)));
    }

    fn write_u32(&mut self, x: u32) {
        self.0 = (self.0.rotate_left(32) ^ u64::from(x)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}

/// Pieces as rows name them. A node's own and that with the coefficients, which most pairs are, are found without a search.
pub struct PieceNumbers {
    pieces: Vec<Piece>,
    swept: Option<usize>,
    with_swept: Vec<u32>,
    others: PairMap<u32>,
}

impl PieceNumbers {
    /// Each node's own.
    pub fn new(nodes: &[Node]) -> Self {
        Self {
            pieces: (0..nodes.len()).map(|i| Piece::new(i, i, 0)).collect(),
            swept: nodes.last().is_some_and(|n| n.level.is_none()).then(|| nodes.len() - 1),
            with_swept: vec![NONE; nodes.len()],
            others: PairMap::default(),
        }
    }

    /// Number of the piece of a pair, the later first.
    pub fn piece(&mut self, i: usize, j: usize) -> u32 {
        if i == j {
            return i as u32;
        }
        let found = if self.swept == Some(i) {
            &mut self.with_swept[j]
        } else {
            self.others.entry((i as u32, j as u32)).or_insert(NONE)
        };
        if *found == NONE {
            *found = self.pieces.len() as u32;
            self.pieces.push(Piece::new(i, j, 0));
        }
        *found
    }

    /// All of them.
    pub fn into_pieces(self) -> Vec<Piece> {
        self.pieces
    }
}

/// Pieces of the pairs of a row's nodes: a number per node where one of these decides, else one per row.
#[derive(Debug)]
pub struct RowPieces {
    /// Per node, its own and that with the coefficients.
    of_node: [Vec<u32>; 2],
    /// Per row, the others in the order of [`pairs_up_to`].
    others: Vec<u32>,
    /// Of a row.
    n_others: usize,
    /// Whether the last of a row's nodes are the coefficients.
    has_swept: bool,
}

impl RowPieces {
    /// As `piece_of` numbers pairs of nodes, the later first.
    pub fn find(
        model: &Model, node_of: &[Vec<usize>], n_nodes: usize, mut piece_of: impl FnMut(usize, usize) -> u32,
        cancel: &AtomicBool,
    ) -> Self {
        let has_swept = !model.layout.swept.is_empty();
        let own = (0..n_nodes).map(|i| piece_of(i, i)).collect();
        let (mut with_swept, mut others, mut at) = (vec![NONE; n_nodes], vec![], vec![]);
        row_nodes(model, node_of, n_nodes, 0, &mut at);
        let n_levels = at.len() - usize::from(has_swept);
        let n_others = n_levels * n_levels.saturating_sub(1) / 2;
        others.reserve_exact(n_others * model.design.n());
        for row in 0..model.design.n() {
            leave_now_and_then(row, cancel);
            row_nodes(model, node_of, n_nodes, row, &mut at);
            let levels = &at[..n_levels];
            for (a, b) in pairs_up_to(n_levels).filter(|(a, b)| a != b) {
                others.push(piece_of(levels[a].max(levels[b]), levels[a].min(levels[b])));
            }
            for &level in levels.iter().filter(|_| has_swept) {
                if with_swept[level] == NONE {
                    with_swept[level] = piece_of(n_nodes - 1, level);
                }
            }
        }
        Self { of_node: [own, with_swept], others, n_others, has_swept }
    }

    /// Pieces have other numbers.
    pub fn renumber(&mut self, renumbered: &[u32]) {
        let all = self.of_node.iter_mut().flatten().chain(&mut self.others);
        all.filter(|p| **p != NONE).for_each(|p| *p = renumbered[*p as usize]);
    }

    /// Of a row whose nodes are `at`, in the order of [`pairs_up_to`].
    pub fn of_row(&self, row: usize, at: &[usize]) -> impl Iterator<Item = usize> {
        let mut others = self.others[row * self.n_others..(row + 1) * self.n_others].iter();
        let n_levels = at.len() - usize::from(self.has_swept);
        pairs_up_to(at.len()).map(move |(a, b)| {
            let piece = if a == b {
                self.of_node[0][at[a]]
            } else if a == n_levels {
                self.of_node[1][at[b]]
            } else {
                *others.next().expect("a piece for each pair of levels")
            };
            piece as usize
        })
    }
}
