//! Draws from a normal approximation at the mode, with the ratios that importance sampling needs.
//!
//! In whitened coordinates the approximation is standard. The scale parameters get a Student t with
//! 7 degrees of freedom instead, because their posteriors have long tails and importance sampling
//! needs a proposal with longer ones; all other coordinates are nearly normal by construction.

use crate::density::LogDensity;
use crate::special::ln_gamma;
use rand::Rng;
use rand_distr::{ChiSquared, Distribution, StandardNormal};
use std::f64::consts::PI;

/// Degrees of freedom of the scale parameters' proposal.
const DF: f64 = 7.0;

/// One proposal and its log density.
pub fn propose<R: Rng>(dim: usize, n_theta: usize, rng: &mut R, out: &mut [f64]) -> f64 {
    let normal = dim - n_theta;
    out.iter_mut().for_each(|y| *y = StandardNormal.sample(rng));
    let mut log_q: f64 = out[..normal].iter().map(|y| -0.5 * (y * y + (2.0 * PI).ln())).sum();
    if n_theta > 0 {
        let stretch = student_stretch(DF, rng);
        out[normal..].iter_mut().for_each(|y| *y *= stretch);
        log_q += log_student_t(DF, n_theta, out[normal..].iter().map(|y| y * y).sum());
    }
    log_q
}

/// Log density of a standard multivariate t with `df` degrees of freedom, `squares` the squared distance from its centre.
pub fn log_student_t(df: f64, dim: usize, squares: f64) -> f64 {
    let d = dim as f64;
    ln_gamma(0.5 * (df + d)) - ln_gamma(0.5 * df) - 0.5 * d * (df * PI).ln() - 0.5 * (df + d) * (squares / df).ln_1p()
}

/// What a draw of a standard normal distribution is multiplied by to be one of that.
pub fn student_stretch<R: Rng>(df: f64, rng: &mut R) -> f64 {
    let chi = ChiSquared::new(df).expect("positive degrees of freedom");
    (df / chi.sample(rng)).sqrt()
}

/// Log of target over proposal at a fresh proposal, written to `y`.
pub fn draw<D: LogDensity, R: Rng>(target: &mut D, n_theta: usize, rng: &mut R, y: &mut [f64], g: &mut [f64]) -> f64 {
    let log_q = propose(y.len(), n_theta, rng, y);
    target.evaluate(y, g) - log_q
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    /// The mean of exp(log ratio) is the target's normalising constant.
    struct Normal;
    impl LogDensity for Normal {
        fn dim(&self) -> usize {
            3
        }
        fn evaluate(&mut self, q: &[f64], g: &mut [f64]) -> f64 {
            g.copy_from_slice(q);
            -0.5 * q.iter().map(|q| q * q).sum::<f64>() - 1.5 * (2.0 * PI).ln() + 0.7
        }
    }

    #[test]
    fn ratios_give_the_normalising_constant() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        let (mut y, mut g) = ([0.0; 3], [0.0; 3]);
        let ratios: Vec<f64> = (0..20_000).map(|_| draw(&mut Normal, 2, &mut rng, &mut y, &mut g).exp()).collect();
        let mean = ratios.iter().sum::<f64>() / 2e4;
        let sd = (ratios.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / 2e4).sqrt();
        assert!((mean - 0.7_f64.exp()).abs() < 4.0 * sd / 2e4_f64.sqrt(), "{mean}");
    }
}
