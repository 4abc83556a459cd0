//! Effects with Student's distribution: each level has a multiple `lambda` of its term's factor,
//!
//! ```text
//! b_j = lambda_j L s_j,    lambda_j^2 ~ InvGamma(nu / 2, nu / 2)
//! ```
//!
//! so that given them all effects are normal. What is sampled is `v_j = log lambda_j^2 / c(nu)`, with `c(nu)^2 = 1/a + 1/a^2`, `a = nu / 2`, which is
//! close to the variance of `log lambda_j^2` for any `nu`: without it, multiples and degrees of freedom are a funnel.

use super::{ScaleGradient, ScalePriors, Scales};
use crate::number::Real;
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

impl ScalePriors {
    /// Turns the factors of classes into those of levels, if the term has heavy tails.
    #[inline(always)]
    pub(super) fn tail_forward<T: Real>(&self, k: usize, theta: &[T], out: &mut Scales<T>) {
        let (Some(places), Some(prior)) = (&self.layout.tails[k], &self.dfs[k]) else { return };
        let df = prior.positive_above(theta[places.df], LEAST_DF);
        out.lprior += df.lprior;
        out.log_jacobian += df.log_jacobian;
        let a = df.value * 0.5;
        let [c, _] = unit(a);
        let tail = &mut out.tails[k];
        (tail.df, tail.df_slopes) = (df.value, [df.d_log, df.slope]);
        tail.logs.clear();
        tail.logs.extend(theta[places.local.clone()].iter().map(|v| *v * c));
        let constant = a * a.ln() - a.each(ln_gamma) + c.ln();
        for u in &tail.logs {
            out.log_jacobian += constant - a * *u - a * (-*u).exp();
        }
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
        let a = tail.df * 0.5;
        let [c, d_log_c] = unit(a);
        let of_levels = std::mem::replace(&mut upstream.factor[k], vec![T::ZERO; at.base[k].len()]);
        let logs_of_levels = std::mem::replace(&mut upstream.log_sd[k], vec![T::ZERO; at.sd[k].len()]);
        let mut d_a = (a.ln() + T::splat(1.0) - a.each(digamma) + d_log_c) * tail.logs.len() as f64;
        let places = places.clone();
        for ((level, place), class) in places.local.enumerate().zip(self.class_of_levels(k)) {
            let u = tail.logs[level];
            let (lambda, inverse) = ((u * 0.5).exp(), (-u).exp());
            let mut d_log_lambda = T::ZERO;
            for i in 0..q * q {
                let (d, l) = (of_levels[level * q * q + i], at.factor[k][level * q * q + i]);
                upstream.factor[k][class * q * q + i] += lambda * d;
                d_log_lambda += d * l;
            }
            for i in 0..q {
                upstream.log_sd[k][class * q + i] += logs_of_levels[level * q + i];
                d_log_lambda += logs_of_levels[level * q + i];
            }
            let d_u = d_log_lambda * 0.5 - a + a * inverse;
            d_theta[place] += c * d_u;
            d_a += d_u * u * d_log_c - u - inverse;
        }
        let [d_log, slope] = tail.df_slopes;
        d_theta[places.df] += d_a * a * d_log + slope;
    }

    /// Degrees of freedom of all terms that have them, for the draws.
    pub fn df_draw(&self, at: &Scales) -> impl Iterator<Item = f64> {
        self.layout.tails.iter().zip(&at.tails).filter(|(places, _)| places.is_some()).map(|(_, tail)| tail.df)
    }
}
