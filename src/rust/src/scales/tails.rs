//! Effects with heavy tails: each level has a multiple `lambda` of its term's factor, so that given them all effects are normal,
//!
//! ```text
//! b_j = lambda_j L s_j,    lambda_j^2 ~ InvGamma(nu / 2, nu / 2)    or    lambda_j ~ half-Cauchy(1):
//! ```
//!
//! Student's distribution, or a horseshoe over levels (Carvalho, Polson and Scott 2010), of which `log lambda_j` is sampled. With
//! Student's distribution it is `v_j = log lambda_j^2 / c(nu)`, with `c(nu)^2 = 1/a + 1/a^2`, `a = nu / 2`, which is
//! close to the variance of `log lambda_j^2` for any `nu`: without it, multiples and degrees of freedom are a funnel.

use super::{ScaleGradient, ScalePriors, Scales};
use crate::number::Real;
use crate::prior::log_half_student_t;
use crate::special::ln_gamma;
use statrs::function::gamma::digamma;

/// Lower bound of degrees of freedom, as in brms.
pub(super) const LEAST_DF: f64 = 1.0;

/// Values of a term at the last position.
#[derive(Debug, Clone, Default)]
pub(super) struct Tail<T> {
    /// Degrees of freedom.
    df: T,
    /// Derivatives in its `theta` of its log, and of its prior with the Jacobian.
    df_slopes: [T; 2],
    /// Per level, `log lambda^2`.
    logs: Vec<T>,
}

/// `c(nu)` and the derivative of its log in `a = nu / 2`.
#[inline(always)]
fn unit<T: Real>(a: T) -> [T; 2] {
    let inverse = a.recip();
    let square = inverse + inverse * inverse;
    [square.sqrt(), (inverse * inverse + inverse * inverse * inverse * 2.0) / square * -0.5]
}

/// Squared multiples from the sampled values, whose log density is added.
#[inline(always)]
fn student_forward<T: Real>(df: T, local: &[T], tail: &mut Tail<T>, log_density: &mut T) {
    let a = df * 0.5;
    let [c, _] = unit(a);
    tail.df = df;
    tail.logs.clear();
    tail.logs.extend(local.iter().map(|v| *v * c));
    let constant = a * a.ln() - a.each(ln_gamma) + c.ln();
    for u in &tail.logs {
        *log_density += constant - a * *u - a * (-*u).exp();
    }
}

/// What is the same for all levels in the derivatives, and the sum of those in `a = nu / 2`.
struct StudentSlopes<T> {
    a: T,
    c: T,
    d_log_c: T,
    d_a: T,
}

impl<T: Real> StudentSlopes<T> {
    #[inline(always)]
    fn new(tail: &Tail<T>) -> Self {
        let a = tail.df * 0.5;
        let [c, d_log_c] = unit(a);
        let d_a = (a.ln() + T::splat(1.0) - a.each(digamma) + d_log_c) * tail.logs.len() as f64;
        Self { a, c, d_log_c, d_a }
    }

    /// In what is sampled of a level, from `log lambda^2` and the derivative in `log lambda`.
    #[inline(always)]
    fn of_level(&mut self, u: T, d_log_lambda: T) -> T {
        let inverse = (-u).exp();
        let d_u = d_log_lambda * 0.5 - self.a + self.a * inverse;
        self.d_a += d_u * u * self.d_log_c - u - inverse;
        self.c * d_u
    }
}

impl ScalePriors {
    /// Turns the factors of classes into those of levels, if the term has heavy tails.
    #[inline(always)]
    pub(super) fn tail_forward<T: Real>(&self, k: usize, theta: &[T], out: &mut Scales<T>) {
        let Some(places) = &self.layout.tails[k] else { return };
        let local = &theta[places.local.clone()];
        match places.df.zip(self.dfs[k].as_ref()) {
            Some((place, prior)) => {
                let df = prior.positive_above(theta[place], LEAST_DF);
                out.lprior += df.lprior;
                out.tails[k].df_slopes = [df.d_log, df.slope];
                out.log_jacobian += df.log_jacobian;
                student_forward(df.value, local, &mut out.tails[k], &mut out.log_jacobian);
            }
            None => {
                out.tails[k].logs.clear();
                for v in local {
                    out.tails[k].logs.push(*v * 2.0);
                    out.log_jacobian += log_half_student_t(1.0, *v)[0];
                }
            }
        }
        let tail = &out.tails[k];
        std::mem::swap(&mut out.base[k], &mut out.factor[k]);
        let size = out.base[k].len() / self.layout.n_classes[k];
        let factor = &mut out.factor[k];
        factor.clear();
        for (u, class) in tail.logs.iter().zip(self.class_of_levels(k)) {
            let lambda = (*u * 0.5).exp();
            factor.extend(out.base[k][class * size..(class + 1) * size].iter().map(|l| lambda * *l));
        }
    }

    /// Class of each level of term `k`.
    fn class_of_levels(&self, k: usize) -> impl Iterator<Item = usize> {
        let of_level = &self.classes[k];
        (0..).map(move |level| of_level.get(level).map_or(0, |&class: &u32| class as usize))
    }

    /// From derivatives in the factors of levels to those in the factors of classes, which take their place, and in what the levels
    /// are multiplied by.
    #[inline(always)]
    pub(super) fn tail_backward<T: Real>(
        &self, k: usize, at: &Scales<T>, upstream: &mut ScaleGradient<T>, d_theta: &mut [T],
    ) {
        let Some(places) = &self.layout.tails[k] else { return };
        let (tail, q) = (&at.tails[k], self.layout.n_coefs[k]);
        let mut student = places.df.map(|place| (place, StudentSlopes::new(tail)));
        // Sums over the levels of a class, of factors and then of logs.
        let mut sums = std::mem::take(&mut upstream.sums);
        let (of_levels, logs_of_levels) = (&upstream.factor[k], &upstream.log_sd[k]);
        let n_factors = at.base[k].len();
        sums.clear();
        sums.resize(n_factors + at.sd[k].len(), T::ZERO);
        let (factors, logs) = sums.split_at_mut(n_factors);
        let places = places.clone();
        for ((level, place), class) in places.local.enumerate().zip(self.class_of_levels(k)) {
            let u = tail.logs[level];
            let lambda = (u * 0.5).exp();
            let mut d_log_lambda = T::ZERO;
            for i in 0..q * q {
                let (d, l) = (of_levels[level * q * q + i], at.factor[k][level * q * q + i]);
                factors[class * q * q + i] += lambda * d;
                d_log_lambda += d * l;
            }
            for i in 0..q {
                logs[class * q + i] += logs_of_levels[level * q + i];
                d_log_lambda += logs_of_levels[level * q + i];
            }
            d_theta[place] += match &mut student {
                Some((_, slopes)) => slopes.of_level(u, d_log_lambda),
                None => d_log_lambda + log_half_student_t(1.0, u * 0.5)[1],
            };
        }
        if let Some((place, slopes)) = student {
            let [d_log, slope] = tail.df_slopes;
            d_theta[place] += slopes.d_a * slopes.a * d_log + slope;
        }
        upstream.factor[k].clear();
        upstream.factor[k].extend_from_slice(factors);
        upstream.log_sd[k].clear();
        upstream.log_sd[k].extend_from_slice(logs);
        upstream.sums = sums;
    }

    /// Degrees of freedom of all terms that have them, for the draws.
    pub fn df_draw(&self, at: &Scales) -> impl Iterator<Item = f64> {
        let tails = self.layout.tails.iter().zip(&at.tails);
        tails.filter(|(places, _)| places.as_ref().is_some_and(|p| p.df.is_some())).map(|(_, tail)| tail.df)
    }
}
