//! Sparse Cholesky factor on a fixed pattern, its triangular solves, and the derivative of a
//! function of the factor with respect to the matrix.
//!
//! Left-looking by columns (Davis 2006, section 4.8); the derivative runs the same loop backwards
//! (Smith 1995; Murray 2016, section 4). Rows and columns are eliminated in the order given: put
//! what is largest and nearly diagonal first. Columns at the end that are full go to [`Tail`].

use crate::kernels::dot;
use crate::tail::{Tail, TailWork};

/// Memory of factorisations; `rows` is all zeros between them.
#[derive(Debug, Clone, Default)]
pub struct Work {
    rows: Vec<f64>,
    tail: TailWork,
}

impl Work {
    /// Cleans up after a factorisation that failed.
    pub fn reset(&mut self) {
        self.rows.fill(0.0);
    }
}

/// Pattern of a lower factor, its fill included. The diagonal is the first entry of a column.
#[derive(Debug, Clone, Default)]
pub struct Pattern {
    /// `[dim + 1]` starts of the columns.
    pub starts: Vec<usize>,
    /// Row of each entry, ascending within a column.
    pub rows: Vec<u32>,
    /// Per row, the columns before it that reach it: starts of the lists.
    reach_starts: Vec<usize>,
    /// Place of the entry in its column; the column.
    reach: Vec<(u32, u32)>,
    /// Full columns at the end.
    tail: Tail,
}

impl Pattern {
    /// Completes a lower pattern, `columns[j]` holding rows below `j`, by the fill of elimination.
    /// `None` if it would have more than `max_entries`.
    pub fn new(mut columns: Vec<Vec<u32>>, max_entries: usize) -> Option<Self> {
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
        let mut pattern = Self { starts: vec![0], ..Self::default() };
        let tail_start = Tail::start(&columns);
        let mut reached: Vec<Vec<(u32, u32)>> = vec![vec![]; tail_start];
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
        pattern.tail = Tail::new(tail_start, &pattern.starts, &pattern.rows);
        pattern.reach_starts = std::iter::once(0)
            .chain(reached.iter().scan(0, |at, r| {
                *at += r.len();
                Some(*at)
            }))
            .collect();
        pattern.reach = reached.concat();
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

    /// Multiplications of one factorisation; those of the tail count for what they cost beside the others.
    pub fn n_products(&self) -> usize {
        self.n_sparse() + self.tail.n_products()
    }

    /// Multiplications of one factorisation.
    pub fn n_multiplications(&self) -> usize {
        self.n_sparse() + self.tail.n_multiplications(1)
    }

    fn n_sparse(&self) -> usize {
        let lead = self.reach.iter().map(|&(place, k)| self.starts[k as usize + 1] - place as usize);
        lead.sum::<usize>() + self.starts[self.tail.start]
    }

    /// Place of entry `(i, j)`, `i >= j`, among the values.
    pub fn place(&self, i: u32, j: u32) -> usize {
        let column = &self.rows[self.starts[j as usize]..self.starts[j as usize + 1]];
        self.starts[j as usize] + column.binary_search(&i).expect("entry of the pattern")
    }

    fn reaching(&self, j: usize) -> &[(u32, u32)] {
        &self.reach[self.reach_starts[j]..self.reach_starts[j + 1]]
    }

    /// Overwrites the lower matrix `values` with its Cholesky factor. Not a number where the matrix is
    /// not positive definite; then `work` needs a reset.
    pub fn factor(&self, values: &mut [f64], work: &mut Work) {
        work.rows.resize(self.dim(), 0.0);
        let rows = &mut work.rows;
        for j in 0..self.tail.start {
            let (start, end) = (self.starts[j], self.starts[j + 1]);
            for at in start..end {
                rows[self.rows[at] as usize] = values[at];
            }
            for &(place, k) in self.reaching(j) {
                let pivot = values[place as usize];
                for at in place as usize..self.starts[k as usize + 1] {
                    rows[self.rows[at] as usize] -= pivot * values[at];
                }
            }
            let root = rows[j].sqrt();
            rows[j] = 0.0;
            values[start] = root;
            for at in start + 1..end {
                let row = self.rows[at] as usize;
                values[at] = rows[row] / root;
                rows[row] = 0.0;
            }
        }
        self.tail.factor(self.starts[self.tail.start], &self.rows, values, &mut work.tail);
    }

    /// From `d`, derivatives in the entries of the factor `values`, to derivatives in the lower
    /// entries of the matrix (overwriting `d`).
    pub fn factor_adjoint(&self, values: &[f64], d: &mut [f64], work: &mut Work) {
        self.tail.factor_adjoint(self.starts[self.tail.start], &self.rows, values, d, &mut work.tail);
        work.rows.resize(self.dim(), 0.0);
        let rows = &mut work.rows;
        for j in (0..self.tail.start).rev() {
            let (start, end) = (self.starts[j], self.starts[j + 1]);
            let root = values[start];
            let mut d_root = d[start];
            for at in start + 1..end {
                d_root -= d[at] * values[at] / root;
                d[at] /= root;
                rows[self.rows[at] as usize] = d[at];
            }
            d[start] = 0.5 * d_root / root;
            rows[j] = d[start];
            for &(place, k) in self.reaching(j) {
                let place = place as usize;
                let pivot = values[place];
                let mut d_pivot = 0.0;
                for at in place..self.starts[k as usize + 1] {
                    let w = rows[self.rows[at] as usize];
                    d_pivot += w * values[at];
                    d[at] -= w * pivot;
                }
                d[place] -= d_pivot;
            }
            for at in start..end {
                rows[self.rows[at] as usize] = 0.0;
            }
        }
    }

    /// `x <- R^-1 x`.
    pub fn solve(&self, values: &[f64], x: &mut [f64]) {
        for j in 0..self.tail.start {
            let (start, end) = (self.starts[j], self.starts[j + 1]);
            x[j] /= values[start];
            let x_j = x[j];
            for (&row, v) in self.rows[start + 1..end].iter().zip(&values[start + 1..end]) {
                x[row as usize] -= v * x_j;
            }
        }
        for j in self.tail.start..self.dim() {
            let column = &values[self.starts[j]..self.starts[j + 1]];
            x[j] /= column[0];
            let (done, rest) = x[j..].split_at_mut(1);
            rest.iter_mut().zip(&column[1..]).for_each(|(x, v)| *x -= v * done[0]);
        }
    }

    /// `x <- R^-T x`.
    pub fn solve_transposed(&self, values: &[f64], x: &mut [f64]) {
        for j in (self.tail.start..self.dim()).rev() {
            let column = &values[self.starts[j]..self.starts[j + 1]];
            x[j] = (x[j] - dot(&column[1..], &x[j + 1..])) / column[0];
        }
        for j in (0..self.tail.start).rev() {
            let (start, end) = (self.starts[j], self.starts[j + 1]);
            let below = self.rows[start + 1..end].iter().zip(&values[start + 1..end]);
            let s: f64 = below.map(|(&row, v)| v * x[row as usize]).sum();
            x[j] = (x[j] - s) / values[start];
        }
    }
}

#[cfg(test)]
mod tests;
