//! A predictor that is measured with error or missing, as it crosses the boundary from R.

use super::{ModelSpec, PriorSpec};
use serde::{Deserialize, Serialize};

/// A predictor `x ~ Normal(mean, sd)` of which is seen `Normal(x, error)`, row by row; nothing where the error is infinite.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LatentSpec {
    /// Stands in the names of its draws: `mex` in `meanme_mex`.
    pub name: String,
    /// Its mean and standard deviation as parameters. Absent where they are, row by row, the predictor and the dispersion of
    /// other rows of the design: of the response that imputes it.
    #[serde(default)]
    pub scales: Option<LatentScaleSpec>,
    /// Coefficients that multiply it, by column of `x`.
    pub columns: Vec<usize>,
    /// Number of rows that have it.
    pub rows: usize,
}

/// Mean and standard deviation that all rows share.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LatentScaleSpec {
    /// Prior of the mean.
    pub mean: PriorSpec,
    /// Prior of the standard deviation.
    pub sd: PriorSpec,
    /// About where the mean is, and
    pub centre: f64,
    /// how much it varies: for coordinates only.
    pub scale: f64,
}

impl ModelSpec {
    /// Of predictors whose mean and standard deviation are parameters, in their order.
    pub fn latent_scales(&self) -> impl Iterator<Item = &LatentScaleSpec> {
        self.latents.iter().filter_map(|l| l.scales.as_ref())
    }
}
