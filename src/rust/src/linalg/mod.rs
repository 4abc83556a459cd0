//! Matrices: Cholesky factors on a fixed sparse pattern, over any [`crate::number::Real`], and their derivative; small dense ones.

pub mod cholesky;
pub mod dense;
pub mod lanczos;
pub mod log_det;
pub mod low_rank;
pub mod order;
pub mod pattern;
mod trailing;
