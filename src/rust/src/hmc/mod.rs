//! Hamiltonian Monte Carlo with trajectories that stop when they turn back (NUTS), or of one length.

pub mod chain;
pub mod fixed;
pub mod hamiltonian;
pub mod tree;
