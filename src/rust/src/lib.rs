//! The core of twill: crossed hierarchical Gaussian, negative binomial and Poisson models by NUTS.
//!
//! Data flows one way: spec and design, likelihood, density, inference, draws. Symbols as in
//! `vignette("model")`: `y` response, `x` design, `beta` population-level coefficients, `b`
//! group-level effects, `s` standardised effects, `sd`, `cor`, `eta` linear predictor (offset
//! included), `mu` mean, `sigma` Gaussian sd, `phi` negative binomial shape. Logs are natural.

#![warn(missing_docs)]
#![deny(unsafe_code)]

pub mod adapt;
pub mod density;
pub mod design;
pub mod draws;
pub mod error;
pub mod hmc;
pub mod layout;
pub mod likelihood;
pub mod optimise;
pub mod prior;
#[cfg(feature = "r")]
#[allow(unsafe_code)]
pub mod r;
pub mod run;
pub mod scales;
pub mod settle;
pub mod special;
pub mod spec;
pub mod transport;
pub mod whiten;
