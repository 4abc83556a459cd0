//! Which levels of a collapsed model are its core, which fall into blocks that meet only through it, and which are integrated out before.

use super::innermost::Innermost;
use crate::compress::gaussian::GaussianSums;
use crate::transport::pieces::{Incidence, Node};

/// Columns of the largest block: its factor is dense.
const LARGEST: usize = 32;
/// Terms whose subsets are looked through.
const MOST_TERMS: usize = 8;
/// How many times cheaper a value must be for a term to be integrated out before.
const CHEAPER: usize = 2;

/// Where the nodes of a model go.
#[derive(Debug)]
pub struct Partition {
    /// Whether a node is in the core.
    pub core: Vec<bool>,
    /// Of the term that is integrated out before, if there is one.
    pub innermost: Option<Innermost>,
}

/// Where a node is: in the core its number there, in a block that and its first column in it.
#[derive(Debug, Clone, Copy)]
pub enum Home {
    /// In the core.
    Core(usize),
    /// In a block.
    Block(usize, usize),
    /// Integrated out before.
    Innermost,
}

impl Partition {
    /// The coefficients and the terms with the fewest columns without which blocks are small, of `n_terms` terms, before the blocks of
    /// horseshoes, whose effects share a prior with the coefficients. `None` if there are none. A term is integrated out before where
    /// that halves the price, which needs what the data say; levels of a term with the same `scale_of` share one.
    pub fn of(
        incidence: &Incidence, sums: Option<&GaussianSums>, n_terms: usize, scale_of: &dyn Fn(usize, usize) -> usize,
    ) -> Option<Self> {
        if n_terms == 0 || n_terms > MOST_TERMS || !incidence.prior.is_empty() {
            return None;
        }
        let plain = core_of(incidence, n_terms, None);
        let most = plain.as_ref().map_or(usize::MAX, |core| price(incidence, core, None) / CHEAPER);
        let without = |term: usize| {
            let innermost = Innermost::of(sums?, term, &|level| scale_of(term, level))?;
            let core = core_of(incidence, n_terms, Some(&innermost))?;
            let price = price(incidence, &core, Some(&innermost));
            (price <= most).then_some((price, Self { core, innermost: Some(innermost) }))
        };
        let found = (0..n_terms).filter_map(without).min_by_key(|(price, _)| *price);
        found.map(|(_, partition)| partition).or_else(|| Some(Self { core: plain?, innermost: None }))
    }

    /// Nodes of each block.
    pub fn blocks(&self, incidence: &Incidence) -> Vec<Vec<usize>> {
        let mut members: Vec<Vec<usize>> = vec![vec![]; self.core.len()];
        let joined = components(incidence, &self.core, self.innermost.as_ref());
        joined.iter().enumerate().for_each(|(i, &c)| members[c as usize].push(i));
        members.retain(|m| m.first().is_some_and(|&i| is_inside(i, &self.core, self.innermost.as_ref())));
        members
    }
}

/// Whether a node is in a block.
fn is_inside(node: usize, core: &[bool], innermost: Option<&Innermost>) -> bool {
    !core[node] && !innermost.is_some_and(|x| x.has(node))
}

/// Which nodes are the core; see [`Partition::of`].
fn core_of(incidence: &Incidence, n_terms: usize, innermost: Option<&Innermost>) -> Option<Vec<bool>> {
    let nodes = &incidence.nodes;
    let mut columns = vec![0; n_terms];
    nodes.iter().for_each(|n| n.level.into_iter().filter(|l| l.0 < n_terms).for_each(|(term, _)| columns[term] += n.q));
    let left = !innermost.map_or(0, |x| 1 << x.term) & ((1u32 << n_terms) - 1);
    let size = |set: &u32| (0..n_terms).filter(|k| set >> k & 1 == 1).map(|k| columns[k]).sum::<usize>();
    let mut sets: Vec<u32> = (0..left).filter(|set| set & !left == 0).collect();
    sets.sort_by_key(size);
    let is_in = |set: u32, node: &Node| node.level.is_none_or(|(k, _)| k >= n_terms || set >> k & 1 == 1);
    let cores = sets.into_iter().map(|set| nodes.iter().map(|n| is_in(set, n)).collect::<Vec<_>>());
    cores.into_iter().find(|core| {
        let size = block_sizes(incidence, core, innermost);
        size.iter().enumerate().all(|(i, &n)| !is_inside(i, core, innermost) || n <= LARGEST)
    })
}

/// Multiplications of a value, were no rows of a block combinations of each other.
fn price(incidence: &Incidence, core: &[bool], innermost: Option<&Innermost>) -> usize {
    let n_core: usize = core.iter().zip(&incidence.nodes).filter(|(c, _)| **c).map(|(_, n)| n.q).sum();
    let layers = 1 + innermost.map_or(0, Innermost::n_classes);
    let of_block = |n: usize| n * n * (n / 6 + layers * n_core);
    let sizes = block_sizes(incidence, core, innermost);
    let of_blocks: usize = (0..core.len()).filter(|&i| is_inside(i, core, innermost)).map(|i| of_block(sizes[i])).sum();
    of_blocks + n_core.pow(3) / 6
}

/// Columns of each block, at the node that stands for it.
fn block_sizes(incidence: &Incidence, core: &[bool], innermost: Option<&Innermost>) -> Vec<usize> {
    let mut size = vec![0; core.len()];
    let joined = components(incidence, core, innermost);
    joined.iter().zip(&incidence.nodes).for_each(|(&c, node)| size[c as usize] += node.q);
    size
}

/// Of each node that is in a block, one of those that it is joined to; of the others themselves.
fn components(incidence: &Incidence, core: &[bool], innermost: Option<&Innermost>) -> Vec<u32> {
    let mut parent: Vec<u32> = (0..core.len() as u32).collect();
    let root = |parent: &mut Vec<u32>, mut i: u32| {
        while parent[i as usize] != i {
            parent[i as usize] = parent[parent[i as usize] as usize];
            i = parent[i as usize];
        }
        i
    };
    let mut join = |i: usize, j: usize| {
        let (a, b) = (root(&mut parent, i as u32), root(&mut parent, j as u32));
        parent[a.max(b) as usize] = a.min(b);
    };
    let is_inside = |i: usize| is_inside(i, core, innermost);
    let within = incidence.pieces.iter().filter(|p| p.i() != p.j() && is_inside(p.i()) && is_inside(p.j()));
    within.for_each(|p| join(p.i(), p.j()));
    // What is integrated out joins all that it meets.
    for e in 0..innermost.map_or(0, Innermost::len) {
        let mut inside =
            innermost.into_iter().flat_map(|x| x.met(e)).map(|m| m.node as usize).filter(|&i| is_inside(i));
        let first = inside.next();
        inside.for_each(|i| join(first.unwrap_or(i), i));
    }
    (0..core.len() as u32).map(|i| root(&mut parent, i)).collect()
}
