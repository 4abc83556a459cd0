//! Matrices: Cholesky factors on a fixed sparse pattern, over any [`crate::number::Real`], and their derivative; small dense ones.

pub mod cholesky;
pub mod pattern;
mod trailing;
