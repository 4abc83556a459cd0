//! Genes and the settings of their fits, as they come from R: counts in compressed columns or dense
//! values, offsets, weights, and arguments of priors gene by gene.

use crate::compress::statistics::CellStatistics;
use crate::design::check_columns;
use crate::error::{Error, Result};
pub use crate::spec::Device;
use crate::spec::{ModelSpec, PriorSpec, check_range};
use serde::{Deserialize, Serialize};

/// How a gene's posterior is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GeneMethod {
    /// Trajectories of one length; NUTS, longer, for the genes where those do not suffice.
    Hmc,
    /// NUTS.
    Nuts,
    /// Laplace approximation with Pareto-smoothed importance resampling.
    Laplace,
    /// `Laplace`, and `Hmc` for the genes where it cannot be trusted.
    Auto,
    /// The normal guide with the largest ELBO; `Hmc`, if asked, for the genes where it cannot be trusted.
    Svi,
}

/// How the genes are fitted.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GeneSettings {
    /// How posteriors are found.
    pub method: GeneMethod,
    /// Chains per gene, one after the other.
    pub chains: usize,
    /// Iterations per chain, warm-up included.
    pub iter: usize,
    /// Iterations of warm-up.
    pub warmup: usize,
    /// Keep each `thin`-th draw.
    pub thin: usize,
    /// Worker threads; each has one gene at a time.
    pub threads: usize,
    /// Seed of all genes; a gene's streams follow from its index.
    pub seed: u64,
    /// Mean acceptance statistic aimed at.
    pub adapt_delta: f64,
    /// A trajectory has at most `2^max_treedepth` leapfrog steps.
    pub max_treedepth: usize,
    /// Whether draws of the group effects are kept, or their means and standard deviations only.
    pub keep_effects: bool,
    /// Draws of a Laplace approximation.
    pub n_draws: usize,
    /// Whether genes whose chains disagree are sampled again.
    #[serde(default = "yes")]
    pub retry: bool,
    /// Whether genes whose guide cannot be trusted are sampled.
    #[serde(default = "yes")]
    pub refine: bool,
    /// Whether draws of guides are resampled by their importance.
    #[serde(default)]
    pub resample: bool,
    /// Steps of a guide at most.
    #[serde(default = "max_steps")]
    pub max_steps: usize,
    /// Nats of the ELBO that a guide may leave to gain.
    #[serde(default = "tolerance")]
    pub tolerance: f64,
    /// Where guides are fitted.
    #[serde(default)]
    pub device: Device,
    /// Folder of kernels that were compiled for a GPU, or empty.
    #[serde(default)]
    pub kernel_cache: String,
}

fn yes() -> bool {
    true
}

fn max_steps() -> usize {
    400
}

fn tolerance() -> f64 {
    0.02
}

impl GeneSettings {
    /// Draws kept per chain.
    pub fn n_kept(&self) -> usize {
        (self.iter - self.warmup).div_ceil(self.thin)
    }

    /// Draws per gene.
    pub fn n_saved(&self) -> usize {
        if self.method == GeneMethod::Laplace { self.n_draws } else { self.chains * self.n_kept() }
    }

    /// # Errors
    /// [`Error::Spec`] naming the setting that is out of range.
    pub fn check(&self) -> Result<()> {
        check_range(&[
            ("chains", (1..=1000).contains(&self.chains)),
            ("iter", self.iter > self.warmup),
            ("thin", self.thin >= 1),
            ("threads", self.threads >= 1),
            ("adapt_delta", self.adapt_delta > 0.0 && self.adapt_delta < 1.0),
            ("max_treedepth", (1..=20).contains(&self.max_treedepth)),
            ("n_draws", self.n_draws >= 1),
            ("max_steps", self.max_steps >= 1),
            ("tolerance", self.tolerance > 0.0),
        ])
    }
}

/// Responses, observations x genes.
#[derive(Debug)]
pub enum Responses {
    /// Counts of cells, of which the observations are the leaves.
    Cells(Box<CellStatistics>),
    /// Compressed columns: what is not given is zero.
    Sparse {
        /// `[n_genes + 1]` starts of the columns.
        starts: Vec<usize>,
        /// Observation of each value.
        rows: Vec<u32>,
        /// Values.
        values: Vec<f64>,
    },
    /// `[n * n_genes]`.
    Dense(Vec<f64>),
}

/// An argument of the prior of one parameter, gene by gene.
#[derive(Debug)]
pub struct PriorOverride {
    /// Name of the parameter's draws.
    pub name: String,
    /// Which argument.
    pub argument: usize,
    /// `[n_genes]`.
    pub values: Vec<f64>,
}

/// The genes of one call.
#[derive(Debug)]
pub struct GeneSet {
    /// Number of observations.
    pub n: usize,
    /// Their responses.
    pub responses: Responses,
    /// `[n * n_genes]`, added to the common offset, or empty.
    pub offset: Vec<f64>,
    /// `[n * n_genes]`, in the place of the common weights, or empty.
    pub weights: Vec<f64>,
    /// `[n_genes]` numbers of the genes: they choose the random streams.
    pub index: Vec<u64>,
    /// Priors that differ.
    pub priors: Vec<PriorOverride>,
}

impl Responses {
    /// From compressed columns, checked.
    ///
    /// # Errors
    /// [`Error::Spec`] if starts or rows do not describe `n` observations.
    pub fn sparse(starts: &[i32], rows: &[i32], values: Vec<f64>, n: usize) -> Result<Self> {
        check_columns(starts, rows, &values, n, "observation")?;
        let starts = starts.iter().map(|&s| s as usize).collect();
        Ok(Self::Sparse { starts, rows: rows.iter().map(|&r| r as u32).collect(), values })
    }

    /// Response of gene `g`; nothing where observations stand for cells.
    pub fn of(&self, g: usize, n: usize) -> Vec<f64> {
        match self {
            Self::Cells(_) => vec![],
            Self::Dense(values) => values[g * n..(g + 1) * n].to_vec(),
            Self::Sparse { starts, rows, values } => {
                let mut out = vec![0.0; n];
                let range = starts[g]..starts[g + 1];
                rows[range.clone()].iter().zip(&values[range]).for_each(|(&r, v)| out[r as usize] += v);
                out
            }
        }
    }

    fn n_genes(&self, n: usize) -> usize {
        match self {
            Self::Cells(cells) => cells.n_genes(),
            Self::Dense(values) => values.len() / n.max(1),
            Self::Sparse { starts, .. } => starts.len() - 1,
        }
    }
}

impl GeneSet {
    /// Number of genes.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// # Errors
    /// [`Error::Spec`] naming the array whose length is wrong, or the prior that does not exist.
    pub fn check(&self, spec: &ModelSpec) -> Result<()> {
        let (n_genes, cells) = (self.len(), self.n * self.len());
        let dense = if let Responses::Dense(values) = &self.responses { values.len() } else { cells };
        let optional = |v: &[f64]| if v.is_empty() { cells } else { v.len() };
        let lengths = [
            ("counts", dense, cells),
            ("counts", self.responses.n_genes(self.n), n_genes),
            ("offset", optional(&self.offset), cells),
            ("weights", optional(&self.weights), cells),
        ];
        if let Responses::Cells(cells) = &self.responses {
            cells.check(self.n)?;
        }
        if let Some((name, found, needed)) = lengths.iter().find(|(_, found, needed)| found != needed) {
            return Err(Error::Spec(format!("'{name}' of the genes has length {found} where {needed} is needed")));
        }
        let mut scratch = spec.clone();
        for p in &self.priors {
            let prior = prior_mut(&mut scratch, &p.name);
            let prior = prior.ok_or_else(|| Error::Spec(format!("there is no prior of one parameter '{}'", p.name)))?;
            if p.argument >= prior.args.len() || p.values.len() != n_genes {
                let place = p.argument + 1;
                let message = format!("argument {place} of the prior of '{}' needs one value per gene", p.name);
                return Err(Error::Spec(message));
            }
        }
        Ok(())
    }

    /// A spec with the priors of gene `g`.
    pub fn spec_of(&self, g: usize, common: &ModelSpec) -> ModelSpec {
        let mut spec = common.clone();
        for p in &self.priors {
            if let Some(prior) = prior_mut(&mut spec, &p.name) {
                prior.args[p.argument] = p.values[g];
            }
        }
        spec
    }
}

/// The prior of the parameter whose draws are called `name`.
fn prior_mut<'a>(spec: &'a mut ModelSpec, name: &str) -> Option<&'a mut PriorSpec> {
    if let Some(c) = spec.coefficients.iter_mut().find(|c| c.name == name) {
        return Some(&mut c.prior);
    }
    for term in &mut spec.terms {
        let at = term.sd_names().iter().position(|n| n == name);
        if let Some(at) = at {
            return term.sd_priors.get_mut(at);
        }
    }
    let dispersion = spec.dispersion.as_mut()?;
    let at = dispersion.names().iter().position(|n| n == name)?;
    dispersion.priors_mut().get_mut(at)
}
