//! How near a surrogate is to the density that it stands for, and what was expected of the ways to sample.

/// Differences of values that a surrogate has not seen from its own, less their mean, at draws from itself.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    /// Degree of its polynomial.
    pub degree: usize,
    /// Values of the density, these among them.
    pub n_values: usize,
    /// Their number.
    pub n_checks: usize,
    /// The largest.
    pub largest: f64,
    /// Root of the mean square.
    pub typical: f64,
}

/// Seconds of the processor that ways to sample were expected to take.
#[derive(Debug, Clone, Copy)]
pub struct Predicted {
    /// By a surrogate.
    pub guided: f64,
    /// By trajectories level by level.
    pub levels: f64,
}
