//! A small upper triangle, stored for products with vectors in vector lanes.

use crate::simd::V;
use crate::tuning::LANES;
use pulp::{Arch, Simd, WithSimd};

/// `W`, by columns and by rows, each padded with zeros.
#[derive(Debug, Clone)]
pub struct Triangle {
    dim: usize,
    padded: usize,
    columns: Vec<f64>,
    rows: Vec<f64>,
}

impl Triangle {
    /// From a row-major upper triangle.
    pub fn new(factor: &[f64], dim: usize) -> Self {
        let padded = dim.next_multiple_of(LANES);
        let (mut columns, mut rows) = (vec![0.0; dim * padded], vec![0.0; dim * padded]);
        for i in 0..dim {
            for j in i..dim {
                columns[j * padded + i] = factor[i * dim + j];
                rows[i * padded + j] = factor[i * dim + j];
            }
        }
        Self { dim, padded, columns, rows }
    }

    /// Multiplies column `j` by `factor`.
    pub fn stretch(&mut self, j: usize, factor: f64) {
        self.columns[j * self.padded..(j + 1) * self.padded].iter_mut().for_each(|w| *w *= factor);
        (0..self.dim).for_each(|i| self.rows[i * self.padded + j] *= factor);
    }

    /// Logarithm of `|det W|`.
    pub fn log_det(&self) -> f64 {
        (0..self.dim).map(|i| self.rows[i * self.padded + i].abs().ln()).sum()
    }

    /// `out <- W y`.
    pub fn multiply(&self, y: &[f64], out: &mut [f64], work: &mut Vec<f64>) {
        self.product(&self.columns, y, out, work, |first, _| first..self.dim);
    }

    /// `out <- W' d`.
    pub fn multiply_transposed(&self, d: &[f64], out: &mut [f64], work: &mut Vec<f64>) {
        self.product(&self.rows, d, out, work, |_, end| 0..end.min(self.dim));
    }

    fn product(
        &self, table: &[f64], x: &[f64], out: &mut [f64], work: &mut Vec<f64>,
        range: impl Fn(usize, usize) -> std::ops::Range<usize>,
    ) {
        work.resize(self.padded, 0.0);
        Arch::new().dispatch(Product { table, x, padded: self.padded, range, out: work });
        out.copy_from_slice(&work[..self.dim]);
    }
}

/// `out = sum_i x_i table_i`, with the `i` in `range(first, end)` for the entries `first..end`.
struct Product<'a, F> {
    table: &'a [f64],
    x: &'a [f64],
    padded: usize,
    range: F,
    out: &'a mut [f64],
}

impl<F: Fn(usize, usize) -> std::ops::Range<usize>> WithSimd for Product<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for first in (0..self.padded).step_by(V::<S>::WIDTH) {
            let mut sum = V::splat(simd, 0.0);
            for i in (self.range)(first, first + V::<S>::WIDTH) {
                sum = sum + V::load(simd, self.table, i * self.padded + first) * self.x[i];
            }
            sum.store(self.out, first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whiten::dense::{multiply, multiply_transposed};

    #[test]
    fn products_are_those_of_the_triangle() {
        for dim in [1, 3, 8, 19] {
            let value = |i: usize| (i as f64 * 0.7).sin();
            let factor: Vec<f64> = (0..dim * dim).map(|at| if at % dim < at / dim { 0.0 } else { value(at) }).collect();
            let (triangle, x) = (Triangle::new(&factor, dim), (0..dim).map(value).collect::<Vec<_>>());
            let (mut expected, mut found, mut work) = (vec![0.0; dim], vec![0.0; dim], vec![]);
            multiply(&factor, &x, &mut expected);
            triangle.multiply(&x, &mut found, &mut work);
            assert!(expected.iter().zip(&found).all(|(a, b)| (a - b).abs() < 1e-14));
            multiply_transposed(&factor, &x, &mut expected);
            triangle.multiply_transposed(&x, &mut found, &mut work);
            assert!(expected.iter().zip(&found).all(|(a, b)| (a - b).abs() < 1e-14));
        }
    }
}
