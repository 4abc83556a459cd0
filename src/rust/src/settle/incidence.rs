//! Which effects and coefficients meet in the rows of a model: nodes, the nodes and values of each row, and the
//! pattern of the factor.

use crate::density::Model;
use crate::layout::{Layout, Source};
use crate::linalg::pattern::Pattern;
use crate::transport::pieces::{Incidence, Node, Piece, Skeleton};
use crate::transport::scale_places::{scheme, scheme_of_levels};
use std::sync::Arc;

/// Entries of a factor that are worth their memory.
const MAX_ENTRIES: usize = 4_000_000;

/// Terms by falling number of levels, then horseshoes, then the swept coefficients: what is large
/// and nearly diagonal goes first and leaves the least fill.
pub fn nodes(model: &Model) -> (Vec<Node>, Vec<usize>, Vec<usize>) {
    let layout = &model.layout;
    let mut order: Vec<usize> = (0..layout.blocks.len()).collect();
    let is_horseshoe = |b: usize| matches!(layout.blocks[b].source, Source::Horseshoe(_));
    order.sort_by_key(|&b| (is_horseshoe(b), std::cmp::Reverse(layout.blocks[b].n_levels)));
    let mut first_node = vec![0; order.len()];
    let (mut nodes, mut position, mut first) = (vec![], vec![], 0);
    for b in order {
        let block = &layout.blocks[b];
        first_node[b] = nodes.len();
        for level in 0..block.n_levels {
            nodes.push(Node { first, q: block.q, level: Some((b, level)) });
            first += block.q;
        }
        position.extend((block.start..block.start + block.len()).map(|e| layout.z_effects().start + e));
    }
    if !layout.swept.is_empty() {
        nodes.push(Node { first, q: layout.swept.len(), level: None });
        position.extend(layout.z_swept());
    }
    (nodes, first_node, position)
}

/// Nodes that row `row` touches, in the order of the blocks, swept coefficients last.
pub fn row_nodes(model: &Model, first_node: &[usize], n_nodes: usize, row: usize) -> Vec<usize> {
    let mut out = vec![];
    for (block, &first) in model.layout.blocks.iter().zip(first_node) {
        match block.source {
            Source::Term(k) => out.push(first + model.design.terms[k].codes[row] as usize),
            Source::Horseshoe(_) => out.extend(first..first + block.n_levels),
        }
    }
    if !model.layout.swept.is_empty() {
        out.push(n_nodes - 1);
    }
    out
}

/// Per row, the piece of each pair of its nodes, as `piece_of` numbers them.
pub fn row_pieces(
    model: &Model, first_node: &[usize], n_nodes: usize, mut piece_of: impl FnMut(usize, usize) -> u32,
) -> Vec<u32> {
    let mut out = vec![];
    for row in 0..model.design.n() {
        let at = row_nodes(model, first_node, n_nodes, row);
        out.extend(pairs_up_to(at.len()).map(|(a, b)| piece_of(at[a].max(at[b]), at[a].min(at[b]))));
    }
    out
}

/// Design values of a row, node after node as in [`row_nodes`]; returns where each node starts.
pub fn row_values(model: &Model, row: usize, out: &mut Vec<f64>) -> Vec<usize> {
    out.clear();
    let mut starts = vec![];
    for block in &model.layout.blocks {
        match block.source {
            Source::Term(k) => {
                starts.push(out.len());
                out.extend(model.design.terms[k].z.row(row));
            }
            Source::Horseshoe(h) => {
                for &j in &model.shrunken[h] {
                    starts.push(out.len());
                    out.push(model.design.x[(row, j)]);
                }
            }
        }
    }
    if !model.layout.swept.is_empty() {
        starts.push(out.len());
        out.extend(model.layout.swept.iter().map(|&j| model.design.x[(row, j)]));
    }
    starts
}

/// Pairs of a row's nodes: all `(a, b)`; the one eliminated later gives the rows of the piece.
pub fn pairs_up_to(n: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..n).flat_map(|a| (0..=a).map(move |b| (a, b)))
}

/// The factor's pattern; `None` if it is beyond memory.
pub fn skeleton(incidence: &Arc<Incidence>, layout: &Layout) -> Option<Skeleton> {
    let Incidence { nodes, pieces, n_values, .. } = &**incidence;
    let mut pattern = Pattern::new(columns(nodes, pieces), MAX_ENTRIES, None)?;
    // A level's effects stay together.
    let core = nodes.iter().map(|n| n.first).find(|&first| first >= pattern.core).unwrap_or(pattern.core);
    if core > pattern.core {
        pattern = Pattern::new(columns(nodes, pieces), MAX_ENTRIES, Some(pattern.dim() - core))?;
    }
    let places = places(nodes, pieces, &pattern, *n_values);
    let (scheme, of_levels) = (scheme(incidence, layout, pattern), scheme_of_levels(incidence, layout));
    Some(Skeleton { incidence: Arc::clone(incidence), scheme, of_levels, places })
}

/// Rows below the diagonal of each column.
fn columns(nodes: &[Node], pieces: &[Piece]) -> Vec<Vec<u32>> {
    let dim = nodes.last().map_or(0, |n| n.first + n.q);
    let mut columns = vec![vec![]; dim];
    for piece in pieces {
        let (i, j) = (&nodes[piece.i], &nodes[piece.j]);
        for b in j.first..j.first + j.q {
            columns[b].extend((i.first..i.first + i.q).filter(|&a| a > b).map(|a| a as u32));
        }
    }
    columns
}

fn places(nodes: &[Node], pieces: &[Piece], pattern: &Pattern, n_values: usize) -> Vec<u32> {
    let mut out = vec![0; n_values];
    for piece in pieces {
        let (i, j) = (&nodes[piece.i], &nodes[piece.j]);
        let entries = (i.first..i.first + i.q).flat_map(|a| (j.first..j.first + j.q).map(move |b| (a, b)));
        for ((a, b), place) in entries.zip(&mut out[piece.at..]) {
            *place = pattern.place(a.max(b) as u32, a.min(b) as u32) as u32;
        }
    }
    out
}
