//! The constants of a plan from what rows say of levels that meet.

use super::innermost::{Innermost, Met};
use super::partition::{Home, Partition};
use super::plan::{LevelBlock, Plan};
use crate::compress::gaussian::GaussianSums;
use crate::error::leave_after;
use crate::linalg::low_rank::{identity, low_rank};
use crate::transport::pieces::{Incidence, Node, Piece};
use std::collections::HashMap;
use std::sync::atomic::AtomicBool;

/// What a plan is made of.
struct Sources<'a> {
    incidence: &'a Incidence,
    sums: Option<&'a GaussianSums>,
    innermost: Option<&'a Innermost>,
    homes: Vec<Home>,
}

impl Plan {
    /// From the sums of the rows of a model with `n_terms` terms; levels of a term with the same `scale_of` share one. `None` where levels
    /// are related, or blocks would be large. Leaves the job after a cancel.
    pub fn new(
        sums: &GaussianSums, n_terms: usize, scale_of: &dyn Fn(usize, usize) -> usize, cancel: &AtomicBool,
    ) -> Option<Self> {
        Self::build(&sums.incidence, Some(sums), n_terms, scale_of, cancel).map(|(plan, _)| plan)
    }

    /// Without what the data say, which is zero: a vector for each column of a block, and where nodes went.
    pub fn of_places(incidence: &Incidence, n_terms: usize) -> Option<(Self, Vec<Home>)> {
        Self::build(incidence, None, n_terms, &|_, _| 0, &AtomicBool::new(false))
    }

    fn build(
        incidence: &Incidence, sums: Option<&GaussianSums>, n_terms: usize, scale_of: &dyn Fn(usize, usize) -> usize,
        cancel: &AtomicBool,
    ) -> Option<(Self, Vec<Home>)> {
        let partition = Partition::of(incidence, sums, n_terms, scale_of)?;
        let blocks = partition.blocks(incidence);
        let Partition { core, mut innermost } = partition;
        let mut homes = vec![Home::Core(0); core.len()];
        let mut plan = Self { n_layers: 1 + innermost.as_ref().map_or(0, Innermost::n_classes), ..Self::default() };
        for (i, node) in incidence.nodes.iter().enumerate().filter(|(i, _)| core[*i]) {
            homes[i] = Home::Core(plan.core_nodes.len());
            plan.core_nodes.push(Node { first: plan.n_core, ..node.clone() });
            plan.n_core += node.q;
        }
        for (b, members) in blocks.iter().enumerate() {
            let mut n = 0;
            for &i in members {
                homes[i] = Home::Block(b, n);
                n += incidence.nodes[i].q;
            }
        }
        if let Some(innermost) = &innermost {
            homes
                .iter_mut()
                .enumerate()
                .filter(|(i, _)| innermost.has(*i))
                .for_each(|(_, home)| *home = Home::Innermost);
        }
        let of = Sources { incidence, sums, innermost: innermost.as_ref(), homes };
        let (pieces, levels) = (of.pieces_of_blocks(blocks.len()), of.levels_of_blocks(blocks.len()));
        let mut own = vec![];
        for (b, (members, levels)) in blocks.iter().zip(&levels).enumerate() {
            leave_after(cancel);
            own.clear();
            own.extend(pieces.of_block(b).iter().map(|&at| incidence.pieces[at as usize]));
            plan.add_block(&of, members, &own, levels);
        }
        plan.add_core(&of);
        let homes = of.homes;
        if let (Some(innermost), Some(sums)) = (&mut innermost, sums) {
            let n_lead = plan.n_lead();
            innermost.place(sums, |node| match homes[node] {
                Home::Core(at) => n_lead + plan.core_nodes[at].first,
                Home::Block(b, first) => plan.blocks[b].columns.start + first,
                Home::Innermost => unreachable!("levels of one term do not meet"),
            });
        }
        plan.innermost = innermost;
        Some((plan, homes))
    }

    fn add_block(&mut self, of: &Sources, members: &[usize], pieces: &[Piece], levels: &[usize]) {
        let nodes = &of.incidence.nodes;
        let n: usize = members.iter().map(|&i| nodes[i].q).sum();
        let mut met: Vec<usize> = pieces.iter().filter_map(|p| of.in_core(p.i()).or(of.in_core(p.j()))).collect();
        met.extend(levels.iter().flat_map(|&e| of.met(e)).filter_map(|m| of.in_core(m.node as usize)));
        met.sort_unstable();
        met.dedup();
        let mut starts = vec![0];
        met.iter().for_each(|&i| starts.push(starts[starts.len() - 1] + self.core_nodes[i].q));
        let n_rows = starts[met.len()];
        let start = |core: usize| starts[met.partition_point(|&m| m < core)];
        let layers = self.n_layers;
        let BlockSums { inner, cross, score } =
            BlockSums::of(of, layers, (members, pieces, levels), [n, n_rows], &start);
        let n_all = layers * n;
        let (all, basis) = if of.sums.is_some() { low_rank(n_all, &cross) } else { (identity(n), cross) };
        let r = all.len() / n_all;
        let mix =
            (0..layers).flat_map(|layer| all.chunks_exact(n_all).flat_map(move |row| &row[layer * n..(layer + 1) * n]));
        let last = self.blocks.last();
        let [node, column, vector] = last.map_or([0; 3], |b| [b.nodes.end, b.columns.end, b.vectors.end]);
        self.blocks.push(LevelBlock {
            nodes: node..node + members.len(),
            columns: column..column + n,
            inner: self.inner.len() / layers,
            mix: self.mix.len() / layers,
            vectors: vector..vector + r,
            rows: self.rows.len()..self.rows.len() + n_rows,
            basis: self.basis.len(),
        });
        self.nodes.extend(members.iter().map(|&i| nodes[i].clone()));
        self.score[0].extend(score);
        self.inner.extend(inner);
        self.mix.extend(mix);
        self.basis.extend(basis);
        for &i in &met {
            let Node { first: column, q, .. } = self.core_nodes[i];
            self.rows.extend((column..column + q).map(|row| row as u32));
        }
    }

    /// Pieces of the core, those in which what is integrated out makes columns meet among them.
    fn add_core(&mut self, of: &Sources) {
        let (layers, nodes) = (self.n_layers, &of.incidence.nodes);
        self.score[1] = vec![0.0; layers * self.n_core];
        let mut found: HashMap<(usize, usize), usize> = HashMap::new();
        for piece in &of.incidence.pieces {
            let (Some(i), Some(j)) = (of.in_core(piece.i()), of.in_core(piece.j())) else { continue };
            let at = self.add_piece(i, j);
            let n = nodes[piece.i()].q * nodes[piece.j()].q;
            copy(of.sums.map(|s| &s.information[piece.at()..]), &mut self.core[at * layers..at * layers + n]);
            if of.innermost.is_some() {
                found.insert((i, j), at);
            }
        }
        for (i, node) in nodes.iter().enumerate().filter_map(|(i, node)| Some((of.in_core(i)?, node))) {
            let first = self.core_nodes[i].first;
            copy(of.sums.map(|s| &s.score[node.first..]), &mut self.score[1][first..first + node.q]);
        }
        for (layer, g, [to, from]) in (0..of.innermost.map_or(0, Innermost::len)).flat_map(|e| of.products(e)) {
            let (Some(i), Some(j)) = (of.in_core(to.node), of.in_core(from.node)) else { continue };
            if i == j {
                let first = layer * self.n_core + self.core_nodes[i].first;
                to.values.iter().enumerate().for_each(|(a, x)| self.score[1][first + a] += x * g);
            }
            if i >= j {
                let at = *found.entry((i, j)).or_insert_with(|| self.add_piece(i, j));
                let first = at * layers + layer * to.values.len() * from.values.len();
                for (a, x) in to.values.iter().enumerate() {
                    let row = first + a * from.values.len();
                    from.values.iter().enumerate().for_each(|(b, y)| self.core[row + b] += x * y);
                }
            }
        }
    }

    /// A piece of zeros; returns the first of its values in one layer.
    fn add_piece(&mut self, i: usize, j: usize) -> usize {
        let at = self.core.len() / self.n_layers;
        self.core.resize(self.core.len() + self.n_layers * self.core_nodes[i].q * self.core_nodes[j].q, 0.0);
        self.core_pieces.push(Piece::new(i, j, at));
        at
    }
}

/// What the data say of a block, layer after layer: `A_bb`, `A_bc` and `g`, row-major.
struct BlockSums {
    inner: Vec<f64>,
    cross: Vec<f64>,
    score: Vec<f64>,
}

impl BlockSums {
    /// Of a block of `n` columns that meets `n_rows` of the core, from its nodes, the pieces with them and the innermost levels that they
    /// meet; `start` is the row of a node of the core.
    fn of(
        of: &Sources, layers: usize, (members, pieces, levels): (&[usize], &[Piece], &[usize]),
        [n, n_rows]: [usize; 2], start: &dyn Fn(usize) -> usize,
    ) -> Self {
        let nodes = &of.incidence.nodes;
        let (mut inner, mut cross) = (vec![0.0; layers * n * n], vec![0.0; layers * n * n_rows]);
        let mut score = vec![0.0; layers * n];
        for (piece, sums) in pieces.iter().filter_map(|piece| Some((piece, of.sums?))) {
            let (q_i, q_j) = (nodes[piece.i()].q, nodes[piece.j()].q);
            for (at, &x) in sums.information[piece.at()..piece.at() + q_i * q_j].iter().enumerate() {
                let (a, b) = (at / q_j, at % q_j);
                match (of.homes[piece.i()], of.homes[piece.j()]) {
                    (Home::Block(_, i), Home::Block(_, j)) => {
                        (inner[(i + a) * n + j + b], inner[(j + b) * n + i + a]) = (x, x);
                    }
                    (Home::Core(i), Home::Block(_, j)) => cross[(j + b) * n_rows + start(i) + a] = x,
                    (Home::Block(_, i), Home::Core(j)) => cross[(i + a) * n_rows + start(j) + b] = x,
                    _ => {}
                }
            }
        }
        let mut at = 0;
        for node in members.iter().map(|&i| &nodes[i]) {
            copy(of.sums.map(|s| &s.score[node.first..]), &mut score[at..at + node.q]);
            at += node.q;
        }
        for (layer, g, [to, from]) in levels.iter().flat_map(|&e| of.products(e)) {
            let Home::Block(_, i) = of.homes[to.node] else { continue };
            for (a, x) in to.values.iter().enumerate() {
                for (b, y) in from.values.iter().enumerate() {
                    match of.homes[from.node] {
                        Home::Block(_, j) => inner[(layer * n + i + a) * n + j + b] += x * y,
                        Home::Core(j) => cross[(layer * n + i + a) * n_rows + start(j) + b] += x * y,
                        Home::Innermost => {}
                    }
                }
                if to.node == from.node {
                    score[layer * n + i + a] += x * g;
                }
            }
        }
        Self { inner, cross, score }
    }
}

/// Numbers of pieces, sorted by block.
struct PiecesOfBlocks {
    pieces: Vec<u32>,
    ends: Vec<usize>,
}

impl PiecesOfBlocks {
    fn of_block(&self, b: usize) -> &[u32] {
        &self.pieces[if b == 0 { 0 } else { self.ends[b - 1] }..self.ends[b]]
    }
}

/// A node that an innermost level meets, and its values there.
#[derive(Clone, Copy)]
struct Meeting<'a> {
    node: usize,
    values: &'a [f64],
}

impl Sources<'_> {
    fn in_core(&self, node: usize) -> Option<usize> {
        if let Home::Core(at) = self.homes[node] { Some(at) } else { None }
    }

    fn met(&self, e: usize) -> &[Met] {
        self.innermost.map_or(&[], |x| x.met(e))
    }

    /// Pieces that have a node in each block.
    fn pieces_of_blocks(&self, n_blocks: usize) -> PiecesOfBlocks {
        let block = |piece: &Piece| match (self.homes[piece.i()], self.homes[piece.j()]) {
            (Home::Block(b, _), _) | (_, Home::Block(b, _)) => Some(b),
            _ => None,
        };
        let all = || self.incidence.pieces.iter().zip(0u32..).filter_map(|(piece, at)| Some((block(piece)?, at)));
        let mut ends = vec![0; n_blocks];
        all().for_each(|(b, _)| ends[b] += 1);
        let mut next: Vec<usize> = ends.iter().scan(0, |start, n| Some(std::mem::replace(start, *start + n))).collect();
        let mut pieces = vec![0; ends.iter().sum()];
        for (b, at) in all() {
            pieces[next[b]] = at;
            next[b] += 1;
        }
        // Each block was filled up to where the next begins.
        PiecesOfBlocks { pieces, ends: next }
    }

    /// Innermost levels that meet each block, in which all they meet is but for the core.
    fn levels_of_blocks(&self, n_blocks: usize) -> Vec<Vec<usize>> {
        let mut out = vec![vec![]; n_blocks];
        for e in 0..self.innermost.map_or(0, Innermost::len) {
            let block = self.met(e).iter().find_map(|m| match self.homes[m.node as usize] {
                Home::Block(b, _) => Some(b),
                _ => None,
            });
            block.into_iter().for_each(|b| out[b].push(e));
        }
        out
    }

    /// Layer and score of innermost level `e`, with all pairs of what it meets.
    fn products(&self, e: usize) -> impl Iterator<Item = (usize, f64, [Meeting<'_>; 2])> {
        let part = |m: &Met| {
            let q = self.incidence.nodes[m.node as usize].q;
            Some(Meeting { node: m.node as usize, values: &self.sums?.information[m.at..m.at + q] })
        };
        let parts: Vec<Meeting<'_>> = self.met(e).iter().filter_map(part).collect();
        let (layer, score) = self.innermost.map_or((0, 0.0), |x| (1 + x.class[e] as usize, x.score[e]));
        let n = parts.len();
        (0..n * n).map(move |at| (layer, score, [parts[at / n], parts[at % n]]))
    }
}

/// The first numbers, if there are any.
fn copy(from: Option<&[f64]>, to: &mut [f64]) {
    from.into_iter().for_each(|from| to.copy_from_slice(&from[..to.len()]));
}
