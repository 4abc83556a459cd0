//! Positive parameters of eight draws at once: the formulas of [`crate::prior`] in loops that turn into vector instructions.

use crate::elementary::{bounded_exp, log1p};
use crate::prior::{Prior, PriorKind};
use crate::simd::LANES;

/// Positive parameters at unconstrained values, as [`crate::prior::Positive`].
#[derive(Debug, Clone, Copy)]
pub struct Positives {
    /// The parameters.
    pub value: [f64; LANES],
    /// Derivatives of their logs in the unconstrained values.
    pub d_log: [f64; LANES],
    /// Log densities, Jacobians of the unconstrained values included.
    pub log_density: [f64; LANES],
    /// Derivatives of these.
    pub slope: [f64; LANES],
}

/// [`Prior::positive`] for each value; with `by_log`, [`Prior::positive_by_log`].
#[inline(always)]
pub fn positives(prior: &Prior, t: &[f64; LANES], by_log: bool) -> Positives {
    let (kind, constant) = prior.parts();
    match kind {
        PriorKind::StudentT { df, location, scale } => from_log(t, |_, x| {
            let d = (x - location) / scale;
            (constant - 0.5 * (df + 1.0) * log1p(d * d / df), -(df + 1.0) * d / ((df + d * d) * scale))
        }),
        PriorKind::Normal { mean, sd } => from_log(t, |_, x| {
            let d = (x - mean) / sd;
            (constant - 0.5 * d * d, -d / sd)
        }),
        PriorKind::LogNormal { mean_log, sd_log } => from_log(t, |t, x| {
            let d = (t - mean_log) / sd_log;
            (constant - 0.5 * d * d - t, -(d / sd_log + 1.0) / x)
        }),
        PriorKind::Gamma { shape, rate } => {
            from_log(t, |t, x| (constant + (shape - 1.0) * t - rate * x, (shape - 1.0) / x - rate))
        }
        _ => one_by_one(prior, t, by_log),
    }
}

fn one_by_one(prior: &Prior, t: &[f64; LANES], by_log: bool) -> Positives {
    let mut out =
        Positives { value: [0.0; LANES], d_log: [1.0; LANES], log_density: [0.0; LANES], slope: [0.0; LANES] };
    for s in 0..LANES {
        let at = if by_log { prior.positive_by_log(t[s]) } else { prior.positive(t[s]) };
        (out.value[s], out.d_log[s], out.slope[s]) = (at.value, at.d_log, at.slope);
        out.log_density[s] = at.lprior + at.log_jacobian;
    }
    out
}

/// From the log density and its derivative at the parameters, given with their logs.
#[inline(always)]
fn from_log(t: &[f64; LANES], density: impl Fn(f64, f64) -> (f64, f64)) -> Positives {
    let mut out =
        Positives { value: [0.0; LANES], d_log: [1.0; LANES], log_density: [0.0; LANES], slope: [0.0; LANES] };
    for s in 0..LANES {
        let x = bounded_exp(t[s]);
        let (log_density, slope) = density(t[s], x);
        (out.value[s], out.log_density[s], out.slope[s]) = (x, log_density + t[s], slope * x + 1.0);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::PriorSpec;
    use approx::assert_relative_eq;

    #[test]
    fn lanes_agree_with_single_values() {
        let t = [-9.0, -2.0, -0.5, 0.0, 0.3, 1.0, 2.5, 6.0];
        let cases: [(&str, &[f64]); 8] = [
            ("student_t", &[3.0, 0.2, 0.7]),
            ("normal", &[0.1, 2.0]),
            ("lognormal", &[1.0, 0.6]),
            ("gamma", &[2.0, 0.3]),
            ("exponential", &[2.0]),
            ("inv_gamma", &[2.0, 0.3]),
            ("horseshoe_scale", &[0.3, 2.0]),
            ("uniform", &[0.0, 1e3]),
        ];
        for (dist, args) in cases {
            let prior = Prior::new(&PriorSpec { dist: dist.into(), args: args.to_vec() }, true).unwrap();
            let all = positives(&prior, &t, false);
            for s in 0..LANES {
                let one = prior.positive(t[s]);
                assert_relative_eq!(all.value[s], one.value, max_relative = 1e-14);
                assert_relative_eq!(all.d_log[s], one.d_log, max_relative = 1e-14);
                assert_relative_eq!(all.slope[s], one.slope, max_relative = 1e-12, epsilon = 1e-12);
                assert_relative_eq!(
                    all.log_density[s],
                    one.lprior + one.log_jacobian,
                    max_relative = 1e-12,
                    epsilon = 1e-12
                );
            }
        }
    }
}
