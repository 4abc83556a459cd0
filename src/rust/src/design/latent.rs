//! Predictors that are measured with error or missing: what is seen of them, and what multiplies them.

use super::{Design, Table, matrix};
use crate::error::{Error, Result};
use crate::spec::{Family, LatentSpec, ModelSpec};
use std::borrow::Cow;

/// One predictor `x` of some rows. Their linear predictors have `(fixed + loadings . beta) x`; the columns of the design hold
/// `loadings expected` in its place. Values are by these rows, in their order.
#[derive(Debug, Clone)]
pub struct Latent {
    /// The rows, ascending.
    pub rows: Vec<usize>,
    /// Where its mean and standard deviation come from.
    pub source: LatentSource,
    /// What was measured.
    pub observed: Vec<f64>,
    /// Variances of the measurements; infinite where there is none.
    pub error2: Vec<f64>,
    /// What stands for `x` in the columns of the design.
    pub expected: Vec<f64>,
    /// Columns of `x` whose coefficients multiply it.
    pub columns: Vec<usize>,
    /// `[rows, columns]` what multiplies these coefficients and `x`.
    pub loadings: Table,
    /// What multiplies `x` and is known.
    pub fixed: Vec<f64>,
}

/// Mean and standard deviation of a predictor before it is measured.
#[derive(Debug, Clone)]
pub enum LatentSource {
    /// Those of this number among the scale parameters.
    Scale(usize),
    /// The linear predictor and the dispersion of another row for each: of the response that imputes it.
    Rows(Vec<usize>),
}

/// Unchecked arrays of one predictor; standard deviations in the place of variances.
pub struct RawLatent {
    /// What was measured.
    pub observed: Vec<f64>,
    /// Standard deviations of the measurements, infinite where there is none.
    pub error: Vec<f64>,
    /// What stands for it in the columns.
    pub expected: Vec<f64>,
    /// `[rows * columns]`, column by column.
    pub loadings: Vec<f64>,
    /// Known multipliers.
    pub fixed: Vec<f64>,
    /// Rows that have it, from 0, and for each the row of its mean; absent where all rows have it, with a mean in common.
    pub rows: Option<[Vec<i32>; 2]>,
}

impl Latent {
    fn new(raw: RawLatent, [n, p]: [usize; 2], spec: &LatentSpec, scale: usize) -> Result<Self> {
        let refuse =
            || Error::Spec("a predictor with errors has an error that is not positive, or does not fit".into());
        let (rows, source) = match (raw.rows, &spec.scales) {
            (None, Some(_)) => ((0..n).collect(), LatentSource::Scale(scale)),
            (Some(rows), None) => {
                let [rows, sources] = rows.map(|r| r.into_iter().map(|i| i as usize).collect::<Vec<_>>());
                let fits = rows.is_sorted_by(|a, b| a < b) && rows.len() == sources.len();
                if !fits || rows.iter().chain(&sources).any(|&i| i >= n) {
                    return Err(refuse());
                }
                (rows, LatentSource::Rows(sources))
            }
            _ => return Err(refuse()),
        };
        let one = |name: &str, values: Vec<f64>| {
            Ok::<_, Error>(matrix(name, values.into(), rows.len(), 1)?.into_iter().collect())
        };
        let observed = one("observed", raw.observed)?;
        let has_errors = raw.error.len() == rows.len() && raw.error.iter().all(|&e| e > 0.0);
        if !has_errors || spec.columns.iter().any(|&j| j >= p) || spec.rows != rows.len() {
            return Err(refuse());
        }
        Ok(Self {
            observed,
            error2: raw.error.iter().map(|e| e * e).collect(),
            expected: one("expected", raw.expected)?,
            columns: spec.columns.clone(),
            loadings: matrix("loadings", raw.loadings.into(), rows.len(), spec.columns.len())?,
            fixed: one("fixed", raw.fixed)?,
            rows,
            source,
        })
    }

    /// What multiplies the predictor of the `at`-th row that has it.
    pub fn loading(&self, at: usize, beta: &[f64]) -> f64 {
        let products = self.columns.iter().enumerate().map(|(c, &j)| self.loadings[(at, c)] * beta[j]);
        self.fixed[at] + products.sum::<f64>()
    }

    /// The rows that have it, by their number among them.
    pub fn places(&self) -> impl Iterator<Item = (usize, usize)> {
        self.rows.iter().copied().enumerate()
    }

    /// Rows whose predictors are its means; none where that is a parameter.
    pub fn sources(&self) -> &[usize] {
        match &self.source {
            LatentSource::Scale(_) => &[],
            LatentSource::Rows(rows) => rows,
        }
    }
}

impl Design {
    /// Gives the model predictors that are measured with error or missing.
    ///
    /// # Errors
    /// [`Error::Spec`] if arrays do not fit the spec, or rows that have one have weights, related errors, or counts with a
    /// dispersion of their own, or are imputed by others that have one.
    pub fn with_latents(mut self, raw: Vec<RawLatent>, spec: &ModelSpec) -> Result<Self> {
        if raw.len() != spec.latents.len() {
            return Err(Error::Spec("one set of arrays per predictor with errors is needed".into()));
        }
        let (n, p) = (self.n(), self.x.ncols());
        let mut scales = 0;
        let mut next = |spec: &LatentSpec| {
            scales += usize::from(spec.scales.is_some());
            scales.saturating_sub(1)
        };
        let latents = raw.into_iter().zip(&spec.latents).map(|(raw, spec)| Latent::new(raw, [n, p], spec, next(spec)));
        self.latents = latents.collect::<Result<_>>()?;
        let has_own = spec.family != Family::Gaussian && self.x_disp.ncols() > 0;
        let has_weight = |l: &Latent| l.rows.iter().any(|&i| self.weights[i] != 1.0);
        if !self.latents.is_empty() && (self.errors.is_some() || has_own || self.latents.iter().any(has_weight)) {
            return Err(Error::Spec("predictors with errors need rows that are independent, without weights".into()));
        }
        let imputes = spec.latents.iter().any(|l| l.scales.is_none());
        let mut has_one = vec![false; n];
        self.latents.iter().flat_map(|l| &l.rows).for_each(|&i| has_one[i] = true);
        if imputes && spec.family != Family::Gaussian
            || self.latents.iter().any(|l| l.sources().iter().any(|&i| has_one[i]))
        {
            return Err(Error::Spec("predictors are imputed by Gaussian rows without predictors that are".into()));
        }
        Ok(self)
    }

    /// What rows say exactly: without the columns of predictors that all rows have with error, and without the rows that have
    /// one of the others.
    pub fn without_latents(&self) -> Cow<'_, Self> {
        let mut out = Cow::Borrowed(self);
        for latent in &self.latents {
            match &latent.source {
                LatentSource::Scale(_) => {
                    latent.columns.iter().for_each(|&j| out.to_mut().x.column_mut(j).fill(0.0));
                }
                LatentSource::Rows(_) => latent.rows.iter().for_each(|&i| out.to_mut().weights.to_mut()[i] = 0.0),
            }
        }
        out
    }
}
