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
#[allow(missing_docs)]
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    Flat,
    Normal {
        mean: f64,
        sd: f64,
    },
    StudentT {
        df: f64,
        location: f64,
        scale: f64,
    },
    Gamma {
        shape: f64,
        rate: f64,
    },
    InvGamma {
        shape: f64,
        scale: f64,
    },
    LogNormal {
        mean_log: f64,
        sd_log: f64,
    },
    Uniform {
        lower: f64,
        upper: f64,
    },
    DoubleExponential {
        location: f64,
        scale: f64,
    },
    /// `tau lambda c / sqrt(c^2 + tau^2 lambda^2)`, `lambda ~ half-Cauchy(1)`, with slab `c`.
    HorseshoeScale {
        tau: f64,
        slab: f64,
    },
}

/// A positive parameter at an unconstrained `t`.
#[derive(Debug, Clone, Copy)]
pub struct Positive {
    /// The parameter.
    pub value: f64,
    /// Derivative of its log in `t`.
    pub d_log: f64,
    /// Log density of the parameter.
    pub lprior: f64,
    /// Log of the parameter's derivative in `t`.
    pub log_jacobian: f64,
    /// Derivative in `t` of the sum of both.
    pub slope: f64,
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

    /// The distribution, and the log of its normalising constant.
    pub fn parts(&self) -> (Kind, f64) {
        (self.kind, self.log_constant)
    }

    /// Whether the density does not integrate.
    pub fn is_flat(&self) -> bool {
        self.kind == Kind::Flat
    }

    /// A positive parameter of this prior from the scale where it is not bounded: its log, but for
    /// `horseshoe_scale` the log of `tau lambda`, because the density is not bounded at the slab.
    pub fn positive(&self, t: f64) -> Positive {
        match self.kind {
            Kind::HorseshoeScale { tau, slab } => horseshoe_scale(t, tau, slab),
            _ => self.positive_by_log(t),
        }
    }

    /// As [`Self::positive`], always from the log.
    pub fn positive_by_log(&self, t: f64) -> Positive {
        let value = t.exp();
        let (lprior, slope) = self.log_density(value);
        Positive { value, d_log: 1.0, lprior, log_jacobian: t, slope: slope * value + 1.0 }
    }

    /// What a positive parameter is measured in.
    pub fn scale(&self) -> f64 {
        let scale = match self.kind {
            Kind::Normal { sd: scale, mean: location } | Kind::StudentT { scale, location, .. } => {
                scale.max(location.abs())
            }
            Kind::DoubleExponential { scale, location } => scale.max(location.abs()),
            Kind::Gamma { shape, rate } => shape / rate,
            Kind::InvGamma { shape, scale } => scale / (shape + 1.0),
            Kind::LogNormal { mean_log, .. } => mean_log.exp(),
            Kind::Uniform { upper, .. } => 0.5 * upper,
            Kind::HorseshoeScale { tau, .. } => tau,
            Kind::Flat => 1.0,
        };
        if is_scale(scale) { scale } else { 1.0 }
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
            ("horseshoe_scale", &[tau, slab]) => Kind::HorseshoeScale { tau, slab },
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
            Kind::HorseshoeScale { tau, slab } => is_scale(tau) && is_scale(slab),
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
            Kind::HorseshoeScale { tau, .. } => (2.0 * tau / PI).ln(),
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
            Kind::HorseshoeScale { tau, slab } if x > 0.0 && x < slab => {
                // With u = (x / c)^2 and v = 1 - u: v^(-1/2) / (tau^2 v + x^2), times 2 tau / pi.
                let (d_u, t2) = (2.0 * x / (slab * slab), tau * tau);
                let v = (1.0 - x / slab) * (1.0 + x / slab);
                let bulk = t2 * v + x * x;
                (-0.5 * v.ln() - bulk.ln(), 0.5 * d_u / v - (2.0 * x - t2 * d_u) / bulk)
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

/// `x = r c / sqrt(c^2 + r^2)` with `t = log r`, `r` half-Cauchy with scale `tau`.
fn horseshoe_scale(t: f64, tau: f64, slab: f64) -> Positive {
    let slack = 2.0 * (t - slab.ln());
    // log of (c^2 + r^2) / c^2, which is 1 / v at x.
    let log_inverse = log1p_exp(slack);
    let log_value = t - 0.5 * log_inverse;
    let (log_r, slope) = log_half_student_t(1.0, t - tau.ln());
    let log_jacobian = log_value - log_inverse;
    let d_log = 1.0 / (1.0 + slack.exp());
    Positive { value: log_value.exp(), d_log, lprior: log_r - log_jacobian, log_jacobian, slope }
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
            prior("horseshoe_scale", &[0.3, 6.0], true),
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

    /// Over the log of `tau lambda` there is no singularity; the density of the parameter is the one that
    /// [`Prior::log_density`] gives.
    #[test]
    fn horseshoe_scale_integrates_to_one() {
        for (tau, slab) in [(0.3, 2.0), (1.5, 0.5)] {
            let p = prior("horseshoe_scale", &[tau, slab], true);
            let h = 1e-3;
            let at = |i: i32| p.positive(h * f64::from(i));
            let mass: f64 = (-30_000..30_000).map(|i| (at(i).lprior + at(i).log_jacobian).exp() * h).sum();
            assert_relative_eq!(mass, 1.0, max_relative = 1e-9);
            for i in [-4000, -1000, 0, 700, 2000] {
                let (up, down, x) = (at(i + 1), at(i - 1), at(i));
                assert_relative_eq!(p.log_density(x.value).0, x.lprior, max_relative = 1e-10);
                assert_relative_eq!(x.d_log, (up.value.ln() - down.value.ln()) / (2.0 * h), max_relative = 1e-5);
                assert_relative_eq!(x.log_jacobian.exp(), x.value * x.d_log, max_relative = 1e-12);
                let slope = (up.lprior + up.log_jacobian - down.lprior - down.log_jacobian) / (2.0 * h);
                assert_relative_eq!(x.slope, slope, max_relative = 1e-5, epsilon = 1e-6);
            }
        }
    }

    /// R 4.2.2: `l <- abs(rcauchy(1e7)); s <- .3 * l * 2 / sqrt(4 + .09 * l^2); mean(s < .25)` gives 0.4440;
    /// exactly `2 / pi * atan(r / .3)` at the `r` with `s = .25`.
    #[test]
    fn horseshoe_scale_has_the_probabilities_of_its_definition() {
        let p = prior("horseshoe_scale", &[0.3, 2.0], true);
        let h = 1e-5;
        let mass: f64 = (0..25_000).map(|i| p.log_density((f64::from(i) + 0.5) * h).0.exp() * h).sum();
        let r = 0.25 / (1.0_f64 - (0.25_f64 / 2.0).powi(2)).sqrt();
        assert_relative_eq!(mass, 2.0 / PI * (r / 0.3).atan(), max_relative = 1e-8);
    }

    #[test]
    fn bad_priors_are_refused() {
        for (dist, args) in [("normal", vec![0.0]), ("normal", vec![0.0, -1.0]), ("gaussian", vec![0.0, 1.0])] {
            assert!(Prior::new(&PriorSpec { dist: dist.into(), args }, false).is_err());
        }
    }
}
