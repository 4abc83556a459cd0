//! A model with its data: what all positions and all chains share.

use super::exact::check_error;
use super::linear::{self, Runs};
use crate::compress::{Compressed, compress};
use crate::design::{Design, GroupTerm};
use crate::error::Result;
use crate::layout::Layout;
use crate::likelihood::Likelihood;
use crate::prior::Prior;
use crate::scales::ScalePriors;
use crate::spec::{Family, HorseshoeTarget, InterceptSpec, ModelSpec};
use crate::transport::Mapped;
use crate::transport::turn::Turn;

/// A model with its data, shared by all chains.
#[derive(Debug)]
pub struct Model {
    /// Data, rows of the same design compressed where the likelihood allows.
    pub design: Design,
    /// Rows of the likelihood.
    pub likelihood: Likelihood,
    /// Places of the parameters.
    pub layout: Layout,
    /// Priors of the scale parameters.
    pub scale_priors: ScalePriors,
    /// Per column of `x`.
    pub coefficient_priors: Vec<Prior>,
    /// Centring of the intercept's prior.
    pub intercept: Option<InterceptSpec>,
    /// Per horseshoe on coefficients, its columns.
    pub shrunken: Vec<Vec<usize>>,
    /// Leaves the likelihood out.
    pub prior_only: bool,
    /// Half the log determinant of the prior precision of all standardised effects.
    pub half_log_det: f64,
    /// Rows that share a predictor but for their offsets, if rows stand for others.
    pub(super) runs: Option<Runs>,
}

impl Model {
    /// # Errors
    /// [`crate::error::Error::Spec`] for a prior or a horseshoe that cannot be used, [`crate::error::Error::Exact`] for
    /// a response without error.
    pub fn new(design: Design, spec: &ModelSpec) -> Result<Self> {
        check_error(&design, spec)?;
        let fewer = compress(&design, spec.family);
        Self::with_rows(design, fewer, spec)
    }

    /// As [`Model::new`], with the rows that stand for those of the design, if any do.
    ///
    /// # Errors
    /// As there.
    pub fn with_rows(design: Design, fewer: Option<Compressed>, spec: &ModelSpec) -> Result<Self> {
        let priors = spec.coefficients.iter().map(|c| Prior::new(&c.prior, false));
        let shrunken = spec.horseshoes.iter().map(|h| match &h.target {
            HorseshoeTarget::B { columns } => columns.clone(),
            HorseshoeTarget::Sd { .. } => vec![],
        });
        let mut coefficient_priors = priors.collect::<Result<Vec<_>>>()?;
        let shrunken: Vec<Vec<usize>> = shrunken.collect();
        let scale_priors = ScalePriors::new(spec)?;
        // A shrunken coefficient has its horseshoe and nothing else.
        shrunken.iter().flatten().for_each(|&j| coefficient_priors[j] = Prior::flat());
        let likelihood = Likelihood::new(&design, spec);
        let (likelihood, design, runs) = match fewer {
            Some(fewer) => {
                let (likelihood, design) = likelihood.with_rows(fewer);
                let runs = Runs::find(&design);
                (likelihood, design, runs)
            }
            None => (likelihood, design, None),
        };
        let log_det = |t: &GroupTerm| t.precision.as_ref().map_or(0.0, |p| t.q as f64 * p.log_det);
        let half_log_det = 0.5 * design.terms.iter().map(log_det).sum::<f64>();
        Ok(Self {
            half_log_det,
            runs,
            likelihood,
            layout: Layout::new(spec),
            scale_priors,
            coefficient_priors,
            intercept: spec.intercept.clone(),
            shrunken,
            prior_only: spec.prior_only,
            design,
        })
    }

    /// The coefficient that column `j`'s prior refers to.
    pub fn prior_argument(&self, j: usize, beta: &[f64]) -> f64 {
        match &self.intercept {
            Some(i) if i.column == j => beta[j] + i.shift(beta),
            _ => beta[j],
        }
    }

    /// What the prior of the standardised effects pulls by: themselves, times the precision of related levels unless these are
    /// turned.
    pub fn tension(&self, turns: &[Turn], mapped: &mut Mapped) {
        mapped.tension.clone_from(&mapped.standard);
        for (block, term) in self.layout.blocks.iter().zip(&self.design.terms) {
            let range = block.start..block.start + block.len();
            let is_turned = || turns.iter().any(|turn| turn.effects == range);
            if let Some(precision) = term.precision.as_ref().filter(|_| !is_turned()) {
                precision.times(block.q, &mapped.standard[range.clone()], &mut mapped.tension[range]);
            }
        }
    }

    /// Response distribution.
    pub fn family(&self) -> Family {
        self.likelihood.family()
    }

    /// Derivative of the argument of column `j`'s prior in the swept coefficients; `j` is the
    /// `i`-th of them.
    pub fn prior_direction(&self, j: usize, i: usize) -> Vec<f64> {
        let swept = &self.layout.swept;
        let own = |l: usize| f64::from(u8::from(l == i));
        match self.intercept.as_ref().filter(|s| s.column == j) {
            Some(s) => swept.iter().enumerate().map(|(l, &column)| s.centre[column] + own(l)).collect(),
            None => (0..swept.len()).map(own).collect(),
        }
    }

    /// Log prior density of the coefficients; adds its gradient to `d_beta`.
    pub fn coefficient_prior(&self, beta: &[f64], d_beta: &mut [f64]) -> f64 {
        let mut log_density = 0.0;
        for (j, prior) in self.coefficient_priors.iter().enumerate() {
            let [value, slope] = prior.log_density(self.prior_argument(j, beta));
            log_density += value;
            d_beta[j] += slope;
            if let Some(i) = self.intercept.as_ref().filter(|i| i.column == j) {
                d_beta.iter_mut().zip(&i.centre).for_each(|(d, c)| *d += slope * c);
            }
        }
        log_density
    }

    /// Linear predictor, offset included.
    pub fn linear_predictor(&self, beta: &[f64], effects: &[f64], eta: &mut [f64]) {
        linear::predictor(&self.design, &self.layout, beta, effects, eta);
    }
}
