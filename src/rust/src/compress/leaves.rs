//! Leaves: rows that share all of the design but the offset, found in one pass.

use crate::design::Design;
use std::collections::HashMap;

/// Which rows share a design.
#[derive(Debug, Clone)]
pub struct Leaves {
    /// Leaf of each row, in the order of their first rows.
    pub of_row: Vec<u32>,
    /// First row of each leaf.
    pub first: Vec<usize>,
}

impl Leaves {
    /// Groups the rows of a design.
    pub fn find(design: &Design) -> Self {
        let fingerprints = fingerprints(design);
        let mut seen: HashMap<u64, Vec<u32>> = HashMap::new();
        let mut first: Vec<usize> = vec![];
        let leaf_of = |(row, fingerprint): (usize, &u64)| {
            let leaves = seen.entry(*fingerprint).or_default();
            let known = leaves.iter().find(|&&leaf| alike(design, first[leaf as usize], row));
            known.copied().unwrap_or_else(|| {
                leaves.push(first.len() as u32);
                first.push(row);
                first.len() as u32 - 1
            })
        };
        let of_row = fingerprints.iter().enumerate().map(leaf_of).collect();
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

    /// Rows sorted by leaf, and where each leaf's end.
    pub fn members(&self) -> (Vec<usize>, Vec<usize>) {
        let mut ends = vec![0; self.len()];
        self.of_row.iter().for_each(|&leaf| ends[leaf as usize] += 1);
        let mut at: Vec<usize> = ends.iter().scan(0, |start, n| Some(std::mem::replace(start, *start + n))).collect();
        let mut rows = vec![0; self.of_row.len()];
        for (row, &leaf) in self.of_row.iter().enumerate() {
            rows[at[leaf as usize]] = row;
            at[leaf as usize] += 1;
        }
        // Each leaf was filled up to where the next begins.
        (rows, at)
    }
}

/// A number per row that rows of the same design share, column by column.
fn fingerprints(design: &Design) -> Vec<u64> {
    let mut out = vec![0u64; design.n()];
    let mut add = |values: &mut dyn Iterator<Item = u64>| {
        out.iter_mut().zip(values).for_each(|(f, v)| *f = (f.rotate_left(5) ^ v).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    };
    columns(design).for_each(|column| add(&mut column.iter().map(|v| v.to_bits())));
    design.terms.iter().for_each(|term| add(&mut term.codes.iter().map(|&code| u64::from(code))));
    out
}

/// Whether two rows share the design.
fn alike(design: &Design, a: usize, b: usize) -> bool {
    design.terms.iter().all(|term| term.codes[a] == term.codes[b])
        && columns(design).all(|column| column[a].to_bits() == column[b].to_bits())
}

/// All columns of numbers but the offset and the weights.
fn columns(design: &Design) -> impl Iterator<Item = &[f64]> {
    let terms = design.terms.iter().filter(|term| !term.is_intercept);
    let z = terms.flat_map(|term| (0..term.q).map(move |c| term.z_column(c)));
    let se = (!design.se.is_empty()).then_some(&design.se[..]);
    let x_disp = (0..design.x_disp.ncols()).map(|c| design.x_disp_column(c));
    (0..design.x.ncols()).map(|j| design.x_column(j)).chain(z).chain(se).chain(x_disp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_sorted_by_leaf() {
        let leaves = Leaves { of_row: vec![0, 1, 0, 2, 1], first: vec![0, 1, 3] };
        assert_eq!(leaves.members(), (vec![0, 2, 1, 4, 3], vec![2, 4, 5]));
    }
}
