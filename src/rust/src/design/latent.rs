//! Predictors that are measured with error: what is seen of them, and what multiplies them.

use super::{Design, matrix};
use crate::error::{Error, Result};
use crate::spec::{Family, LatentSpec, ModelSpec};
use ndarray::Array2;
use std::borrow::Cow;

/// One predictor `x` of all rows. A row's linear predictor has `(fixed + loadings . beta) x`; the columns of the design hold
/// `loadings expected` in its place.
#[derive(Debug, Clone)]
pub struct Latent {
    /// `[n]` what was measured.
    pub observed: Vec<f64>,
    /// `[n]` variances of the measurements.
    pub error2: Vec<f64>,
    /// `[n]` what stands for `x` in the columns of the design.
    pub expected: Vec<f64>,
    /// Columns of `x` whose coefficients multiply it.
    pub columns: Vec<usize>,
    /// `[n, columns]` what multiplies these coefficients and `x`.
    pub loadings: Array2<f64>,
    /// `[n]` what multiplies `x` and is known.
    pub fixed: Vec<f64>,
}

/// Unchecked arrays of one predictor; standard deviations in the place of variances.
pub struct RawLatent {
    /// What was measured.
    pub observed: Vec<f64>,
    /// Standard deviations of the measurements.
    pub error: Vec<f64>,
    /// What stands for it in the columns.
    pub expected: Vec<f64>,
    /// `[n * columns]`, column by column.
    pub loadings: Vec<f64>,
    /// Known multipliers.
    pub fixed: Vec<f64>,
}

impl Latent {
    fn new(raw: RawLatent, n: usize, p: usize, spec: &LatentSpec) -> Result<Self> {
        let one = |name: &str, values: Vec<f64>| Ok::<_, Error>(matrix(name, values, n, 1)?.into_iter().collect());
        let observed = one("observed", raw.observed)?;
        let error: Vec<f64> = one("error", raw.error)?;
        if error.iter().any(|&e| e <= 0.0) || spec.columns.iter().any(|&j| j >= p) || spec.rows != n {
            return Err(Error::Spec(
                "a predictor with errors has an error that is not positive, or does not fit".into(),
            ));
        }
        Ok(Self {
            observed,
            error2: error.iter().map(|e| e * e).collect(),
            expected: one("expected", raw.expected)?,
            columns: spec.columns.clone(),
            loadings: matrix("loadings", raw.loadings, n, spec.columns.len())?,
            fixed: one("fixed", raw.fixed)?,
        })
    }

    /// What multiplies the predictor of a row.
    pub fn loading(&self, row: usize, beta: &[f64]) -> f64 {
        let products = self.columns.iter().enumerate().map(|(c, &j)| self.loadings[(row, c)] * beta[j]);
        self.fixed[row] + products.sum::<f64>()
    }
}

impl Design {
    /// Gives the model predictors that are measured with error.
    ///
    /// # Errors
    /// [`Error::Spec`] if arrays do not fit the spec, or rows have weights, related errors, or counts with a dispersion of their
    /// own.
    pub fn with_latents(mut self, raw: Vec<RawLatent>, spec: &ModelSpec) -> Result<Self> {
        if raw.len() != spec.latents.len() {
            return Err(Error::Spec("one set of arrays per predictor with errors is needed".into()));
        }
        let has_own = spec.family != Family::Gaussian && self.x_disp.ncols() > 0;
        if !raw.is_empty() && (self.errors.is_some() || has_own || self.weights.iter().any(|&w| w != 1.0)) {
            return Err(Error::Spec("predictors with errors need rows that are independent, without weights".into()));
        }
        let (n, p) = (self.n(), self.x.ncols());
        let latents = raw.into_iter().zip(&spec.latents).map(|(raw, spec)| Latent::new(raw, n, p, spec));
        self.latents = latents.collect::<Result<_>>()?;
        Ok(self)
    }

    /// Without the columns of these predictors: zeros in their place.
    pub fn without_latents(&self) -> Cow<'_, Self> {
        let mut out = Cow::Borrowed(self);
        self.latents.iter().flat_map(|l| &l.columns).for_each(|&j| out.to_mut().x.column_mut(j).fill(0.0));
        out
    }
}
