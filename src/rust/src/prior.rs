//! Prior distributions of single parameters: log density and its derivative.

mod kind;

use crate::error::{Error, Result};
use crate::number::Real;
use crate::spec::PriorSpec;
use crate::special::ln_gamma_half_step;
pub use kind::PriorKind;
use std::f64::consts::PI;

/// A prior with its normalising constant; on positive parameters truncated to `> 0`.
#[derive(Debug, Clone, PartialEq)]
pub struct Prior {
    kind: PriorKind,
    log_constant: f64,
}

/// A positive parameter at an unconstrained `t`.
#[derive(Debug, Clone, Copy)]
pub struct Positive<T> {
    /// The parameter.
    pub value: T,
    /// Its log.
    pub log: T,
    /// Derivative of its log in `t`.
    pub d_log: T,
    /// Log density of the parameter.
    pub lprior: T,
    /// Log of the parameter's derivative in `t`.
    pub log_jacobian: T,
    /// Derivative in `t` of the sum of both.
    pub slope: T,
}

impl Prior {
    /// Checks a spec and computes its normalising constant. `positive` truncates to `> 0`.
    ///
    /// # Errors
    /// [`Error::Spec`] for an unknown name, a wrong number of arguments, a scale that is not positive, arguments beyond
    /// what can be computed, or no mass above zero where it is needed.
    pub fn new(spec: &PriorSpec, positive: bool) -> Result<Self> {
        Self::truncated(spec, positive.then_some(0.0))
    }

    /// The same of a parameter above a bound.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn above(spec: &PriorSpec, bound: f64) -> Result<Self> {
        Self::truncated(spec, Some(bound))
    }

    fn truncated(spec: &PriorSpec, bound: Option<f64>) -> Result<Self> {
        let kind = PriorKind::new(spec)?;
        let constant = kind.log_constant();
        if !constant.is_finite() {
            return Err(unusable(spec, "has arguments too extreme to compute its density"));
        }
        let truncation = bound.map_or(0.0, |bound| kind.mass_above(bound).ln());
        if !truncation.is_finite() {
            return Err(unusable(spec, "has no mass above the parameter's lower bound"));
        }
        Ok(Self { kind, log_constant: constant - truncation })
    }

    /// The improper constant density.
    pub const fn flat() -> Self {
        Self { kind: PriorKind::Flat, log_constant: 0.0 }
    }

    /// The distribution, and the log of its normalising constant.
    pub fn parts(&self) -> (PriorKind, f64) {
        (self.kind, self.log_constant)
    }

    /// The value of a parameter that has no other.
    pub fn constant(&self) -> Option<f64> {
        match self.kind {
            PriorKind::Constant { value } => Some(value),
            _ => None,
        }
    }

    /// Whether the density does not integrate.
    pub fn is_flat(&self) -> bool {
        self.kind == PriorKind::Flat
    }

    /// A positive parameter of this prior from the scale where it is not bounded: its log, but for
    /// `horseshoe_scale` the log of `tau lambda`, because the density is not bounded at the slab, and for `uniform` the log of
    /// [`between`], because trajectories would end at the upper bound where the posterior does not.
    #[inline(always)]
    pub fn positive<T: Real>(&self, t: T) -> Positive<T> {
        match self.kind {
            PriorKind::HorseshoeScale { tau, slab } => horseshoe_scale(t, tau, slab),
            PriorKind::Uniform { lower, upper } => between(t, lower.max(0.0), upper, self.log_constant),
            _ => self.positive_by_log(t),
        }
    }

    #[inline(always)]
    fn positive_by_log<T: Real>(&self, t: T) -> Positive<T> {
        if let PriorKind::Constant { value } = self.kind {
            let zero = T::ZERO;
            let (log, value) = (T::splat(value.ln()), T::splat(value));
            return Positive { value, log, d_log: zero, lprior: zero, log_jacobian: zero, slope: zero };
        }
        let value = t.exp();
        let [lprior, slope] = self.kind.density(self.log_constant, value, || t);
        let one = T::splat(1.0);
        Positive { value, log: t, d_log: one, lprior, log_jacobian: t, slope: slope * value + one }
    }

    /// A parameter above a bound, from the log of how far.
    #[inline(always)]
    pub fn positive_above<T: Real>(&self, t: T, bound: f64) -> Positive<T> {
        if self.constant().is_some() {
            return self.positive_by_log(t);
        }
        let above = t.exp();
        let value = above + T::splat(bound);
        let [lprior, slope] = self.log_density(value);
        let d_log = above / value;
        Positive { value, log: value.ln(), d_log, lprior, log_jacobian: t, slope: slope * above + T::splat(1.0) }
    }

    /// What a positive parameter is measured in.
    pub fn scale(&self) -> f64 {
        let scale = match self.kind {
            PriorKind::Normal { sd: scale, mean: location } | PriorKind::StudentT { scale, location, .. } => {
                scale.max(location.abs())
            }
            PriorKind::DoubleExponential { scale, location } => scale.max(location.abs()),
            PriorKind::Gamma { shape, rate } => shape / rate,
            PriorKind::InvGamma { shape, scale } => scale / (shape + 1.0),
            PriorKind::LogNormal { mean_log, .. } => mean_log.exp(),
            PriorKind::Uniform { upper, .. } => 0.5 * upper,
            PriorKind::HorseshoeScale { tau, .. } => tau,
            PriorKind::Constant { value } => value,
            PriorKind::Flat => 1.0,
        };
        if kind::is_scale(scale) { scale } else { 1.0 }
    }

    /// Whether the log density is a quadratic: normal or flat.
    pub fn is_gaussian(&self) -> bool {
        matches!(self.kind, PriorKind::Flat | PriorKind::Normal { .. })
    }

    /// `log p(x)` and `d log p / dx`; minus infinity outside the support.
    #[inline(always)]
    pub fn log_density<T: Real>(&self, x: T) -> [T; 2] {
        self.kind.density(self.log_constant, x, || x.ln())
    }

    /// Rough curvature, for whitening only: the inverse squared scale of the bulk.
    pub fn precision(&self) -> f64 {
        match self.kind {
            PriorKind::Normal { sd, .. } => sd.powi(-2),
            PriorKind::StudentT { df, scale, .. } => (df + 1.0) / ((df + 3.0) * scale * scale),
            PriorKind::DoubleExponential { scale, .. } => 0.5 / (scale * scale),
            PriorKind::Uniform { lower, upper } => 12.0 / (upper - lower).powi(2),
            _ => 0.0,
        }
    }

    /// Centre of the bulk, for starting values only.
    pub fn location(&self) -> f64 {
        match self.kind {
            PriorKind::Normal { mean, .. } => mean,
            PriorKind::Constant { value } => value,
            PriorKind::StudentT { location, .. } | PriorKind::DoubleExponential { location, .. } => location,
            PriorKind::Uniform { lower, upper } => 0.5 * (lower + upper),
            _ => 0.0,
        }
    }
}

/// `x = r c / sqrt(c^2 + r^2)` with `t = log r`, `r` half-Cauchy with scale `tau`.
#[inline(always)]
fn horseshoe_scale<T: Real>(t: T, tau: f64, slab: f64) -> Positive<T> {
    let slack = (t - T::splat(slab.ln())) * 2.0;
    // log of (c^2 + r^2) / c^2, which is 1 / v at x.
    let [log_inverse, _] = slack.softplus_logistic();
    let log_value = t - log_inverse * 0.5;
    let [log_r, slope] = log_half_student_t(1.0, t - T::splat(tau.ln()));
    let log_jacobian = log_value - log_inverse;
    let [_, d_log] = (-slack).softplus_logistic();
    Positive { value: log_value.exp(), log: log_value, d_log, lprior: log_r - log_jacobian, log_jacobian, slope }
}

/// `x = a + r w / (r + w)` with `t = log r` and `w = b - a`: between `a` and `b`, and about `a + r` near `a`. With `s` the
/// logistic function of `t - log w`, `x = a + w s` and `dx / dt = w s (1 - s)`. Its log density is `log_density`.
#[inline(always)]
fn between<T: Real>(t: T, a: f64, b: f64, log_density: f64) -> Positive<T> {
    let log_width = (b - a).ln();
    let u = t - T::splat(log_width);
    // -log(1 - s) and s; 1 - s.
    let [log_inverse, share] = u.softplus_logistic();
    let [_, rest] = (-u).softplus_logistic();
    let (log_above, log_jacobian) = (t - log_inverse, t - log_inverse * 2.0);
    let above = log_above.exp();
    let value = above + T::splat(a);
    let (log, d_log) = if a > 0.0 { (value.ln(), rest * above / value) } else { (log_above, rest) };
    Positive { value, log, d_log, lprior: T::splat(log_density), log_jacobian, slope: rest - share }
}

fn unusable(spec: &PriorSpec, why: &str) -> Error {
    Error::Spec(format!("prior {}({:?}) {why}", spec.dist, spec.args))
}

/// Log density of a half Student t with `df` degrees of freedom and scale 1 at `exp(log_x)`,
/// with the Jacobian of the log, and its derivative in `log_x`.
#[inline(always)]
pub fn log_half_student_t<T: Real>(df: f64, log_x: T) -> [T; 2] {
    let constant = ln_gamma_half_step(0.5 * df) - 0.5 * (df * PI).ln() + 2f64.ln();
    // log(1 + x^2 / df): safe for any log_x.
    let [log, share] = (log_x * 2.0 - T::splat(df.ln())).softplus_logistic();
    [T::splat(constant) - log * (0.5 * (df + 1.0)) + log_x, T::splat(1.0) - share * (df + 1.0)]
}

#[cfg(test)]
mod tests;
