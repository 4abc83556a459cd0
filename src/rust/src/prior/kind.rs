//! Kinds of priors: what they are called, their constants and kernels.

use super::unusable;
use crate::elementary::next_up;
use crate::error::Result;
use crate::number::Real;
use crate::spec::PriorSpec;
use crate::special::{ln_gamma, ln_gamma_half_step};
use statrs::distribution::{ContinuousCDF, Gamma, InverseGamma, LogNormal, Normal, StudentsT};
use std::f64::consts::PI;

/// Parameters as in Stan's functions of the same names.
#[allow(missing_docs)]
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PriorKind {
    Flat,
    /// All mass at one value: no parameter, and no density.
    Constant {
        value: f64,
    },
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

impl PriorKind {
    pub(super) fn new(spec: &PriorSpec) -> Result<Self> {
        let args = spec.args.as_slice();
        let kind = match (spec.dist.as_str(), args) {
            ("flat", []) => PriorKind::Flat,
            ("constant", &[value]) => PriorKind::Constant { value },
            ("normal", &[mean, sd]) => PriorKind::Normal { mean, sd },
            ("student_t", &[df, location, scale]) => PriorKind::StudentT { df, location, scale },
            ("cauchy", &[location, scale]) => PriorKind::StudentT { df: 1.0, location, scale },
            ("exponential", &[rate]) => PriorKind::Gamma { shape: 1.0, rate },
            ("gamma", &[shape, rate]) => PriorKind::Gamma { shape, rate },
            ("inv_gamma", &[shape, scale]) => PriorKind::InvGamma { shape, scale },
            ("lognormal", &[mean_log, sd_log]) => PriorKind::LogNormal { mean_log, sd_log },
            ("uniform", &[lower, upper]) => PriorKind::Uniform { lower, upper },
            ("double_exponential", &[location, scale]) => PriorKind::DoubleExponential { location, scale },
            ("horseshoe_scale", &[tau, slab]) => PriorKind::HorseshoeScale { tau, slab },
            _ => return Err(unusable(spec, "is not a known prior with that number of arguments")),
        };
        if kind.is_valid() { Ok(kind) } else { Err(unusable(spec, "has arguments out of range")) }
    }

    pub(super) fn is_valid(self) -> bool {
        match self {
            PriorKind::Flat => true,
            PriorKind::Constant { value } => value.is_finite(),
            PriorKind::Normal { mean, sd: scale }
            | PriorKind::LogNormal { mean_log: mean, sd_log: scale }
            | PriorKind::DoubleExponential { location: mean, scale } => mean.is_finite() && is_scale(scale),
            PriorKind::StudentT { df, location, scale } => is_scale(df) && location.is_finite() && is_scale(scale),
            PriorKind::Gamma { shape: a, rate: b } | PriorKind::InvGamma { shape: a, scale: b } => {
                is_scale(a) && is_scale(b)
            }
            PriorKind::HorseshoeScale { tau, slab } => is_scale(tau) && is_scale(slab),
            PriorKind::Uniform { lower, upper } => lower.is_finite() && upper.is_finite() && lower < upper,
        }
    }

    pub(super) fn log_constant(self) -> f64 {
        match self {
            PriorKind::Flat | PriorKind::Constant { .. } => 0.0,
            PriorKind::Normal { sd, .. } => -sd.ln() - 0.5 * (2.0 * PI).ln(),
            PriorKind::StudentT { df, scale, .. } => ln_gamma_half_step(0.5 * df) - 0.5 * (df * PI).ln() - scale.ln(),
            PriorKind::Gamma { shape, rate } => shape * rate.ln() - ln_gamma(shape),
            PriorKind::InvGamma { shape, scale } => shape * scale.ln() - ln_gamma(shape),
            PriorKind::LogNormal { sd_log, .. } => -sd_log.ln() - 0.5 * (2.0 * PI).ln(),
            PriorKind::Uniform { lower, upper } => -(upper - lower).ln(),
            PriorKind::DoubleExponential { scale, .. } => -(2.0 * scale).ln(),
            PriorKind::HorseshoeScale { tau, .. } => (2.0 * tau / PI).ln(),
        }
    }

    /// Log density at `x` from the log of its constant, and its derivative; `log_x` gives the log of a positive `x`.
    #[inline(always)]
    pub(super) fn density<T: Real>(self, constant: f64, x: T, log_x: impl FnOnce() -> T) -> [T; 2] {
        let (of, constant) = (T::splat, T::splat(constant));
        let values = match self {
            PriorKind::Flat | PriorKind::Constant { .. } | PriorKind::Uniform { .. } => [constant, T::ZERO],
            PriorKind::Normal { mean, sd } => {
                let d = (x - of(mean)) / sd;
                [constant - d * d * 0.5, -d / sd]
            }
            PriorKind::StudentT { df, location, scale } => {
                let d = (x - of(location)) / scale;
                let slope = -(d * (df + 1.0)) / ((d * d + of(df)) * scale);
                [constant - (d * d / df).log1p() * (0.5 * (df + 1.0)), slope]
            }
            PriorKind::DoubleExponential { location, scale } => {
                let d = (x - of(location)) / scale;
                [constant - d.each(f64::abs), -d.each(f64::signum) / scale]
            }
            PriorKind::Gamma { shape, rate } => {
                [constant + log_x() * (shape - 1.0) - x * rate, of(shape - 1.0) / x - of(rate)]
            }
            PriorKind::InvGamma { shape, scale } => {
                let d = of(scale) / x;
                [constant - log_x() * (shape + 1.0) - d, (d - of(shape + 1.0)) / x]
            }
            PriorKind::LogNormal { mean_log, sd_log } => {
                let log_x = log_x();
                let d = (log_x - of(mean_log)) / sd_log;
                [constant - d * d * 0.5 - log_x, -(d / sd_log + of(1.0)) / x]
            }
            PriorKind::HorseshoeScale { tau, slab } => {
                // With u = (x / c)^2 and v = 1 - u: v^(-1/2) / (tau^2 v + x^2), times 2 tau / pi.
                let (d_u, t2) = (x * (2.0 / (slab * slab)), tau * tau);
                let v = (of(1.0) - x / slab) * (of(1.0) + x / slab);
                let bulk = v * t2 + x * x;
                let slope = d_u * 0.5 / v - (x * 2.0 - d_u * t2) / bulk;
                [constant - v.ln() * 0.5 - bulk.ln(), slope]
            }
        };
        self.within(x, values)
    }

    /// No density outside of the support.
    #[inline(always)]
    fn within<T: Real>(self, x: T, [value, slope]: [T; 2]) -> [T; 2] {
        let (low, high) = match self {
            PriorKind::Uniform { lower, upper } => (-next_up(-lower), next_up(upper)),
            PriorKind::Gamma { .. } | PriorKind::InvGamma { .. } | PriorKind::LogNormal { .. } => (0.0, f64::INFINITY),
            PriorKind::HorseshoeScale { slab, .. } => (0.0, slab),
            _ => return [value, slope],
        };
        let or = |y: T, outside: f64| y.zip(x, |y, x| if x > low && x < high { y } else { outside });
        [or(value, f64::NEG_INFINITY), or(slope, 0.0)]
    }

    /// Probability of values above one that is not negative, for truncation.
    pub(super) fn mass_above(self, at: f64) -> f64 {
        // The arguments were checked, so the constructors of statrs cannot fail.
        match self {
            PriorKind::Constant { value } => f64::from(u8::from(if at > 0.0 { value >= at } else { value > at })),
            PriorKind::Normal { mean, sd } => Normal::new(mean, sd).map_or(1.0, |d| d.sf(at)),
            // Half of the subnormal numbers is zero, which statrs refuses by a panic.
            PriorKind::StudentT { df, .. } if df < f64::MIN_POSITIVE => 0.5,
            PriorKind::StudentT { df, location, scale } => {
                StudentsT::new(location, scale, df).map_or(1.0, |d| d.sf(at))
            }
            PriorKind::DoubleExponential { location, scale } => {
                let d = (location - at) / scale;
                if d >= 0.0 { 1.0 - 0.5 * (-d).exp() } else { 0.5 * d.exp() }
            }
            PriorKind::Uniform { lower, upper } => (upper - lower.max(at)).max(0.0) / (upper - lower),
            _ if at <= 0.0 => 1.0,
            PriorKind::Gamma { shape, rate } => Gamma::new(shape, rate).map_or(1.0, |d| d.sf(at)),
            PriorKind::InvGamma { shape, scale } => InverseGamma::new(shape, scale).map_or(1.0, |d| d.sf(at)),
            PriorKind::LogNormal { mean_log, sd_log } => LogNormal::new(mean_log, sd_log).map_or(1.0, |d| d.sf(at)),
            PriorKind::Flat | PriorKind::HorseshoeScale { .. } => 1.0,
        }
    }
}

/// Whether a number can be a scale.
pub(super) fn is_scale(x: f64) -> bool {
    x > 0.0 && x.is_finite()
}
