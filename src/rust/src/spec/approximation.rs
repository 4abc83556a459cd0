//! Settings of approximations.

use super::Engine;
use crate::error::Result;
use serde::{Deserialize, Serialize};

/// How an approximation is made.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApproximationSettings {
    /// `laplace` or `svi`.
    pub method: Method,
    /// Draws of the approximation at most.
    pub draws: usize,
    /// Worker threads.
    pub threads: usize,
    /// Seed.
    pub seed: u64,
    /// Coordinates, as for NUTS.
    #[serde(default)]
    pub engine: Engine,
    /// Structure of the guide's covariance.
    #[serde(default)]
    pub guide: GuideKind,
    /// Whether a dense guide is fitted by natural gradients where no batches are drawn, rather than by Adam.
    #[serde(default)]
    pub natural: bool,
    /// Rows drawn for each gradient; 0 takes them all.
    #[serde(default)]
    pub batch: usize,
    /// Steps of the ascent at most.
    pub max_steps: usize,
    /// Draws of the guide per step.
    pub n_draws: usize,
    /// First step size of Adam.
    pub step_size: f64,
    /// Standard errors that the ELBO must still gain over a window.
    pub tolerance: f64,
    /// Whether draws of the group effects are kept.
    pub save_effects: bool,
    /// Where the rows are, for `svi`.
    #[serde(default)]
    pub device: Device,
    /// Whether the CPU takes over where a GPU has nothing, or too little, to do.
    #[serde(default)]
    pub fallback: bool,
    /// Folder of kernels that were compiled for a GPU, or empty.
    #[serde(default)]
    pub kernel_cache: String,
}

impl ApproximationSettings {
    /// # Errors
    /// [`Error::Spec`] naming the setting that is out of range.
    pub fn check(&self) -> Result<()> {
        let is_svi = self.method == Method::Svi;
        let is_positive = |x: f64| x > 0.0 && x.is_finite();
        super::check_range(&[
            ("draws", self.draws >= 1),
            ("threads", self.threads >= 1),
            ("max_steps", !is_svi || self.max_steps >= 1),
            ("n_draws", !is_svi || self.n_draws >= 1),
            ("step_size", !is_svi || is_positive(self.step_size)),
            ("tolerance", !is_svi || is_positive(self.tolerance)),
        ])
    }
}

/// Where variational guides are fitted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Device {
    /// On threads.
    #[default]
    Cpu,
    /// On the first GPU.
    Cuda,
}

/// Approximations of a posterior.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// At the mode.
    Laplace,
    /// The guide closest in Kullback-Leibler divergence.
    Svi,
}

/// Covariance of a guide.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GuideKind {
    /// Dense up to 100 parameters, low rank beyond.
    #[default]
    Auto,
    /// Diagonal.
    MeanField,
    /// Diagonal plus ten factors.
    LowRank,
    /// Dense.
    FullRank,
}
