//! Prior distributions of single parameters: log density and its derivative.

use crate::error::{Error, Result};
use crate::spec::PriorSpec;
use crate::special::{ln_gamma, log1p_exp};
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};
use std::f64::consts::PI;

/// A prior with its normalising constant; on positive parameters truncated to `> 0`.
#[derive(Debug, Clone, PartialEq)]
pub struct Prior {
    kind: Kind,
    log_constant: f64,
}

/// Parameters as in Stan's functions of the same names.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Flat,
    Normal { mean: f64, sd: f64 },
    StudentT { df: f64, location: f64, scale: f64 },
    Gamma { shape: f64, rate: f64 },
    InvGamma { shape: f64, scale: f64 },
    LogNormal { mean_log: f64, sd_log: f64 },
    Uniform { lower: f64, upper: f64 },
    DoubleExponential { location: f64, scale: f64 },
}

impl Prior {
    /// Checks a spec and computes its normalising constant. `positive` truncates to `> 0`.
    ///
    /// # Errors
    /// [`Error::Spec`] for an unknown name, a wrong number of arguments or a scale that is not positive.
    pub fn new(spec: &PriorSpec, positive: bool) -> Result<Self> {
        let kind = Kind::new(spec)?;
        let truncation = if positive { kind.mass_above_zero().ln() } else { 0.0 };
        Ok(Self { kind, log_constant: kind.log_constant() - truncation })
    }

    /// The improper constant density.
    pub const fn flat() -> Self {
        Self { kind: Kind::Flat, log_constant: 0.0 }
    }

    /// Whether the density does not integrate.
    pub fn is_flat(&self) -> bool {
        self.kind == Kind::Flat
    }

    /// Whether the log density is a quadratic: normal or flat.
    pub fn is_gaussian(&self) -> bool {
        matches!(self.kind, Kind::Flat | Kind::Normal { .. })
    }

    /// `(log p(x), d log p / dx)`; minus infinity outside the support.
    #[inline]
    pub fn log_density(&self, x: f64) -> (f64, f64) {
        let (value, slope) = self.kind.kernel(x);
        (value + self.log_constant, slope)
    }

    /// Rough curvature, for whitening only: the inverse squared scale of the bulk.
    pub fn precision(&self) -> f64 {
        match self.kind {
            Kind::Normal { sd, .. } => sd.powi(-2),
            Kind::StudentT { df, scale, .. } => (df + 1.0) / ((df + 3.0) * scale * scale),
            Kind::DoubleExponential { scale, .. } => 0.5 / (scale * scale),
            Kind::Uniform { lower, upper } => 12.0 / (upper - lower).powi(2),
            _ => 0.0,
        }
    }

    /// Centre of the bulk, for starting values only.
    pub fn location(&self) -> f64 {
        match self.kind {
            Kind::Normal { mean, .. } => mean,
            Kind::StudentT { location, .. } | Kind::DoubleExponential { location, .. } => location,
            Kind::Uniform { lower, upper } => 0.5 * (lower + upper),
            _ => 0.0,
        }
    }
}

impl Kind {
    fn new(spec: &PriorSpec) -> Result<Self> {
        let args = spec.args.as_slice();
        let kind = match (spec.dist.as_str(), args) {
            ("flat", []) => Kind::Flat,
            ("normal", &[mean, sd]) => Kind::Normal { mean, sd },
            ("student_t", &[df, location, scale]) => Kind::StudentT { df, location, scale },
            ("cauchy", &[location, scale]) => Kind::StudentT { df: 1.0, location, scale },
            ("exponential", &[rate]) => Kind::Gamma { shape: 1.0, rate },
            ("gamma", &[shape, rate]) => Kind::Gamma { shape, rate },
            ("inv_gamma", &[shape, scale]) => Kind::InvGamma { shape, scale },
            ("lognormal", &[mean_log, sd_log]) => Kind::LogNormal { mean_log, sd_log },
            ("uniform", &[lower, upper]) => Kind::Uniform { lower, upper },
            ("double_exponential", &[location, scale]) => Kind::DoubleExponential { location, scale },
            _ => return Err(unusable(spec, "is not a known prior with that number of arguments")),
        };
        if kind.is_valid() { Ok(kind) } else { Err(unusable(spec, "has arguments out of range")) }
    }

    fn is_valid(self) -> bool {
        match self {
            Kind::Flat => true,
            Kind::Normal { mean, sd: scale }
            | Kind::LogNormal { mean_log: mean, sd_log: scale }
            | Kind::DoubleExponential { location: mean, scale } => mean.is_finite() && is_scale(scale),
            Kind::StudentT { df, location, scale } => is_scale(df) && location.is_finite() && is_scale(scale),
            Kind::Gamma { shape: a, rate: b } | Kind::InvGamma { shape: a, scale: b } => is_scale(a) && is_scale(b),
            Kind::Uniform { lower, upper } => lower.is_finite() && upper.is_finite() && lower < upper,
        }
    }

    fn log_constant(self) -> f64 {
        match self {
            Kind::Flat => 0.0,
            Kind::Normal { sd, .. } => -sd.ln() - 0.5 * (2.0 * PI).ln(),
            Kind::StudentT { df, scale, .. } => {
                ln_gamma(0.5 * (df + 1.0)) - ln_gamma(0.5 * df) - 0.5 * (df * PI).ln() - scale.ln()
            }
            Kind::Gamma { shape, rate } => shape * rate.ln() - ln_gamma(shape),
            Kind::InvGamma { shape, scale } => shape * scale.ln() - ln_gamma(shape),
            Kind::LogNormal { sd_log, .. } => -sd_log.ln() - 0.5 * (2.0 * PI).ln(),
            Kind::Uniform { lower, upper } => -(upper - lower).ln(),
            Kind::DoubleExponential { scale, .. } => -(2.0 * scale).ln(),
        }
    }

    /// Log density without the constant, and its derivative.
    #[inline]
    fn kernel(self, x: f64) -> (f64, f64) {
        match self {
            Kind::Flat => (0.0, 0.0),
            Kind::Normal { mean, sd } => {
                let d = (x - mean) / sd;
                (-0.5 * d * d, -d / sd)
            }
            Kind::StudentT { df, location, scale } => {
                let d = (x - location) / scale;
                (-0.5 * (df + 1.0) * (d * d / df).ln_1p(), -(df + 1.0) * d / ((df + d * d) * scale))
            }
            Kind::DoubleExponential { location, scale } => {
                let d = (x - location) / scale;
                (-d.abs(), -d.signum() / scale)
            }
            Kind::Uniform { lower, upper } if x >= lower && x <= upper => (0.0, 0.0),
            Kind::Gamma { shape, rate } if x > 0.0 => ((shape - 1.0) * x.ln() - rate * x, (shape - 1.0) / x - rate),
            Kind::InvGamma { shape, scale } if x > 0.0 => {
                (-(shape + 1.0) * x.ln() - scale / x, (scale / x - shape - 1.0) / x)
            }
            Kind::LogNormal { mean_log, sd_log } if x > 0.0 => {
                let d = (x.ln() - mean_log) / sd_log;
                (-0.5 * d * d - x.ln(), -(d / sd_log + 1.0) / x)
            }
            _ => (f64::NEG_INFINITY, 0.0),
        }
    }

    /// Probability of a positive value, for truncation.
    fn mass_above_zero(self) -> f64 {
        // The arguments were checked, so the constructors of statrs cannot fail.
        match self {
            Kind::Normal { mean, sd } => Normal::new(mean, sd).map_or(1.0, |d| d.sf(0.0)),
            Kind::StudentT { df, location, scale } => StudentsT::new(location, scale, df).map_or(1.0, |d| d.sf(0.0)),
            Kind::DoubleExponential { location, scale } => {
                let d = location / scale;
                if d >= 0.0 { 1.0 - 0.5 * (-d).exp() } else { 0.5 * d.exp() }
            }
            Kind::Uniform { lower, upper } => (upper - lower.max(0.0)) / (upper - lower),
            _ => 1.0,
        }
    }
}

fn is_scale(x: f64) -> bool {
    x > 0.0 && x.is_finite()
}

fn unusable(spec: &PriorSpec, why: &str) -> Error {
    Error::Spec(format!("prior {}({:?}) {why}", spec.dist, spec.args))
}

/// Log density of a half Student t with `df` degrees of freedom and scale 1 at `exp(log_x)`,
/// with the Jacobian of the log, and its derivative in `log_x`.
pub fn log_half_student_t(df: f64, log_x: f64) -> (f64, f64) {
    let constant = ln_gamma(0.5 * (df + 1.0)) - ln_gamma(0.5 * df) - 0.5 * (df * PI).ln() + 2f64.ln();
    // log(1 + x^2 / df) = log1p_exp(2 log x - log df): safe for any log_x.
    let t = 2.0 * log_x - df.ln();
    let share = 1.0 / (1.0 + (-t).exp());
    (constant - 0.5 * (df + 1.0) * log1p_exp(t) + log_x, 1.0 - (df + 1.0) * share)
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    fn prior(dist: &str, args: &[f64], positive: bool) -> Prior {
        Prior::new(&PriorSpec { dist: dist.into(), args: args.to_vec() }, positive).unwrap()
    }

    /// R 4.2.2: dnorm(.3,1,2,TRUE), dt((.3-1)/2,3,log=TRUE)-log(2), dgamma(.3,2,rate=3,log=TRUE),
    /// dlnorm(.3,1,2,TRUE), dexp(.3,.5,TRUE); inv_gamma(2, 3): 2*log(3)-3*log(.3)-3/.3.
    #[test]
    fn densities_agree_with_r() {
        let cases = [
            ("normal", vec![1.0, 2.0], -1.673_335_713_764_618),
            ("student_t", vec![3.0, 1.0, 2.0], -1.774_079_378_882_427_2),
            ("gamma", vec![2.0, 3.0], 0.093_251_773_010_283_5),
            ("lognormal", vec![1.0, 2.0], -1.015_299_924_714_723_4),
            ("exponential", vec![0.5], -0.843_147_180_559_945_3),
            ("inv_gamma", vec![2.0, 3.0], -4.190_857_009_685_972),
        ];
        for (dist, args, expected) in cases {
            assert_relative_eq!(prior(dist, &args, false).log_density(0.3).0, expected, max_relative = 1e-8);
        }
    }

    #[test]
    fn half_priors_integrate_to_one() {
        let cases = [
            prior("normal", &[0.0, 1.5], true),
            prior("normal", &[-1.0, 1.5], true),
            prior("student_t", &[3.0, 1.0, 0.5], true),
            prior("double_exponential", &[0.5, 1.0], true),
            prior("uniform", &[-1.0, 4.0], true),
        ];
        for p in cases {
            let h = 1e-3;
            let mass: f64 = (0..400_000).map(|i| p.log_density((i as f64 + 0.5) * h).0.exp() * h).sum();
            assert_relative_eq!(mass, 1.0, epsilon = 2e-6, max_relative = 2e-6);
        }
    }

    #[test]
    fn derivatives_agree_with_differences() {
        let cases = [
            prior("normal", &[1.0, 2.0], true),
            prior("student_t", &[3.0, 1.0, 2.0], true),
            prior("gamma", &[2.0, 3.0], true),
            prior("inv_gamma", &[2.0, 3.0], true),
            prior("lognormal", &[0.0, 1.0], true),
            prior("double_exponential", &[0.0, 1.0], true),
        ];
        for p in cases {
            for x in [0.2, 1.1, 4.0] {
                let slope = (p.log_density(x + 1e-6).0 - p.log_density(x - 1e-6).0) / 2e-6;
                assert_relative_eq!(p.log_density(x).1, slope, epsilon = 1e-7, max_relative = 1e-6);
            }
        }
        for log_x in [-3.0, 0.0, 2.0] {
            let slope = (log_half_student_t(3.0, log_x + 1e-6).0 - log_half_student_t(3.0, log_x - 1e-6).0) / 2e-6;
            assert_relative_eq!(log_half_student_t(3.0, log_x).1, slope, epsilon = 1e-7, max_relative = 1e-6);
        }
    }

    #[test]
    fn bad_priors_are_refused() {
        for (dist, args) in [("normal", vec![0.0]), ("normal", vec![0.0, -1.0]), ("gaussian", vec![0.0, 1.0])] {
            assert!(Prior::new(&PriorSpec { dist: dist.into(), args }, false).is_err());
        }
    }
}
