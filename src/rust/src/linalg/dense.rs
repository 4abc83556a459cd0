//! Dense Cholesky factors, and where products of dense matrices pay.

use faer::linalg::cholesky::llt::factor::{cholesky_in_place, cholesky_in_place_scratch};
use faer::{Mat, Par};
use std::mem::MaybeUninit;

/// Share of entries that are not zero from which a matrix is multiplied dense.
pub const DENSE: f64 = 0.2;
/// Products of dense matrices that take as long as one product of sparse ones.
pub const DENSE_PER_SPARSE: usize = 10;

/// Overwrites the lower half with its factor; false if it is not positive definite. `stack` is memory that is kept.
pub fn cholesky(matrix: &mut Mat<f64>, stack: &mut Vec<MaybeUninit<u8>>) -> bool {
    let scratch = cholesky_in_place_scratch::<f64>(matrix.ncols(), Par::Seq, Default::default());
    stack.resize(scratch.unaligned_bytes_required(), MaybeUninit::uninit());
    let stack = faer::dyn_stack::MemStack::new(stack);
    cholesky_in_place(matrix.as_mut(), Default::default(), Par::Seq, stack, Default::default()).is_ok()
}
