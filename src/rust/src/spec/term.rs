//! Group-level terms of a spec.

use super::PriorSpec;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// LKJ prior of a term's correlation matrix, or one known correlation of all pairs.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorSpec {
    /// Shape; 1 is uniform over correlation matrices.
    pub eta: f64,
    /// The correlation, if it is known.
    #[serde(default)]
    pub constant: Option<f64>,
}

/// Levels that have their scales with some others, each level in one class.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BySpec {
    /// Names of the classes, as they stand behind those of coefficients.
    pub classes: Vec<String>,
    /// Class of each level, from 0.
    pub of_level: Vec<u32>,
}

/// A group-level term `(coefs | group)`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TermSpec {
    /// Name of the grouping factor.
    pub group: String,
    /// Labels of its levels.
    pub levels: Vec<String>,
    /// Names of the coefficients of each level.
    pub coefs: Vec<String>,
    /// Prior of each coefficient's standard deviation, class by class.
    pub sd_priors: Vec<PriorSpec>,
    /// Present if the coefficients of a level are correlated.
    pub cor: Option<CorSpec>,
    /// Classes of levels with scales of their own; all levels have the same without.
    #[serde(default)]
    pub by: Option<BySpec>,
    /// Prior of the degrees of freedom where effects have Student's distribution, not the normal.
    #[serde(default)]
    pub df: Option<PriorSpec>,
    /// Whether levels have the local scales of a horseshoe instead.
    #[serde(default)]
    pub horseshoe: bool,
}

impl TermSpec {
    /// Whether each level has a multiple of its own.
    pub fn has_multiples(&self) -> bool {
        self.df.is_some() || self.horseshoe
    }

    /// Number of classes of levels.
    pub fn n_classes(&self) -> usize {
        self.by.as_ref().map_or(1, |by| by.classes.len())
    }

    /// Names of the coefficients of a class, as those of its scales.
    pub fn names_in_class(&self, class: usize) -> Vec<String> {
        let suffix = self.by.as_ref().map_or(String::new(), |by| format!(":{}", by.classes[class]));
        self.coefs.iter().map(|c| format!("{c}{suffix}")).collect()
    }

    /// Names of the draws of standard deviations, in the order of their priors.
    pub fn sd_names(&self) -> Vec<String> {
        let of_class = |class| self.names_in_class(class).into_iter().map(|c| format!("sd_{}__{c}", self.group));
        (0..self.n_classes()).flat_map(of_class).collect()
    }

    /// # Errors
    /// [`Error::Spec`] if classes do not fit levels or priors.
    pub fn check(&self) -> Result<()> {
        let n = self.n_classes();
        let fits =
            |by: &BySpec| by.of_level.len() == self.levels.len() && by.of_level.iter().all(|&c| (c as usize) < n);
        if n > 0 && self.sd_priors.len() == n * self.coefs.len() && self.by.as_ref().is_none_or(fits) {
            return Ok(());
        }
        Err(Error::Spec("the classes of a group-level term do not fit its levels".into()))
    }
}
