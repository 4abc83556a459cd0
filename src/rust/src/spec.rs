//! The model spec and the sampler's settings, as they cross the boundary from R in JSON.

mod approximation;
mod dispersion;
mod latent;
mod term;

pub use approximation::{ApproximationSettings, Device, GuideKind, Method};
pub use dispersion::{DispersionSpec, DispersionTermSpec};
pub use latent::{LatentScaleSpec, LatentSpec};
pub use term::{BySpec, CorSpec, TermSpec};

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// Response distribution and link: Gaussian with identity, counts with log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// `y ~ Normal(eta, sigma)`.
    Gaussian,
    /// `log mu = eta`, `Var[y] = mu + mu^2 / shape`.
    NegBinomial,
    /// `log mu = eta`, `Var[y] = mu`.
    Poisson,
}

/// A prior by name and arguments, for instance `normal` and `[0, 1]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriorSpec {
    /// Name of the distribution.
    pub dist: String,
    /// Its arguments in the order of Stan's.
    #[serde(default)]
    pub args: Vec<f64>,
}

impl PriorSpec {
    /// The value of a parameter that is a number.
    pub fn constant(&self) -> Option<f64> {
        match (&*self.dist, &*self.args) {
            ("constant", &[value]) => Some(value),
            _ => None,
        }
    }
}

/// A population-level coefficient: one column of `x`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoefficientSpec {
    /// Name of its draws, for instance `b_Days`.
    pub name: String,
    /// Prior on the coefficient of the column as it is.
    pub prior: PriorSpec,
}

/// The prior of column `column` applies to `beta[column] + sum(centre * beta)`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InterceptSpec {
    /// Index of the intercept's column.
    pub column: usize,
    /// One mean per column of the design; 0 for columns that are not centred.
    pub centre: Vec<f64>,
}

impl InterceptSpec {
    /// How far the intercept at the centre is from that of the design as it is.
    pub fn shift(&self, beta: &[f64]) -> f64 {
        self.centre.iter().zip(beta).map(|(c, b)| c * b).sum()
    }
}

/// What a regularised horseshoe shrinks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "on", rename_all = "lowercase")]
pub enum HorseshoeTarget {
    /// Population-level coefficients, by column of `x`.
    B {
        /// Their columns.
        columns: Vec<usize>,
    },
    /// Standard deviations, by term and coefficient.
    Sd {
        /// Pairs of term and coefficient.
        sds: Vec<[usize; 2]>,
    },
}

/// Regularised horseshoe prior (Piironen and Vehtari 2017, section 2.3).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HorseshoeSpec {
    /// What it applies to.
    #[serde(flatten)]
    pub target: HorseshoeTarget,
    /// Degrees of freedom of the local scales.
    pub df: f64,
    /// Degrees of freedom of the global scale.
    pub df_global: f64,
    /// Scale of the global scale.
    pub scale_global: f64,
    /// Degrees of freedom of the slab.
    pub df_slab: f64,
    /// Scale of the slab.
    pub scale_slab: f64,
    /// Whether the global scale is multiplied by sigma.
    #[serde(default)]
    pub autoscale: bool,
}

/// A complete model but for its data.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// Response distribution.
    pub family: Family,
    /// False when standard errors are known and no residual sd is added.
    pub sample_sigma: bool,
    /// One per column of `x`.
    pub coefficients: Vec<CoefficientSpec>,
    /// Centring of the intercept's prior.
    pub intercept: Option<InterceptSpec>,
    /// Absent for Poisson and for known standard errors.
    pub dispersion: Option<DispersionSpec>,
    /// Group-level terms.
    pub terms: Vec<TermSpec>,
    /// Horseshoe priors; what they cover ignores its own prior.
    #[serde(default)]
    pub horseshoes: Vec<HorseshoeSpec>,
    /// Predictors that are measured with error or missing.
    #[serde(default)]
    pub latents: Vec<LatentSpec>,
    /// Leaves the likelihood out.
    #[serde(default)]
    pub prior_only: bool,
}

/// Where chains start.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum InitSpec {
    /// Around the posterior mode, spread as the normal approximation there.
    Mode,
    /// Uniform in `(-radius, radius)` on the sampler's scale.
    Random {
        /// Half-width.
        radius: f64,
    },
}

/// Coordinates that NUTS moves in; all give the same posterior.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// The first of those below that is exact and affordable.
    #[default]
    Auto,
    /// Effects and coefficients integrated out (Gaussian models).
    Collapsed,
    /// Effects and coefficients by their joint conditional Gaussian.
    Joint,
    /// Effects level by level.
    Levels,
    /// As collapsed, the scales by proposals of a guide and not by trajectories.
    Guided,
}

/// What coordinates are whitened by before chains adapt their own diagonal metric.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// The Hessian at the mode.
    #[default]
    Auto,
    /// Nothing: they are only moved to the mode.
    Diag,
}

/// How a chain moves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sampling {
    /// Trajectories that stop when they turn back.
    #[default]
    Nuts,
    /// Trajectories of one length.
    Hmc,
}

/// How the sampler runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Number of chains.
    pub chains: usize,
    /// Iterations per chain, warm-up included.
    pub iter: usize,
    /// Iterations of warm-up.
    pub warmup: usize,
    /// Keep each `thin`-th draw.
    pub thin: usize,
    /// Worker threads.
    pub threads: usize,
    /// Seed of all chains; chain `c` uses stream `c` of it.
    pub seed: u64,
    /// Mean acceptance statistics aimed at: the first, and those to begin again with while chains diverge.
    pub adapt_delta: Vec<f64>,
    /// A trajectory has at most `2^max_treedepth` leapfrog steps.
    pub max_treedepth: usize,
    /// Where chains start.
    pub init: InitSpec,
    /// Whether draws of the group effects are kept.
    pub save_effects: bool,
    /// Where they are not, the number of each chain's draws whose effects are kept beside means and sds of all; `None` for nothing.
    #[serde(default)]
    pub effects: Option<usize>,
    /// Whether draws of the warm-up are kept.
    #[serde(default)]
    pub save_warmup: bool,
    /// How chains move.
    #[serde(default)]
    pub sampler: Sampling,
    /// Which coordinates to sample in.
    #[serde(default)]
    pub engine: Engine,
    /// How coordinates are whitened.
    #[serde(default)]
    pub metric: Metric,
    /// Where running chains are copied to; `None` for nowhere.
    #[serde(default)]
    pub checkpoint: Option<Checkpoint>,
}

/// Copies of running chains, from which a run that was killed goes on.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// Their folder.
    pub folder: String,
    /// Tells this run, but for its seed, from all others.
    pub key: String,
    /// Seconds from one copy of a chain to the next.
    pub seconds: f64,
}

/// Reads a spec or settings from JSON.
///
/// # Errors
/// [`Error::Spec`] with serde's message if the text does not fit.
pub fn from_json<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|e| Error::Spec(format!("the model spec cannot be read: {e}")))
}

impl Settings {
    /// Draws kept per chain after warm-up.
    pub fn n_kept(&self) -> usize {
        (self.iter - self.warmup).div_ceil(self.thin)
    }

    /// Draws from one whose effects are kept to the next.
    pub fn effect_stride(&self) -> Option<usize> {
        self.effects.map(|n| self.n_kept().div_ceil(n.max(1)))
    }

    /// Whether the way of moving and of starting is left open, but for this sampler.
    pub fn leaves_open(&self, sampler: Sampling) -> bool {
        self.engine == Engine::Auto
            && self.sampler == sampler
            && self.metric == Metric::Auto
            && matches!(self.init, InitSpec::Mode)
    }

    /// # Errors
    /// [`Error::Spec`] naming the setting that is out of range.
    pub fn check(&self) -> Result<()> {
        check_range(&[
            ("chains", self.chains >= 1),
            ("iter", self.iter > self.warmup),
            ("thin", self.thin >= 1),
            ("threads", self.threads >= 1),
            ("adapt_delta", !self.adapt_delta.is_empty() && self.adapt_delta.iter().all(|d| *d > 0.0 && *d < 1.0)),
            ("max_treedepth", (1..=20).contains(&self.max_treedepth)),
        ])
    }
}

/// # Errors
/// [`Error::Spec`] naming the first setting that is not in its range.
pub fn check_range(settings: &[(&str, bool)]) -> Result<()> {
    match settings.iter().find(|(_, ok)| !ok) {
        Some((name, _)) => Err(Error::Spec(format!("setting '{name}' is out of range"))),
        None => Ok(()),
    }
}
