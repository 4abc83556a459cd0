//! The core of a sparse factor, its full columns at the end, by dense matrix products, where it is large.
//!
//! With `B` the core's rows of the columns before it, the core of the matrix is `C = C_0 - BB'` and its
//! factor `L` that of `C`. The derivative in `C` is `Z / 2`, `Z = L^-T (P + P') L^-1` with `P` the lower
//! triangle of `L' dL`, its diagonal halved (Murray 2016, equation 10), and that in `B` is `-ZB`.

use super::dense::{DENSE, DENSE_PER_SPARSE, cholesky};
use faer::linalg::matmul::triangular::{BlockStructure, matmul as triangular_product};
use faer::linalg::triangular_solve::solve_upper_triangular_in_place;
use faer::{Accum, Mat, Par};
use std::mem::MaybeUninit;
use std::ops::Range;

/// Fewer full columns are not worth the copying.
const SMALLEST: usize = 16;

/// Places of a core.
#[derive(Debug, Clone, Default)]
pub struct Trailing {
    /// Columns.
    dim: usize,
    /// Entries in the core's rows of each column before it that has any.
    lead: Vec<Range<usize>>,
    is_dense: bool,
}

/// Memory of one factorisation.
#[derive(Debug, Clone)]
pub struct TrailingWork {
    c: Mat<f64>,
    b: Mat<f64>,
    d: Mat<f64>,
    other: Mat<f64>,
    product: Mat<f64>,
    stack: Vec<MaybeUninit<u8>>,
}

impl Default for TrailingWork {
    fn default() -> Self {
        let [c, b, d, other, product] = std::array::from_fn(|_| Mat::new());
        Self { c, b, d, other, product, stack: vec![] }
    }
}

impl Trailing {
    /// Of `dim` columns; `lead` has the entries in the core's rows of each column before it that has any.
    pub fn new(dim: usize, lead: Vec<Range<usize>>) -> Self {
        let n_entries: usize = lead.iter().map(ExactSizeIterator::len).sum();
        let is_dense = n_entries as f64 > DENSE * (dim * lead.len()) as f64;
        Self { dim, lead, is_dense }
    }

    /// Whether products of matrices are worth the copying.
    #[inline]
    pub fn is_large(&self) -> bool {
        self.dim >= SMALLEST
    }

    /// Multiplications of one factorisation, those of dense products divided by `DENSE_PER_SPARSE`.
    pub fn n_products(&self) -> usize {
        self.n_multiplications(DENSE_PER_SPARSE)
    }

    /// Multiplications of one factorisation, those of dense products divided by `per_dense`.
    pub fn n_multiplications(&self, per_dense: usize) -> usize {
        let m = self.dim;
        let sparse = || self.lead.iter().map(|r| r.len() * (r.len() + 1) / 2).sum::<usize>();
        if !self.is_large() {
            return sparse() + (0..m).map(|n| n * (n + 1) / 2).sum::<usize>();
        }
        let lead = if self.is_dense { m * m / 2 * self.lead.len() / per_dense } else { sparse() };
        m * m * m / 6 / per_dense + lead
    }

    /// Factor of the core, from column `start` on, whose values are `core`; `lead` are those of the columns before it.
    pub fn factor(&self, (start, rows): (usize, &[u32]), lead: &[f64], core: &mut [f64], work: &mut TrailingWork) {
        self.unpack(core, &mut work.c);
        if self.is_dense {
            self.scatter(start, rows, lead, &mut work.b);
            let TrailingWork { c, b, .. } = work;
            let (lower, full) = (BlockStructure::TriangularLower, BlockStructure::Rectangular);
            triangular_product(c.as_mut(), lower, Accum::Add, &*b, full, b.transpose(), full, -1.0, Par::Seq);
        } else {
            self.subtract_sparse(start, rows, lead, &mut work.c);
        }
        if cholesky(&mut work.c, &mut work.stack) { self.pack(&work.c, core) } else { core.fill(f64::NAN) }
    }

    /// Derivatives in the factor of the core to those in the matrix and in `B`.
    pub fn factor_adjoint(
        &self, (start, rows): (usize, &[u32]), (lead, core): (&[f64], &[f64]), (d, d_core): (&mut [f64], &mut [f64]),
        work: &mut TrailingWork,
    ) {
        self.unpack(core, &mut work.c);
        self.unpack(d_core, &mut work.other);
        self.half_product(work);
        let TrailingWork { c, b, d: z, other, product, .. } = work;
        solve_upper_triangular_in_place(c.transpose(), z.as_mut(), Par::Seq);
        resize(other, self.dim, self.dim);
        other.copy_from(z.transpose());
        solve_upper_triangular_in_place(c.transpose(), other.as_mut(), Par::Seq);
        if self.is_dense {
            self.scatter(start, rows, lead, b);
            resize(product, self.dim, self.lead.len());
            faer::linalg::matmul::matmul(product.as_mut(), Accum::Replace, &*other, &*b, -1.0, Par::Seq);
            for (column, range) in self.lead.iter().enumerate() {
                let from = product.col_as_slice(column);
                let places = d[range.clone()].iter_mut().zip(&rows[range.clone()]);
                places.for_each(|(d, &i)| *d += from[i as usize - start]);
            }
        } else {
            self.add_sparse(start, rows, lead, other, d);
        }
        (0..self.dim).for_each(|j| other[(j, j)] *= 0.5);
        self.pack(other, d_core);
    }

    /// `P + P'` into `work.d`, from the factor in `work.c` and its derivatives in `work.other`.
    fn half_product(&self, work: &mut TrailingWork) {
        let TrailingWork { c, d, other, .. } = work;
        resize(d, self.dim, self.dim);
        let (lower, upper) = (BlockStructure::TriangularLower, BlockStructure::TriangularUpper);
        triangular_product(d.as_mut(), lower, Accum::Replace, c.transpose(), upper, &*other, lower, 1.0, Par::Seq);
        for j in 0..self.dim {
            (j + 1..self.dim).for_each(|i| d[(j, i)] = d[(i, j)]);
        }
    }

    /// Packed lower columns to a matrix.
    fn unpack(&self, packed: &[f64], out: &mut Mat<f64>) {
        resize(out, self.dim, self.dim);
        let mut at = 0;
        for j in 0..self.dim {
            let n = self.dim - j;
            out.col_as_slice_mut(j)[j..].copy_from_slice(&packed[at..at + n]);
            at += n;
        }
    }

    fn pack(&self, from: &Mat<f64>, packed: &mut [f64]) {
        let mut at = 0;
        for j in 0..self.dim {
            let n = self.dim - j;
            packed[at..at + n].copy_from_slice(&from.col_as_slice(j)[j..]);
            at += n;
        }
    }

    /// `B`.
    fn scatter(&self, start: usize, rows: &[u32], values: &[f64], out: &mut Mat<f64>) {
        resize(out, self.dim, self.lead.len());
        for (column, range) in self.lead.iter().enumerate() {
            let to = out.col_as_slice_mut(column);
            to.fill(0.0);
            let entries = rows[range.clone()].iter().zip(&values[range.clone()]);
            entries.for_each(|(&i, v)| to[i as usize - start] = *v);
        }
    }

    /// `C - BB'` entry by entry.
    fn subtract_sparse(&self, start: usize, rows: &[u32], values: &[f64], c: &mut Mat<f64>) {
        for range in &self.lead {
            for at in range.clone() {
                let column = c.col_as_slice_mut(rows[at] as usize - start);
                let v = values[at];
                let below = rows[at..range.end].iter().zip(&values[at..range.end]);
                below.for_each(|(&i, w)| column[i as usize - start] -= v * w);
            }
        }
    }

    /// `d - ZB` entry by entry.
    fn add_sparse(&self, start: usize, rows: &[u32], values: &[f64], z: &Mat<f64>, d: &mut [f64]) {
        for range in &self.lead {
            let entries = || rows[range.clone()].iter().zip(&values[range.clone()]);
            for at in range.clone() {
                let column = z.col_as_slice(rows[at] as usize - start);
                d[at] -= entries().map(|(&i, v)| column[i as usize - start] * v).sum::<f64>();
            }
        }
    }
}

/// Gives a matrix its size; keeps its memory if that is right already.
fn resize(m: &mut Mat<f64>, rows: usize, columns: usize) {
    if (m.nrows(), m.ncols()) != (rows, columns) {
        *m = Mat::zeros(rows, columns);
    }
}
