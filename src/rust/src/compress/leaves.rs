//! Leaves: rows that share all of the design but the offset; and rows that share their dispersion.

use crate::design::Design;
use std::collections::HashMap;

/// No leaf.
const NONE: u32 = u32::MAX;

/// Which rows share a design.
#[derive(Debug, Clone)]
pub struct Leaves {
    /// Leaf of each row, in the order of their first rows.
    pub of_row: Vec<u32>,
    /// First row of each leaf.
    pub first: Vec<usize>,
}

/// Rows sorted by leaf.
#[derive(Debug)]
pub struct Members {
    rows: Vec<usize>,
    /// Where each leaf's rows end.
    ends: Vec<usize>,
}

impl Leaves {
    /// Groups the rows of a design by all of it but offsets, weights and responses.
    pub fn find(design: &Design) -> Self {
        let terms = design.terms.iter().filter(|term| !term.is_intercept);
        let n = design.n();
        let z = terms.flat_map(|term| (0..term.q).flat_map(move |c| term.z_column(c).chunks_exact(n)));
        let x = (0..design.x.ncols()).map(|j| design.x_column(j));
        let se = (!design.se.is_empty()).then_some(&design.se[..]);
        let numbers = x.chain(z).chain(se).chain(dispersion_columns(design)).collect();
        Self::by_columns(n, numbers, design.terms.iter().flat_map(|term| term.codes.chunks_exact(n)).collect())
    }

    /// Groups the rows of a design by their dispersion's.
    pub fn of_dispersion(design: &Design) -> Self {
        Self::by_columns(design.n(), dispersion_columns(design).collect(), vec![])
    }

    fn by_columns(n: usize, numbers: Vec<&[f64]>, codes: Vec<&[u32]>) -> Self {
        let alike = |a: usize, b: usize| {
            codes.iter().all(|c| c[a] == c[b]) && numbers.iter().all(|v| v[a].to_bits() == v[b].to_bits())
        };
        // The last leaf of each fingerprint, and of each leaf the one before it.
        let mut last: HashMap<u64, u32> = HashMap::new();
        let (mut before, mut first): (Vec<u32>, Vec<usize>) = (vec![], vec![]);
        let leaf_of = |(row, fingerprint): (usize, &u64)| {
            let last = last.entry(*fingerprint).or_insert(NONE);
            let mut leaf = *last;
            while leaf != NONE && !alike(first[leaf as usize], row) {
                leaf = before[leaf as usize];
            }
            if leaf == NONE {
                leaf = first.len() as u32;
                before.push(std::mem::replace(last, leaf));
                first.push(row);
            }
            leaf
        };
        let of_row = fingerprints(n, &numbers, &codes).iter().enumerate().map(leaf_of).collect();
        Self { of_row, first }
    }

    /// Number of leaves.
    pub fn len(&self) -> usize {
        self.first.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    /// Rows sorted by leaf.
    pub fn members(&self) -> Members {
        let mut ends = vec![0; self.len()];
        self.of_row.iter().for_each(|&leaf| ends[leaf as usize] += 1);
        let mut at: Vec<usize> = ends.iter().scan(0, |start, n| Some(std::mem::replace(start, *start + n))).collect();
        let mut rows = vec![0; self.of_row.len()];
        for (row, &leaf) in self.of_row.iter().enumerate() {
            rows[at[leaf as usize]] = row;
            at[leaf as usize] += 1;
        }
        // Each leaf was filled up to where the next begins.
        Members { rows, ends: at }
    }
}

impl Members {
    /// Rows of a leaf.
    pub fn of_leaf(&self, leaf: usize) -> &[usize] {
        let start = if leaf == 0 { 0 } else { self.ends[leaf - 1] };
        &self.rows[start..self.ends[leaf]]
    }
}

/// A number per row that rows of the same design share, column by column.
fn fingerprints(n: usize, numbers: &[&[f64]], codes: &[&[u32]]) -> Vec<u64> {
    let mut out = vec![0u64; n];
    let mix = |f: &mut u64, v: u64| *f = (f.rotate_left(5) ^ v).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    numbers.iter().for_each(|column| out.iter_mut().zip(*column).for_each(|(f, v)| mix(f, v.to_bits())));
    codes.iter().for_each(|column| out.iter_mut().zip(*column).for_each(|(f, &v)| mix(f, u64::from(v))));
    out
}

fn dispersion_columns(design: &Design) -> impl Iterator<Item = &[f64]> {
    (0..design.x_disp.ncols()).map(|c| design.x_disp_column(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of one fingerprint that differ: what a first column does to it, a second undoes.
    #[test]
    fn rows_that_collide_are_leaves_of_their_own() {
        let after_first = |v: f64| fingerprints(1, &[&[v]], &[])[0].rotate_left(5);
        let second = |first: f64| f64::from_bits(1 ^ after_first(1.0) ^ after_first(first));
        let columns: [Vec<f64>; 2] =
            [[1.0, 2.0, 3.0, 2.0, 1.0].to_vec(), [1.0, 2.0, 3.0, 2.0, 1.0].map(second).to_vec()];
        let numbers: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
        let prints = fingerprints(5, &numbers, &[]);
        assert!(prints.iter().all(|f| *f == prints[0]), "{prints:?}");
        let leaves = Leaves::by_columns(5, numbers, vec![]);
        assert_eq!((leaves.of_row, leaves.first), (vec![0, 1, 2, 1, 0], vec![0, 1, 2]));
    }

    #[test]
    fn members_are_sorted_by_leaf() {
        let leaves = Leaves { of_row: vec![0, 1, 0, 2, 1], first: vec![0, 1, 3] };
        let members = leaves.members();
        assert_eq!([0, 1, 2].map(|leaf| members.of_leaf(leaf)), [&[0, 2][..], &[1, 4], &[3]]);
    }
}
