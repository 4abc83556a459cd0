//! The data reduced to what the likelihood needs of them. The row-wise likelihood stays the
//! definition; the forms here are equal to it, not approximations of it.

pub mod gaussian;
pub mod leaves;
