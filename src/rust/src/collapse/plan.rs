//! Constants of a collapsed model by blocks: which levels belong together, and what the data say of them.
//!
//! Some terms and the coefficients are the core. The others fall into blocks that meet only through it, a gene with its
//! guides. With `A` the information of the data and `b`, `c` the columns of a block and of the core, `A_bc = M V'`: rows of `A_bc` that
//! are combinations of each other, as those of guides that were seen in the same lines, are kept once.

use crate::compress::gaussian::GaussianSums;
use crate::kernels::dot;
use crate::transport::pieces::{Incidence, Node, Piece};
use std::ops::Range;

/// Columns of the largest block: its factor is dense.
const LARGEST: usize = 32;
/// Terms whose subsets are looked through.
const MOST_TERMS: usize = 8;
/// Length of what the others leave of a row, over its own, that is rounding error.
const ROUNDING: f64 = 1e-12;

/// A block's places among the numbers of all.
#[derive(Debug, Clone)]
pub struct LevelBlock {
    /// Levels.
    pub nodes: Range<usize>,
    /// Columns among those of all blocks.
    pub columns: Range<usize>,
    /// First of its `[n, n]` entries of `A`.
    pub inner: usize,
    /// First of its `[r, n]` entries of `M'`.
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
}

/// Which nodes are the core: the coefficients and the terms with the fewest columns without which blocks are small. `None` if there are
/// none. Of `n_terms` terms, before the blocks of horseshoes, whose effects share a prior with the coefficients.
fn core_of(incidence: &Incidence, n_terms: usize) -> Option<Vec<bool>> {
    let nodes = &incidence.nodes;
    let mut columns = vec![0; n_terms];
    nodes.iter().for_each(|n| n.level.into_iter().filter(|l| l.0 < n_terms).for_each(|(term, _)| columns[term] += n.q));
    if n_terms == 0 || n_terms > MOST_TERMS {
        return None;
    }
    let size = |set: &u32| (0..n_terms).filter(|k| set >> k & 1 == 1).map(|k| columns[k]).sum::<usize>();
    let mut sets: Vec<u32> = (0..(1 << n_terms) - 1).collect();
    sets.sort_by_key(size);
    let is_in = |set: u32, node: &Node| node.level.is_none_or(|(k, _)| k >= n_terms || set >> k & 1 == 1);
    let cores = sets.into_iter().map(|set| nodes.iter().map(|n| is_in(set, n)).collect::<Vec<_>>());
    cores.into_iter().find(|core| {
        let mut size = vec![0; nodes.len()];
        components(incidence, core).iter().zip(nodes).for_each(|(&c, node)| size[c as usize] += node.q);
        size.iter().zip(core).all(|(&n, in_core)| *in_core || n <= LARGEST)
    })
}

/// Of each node that is not in the core, one of those that it is joined to; of the others themselves.
fn components(incidence: &Incidence, core: &[bool]) -> Vec<u32> {
    let mut parent: Vec<u32> = (0..core.len() as u32).collect();
    let root = |parent: &mut Vec<u32>, mut i: u32| {
        while parent[i as usize] != i {
            parent[i as usize] = parent[parent[i as usize] as usize];
            i = parent[i as usize];
        }
        i
    };
    for piece in incidence.pieces.iter().filter(|p| !core[p.i] && !core[p.j] && p.i != p.j) {
        let (a, b) = (root(&mut parent, piece.i as u32), root(&mut parent, piece.j as u32));
        parent[a.max(b) as usize] = a.min(b);
    }
    (0..core.len() as u32).map(|i| root(&mut parent, i)).collect()
}

/// Where the nodes of a model go: in the core their number there, else block and first column in it.
#[derive(Debug, Clone, Copy)]
pub enum Home {
    /// In the core.
    Core(usize),
    /// In a block.
    Block(usize, usize),
}

impl Plan {
    /// From the sums of the rows of a model with `n_terms` terms. `None` where levels are related, or blocks would be large.
    pub fn new(sums: &GaussianSums, n_terms: usize) -> Option<Self> {
        Self::build(&sums.incidence, Some(sums), n_terms).map(|(plan, _)| plan)
    }

    /// Without what the data say, which is zero: a vector for each column of a block, and where nodes went.
    pub fn of_places(incidence: &Incidence, n_terms: usize) -> Option<(Self, Vec<Home>)> {
        Self::build(incidence, None, n_terms)
    }

    fn build(incidence: &Incidence, sums: Option<&GaussianSums>, n_terms: usize) -> Option<(Self, Vec<Home>)> {
        let core = core_of(incidence, n_terms).filter(|_| incidence.prior.is_empty())?;
        let mut members: Vec<Vec<usize>> = vec![vec![]; core.len()];
        components(incidence, &core).iter().enumerate().for_each(|(i, &c)| members[c as usize].push(i));
        members.retain(|m| m.first().is_some_and(|&i| !core[i]));
        let (mut homes, mut plan) = (vec![Home::Core(0); core.len()], Self::default());
        let score = |node: &Node| match sums {
            Some(sums) => sums.score[node.first..node.first + node.q].to_vec(),
            None => vec![0.0; node.q],
        };
        for (node, home) in incidence.nodes.iter().zip(&mut homes).zip(&core).filter(|(_, c)| **c).map(|(n, _)| n) {
            *home = Home::Core(plan.core_nodes.len());
            plan.core_nodes.push(Node { first: plan.n_core, ..node.clone() });
            plan.n_core += node.q;
            plan.score[1].extend(score(node));
        }
        for (b, members) in members.iter().enumerate() {
            let mut n = 0;
            for &i in members {
                let node = &incidence.nodes[i];
                homes[i] = Home::Block(b, n);
                n += node.q;
                plan.score[0].extend(score(node));
            }
        }
        let mut pieces: Vec<Vec<Piece>> = vec![vec![]; members.len()];
        for piece in &incidence.pieces {
            match (homes[piece.i], homes[piece.j]) {
                (Home::Core(i), Home::Core(j)) => {
                    let at = plan.core.len();
                    let n = incidence.nodes[piece.i].q * incidence.nodes[piece.j].q;
                    match sums {
                        Some(sums) => plan.core.extend_from_slice(&sums.information[piece.at..piece.at + n]),
                        None => plan.core.resize(at + n, 0.0),
                    }
                    plan.core_pieces.push(Piece { i, j, at });
                }
                (Home::Block(b, _), _) | (_, Home::Block(b, _)) => pieces[b].push(*piece),
            }
        }
        for (members, pieces) in members.into_iter().zip(pieces) {
            plan.add_block((incidence, sums), &members, &pieces, &homes);
        }
        Some((plan, homes))
    }

    fn add_block(
        &mut self, (incidence, sums): (&Incidence, Option<&GaussianSums>), members: &[usize], pieces: &[Piece],
        homes: &[Home],
    ) {
        let nodes = &incidence.nodes;
        let n: usize = members.iter().map(|&i| nodes[i].q).sum();
        let in_core = |node: usize| if let Home::Core(at) = homes[node] { Some(at) } else { None };
        let mut met: Vec<usize> = pieces.iter().filter_map(|p| in_core(p.i).or(in_core(p.j))).collect();
        met.sort_unstable();
        met.dedup();
        let mut starts = vec![0];
        met.iter().for_each(|&i| starts.push(starts[starts.len() - 1] + self.core_nodes[i].q));
        let n_rows = starts[met.len()];
        let start = |core: usize| starts[met.partition_point(|&m| m < core)];
        let (mut inner, mut cross) = (vec![0.0; n * n], vec![0.0; n * n_rows]);
        for (piece, sums) in pieces.iter().filter_map(|piece| Some((piece, sums?))) {
            let (q_i, q_j) = (nodes[piece.i].q, nodes[piece.j].q);
            for (at, &x) in sums.information[piece.at..piece.at + q_i * q_j].iter().enumerate() {
                let (a, b) = (at / q_j, at % q_j);
                match (homes[piece.i], homes[piece.j]) {
                    (Home::Block(_, i), Home::Block(_, j)) => {
                        (inner[(i + a) * n + j + b], inner[(j + b) * n + i + a]) = (x, x);
                    }
                    (Home::Core(i), Home::Block(_, j)) => cross[(j + b) * n_rows + start(i) + a] = x,
                    (Home::Block(_, i), Home::Core(j)) => cross[(i + a) * n_rows + start(j) + b] = x,
                    (Home::Core(_), Home::Core(_)) => {}
                }
            }
        }
        let (mix, basis) = if sums.is_some() { low_rank(n, &cross) } else { (identity(n), cross) };
        let r = mix.len() / n;
        let last = self.blocks.last();
        let [node, column, vector] = last.map_or([0; 3], |b| [b.nodes.end, b.columns.end, b.vectors.end]);
        self.blocks.push(LevelBlock {
            nodes: node..node + members.len(),
            columns: column..column + n,
            inner: self.inner.len(),
            mix: self.mix.len(),
            vectors: vector..vector + r,
            rows: self.rows.len()..self.rows.len() + n_rows,
            basis: self.basis.len(),
        });
        self.nodes.extend(members.iter().map(|&i| nodes[i].clone()));
        self.inner.extend(inner);
        self.mix.extend(mix);
        self.basis.extend(basis);
        for &i in &met {
            let Node { first: column, q, .. } = self.core_nodes[i];
            self.rows.extend((column..column + q).map(|row| row as u32));
        }
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

fn identity(n: usize) -> Vec<f64> {
    (0..n * n).map(|at| f64::from(u8::from(at / n == at % n))).collect()
}

/// `M'` and `V'` of `n` rows `M V'`, by orthogonalisation, where fewer vectors do.
fn low_rank(n: usize, rows: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let length = rows.len() / n;
    if n == 1 || length == 0 {
        return if length == 0 { (vec![], vec![]) } else { (identity(n), rows.to_vec()) };
    }
    let mut basis: Vec<Vec<f64>> = vec![];
    for row in rows.chunks_exact(length) {
        let (size, mut rest) = (dot(row, row).sqrt(), row.to_vec());
        for _ in 0..2 {
            for b in &basis {
                let along = dot(b, &rest);
                rest.iter_mut().zip(b).for_each(|(x, b)| *x -= along * b);
            }
        }
        let left = dot(&rest, &rest).sqrt();
        if left > ROUNDING * size {
            rest.iter_mut().for_each(|x| *x /= left);
            basis.push(rest);
        }
    }
    if basis.len() == n {
        return (identity(n), rows.to_vec());
    }
    let mix = basis.iter().flat_map(|b| rows.chunks_exact(length).map(|row| dot(b, row))).collect();
    (mix, basis.concat())
}
