//! What a device gives for one gene.

/// By method.
#[derive(Debug, Clone)]
pub enum Found {
    /// Draws of a guide.
    Guide(Guided),
    /// Chains.
    Walks(Chains),
}

/// Chains of one gene.
#[derive(Debug, Clone)]
pub struct Chains {
    /// `[n_saved, dim]` draws, as [`Guided::values`].
    pub values: Vec<f64>,
    /// Divergences.
    pub divergent: usize,
    /// Gradients taken, those of start and guide included.
    pub n_gradients: usize,
}

/// Draws of one gene's guide.
#[derive(Debug, Clone)]
pub struct Guided {
    /// `[n, dim]` draws: effects and coefficients in arrow order, standard deviations, shape.
    pub values: Vec<f64>,
    /// Logs of target over guide.
    pub ratios: Vec<f64>,
    /// Estimates of the ELBO.
    pub elbo: Vec<f64>,
    /// Whether the stopping rule was met.
    pub converged: bool,
    /// Gradients taken, those of the start included.
    pub n_gradients: usize,
}
