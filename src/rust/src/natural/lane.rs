//! Eight draws at once, under the name that they have here.

pub use crate::number::Draws8 as Lane;
