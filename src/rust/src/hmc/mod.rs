//! Hamiltonian Monte Carlo with trajectories that stop when they turn back (NUTS).

pub mod chain;
pub mod hamiltonian;
pub mod tree;
