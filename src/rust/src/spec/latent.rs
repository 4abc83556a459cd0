//! A predictor that is measured with error, as it crosses the boundary from R.

use super::PriorSpec;
use serde::{Deserialize, Serialize};

/// A predictor that is measured with error: `x ~ Normal(mean, sd)`, of which is seen `Normal(x, error)`, row by row.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LatentSpec {
    /// Stands in the names of its draws: `mex` in `meanme_mex`.
    pub name: String,
    /// Prior of its mean.
    pub mean: PriorSpec,
    /// Prior of its standard deviation.
    pub sd: PriorSpec,
    /// Coefficients that multiply it, by column of `x`.
    pub columns: Vec<usize>,
    /// About where its mean is, and
    pub centre: f64,
    /// how much it varies: for coordinates only.
    pub scale: f64,
    /// Number of rows.
    pub rows: usize,
}
