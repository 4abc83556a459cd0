//! The core of twill: draws from crossed hierarchical Gaussian, negative binomial and Poisson models, one with many rows or
//! thousands of genes under one design, by NUTS or by approximations, on threads or a GPU.
//!
//! Data flows one way: spec and design, likelihood, density, inference, draws. Symbols as in
//! `vignette("model")`: `y` response, `x` design, `beta` population-level coefficients, `b`
//! group-level effects, `s` standardised effects, `sd`, `cor`, `eta` linear predictor (offset
//! included), `mu` mean, `sigma` Gaussian sd, `phi` negative binomial shape. Logs are natural.

#![warn(missing_docs)]
#![deny(unsafe_code)]
// Kernels are written with the indices of their formulas.
#![allow(clippy::needless_range_loop)]

pub mod adapt;
pub mod approximate;
pub mod cells;
pub mod collapse;
pub mod compress;
pub mod density;
pub mod design;
pub mod device;
pub mod diagnostics;
pub mod draws;
pub mod elementary;
pub mod error;
pub mod evidence;
pub mod families;
pub mod genes;
pub mod guided;
pub mod hmc;
pub mod kernels;
pub mod lanes;
pub mod laplace;
pub mod layout;
pub mod likelihood;
pub mod linalg;
pub mod lock;
pub mod natural;
pub mod nested;
pub mod number;
pub mod optimise;
pub mod prior;
pub mod psis;
#[cfg(feature = "r")]
// The macros of extendr write public items without documentation.
#[allow(unsafe_code, missing_docs)]
pub mod r;
pub mod rising;
pub mod run;
pub mod sample;
pub mod scales;
pub mod settle;
pub mod simd;
pub mod spec;
pub mod special;
pub mod svi;
pub mod transport;
pub mod tuning;
pub mod values;
pub mod whiten;
