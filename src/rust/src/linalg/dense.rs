//! Dense Cholesky factors, and where products of dense matrices pay.

use faer::linalg::cholesky::llt::factor::{cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::matmul::matmul;
use faer::linalg::triangular_solve::{solve_lower_triangular_in_place, solve_upper_triangular_in_place};
use faer::prelude::{IntoConst, ReborrowMut};
use faer::{Accum, Mat, MatMut, MatRef, Par};
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, Ordering};

/// Share of entries that are not zero from which a matrix is multiplied dense.
pub const DENSE: f64 = 0.2;
/// Products of dense matrices that take as long as one product of sparse ones.
pub const DENSE_PER_SPARSE: usize = 10;

/// Columns of a panel: of smaller matrices there is one, and a cancel is looked for between them.
const PANEL: usize = 384;
/// Rows that a thread takes at once.
const ROWS: usize = 768;

/// Overwrites the lower half with its factor; false if it is not positive definite. `stack` is memory that is kept.
pub fn cholesky(matrix: &mut Mat<f64>, stack: &mut Vec<MaybeUninit<u8>>) -> bool {
    cholesky_of(matrix.as_mut(), stack)
}

fn cholesky_of(matrix: MatMut<f64>, stack: &mut Vec<MaybeUninit<u8>>) -> bool {
    let scratch = cholesky_in_place_scratch::<f64>(matrix.ncols(), Par::Seq, Default::default());
    stack.resize(scratch.unaligned_bytes_required(), MaybeUninit::uninit());
    let stack = faer::dyn_stack::MemStack::new(stack);
    cholesky_in_place(matrix, Default::default(), Par::Seq, stack, Default::default()).is_ok()
}

/// As [`cholesky`], panel after panel with the rows below on threads, for matrices that take seconds; false also after a cancel. The
/// numbers do not depend on how many threads there are.
pub fn cholesky_in_panels(matrix: &mut Mat<f64>, stack: &mut Vec<MaybeUninit<u8>>, cancel: &AtomicBool) -> bool {
    let n = matrix.ncols();
    if n <= 2 * PANEL {
        return cholesky(matrix, stack);
    }
    for first in (0..n).step_by(PANEL) {
        if cancel.load(Ordering::Relaxed) {
            return false;
        }
        let width = PANEL.min(n - first);
        let (left, right) = matrix.as_mut().split_at_col_mut(first);
        let left = left.into_const().subrows(first, n - first);
        let panel = right.subcols_mut(0, width).subrows_mut(first, n - first);
        let (mut own, below) = panel.split_at_row_mut(width);
        let (of_own, of_below) = left.split_at_row(width);
        matmul(own.rb_mut(), Accum::Add, of_own, of_own.transpose(), -1.0, Par::Seq);
        if !cholesky_of(own.rb_mut(), stack) {
            return false;
        }
        eliminate(below, of_below, of_own, own.into_const());
    }
    true
}

/// Rows below a panel's own: less what the columns to the left say, then solved with the panel's factor.
fn eliminate(rows: MatMut<f64>, left: MatRef<f64>, of_own: MatRef<f64>, factor: MatRef<f64>) {
    let n = rows.nrows();
    if n > ROWS {
        let half = n.div_ceil(2 * ROWS) * ROWS;
        let (above, below) = rows.split_at_row_mut(half.min(n));
        let (of_above, of_below) = left.split_at_row(half.min(n));
        rayon::join(|| eliminate(above, of_above, of_own, factor), || eliminate(below, of_below, of_own, factor));
        return;
    }
    let mut rows = rows;
    matmul(rows.rb_mut(), Accum::Add, left, of_own.transpose(), -1.0, Par::Seq);
    solve_lower_triangular_in_place(factor, rows.transpose_mut(), Par::Seq);
}

/// `x <- L^-1 x` for the columns of a matrix.
pub fn solve_lower(factor: &Mat<f64>, x: MatMut<f64>) {
    solve_lower_triangular_in_place(factor.as_ref(), x, Par::Seq);
}

/// `x <- L^-T x` for the columns of a matrix.
pub fn solve_lower_transposed(factor: &Mat<f64>, x: MatMut<f64>) {
    solve_upper_triangular_in_place(factor.transpose(), x, Par::Seq);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(n: usize) -> Mat<f64> {
        Mat::from_fn(n, n, |i, j| if i == j { n as f64 } else { (((i * j) % 17) as f64 - 8.0).sin() })
    }

    #[test]
    fn panels_give_the_factor_whatever_the_number_of_threads() {
        let (n, cancel) = (2 * PANEL + ROWS + 301, AtomicBool::new(false));
        let symmetric = matrix(n);
        let with_threads = |threads| {
            let mut a = symmetric.clone();
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert!(pool.install(|| cholesky_in_panels(&mut a, &mut vec![], &cancel)));
            a
        };
        let (mut whole, panels) = (symmetric.clone(), with_threads(1));
        assert!(cholesky(&mut whole, &mut vec![]));
        let others = with_threads(3);
        for j in 0..n {
            for i in j..n {
                assert!((panels[(i, j)] - whole[(i, j)]).abs() < 1e-11 * (n as f64).sqrt(), "{i} {j}");
                assert_eq!(panels[(i, j)].to_bits(), others[(i, j)].to_bits());
            }
        }
    }

    #[test]
    fn panels_stop_where_there_is_no_factor_and_after_a_cancel() {
        let n = 2 * PANEL + 5;
        let mut negative = matrix(n);
        negative[(n - 1, n - 1)] = -1.0;
        assert!(!cholesky_in_panels(&mut negative, &mut vec![], &AtomicBool::new(false)));
        assert!(!cholesky_in_panels(&mut matrix(n), &mut vec![], &AtomicBool::new(true)));
    }
}
