//! Scale parameters: standard deviations, correlations, dispersion and horseshoe scales, from
//! the unconstrained `theta` to natural values with their priors, and gradients back.
//!
//! A term's factor is `L = diag(sd) C`, lower triangular, `C` the Cholesky factor of its correlation matrix
//! ([`correlation`]), so that a level's effects are `b = L s` with `s ~ N(0, I)`.

pub mod correlation;
mod dispersion;
mod horseshoe;
mod known;
mod latent;
mod sd;
mod tails;

use crate::error::Result;
use crate::layout::{Factors, Layout, Source, pairs};
use crate::number::Real;
use crate::prior::Prior;
use crate::spec::{DispersionSpec, HorseshoeSpec, InterceptSpec, ModelSpec, TermSpec};
use dispersion::DispersionEffects;
use horseshoe::cover;
use known::known_values;
use latent::LatentPriors;
pub use latent::LatentScale;
use sd::SdPrior;
use std::ops::Range;
use std::sync::Arc;
use tails::Tail;

/// Priors of all scale parameters.
#[derive(Debug, Clone)]
pub struct ScalePriors {
    layout: Layout,
    sds: Vec<Vec<SdPrior>>,
    cor_eta: Vec<Option<f64>>,
    /// Per scale parameter, its unconstrained value if it is known, else zero.
    known: Vec<f64>,
    dispersion: Vec<Prior>,
    /// Per group-level term of the log dispersion.
    dispersion_terms: Vec<DispersionEffects>,
    /// Whether it is a single positive parameter on the log scale.
    constant_dispersion: bool,
    /// Which of its parameters are positive and on the log scale, the others being coefficients.
    positive_dispersion: Vec<bool>,
    /// What its coefficients are sampled in.
    dispersion_units: Vec<f64>,
    /// Where the intercept among the coefficients is sampled.
    dispersion_intercept: Option<InterceptSpec>,
    horseshoes: Vec<HorseshoeSpec>,
    /// Per term, the prior of its degrees of freedom.
    dfs: Vec<Option<Prior>>,
    /// Per term, the class of each level; empty where there is one.
    classes: Vec<Vec<u32>>,
    latents: Vec<LatentPriors>,
}

/// Natural values of the scale parameters at one `theta`.
#[derive(Debug, Clone, Default)]
pub struct Scales<T = f64> {
    /// The unconstrained values, known ones included.
    pub theta: Vec<T>,
    /// Per term, standard deviations, class by class.
    pub sd: Vec<Vec<T>>,
    /// Per term, `[factors, q, q]` row-major lower factors `L` of the effects' covariances.
    pub factor: Vec<Vec<T>>,
    /// Per term, Cholesky factors of the correlation matrices, class by class.
    pub chol: Vec<Vec<T>>,
    /// Per term with heavy tails, the factors of classes, whose multiples are those of levels; else empty.
    base: Vec<Vec<T>>,
    tails: Vec<Tail<T>>,
    factors: Arc<Factors>,
    /// Per horseshoe, scale of each parameter it covers.
    pub shrinkage: Vec<Vec<T>>,
    /// Per horseshoe, share of the local variance that the slab takes.
    slab_share: Vec<Vec<T>>,
    /// Log dispersion, or its coefficients and effects.
    pub dispersion: Vec<T>,
    /// Predictors measured with error.
    pub latents: Vec<LatentScale<T>>,
    /// Per group-level term of the log dispersion, standard deviations.
    pub dispersion_sd: Vec<Vec<T>>,
    /// Per term and standard deviation, derivatives in `theta` of its log and of its prior with the Jacobian.
    sd_slopes: Vec<Vec<[T; 2]>>,
    /// Derivatives of the dispersion's priors likewise.
    dispersion_slopes: Vec<[T; 2]>,
    /// As `sd_slopes`, of the dispersion's terms.
    dispersion_sd_slopes: Vec<Vec<[T; 2]>>,
    /// Log prior density on the natural scale.
    pub lprior: T,
    /// Log Jacobian of the transforms (and the log density of auxiliary parameters).
    pub log_jacobian: T,
}

/// Derivatives of the log target with respect to natural values, to be pulled back to `theta`.
#[derive(Debug, Clone, Default)]
pub struct ScaleGradient<T = f64> {
    /// Per term, `[factors, q, q]`.
    pub factor: Vec<Vec<T>>,
    /// Per term, `[factors, q]`, with respect to the logs of the standard deviations where those in `factor` are not taken.
    pub log_sd: Vec<Vec<T>>,
    /// Per horseshoe and parameter, with respect to the log of the scale.
    pub log_shrinkage: Vec<Vec<T>>,
    /// With respect to log dispersion or its coefficients and effects.
    pub dispersion: Vec<T>,
    /// Per predictor measured with error, with respect to its mean and the log of its standard deviation.
    pub latents: Vec<[T; 2]>,
    /// Pulled back, to all unconstrained values, known ones included.
    theta: Vec<T>,
    /// Scratch.
    sums: Vec<T>,
}

impl ScalePriors {
    /// # Errors
    /// [`Error::Spec`] for a prior that cannot be used or a horseshoe on a parameter that does not exist.
    pub fn new(spec: &ModelSpec) -> Result<Self> {
        spec.terms.iter().try_for_each(TermSpec::check)?;
        let layout = Layout::new(spec);
        let own = spec.terms.iter().map(|t| t.sd_priors.iter().map(|p| Prior::new(p, true)).collect());
        let own: Vec<Vec<Prior>> = own.collect::<Result<_>>()?;
        let constant_dispersion = !matches!(spec.dispersion, Some(DispersionSpec::Regression { .. }));
        let dispersion = spec.dispersion.iter().flat_map(|d| d.priors());
        let positive_dispersion: Vec<bool> =
            spec.dispersion.iter().flat_map(|d| (0..d.names().len()).map(|i| d.is_positive(i))).collect();
        let dispersion = dispersion.zip(&positive_dispersion).map(|(p, &positive)| Prior::new(p, positive));
        let dispersion: Vec<Prior> = dispersion.collect::<Result<_>>()?;
        let dispersion_units = dispersion::units(spec)?;
        let dfs = spec.terms.iter().map(|t| t.df.as_ref().map(|p| Prior::above(p, tails::LEAST_DF)).transpose());
        let dfs = dfs.collect::<Result<Vec<_>>>()?;
        let latents = spec.latent_scales().map(LatentPriors::new).collect::<Result<Vec<_>>>()?;
        let dispersion_terms = spec.dispersion.iter().flat_map(|d| d.terms());
        let dispersion_terms: Vec<_> = dispersion_terms.map(DispersionEffects::new).collect::<Result<_>>()?;
        let known = known_values(&layout, spec)?;
        let mut sds: Vec<Vec<SdPrior>> =
            own.into_iter().map(|priors| priors.into_iter().map(SdPrior::Own).collect()).collect();
        for (h, s) in spec.horseshoes.iter().enumerate() {
            cover(&mut sds, h, s, spec)?;
        }
        let cor_eta = spec.terms.iter().map(|t| t.cor.as_ref().map(|c| c.eta)).collect();
        let classes = spec.terms.iter().map(|t| t.by.as_ref().map_or(vec![], |by| by.of_level.clone())).collect();
        let dispersion_intercept = spec.dispersion.as_ref().and_then(DispersionSpec::intercept).cloned();
        let horseshoes = spec.horseshoes.clone();
        Ok(Self {
            layout,
            sds,
            cor_eta,
            known,
            dispersion,
            dispersion_terms,
            constant_dispersion,
            positive_dispersion,
            dispersion_units,
            dispersion_intercept,
            horseshoes,
            dfs,
            classes,
            latents,
        })
    }

    /// Where the parameters are.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Per term, the `eta` of its correlations; `None` without.
    pub fn cor_eta(&self) -> &[Option<f64>] {
        &self.cor_eta
    }

    /// Priors of the dispersion or of its coefficients.
    pub fn dispersion(&self) -> &[Prior] {
        &self.dispersion
    }

    /// Fills `out` at `theta`.
    #[inline(always)]
    pub fn evaluate<T: Real>(&self, theta: &[T], out: &mut Scales<T>) {
        let mut all = std::mem::take(&mut out.theta);
        all.clear();
        all.extend(self.known.iter().map(|known| T::splat(*known)));
        self.layout.free.iter().zip(theta).for_each(|(&place, t)| all[place] = *t);
        self.evaluate_all(&all, out);
        out.theta = all;
    }

    #[inline(always)]
    fn evaluate_all<T: Real>(&self, theta: &[T], out: &mut Scales<T>) {
        out.lprior = T::ZERO;
        out.log_jacobian = T::ZERO;
        self.dispersion_forward(theta, out);
        self.latents_forward(theta, out);
        out.shrinkage.resize(self.horseshoes.len(), vec![]);
        out.slab_share.resize(self.horseshoes.len(), vec![]);
        for (h, spec) in self.horseshoes.iter().enumerate() {
            self.horseshoe_forward(h, spec, theta, out);
        }
        let n_terms = self.sds.len();
        out.base.resize(n_terms, vec![]);
        out.tails.resize(n_terms, Tail::default());
        if !Arc::ptr_eq(&out.factors, &self.layout.factors) {
            out.factors = Arc::clone(&self.layout.factors);
        }
        out.sd.resize(n_terms, vec![]);
        out.sd_slopes.resize(n_terms, vec![]);
        out.chol.resize(n_terms, vec![]);
        out.factor.resize(n_terms, vec![]);
        for k in 0..n_terms {
            self.sd_forward(k, theta, out);
            self.cor_forward(k, theta, out);
            let q = self.layout.n_coefs[k];
            multiply_rows(q, &out.sd[k], &out.chol[k], &mut out.factor[k]);
            self.tail_forward(k, theta, out);
        }
    }

    /// Adds to `d_theta` the gradient of priors, Jacobians and whatever `upstream` says, at the last `theta`.
    #[inline(always)]
    pub fn pull_back<T: Real>(&self, at: &Scales<T>, upstream: &mut ScaleGradient<T>, d_theta: &mut [T]) {
        let mut all = std::mem::take(&mut upstream.theta);
        all.clear();
        all.resize(self.layout.n_scales, T::ZERO);
        self.pull_back_all(at, upstream, &mut all);
        d_theta.iter_mut().zip(&self.layout.free).for_each(|(d, &place)| *d += all[place]);
        upstream.theta = all;
    }

    #[inline(always)]
    fn pull_back_all<T: Real>(&self, at: &Scales<T>, upstream: &mut ScaleGradient<T>, d_theta: &mut [T]) {
        for k in 0..self.sds.len() {
            self.tail_backward(k, at, upstream, d_theta);
            self.cor_backward(k, &at.theta, at, upstream, d_theta);
            self.sd_backward(k, at, upstream, d_theta);
        }
        for (h, spec) in self.horseshoes.iter().enumerate() {
            self.horseshoe_backward(h, spec, &at.theta, at, upstream, d_theta);
        }
        self.dispersion_backward(at, upstream, d_theta);
        self.latents_backward(at, upstream, d_theta);
    }
}

impl<T: Real> Scales<T> {
    /// Factors of the classes of a term.
    fn of_classes(&self, k: usize) -> &[T] {
        if self.base[k].is_empty() { &self.factor[k] } else { &self.base[k] }
    }

    /// Standard deviations of the factors of a term, which are those of its classes unless levels have multiples of them.
    fn n_log_sds(&self, k: usize) -> usize {
        if self.base[k].is_empty() {
            self.sd[k].len()
        } else {
            self.factor[k].len() / (self.chol[k].len() / self.sd[k].len())
        }
    }

    /// Places of the factor of a level of term `k`.
    #[inline]
    pub fn places(&self, k: usize, level: usize) -> Range<usize> {
        let size = self.factors.size[k];
        let first = size * self.factors.of(k, level);
        first..first + size
    }

    /// The one factor of all levels of a block, where they have the same.
    #[inline]
    pub fn same_factor(&self, source: Source) -> Option<&[T]> {
        match source {
            Source::Term(k) if self.factors.of_level[k].is_empty() => Some(&self.factor[k]),
            _ => None,
        }
    }

    /// Factor of level `level` of a block: its term's `L`, or one horseshoe scale.
    #[inline]
    pub fn factor_of(&self, source: Source, level: usize) -> &[T] {
        match source {
            Source::Term(k) => &self.factor[k][self.places(k, level)],
            Source::Horseshoe(h) => &self.shrinkage[h][level..=level],
        }
    }

    /// Correlations of term `k`, class by class, in the order of [`pairs`].
    pub fn correlations(&self, k: usize) -> impl Iterator<Item = T> {
        let chol = &self.chol[k];
        // Of a term without coefficients there are none.
        let q = chol.len() / self.sd[k].len().max(1);
        let product = |sum, (a, b): (&T, &T)| sum + *a * *b;
        let row = move |chol: &'_ [T], i: usize, j: usize| {
            chol[i * q..].iter().zip(&chol[j * q..=j * q + j]).fold(T::ZERO, product)
        };
        chol.chunks_exact(q * q).flat_map(move |chol| pairs(q).map(move |(i, j)| row(chol, i, j)))
    }
}

impl<T: Real> ScaleGradient<T> {
    /// Adds to the derivative in entry `at` of a level's factor, see [`Scales::factor_of`].
    #[inline]
    pub fn add_factor(&mut self, scales: &Scales<T>, source: Source, level: usize, at: usize, d: T) {
        match source {
            Source::Term(k) => self.factor[k][scales.places(k, level).start + at] += d,
            Source::Horseshoe(h) => self.log_shrinkage[h][level] += scales.shrinkage[h][level] * d,
        }
    }

    /// Zeros in the shape of `scales`.
    pub fn reset(&mut self, scales: &Scales<T>) {
        let zeros = |to: &mut Vec<Vec<T>>, sizes: &mut dyn ExactSizeIterator<Item = usize>| {
            to.resize(sizes.len(), vec![]);
            for (to, size) in to.iter_mut().zip(sizes) {
                to.clear();
                to.resize(size, T::ZERO);
            }
        };
        let size = |values: &Vec<T>| values.len();
        zeros(&mut self.factor, &mut scales.factor.iter().map(size));
        zeros(&mut self.log_sd, &mut (0..scales.factor.len()).map(|k| scales.n_log_sds(k)));
        zeros(&mut self.log_shrinkage, &mut scales.shrinkage.iter().map(size));
        self.dispersion.clear();
        self.dispersion.resize(scales.dispersion.len(), T::ZERO);
        self.latents.clear();
        self.latents.resize(scales.latents.len(), [T::ZERO; 2]);
    }
}

#[inline(always)]
fn multiply_rows<T: Real>(q: usize, sd: &[T], chol: &[T], out: &mut Vec<T>) {
    out.clear();
    out.extend(chol.iter().enumerate().map(|(at, c)| sd[at / q] * *c));
}
