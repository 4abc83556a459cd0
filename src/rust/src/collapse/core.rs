//! The dense matrix of a core: what blocks subtract from it, its Cholesky factor, and solves with that.

use super::plan::Plan;
use crate::linalg::dense::{DENSE, DENSE_PER_SPARSE, cholesky_in_panels};
use faer::linalg::matmul::triangular::{BlockStructure, matmul as triangular_product};
use faer::{Accum, Mat, Par};
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, Ordering};

/// Vectors that are multiplied at once.
const PANEL: usize = 256;

/// How vectors are multiplied.
#[derive(Debug)]
pub enum Products {
    /// As dense matrices.
    Dense,
    /// Entry by entry, column after column of the core: where the vectors begin at its row and where they end.
    Sparse {
        /// Per column, the first of its `places`, and the end.
        starts: Vec<usize>,
        /// Entry among those of all vectors, that of the end, and its row among those that blocks meet.
        places: Vec<[u32; 3]>,
    },
}

/// Memory of one position; a copy has none before it is used.
#[derive(Debug)]
pub struct Core {
    n: usize,
    /// Lower half of the matrix, then its factor.
    pub matrix: Mat<f64>,
    panel: Mat<f64>,
    stack: Vec<MaybeUninit<u8>>,
}

impl Clone for Core {
    fn clone(&self) -> Self {
        Self::new(self.n)
    }
}

impl Products {
    /// As there are many entries or few.
    pub fn of(plan: &Plan) -> Self {
        let n_entries: usize = plan.blocks.iter().map(|b| b.n_subtracted() * b.rows.len()).sum();
        if n_entries as f64 > DENSE * (plan.n_core * plan.n_subtracted()) as f64 {
            return Self::Dense;
        }
        let mut of_column: Vec<Vec<[u32; 3]>> = vec![vec![]; plan.n_core];
        for block in &plan.blocks {
            let n = block.rows.len();
            for vector in 0..block.n_subtracted() {
                let first = block.basis + vector * n;
                for (at, row) in block.rows.clone().enumerate() {
                    of_column[plan.rows[row] as usize].push([(first + at) as u32, (first + n) as u32, row as u32]);
                }
            }
        }
        let starts = std::iter::once(0).chain(of_column.iter().scan(0, |at, c| {
            *at += c.len();
            Some(*at)
        }));
        Self::Sparse { starts: starts.collect(), places: of_column.concat() }
    }

    /// Multiplications, those of dense matrices divided by `DENSE_PER_SPARSE`.
    pub fn n_products(&self, plan: &Plan) -> usize {
        match self {
            Self::Dense => plan.n_subtracted() * plan.n_core * plan.n_core / 2 / DENSE_PER_SPARSE,
            Self::Sparse { places, .. } => places.iter().map(|[at, end, _]| (end - at) as usize).sum(),
        }
    }
}

impl Core {
    /// Memory for a core of `n` columns.
    pub fn new(n: usize) -> Self {
        Self { n, matrix: Mat::new(), panel: Mat::new(), stack: vec![] }
    }

    fn dim(&self) -> usize {
        self.n
    }

    /// Sets the lower half to zero.
    pub fn clear(&mut self) {
        if self.matrix.ncols() < self.n {
            self.matrix = Mat::zeros(self.n, self.n);
        }
        (0..self.dim()).for_each(|j| self.matrix.col_as_slice_mut(j)[j..].fill(0.0));
    }

    /// Subtracts `U U'`, the columns of `U` being the blocks' vectors.
    pub fn subtract(&mut self, plan: &Plan, products: &Products, vectors: &[f64], cancel: &AtomicBool) {
        match products {
            Products::Dense => self.subtract_dense(plan, vectors),
            Products::Sparse { starts, places } => {
                let going = starts.windows(2).enumerate().take_while(|_| !cancel.load(Ordering::Relaxed));
                for (j, bounds) in going {
                    let column = self.matrix.col_as_slice_mut(j);
                    for &[at, end, row] in &places[bounds[0]..bounds[1]] {
                        let (own, row) = (&vectors[at as usize..end as usize], row as usize);
                        let x = own[0];
                        for (v, &i) in own.iter().zip(&plan.rows[row..row + own.len()]) {
                            column[i as usize] -= x * v;
                        }
                    }
                }
            }
        }
    }

    fn subtract_dense(&mut self, plan: &Plan, vectors: &[f64]) {
        let n = self.dim();
        if self.panel.ncols() == 0 {
            self.panel = Mat::zeros(n, PANEL.min(plan.n_subtracted()));
        }
        let mut filled = 0;
        for block in &plan.blocks {
            let (rows, length) = (&plan.rows[block.rows.clone()], block.rows.len());
            for vector in 0..block.n_subtracted() {
                let from = &vectors[block.basis + vector * length..][..length];
                let to = self.panel.col_as_slice_mut(filled);
                if length == n {
                    to.copy_from_slice(from);
                } else {
                    to.fill(0.0);
                    rows.iter().zip(from).for_each(|(&i, x)| to[i as usize] = *x);
                }
                filled += 1;
                if filled == self.panel.ncols() {
                    self.subtract_panel(filled);
                    filled = 0;
                }
            }
        }
        if filled > 0 {
            self.subtract_panel(filled);
        }
    }

    fn subtract_panel(&mut self, filled: usize) {
        let part = self.panel.as_ref().subcols(0, filled);
        let (lower, full) = (BlockStructure::TriangularLower, BlockStructure::Rectangular);
        triangular_product(self.matrix.as_mut(), lower, Accum::Add, part, full, part.transpose(), full, -1.0, Par::Seq);
    }

    /// Overwrites the matrix with its factor; false if it is not positive definite, or after a cancel.
    pub fn factor(&mut self, cancel: &AtomicBool) -> bool {
        cholesky_in_panels(&mut self.matrix, &mut self.stack, cancel)
    }

    /// `x <- R^-1 x`.
    pub fn solve(&self, x: &mut [f64]) {
        for j in 0..self.dim() {
            let column = &self.matrix.col_as_slice(j)[j..];
            let (own, below) = x[j..].split_at_mut(1);
            own[0] /= column[0];
            for (x, v) in below.iter_mut().zip(&column[1..]) {
                *x -= v * own[0];
            }
        }
    }

    /// `x <- R^-T x`.
    pub fn solve_transposed(&self, x: &mut [f64]) {
        for j in (0..self.dim()).rev() {
            let column = &self.matrix.col_as_slice(j)[j..];
            x[j] = (x[j] - crate::kernels::dot(&column[1..], &x[j + 1..])) / column[0];
        }
    }

    /// `log |R|`.
    pub fn log_det(&self) -> f64 {
        (0..self.dim()).map(|j| self.matrix[(j, j)].ln()).sum()
    }
}
