//! Which effects and coefficients meet in the rows of a model: nodes, the nodes and values of each row, and the
//! pattern of the factor.

use crate::density::Model;
use crate::design::GroupTerm;
use crate::layout::{Block, Layout, Source};
use crate::linalg::order::least_degree;
use crate::linalg::pattern::Pattern;
use crate::transport::pieces::{Incidence, Node, Piece, Skeleton};
use crate::transport::scale_places::{scheme, scheme_of_levels};
use std::sync::Arc;

/// Entries of a factor that are worth their memory.
const MAX_ENTRIES: usize = 4_000_000;

/// Nodes in the order of elimination, per block of the layout those of its levels, and per column its place in the position.
pub fn nodes(model: &Model) -> (Vec<Node>, Vec<Vec<usize>>, Vec<usize>) {
    let layout = &model.layout;
    let mut node_of: Vec<Vec<usize>> = layout.blocks.iter().map(|b| vec![0; b.n_levels]).collect();
    let (mut nodes, mut position, mut first) = (vec![], vec![], 0);
    for (b, level) in order(model) {
        let Block { q, start, .. } = layout.blocks[b];
        node_of[b][level] = nodes.len();
        nodes.push(Node { first, q, level: Some((b, level)) });
        first += q;
        position.extend((0..q).map(|c| layout.z_effects().start + start + level * q + c));
    }
    if !layout.swept.is_empty() {
        nodes.push(Node { first, q: layout.swept.len(), level: None });
        position.extend(layout.z_swept());
    }
    (nodes, node_of, position)
}

/// Blocks and levels in the order of elimination. Terms by falling number of levels, then horseshoes: what is large and nearly
/// diagonal goes first and leaves the least fill. Where levels are related, those of terms by least degree.
fn order(model: &Model) -> Vec<(usize, usize)> {
    let blocks = &model.layout.blocks;
    let is_horseshoe = |b: usize| matches!(blocks[b].source, Source::Horseshoe(_));
    let mut by_size: Vec<usize> = (0..blocks.len()).collect();
    by_size.sort_by_key(|&b| (is_horseshoe(b), std::cmp::Reverse(blocks[b].n_levels)));
    let all: Vec<_> = by_size.into_iter().flat_map(|b| (0..blocks[b].n_levels).map(move |level| (b, level))).collect();
    if !model.design.has_relations() {
        return all;
    }
    let (terms, horseshoes) = all.split_at(all.partition_point(|&(b, _)| !is_horseshoe(b)));
    let by_degree = least_degree(terms.len(), meetings(model, terms));
    by_degree.into_iter().map(|at| terms[at]).chain(horseshoes.iter().copied()).collect()
}

/// Pairs of levels that meet, in rows or by their relations; numbers are places in `levels`.
fn meetings(model: &Model, levels: &[(usize, usize)]) -> impl Iterator<Item = (usize, usize)> {
    let terms = &model.design.terms;
    let mut number: Vec<Vec<usize>> = terms.iter().map(|t| vec![0; t.n_levels]).collect();
    levels.iter().enumerate().for_each(|(at, &(b, level))| number[b][level] = at);
    let relations = related(model, &number).into_iter().map(|(i, j, _)| (i, j));
    let of_row = move |row: usize| {
        let of_term =
            |(t, n): (&GroupTerm, &Vec<usize>)| t.entries(row).map(|e| n[t.codes[e] as usize]).collect::<Vec<_>>();
        terms.iter().zip(&number).flat_map(of_term).collect()
    };
    let of_other = of_row.clone();
    let in_rows = (0..model.design.n()).flat_map(move |row| {
        let at: Vec<usize> = of_row(row);
        pairs_up_to(at.len()).map(move |(a, b)| (at[a], at[b]))
    });
    let between_rows = between_rows(model).flat_map(move |(i, j)| {
        let (at_i, at_j): (Vec<usize>, Vec<usize>) = (of_other(i), of_other(j));
        at_i.into_iter().flat_map(move |a| at_j.clone().into_iter().map(move |b| (a, b)))
    });
    in_rows.chain(relations).chain(between_rows)
}

/// Pairs of rows with related errors.
fn between_rows(model: &Model) -> impl Iterator<Item = (usize, usize)> {
    let entries = model.design.errors.iter().flat_map(|e| &e.entries);
    entries.filter(|(i, j, _)| i != j).map(|&(i, j, _)| (i as usize, j as usize))
}

/// Names to `piece_of` each pair of nodes, the later first, of rows with related errors.
pub fn row_pairs(model: &Model, node_of: &[Vec<usize>], n_nodes: usize, mut piece_of: impl FnMut(usize, usize) -> u32) {
    let (mut at_i, mut at_j) = (vec![], vec![]);
    for (i, j) in between_rows(model) {
        row_nodes(model, node_of, n_nodes, i, &mut at_i);
        row_nodes(model, node_of, n_nodes, j, &mut at_j);
        for &a in &at_i {
            at_j.iter().for_each(|&b| _ = piece_of(a.max(b), a.min(b)));
        }
    }
}

/// Entries of the precisions of related levels, later node first, as `node_of` numbers levels.
pub fn related(model: &Model, node_of: &[Vec<usize>]) -> Vec<(usize, usize, f64)> {
    let terms = model.design.terms.iter().zip(node_of);
    let entries = |(term, node): (&GroupTerm, &Vec<usize>)| {
        let of = |&(i, j, x): &(u32, u32, f64)| {
            (node[i as usize].max(node[j as usize]), node[i as usize].min(node[j as usize]), x)
        };
        term.precision.iter().flat_map(|p| &p.entries).map(of).collect::<Vec<_>>()
    };
    terms.flat_map(entries).collect()
}

/// Sets `out` to the nodes that row `row` touches, in the order of the blocks, swept coefficients last.
pub fn row_nodes(model: &Model, node_of: &[Vec<usize>], n_nodes: usize, row: usize, out: &mut Vec<usize>) {
    out.clear();
    for (block, nodes) in model.layout.blocks.iter().zip(node_of) {
        match block.source {
            Source::Term(k) => {
                let term = &model.design.terms[k];
                out.extend(term.entries(row).map(|e| nodes[term.codes[e] as usize]));
            }
            Source::Horseshoe(_) => out.extend(nodes),
        }
    }
    if !model.layout.swept.is_empty() {
        out.push(n_nodes - 1);
    }
}

/// Sets `out` to the design values of a row, node after node as in [`row_nodes`], and `starts` to where each node starts.
pub fn row_values(model: &Model, row: usize, out: &mut Vec<f64>, starts: &mut Vec<usize>) {
    out.clear();
    starts.clear();
    for block in &model.layout.blocks {
        match block.source {
            Source::Term(k) => {
                let term = &model.design.terms[k];
                for e in term.entries(row) {
                    starts.push(out.len());
                    out.extend(term.z.row(e));
                }
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
}

/// Pairs of a row's nodes: all `(a, b)`; the one eliminated later gives the rows of the piece.
pub fn pairs_up_to(n: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..n).flat_map(|a| (0..=a).map(move |b| (a, b)))
}

/// The factor's pattern; `None` if it is beyond memory.
pub fn skeleton(incidence: &Arc<Incidence>, layout: &Layout) -> Option<Skeleton> {
    let Incidence { nodes, pieces, n_values, .. } = &**incidence;
    // The pattern has a piece's entries at least, of which a node's own are half.
    if *n_values > 2 * MAX_ENTRIES {
        return None;
    }
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
        let (i, j) = (&nodes[piece.i()], &nodes[piece.j()]);
        for b in j.first..j.first + j.q {
            columns[b].extend((i.first..i.first + i.q).filter(|&a| a > b).map(|a| a as u32));
        }
    }
    columns
}

fn places(nodes: &[Node], pieces: &[Piece], pattern: &Pattern, n_values: usize) -> Vec<u32> {
    let mut out = vec![0; n_values];
    for piece in pieces {
        let (i, j) = (&nodes[piece.i()], &nodes[piece.j()]);
        let entries = (i.first..i.first + i.q).flat_map(|a| (j.first..j.first + j.q).map(move |b| (a, b)));
        for ((a, b), place) in entries.zip(&mut out[piece.at()..]) {
            *place = pattern.place(a.max(b) as u32, a.min(b) as u32) as u32;
        }
    }
    out
}
