//! The dispersion of a spec.

use super::{InterceptSpec, PriorSpec};
use serde::{Deserialize, Serialize};

/// Residual standard deviation or negative binomial shape.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum DispersionSpec {
    /// One positive parameter.
    Constant {
        /// `sigma` or `shape`.
        name: String,
        /// Prior on its natural scale.
        prior: PriorSpec,
    },
    /// Its log is `x_disp` times coefficients.
    Regression {
        /// Names of the coefficients' draws.
        names: Vec<String>,
        /// One prior per coefficient.
        priors: Vec<PriorSpec>,
        /// Where the intercept's prior lies, if not at zero. The columns are centred there, and so are the coefficients
        /// that are sampled; draws are of the columns as they are.
        #[serde(default)]
        intercept: Option<InterceptSpec>,
        /// Group-level terms, whose columns of `x_disp` follow those of the coefficients.
        #[serde(default)]
        terms: Vec<DispersionTermSpec>,
        /// Whether each coefficient is the log of a positive parameter, such as the residual sd of one of several responses:
        /// its prior and its draws are then those of the parameter. Empty where none is.
        #[serde(default)]
        positive: Vec<bool>,
        /// What each coefficient is sampled in, about the inverse of the size of its column. Steps of sampler and optimiser
        /// are of order one there; the posterior is the same for any. Empty where all are one.
        #[serde(default)]
        units: Vec<f64>,
    },
}

/// A group-level term of the log dispersion: effects `u ~ N(0, sd)`, each with a column of `x_disp`, level by level.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DispersionTermSpec {
    /// Name of the grouping factor in those of the effects.
    pub group: String,
    /// Labels of its levels.
    pub levels: Vec<String>,
    /// Names of the coefficients of each level.
    pub coefs: Vec<String>,
    /// Names of their standard deviations.
    pub sd_names: Vec<String>,
    /// Prior of each.
    pub sd_priors: Vec<PriorSpec>,
    /// What the rows tell of each effect, roughly (inverse variance). It shapes coordinates; the posterior is the same for any
    /// value that is not negative.
    pub information: Vec<f64>,
}

impl DispersionTermSpec {
    /// Number of its effects.
    pub fn n_effects(&self) -> usize {
        self.levels.len() * self.coefs.len()
    }
}

impl DispersionSpec {
    /// Names of its parameters' draws.
    pub fn names(&self) -> &[String] {
        match self {
            Self::Constant { name, .. } => std::slice::from_ref(name),
            Self::Regression { names, .. } => names,
        }
    }

    /// One prior per parameter.
    pub fn priors(&self) -> &[PriorSpec] {
        match self {
            Self::Constant { prior, .. } => std::slice::from_ref(prior),
            Self::Regression { priors, .. } => priors,
        }
    }

    /// Group-level terms of a regression.
    pub fn terms(&self) -> &[DispersionTermSpec] {
        match self {
            Self::Constant { .. } => &[],
            Self::Regression { terms, .. } => terms,
        }
    }

    /// Whether its parameter `i` is positive, and what is sampled its log.
    pub fn is_positive(&self, i: usize) -> bool {
        match self {
            Self::Constant { .. } => true,
            Self::Regression { positive, .. } => positive.get(i).is_some_and(|p| *p),
        }
    }

    /// What its parameter `i` is sampled in.
    pub fn unit(&self, i: usize) -> f64 {
        match self {
            Self::Constant { .. } => 1.0,
            Self::Regression { units, .. } => units.get(i).copied().unwrap_or(1.0),
        }
    }

    /// Its coefficients are those of the columns as they are.
    pub fn forget_units(&mut self) {
        if let Self::Regression { units, .. } = self {
            units.clear();
        }
    }

    /// Where the intercept of a regression is sampled, if not at zero.
    pub fn intercept(&self) -> Option<&InterceptSpec> {
        match self {
            Self::Constant { .. } => None,
            Self::Regression { intercept, .. } => intercept.as_ref(),
        }
    }

    /// One prior per parameter, to be changed.
    pub fn priors_mut(&mut self) -> &mut [PriorSpec] {
        match self {
            Self::Constant { prior, .. } => std::slice::from_mut(prior),
            Self::Regression { priors, .. } => priors,
        }
    }
}
