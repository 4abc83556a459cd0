//! Scale parameters: standard deviations, correlations, dispersion and horseshoe scales, from
//! the unconstrained `theta` to natural values with their priors, and gradients back.
//!
//! A term's factor is `L = diag(sd) C`, lower triangular, `C` the Cholesky factor of its correlation matrix
//! ([`correlation`]), so that a level's effects are `b = L s` with `s ~ N(0, I)`.

pub mod correlation;
mod horseshoe;
mod known;

use crate::error::Result;
use crate::layout::{Layout, Source, pairs};
use crate::number::Real;
use crate::prior::Prior;
use crate::spec::{DispersionSpec, HorseshoeSpec, InterceptSpec, ModelSpec};
use horseshoe::{cover, half_normal};
use known::known_values;

/// Prior of one standard deviation.
#[derive(Debug, Clone)]
enum SdPrior {
    /// Its own.
    Own(Prior),
    /// Half-normal with the scale of coefficient `place` of horseshoe `h`.
    Horseshoe { h: usize, place: usize },
}

/// Priors of all scale parameters.
#[derive(Debug, Clone)]
pub struct ScalePriors {
    layout: Layout,
    sds: Vec<Vec<SdPrior>>,
    cor_eta: Vec<Option<f64>>,
    /// Per scale parameter, its unconstrained value if it is known, else zero.
    known: Vec<f64>,
    dispersion: Vec<Prior>,
    /// A single positive parameter on the log scale (true) or coefficients (false).
    constant_dispersion: bool,
    /// Where the intercept among the coefficients is sampled.
    dispersion_intercept: Option<InterceptSpec>,
    horseshoes: Vec<HorseshoeSpec>,
}

/// Natural values of the scale parameters at one `theta`.
#[derive(Debug, Clone, Default)]
pub struct Scales<T = f64> {
    /// The unconstrained values, known ones included.
    pub theta: Vec<T>,
    /// Per term, standard deviations.
    pub sd: Vec<Vec<T>>,
    /// Per term, `[q, q]` row-major lower factor `L` of the effects' covariance.
    pub factor: Vec<Vec<T>>,
    /// Per term, Cholesky factor of the correlation matrix.
    pub chol: Vec<Vec<T>>,
    /// Per horseshoe, scale of each parameter it covers.
    pub shrinkage: Vec<Vec<T>>,
    /// Per horseshoe, share of the local variance that the slab takes.
    slab_share: Vec<Vec<T>>,
    /// Log dispersion, or its coefficients.
    pub dispersion: Vec<T>,
    /// Per term and standard deviation, derivatives in `theta` of its log and of its prior with the Jacobian.
    sd_slopes: Vec<Vec<[T; 2]>>,
    /// Derivatives of the dispersion's priors likewise.
    dispersion_slopes: Vec<T>,
    /// Log prior density on the natural scale.
    pub lprior: T,
    /// Log Jacobian of the transforms (and the log density of auxiliary parameters).
    pub log_jacobian: T,
}

/// Derivatives of the log target with respect to natural values, to be pulled back to `theta`.
#[derive(Debug, Clone, Default)]
pub struct ScaleGradient<T = f64> {
    /// Per term, `[q, q]`.
    pub factor: Vec<Vec<T>>,
    /// Per term, with respect to the logs of the standard deviations where those in `factor` are not taken.
    pub log_sd: Vec<Vec<T>>,
    /// Per horseshoe and parameter, with respect to the log of the scale.
    pub log_shrinkage: Vec<Vec<T>>,
    /// With respect to log dispersion or its coefficients.
    pub dispersion: Vec<T>,
    /// Pulled back, to all unconstrained values, known ones included.
    theta: Vec<T>,
}

impl ScalePriors {
    /// # Errors
    /// [`Error::Spec`] for a prior that cannot be used or a horseshoe on a parameter that does not exist.
    pub fn new(spec: &ModelSpec) -> Result<Self> {
        let layout = Layout::new(spec);
        let own = spec.terms.iter().map(|t| t.sd_priors.iter().map(|p| Prior::new(p, true)).collect());
        let own: Vec<Vec<Prior>> = own.collect::<Result<_>>()?;
        let constant_dispersion = !matches!(spec.dispersion, Some(DispersionSpec::Regression { .. }));
        let dispersion = spec.dispersion.iter().flat_map(|d| d.priors());
        let dispersion: Vec<Prior> = dispersion.map(|p| Prior::new(p, constant_dispersion)).collect::<Result<_>>()?;
        let known = known_values(&layout, spec, &own, (&dispersion, constant_dispersion))?;
        let mut sds: Vec<Vec<SdPrior>> =
            own.into_iter().map(|priors| priors.into_iter().map(SdPrior::Own).collect()).collect();
        for (h, s) in spec.horseshoes.iter().enumerate() {
            cover(&mut sds, h, s, spec)?;
        }
        let cor_eta = spec.terms.iter().map(|t| t.cor.as_ref().map(|c| c.eta)).collect();
        let dispersion_intercept = spec.dispersion.as_ref().and_then(DispersionSpec::intercept).cloned();
        let horseshoes = spec.horseshoes.clone();
        Ok(Self { layout, sds, cor_eta, known, dispersion, constant_dispersion, dispersion_intercept, horseshoes })
    }

    /// Priors of the standard deviations, term by term; `None` if some are under a horseshoe.
    pub fn own_sds(&self) -> Option<Vec<Prior>> {
        let own = |prior: &SdPrior| match prior {
            SdPrior::Own(prior) => Some(prior.clone()),
            SdPrior::Horseshoe { .. } => None,
        };
        self.sds.iter().flatten().map(own).collect()
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

    /// The dispersion, or the coefficients of its design as it is, for a draw.
    pub fn dispersion_draw(&self, at: &Scales, out: &mut Vec<f64>) {
        let start = out.len();
        out.extend(at.dispersion.iter().map(|d| if self.constant_dispersion { d.exp() } else { *d }));
        if let Some(intercept) = &self.dispersion_intercept {
            out[start + intercept.column] -= intercept.shift(&at.dispersion);
        }
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
        out.shrinkage.resize(self.horseshoes.len(), vec![]);
        out.slab_share.resize(self.horseshoes.len(), vec![]);
        for (h, spec) in self.horseshoes.iter().enumerate() {
            self.horseshoe_forward(h, spec, theta, out);
        }
        let n_terms = self.sds.len();
        out.sd.resize(n_terms, vec![]);
        out.sd_slopes.resize(n_terms, vec![]);
        out.chol.resize(n_terms, vec![]);
        out.factor.resize(n_terms, vec![]);
        for k in 0..n_terms {
            self.sd_forward(k, theta, out);
            self.cor_forward(k, theta, out);
            multiply_rows(&out.sd[k], &out.chol[k], &mut out.factor[k]);
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
            self.cor_backward(k, &at.theta, at, upstream, d_theta);
            self.sd_backward(k, at, upstream, d_theta);
        }
        for (h, spec) in self.horseshoes.iter().enumerate() {
            self.horseshoe_backward(h, spec, &at.theta, at, upstream, d_theta);
        }
        self.dispersion_backward(at, upstream, d_theta);
    }

    #[inline(always)]
    fn dispersion_forward<T: Real>(&self, theta: &[T], out: &mut Scales<T>) {
        out.dispersion.clear();
        out.dispersion.extend_from_slice(&theta[self.layout.dispersion.clone()]);
        out.dispersion_slopes.clear();
        for (prior, &t) in self.dispersion.iter().zip(&out.dispersion) {
            let (lprior, log_jacobian, slope) = if self.constant_dispersion {
                let at = prior.positive_by_log(t);
                (at.lprior, at.log_jacobian, at.slope)
            } else {
                let [lprior, slope] = prior.log_density(t);
                (lprior, T::ZERO, slope)
            };
            out.lprior += lprior;
            out.log_jacobian += log_jacobian;
            out.dispersion_slopes.push(slope);
        }
    }

    #[inline(always)]
    fn dispersion_backward<T: Real>(&self, at: &Scales<T>, upstream: &ScaleGradient<T>, d_theta: &mut [T]) {
        for (i, place) in self.layout.dispersion.clone().enumerate() {
            d_theta[place] += upstream.dispersion[i] + at.dispersion_slopes[i];
        }
    }

    #[inline(always)]
    fn sd_forward<T: Real>(&self, k: usize, theta: &[T], out: &mut Scales<T>) {
        out.sd[k].clear();
        out.sd_slopes[k].clear();
        for (prior, &t) in self.sds[k].iter().zip(&theta[self.layout.sds[k].clone()]) {
            let sd = match prior {
                SdPrior::Own(prior) => prior.positive(t),
                SdPrior::Horseshoe { h, place } => half_normal(t, out.shrinkage[*h][*place]),
            };
            out.sd[k].push(sd.value);
            out.sd_slopes[k].push([sd.d_log, sd.slope]);
            out.lprior += sd.lprior;
            out.log_jacobian += sd.log_jacobian;
        }
    }

    #[inline(always)]
    fn sd_backward<T: Real>(&self, k: usize, at: &Scales<T>, upstream: &mut ScaleGradient<T>, d_theta: &mut [T]) {
        let q = self.sds[k].len();
        for (i, place) in self.layout.sds[k].clone().enumerate() {
            let (row, mut d_log_sd) = (i * q..i * q + i + 1, upstream.log_sd[k][i]);
            for (l, g) in at.factor[k][row.clone()].iter().zip(&upstream.factor[k][row]) {
                d_log_sd += *g * *l;
            }
            let [d_log, slope] = at.sd_slopes[k][i];
            d_theta[place] += d_log_sd * d_log + slope;
            if let SdPrior::Horseshoe { h, place } = self.sds[k][i] {
                // The half-normal's own scale cancels between density and Jacobian.
                upstream.log_shrinkage[h][place] += d_log_sd;
            }
        }
    }
}

impl<T: Real> Scales<T> {
    /// Factor of level `level` of a block: the term's `L`, or one horseshoe scale.
    #[inline]
    pub fn factor_of(&self, source: Source, level: usize) -> &[T] {
        match source {
            Source::Term(k) => &self.factor[k],
            Source::Horseshoe(h) => &self.shrinkage[h][level..=level],
        }
    }

    /// Correlations of term `k` in the order of [`pairs`].
    pub fn correlations(&self, k: usize) -> impl Iterator<Item = T> {
        let q = self.sd[k].len();
        let chol = &self.chol[k];
        let product = |sum, (a, b): (&T, &T)| sum + *a * *b;
        let row = move |i: usize, j: usize| chol[i * q..].iter().zip(&chol[j * q..=j * q + j]);
        pairs(q).map(move |(i, j)| row(i, j).fold(T::ZERO, product))
    }
}

impl<T: Real> ScaleGradient<T> {
    /// Adds to the derivative in entry `at` of a level's factor, see [`Scales::factor_of`].
    #[inline]
    pub fn add_factor(&mut self, scales: &Scales<T>, source: Source, level: usize, at: usize, d: T) {
        match source {
            Source::Term(k) => self.factor[k][at] += d,
            Source::Horseshoe(h) => self.log_shrinkage[h][level] += scales.shrinkage[h][level] * d,
        }
    }

    /// Zeros in the shape of `scales`.
    pub fn reset(&mut self, scales: &Scales<T>) {
        let zeros = |from: &[Vec<T>], to: &mut Vec<Vec<T>>| {
            to.resize(from.len(), vec![]);
            for (f, t) in from.iter().zip(to) {
                t.clear();
                t.resize(f.len(), T::ZERO);
            }
        };
        zeros(&scales.factor, &mut self.factor);
        zeros(&scales.sd, &mut self.log_sd);
        zeros(&scales.shrinkage, &mut self.log_shrinkage);
        self.dispersion.clear();
        self.dispersion.resize(scales.dispersion.len(), T::ZERO);
    }
}

#[inline(always)]
fn multiply_rows<T: Real>(sd: &[T], chol: &[T], out: &mut Vec<T>) {
    let q = sd.len();
    out.clear();
    out.extend(chol.iter().enumerate().map(|(at, c)| sd[at / q] * *c));
}
