//! Pattern of a sparse lower factor: columns of levels, then a core of full columns.
//!
//! Rows and columns are eliminated in the order given: put what is largest and nearly diagonal first. The full columns at the end are
//! the core, whose entries stand packed, column by column.

use super::trailing::Trailing;
use std::ops::Range;

/// Places of the entries of a lower factor, its fill included. The diagonal is the first entry of a column.
#[derive(Debug, Clone, Default)]
pub struct Pattern {
    /// `[dim + 1]` starts of the columns.
    pub starts: Vec<usize>,
    /// Row of each entry, ascending within a column.
    pub rows: Vec<u32>,
    /// First column of the core.
    pub core: usize,
    /// Per column before the core, where its rows in the core start.
    core_rows: Vec<usize>,
    /// Per column before the core, the columns before it that reach it: starts of the lists.
    reach_starts: Vec<usize>,
    /// Place of the entry in its column; the column.
    reach: Vec<(u32, u32)>,
    /// How a large core is factored.
    pub(super) trailing: Trailing,
}

impl Pattern {
    /// Completes a lower pattern, `columns[j]` holding rows below `j`, by the fill of elimination. The core is what is full at the
    /// end, or its last `n_core` columns. `None` if it would have more than `max_entries`.
    pub fn new(mut columns: Vec<Vec<u32>>, max_entries: usize, n_core: Option<usize>) -> Option<Self> {
        let dim = columns.len();
        let mut n_entries = 0;
        for j in 0..dim {
            columns[j].sort_unstable();
            columns[j].dedup();
            n_entries += columns[j].len() + 1;
            if n_entries > max_entries {
                return None;
            }
            // Eliminating j joins all rows below it: enough to hand them to the first of them.
            if let Some((&parent, rest)) = columns[j].split_first() {
                let rest = rest.to_vec();
                columns[parent as usize].extend(rest);
            }
        }
        let full = (0..dim).rev().take_while(|&j| columns[j].len() == dim - 1 - j).count();
        let core = dim - n_core.map_or(full, |n| n.min(full));
        let mut pattern = Self { starts: vec![0], core, ..Self::default() };
        let mut reached: Vec<Vec<(u32, u32)>> = vec![vec![]; core];
        for (j, below) in columns.iter().enumerate() {
            pattern.rows.push(j as u32);
            for &i in below {
                if let Some(reached) = reached.get_mut(i as usize) {
                    reached.push((pattern.rows.len() as u32, j as u32));
                }
                pattern.rows.push(i);
            }
            pattern.starts.push(pattern.rows.len());
        }
        let core_rows = |j: usize| {
            let column = pattern.starts[j]..pattern.starts[j + 1];
            column.start + pattern.rows[column].partition_point(|&i| (i as usize) < core)
        };
        pattern.core_rows = (0..core).map(core_rows).collect();
        pattern.reach_starts = std::iter::once(0)
            .chain(reached.iter().scan(0, |at, r| {
                *at += r.len();
                Some(*at)
            }))
            .collect();
        pattern.reach = reached.concat();
        let lead = (0..core).map(|j| pattern.in_core(j)).filter(|r| !r.is_empty()).collect();
        pattern.trailing = Trailing::new(dim - core, lead);
        Some(pattern)
    }

    /// Number of rows.
    pub fn dim(&self) -> usize {
        self.starts.len() - 1
    }

    /// Number of entries.
    pub fn n_entries(&self) -> usize {
        self.rows.len()
    }

    /// Number of columns of the core.
    pub fn n_core(&self) -> usize {
        self.dim() - self.core
    }

    /// Number of entries before the core.
    #[inline(always)]
    pub fn n_lead(&self) -> usize {
        self.starts[self.core]
    }

    /// Multiplications of one factorisation; those of a large core count for what they cost beside the others.
    pub fn n_products(&self) -> usize {
        self.n_sparse() + self.trailing.n_products()
    }

    /// Multiplications of one factorisation.
    pub fn n_multiplications(&self) -> usize {
        self.n_sparse() + self.trailing.n_multiplications(1)
    }

    fn n_sparse(&self) -> usize {
        let lead = self.reach.iter().map(|&(place, k)| self.starts[k as usize + 1] - place as usize);
        lead.sum::<usize>() + if self.trailing.is_large() { self.n_lead() } else { self.n_entries() }
    }

    /// Place of entry `(i, j)`, `i >= j`, among the values.
    pub fn place(&self, i: u32, j: u32) -> usize {
        let column = &self.rows[self.starts[j as usize]..self.starts[j as usize + 1]];
        self.starts[j as usize] + column.binary_search(&i).expect("entry of the pattern")
    }

    /// Entries of column `j` below its diagonal and before the core's rows.
    #[inline(always)]
    pub(super) fn below(&self, j: usize) -> Range<usize> {
        self.starts[j] + 1..self.core_rows[j]
    }

    /// Entries of column `j`, before the core, in its rows.
    #[inline(always)]
    pub fn in_core(&self, j: usize) -> Range<usize> {
        self.core_rows[j]..self.starts[j + 1]
    }

    #[inline(always)]
    pub(super) fn reaching(&self, j: usize) -> &[(u32, u32)] {
        &self.reach[self.reach_starts[j]..self.reach_starts[j + 1]]
    }

    /// First entry of column `j` of the core among the core's.
    #[inline(always)]
    pub(super) fn core_start(&self, j: usize) -> usize {
        self.starts[self.core + j] - self.n_lead()
    }
}
