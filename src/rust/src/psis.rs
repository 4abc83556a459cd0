//! Pareto-smoothed importance sampling (Vehtari et al. 2024): weights of an approximation's draws
//! and k-hat, which says whether they can be trusted. The values are those of the R package loo.

use rand::{Rng, RngExt};

/// Grid points of the profile likelihood besides the square root of the tail's length.
const MIN_GRID: usize = 30;
/// Weight of the prior guess 0.5 of k-hat, in draws.
const PRIOR_WEIGHT: f64 = 10.0;
/// A tail shorter than this has no shape.
const SHORTEST_TAIL: usize = 5;
/// Above this k-hat weights cannot be trusted (Vehtari et al. 2024), unless they hardly vary: a mean moves by no more
/// than the coefficient of variation of the weights times its posterior sd (Cauchy and Schwarz), whatever shape a tail of
/// this size has.
const MAX_KHAT: f64 = 0.7;
const EVEN: f64 = 1e-4;

/// Ratios over the largest; those that are not finite are zero. `None` if all are.
fn ratios(logs: &[f64]) -> Option<Vec<f64>> {
    let top = logs.iter().copied().filter(|r| r.is_finite()).fold(f64::NEG_INFINITY, f64::max);
    (top > f64::NEG_INFINITY).then(|| logs.iter().map(|r| if r.is_finite() { (r - top).exp() } else { 0.0 }).collect())
}

/// Smoothed weights with their diagnostics.
#[derive(Debug, Clone)]
pub struct Weights {
    /// One per draw; they sum to 1.
    pub values: Vec<f64>,
    /// Shape of the generalised Pareto distribution of the largest ratios; infinite if none fits.
    pub khat: f64,
}

impl Weights {
    /// From logs of target over approximation. What is not finite gets no weight.
    pub fn from_log_ratios(log_ratios: &[f64]) -> Self {
        let n = log_ratios.len();
        let Some(mut values) = ratios(log_ratios) else {
            return Self { values: vec![1.0 / n as f64; n], khat: f64::INFINITY };
        };
        let raw = Self::normalised(values.clone(), f64::NEG_INFINITY);
        let khat = smooth_tail(&mut values);
        if khat > MAX_KHAT && raw.spread() < EVEN { raw } else { Self::normalised(values, khat) }
    }

    /// k-hat of ratios whose draws come in pairs, at either side of the proposal's centre, of which one is then taken by weight. That moves
    /// the mean as far as it must, but for a rest of the square of the ratios' coefficient of variation. Where this square is as small as
    /// the coefficient itself has to be without weighing the ratios hardly vary, and a tail's shape says nothing: minus infinity. Ratios
    /// that pool over scales have heavy tails at any size.
    pub fn khat_of_paired(log_ratios: &[f64]) -> f64 {
        let Some(mut values) = ratios(log_ratios) else { return f64::INFINITY };
        let spread = Self::normalised(values.clone(), f64::NEG_INFINITY).spread();
        let khat = smooth_tail(&mut values);
        if khat.is_finite() && spread < EVEN.sqrt() { f64::NEG_INFINITY } else { khat }
    }

    /// Square of the coefficient of variation.
    fn spread(&self) -> f64 {
        self.values.len() as f64 / self.ess() - 1.0
    }

    fn normalised(mut values: Vec<f64>, khat: f64) -> Self {
        let sum: f64 = values.iter().sum();
        values.iter_mut().for_each(|w| *w /= sum);
        Self { values, khat }
    }

    /// Effective sample size of the weighted draws.
    pub fn ess(&self) -> f64 {
        1.0 / self.values.iter().map(|w| w * w).sum::<f64>()
    }

    /// `n` draws by systematic resampling, in random order: a draw of weight `w` is taken `floor(n w)`
    /// or `ceiling(n w)` times.
    pub fn resample<R: Rng>(&self, n: usize, rng: &mut R) -> Vec<usize> {
        let start: f64 = rng.random();
        let (mut at, mut below) = (0, self.values[0]);
        let mut out: Vec<usize> = (0..n)
            .map(|i| {
                while (i as f64 + start) / n as f64 > below && at + 1 < self.values.len() {
                    at += 1;
                    below += self.values[at];
                }
                at
            })
            .collect();
        (1..n).rev().for_each(|i| out.swap(i, rng.random_range(0..=i)));
        out
    }
}

/// Replaces the largest weights by quantiles of the distribution fitted to them; returns k-hat.
fn smooth_tail(weights: &mut [f64]) -> f64 {
    let n = weights.len();
    let length = (0.2 * n as f64).min(3.0 * (n as f64).sqrt()).ceil() as usize;
    if length < SHORTEST_TAIL {
        return f64::INFINITY;
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| weights[a].total_cmp(&weights[b]));
    let (rest, tail) = order.split_at(n - length);
    let cutoff = weights[rest[rest.len() - 1]];
    let excess: Vec<f64> = tail.iter().map(|&i| weights[i] - cutoff).collect();
    if weights[tail[0]] == weights[tail[length - 1]] {
        // Equal ratios need no smoothing: the approximation is the target.
        return f64::NEG_INFINITY;
    }
    let (k, sigma) = fit_pareto(&excess);
    if !k.is_finite() {
        return f64::INFINITY;
    }
    for (i, &at) in tail.iter().enumerate() {
        let p = (i as f64 + 0.5) / length as f64;
        weights[at] = (cutoff + quantile(p, k, sigma)).min(1.0);
    }
    k
}

/// Shape and scale of a generalised Pareto distribution from sorted excesses (Zhang and Stephens
/// 2009), the shape shrunk towards 0.5.
fn fit_pareto(x: &[f64]) -> (f64, f64) {
    let n = x.len() as f64;
    let quartile = x[(0.25 * n + 0.5) as usize - 1];
    let m = (MIN_GRID + (n.sqrt() as usize)) as f64;
    let grid = |j: usize| 1.0 / x[x.len() - 1] + (1.0 - (m / (j as f64 + 0.5)).sqrt()) / (3.0 * quartile);
    let thetas: Vec<f64> = (0..m as usize).map(grid).collect();
    let shape = |theta: f64| x.iter().map(|x| (-theta * x).ln_1p()).sum::<f64>() / n;
    let profile = |&theta: &f64| {
        let k = shape(theta);
        n * ((-theta / k).ln() - k - 1.0)
    };
    let profiles: Vec<f64> = thetas.iter().map(profile).collect();
    let top = profiles.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (mut weights, mut theta) = (0.0, 0.0);
    for (t, p) in thetas.iter().zip(&profiles) {
        let w = (p - top).exp();
        weights += w;
        theta += w * t;
    }
    let theta = theta / weights;
    let k = shape(theta);
    let sigma = -k / theta;
    ((k * n + 0.5 * PRIOR_WEIGHT) / (n + PRIOR_WEIGHT), sigma)
}

fn quantile(p: f64, k: f64, sigma: f64) -> f64 {
    let exponential = -(-p).ln_1p();
    if k == 0.0 { sigma * exponential } else { sigma * (k * exponential).exp_m1() / k }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    /// R 4.2.2, loo 2.5.1, with `s` 0.2, 0.5 and 1:
    /// ```r
    /// r <- sapply(1:1000, function(i) -1.1 * log((i * 0.6180339887498949) %% 1) + sin(i))
    /// p <- loo::psis(s * r, r_eff = 1); w <- weights(p, log = FALSE); c(p$diagnostics$pareto_k, 1 / sum(w^2))
    /// ```
    #[test]
    fn agrees_with_loo() {
        let ratio = |i: usize| -1.1 * (i as f64 * 0.618_033_988_749_894_9).fract().ln() + (i as f64).sin();
        let cases = [
            (0.2, 0.356_847_414_110_483, 901.127_261_036_707),
            (0.5, 0.664_311_541_692_415, 301.124_731_984_441),
            (1.0, 1.159_355_405_093_68, 10.543_026_731_368_4),
        ];
        for (s, khat, ess) in cases {
            let weights = Weights::from_log_ratios(&(1..=1000).map(|i| s * ratio(i)).collect::<Vec<_>>());
            assert_relative_eq!(weights.khat, khat, max_relative = 1e-9);
            assert_relative_eq!(weights.ess(), ess, max_relative = 1e-9);
        }
    }

    #[test]
    fn equal_ratios_are_kept_and_no_ratio_is_refused() {
        let equal = Weights::from_log_ratios(&[3.0; 100]);
        assert!(equal.khat == f64::NEG_INFINITY && (equal.ess() - 100.0).abs() < 1e-9);
        assert_eq!(Weights::from_log_ratios(&[f64::NEG_INFINITY; 50]).khat, f64::INFINITY);
        let weights = Weights::from_log_ratios(&[f64::NAN, 0.0, -1.0, f64::NEG_INFINITY]);
        assert!(weights.values[0] == 0.0 && weights.values[3] == 0.0 && weights.values[1] > 0.7);
    }

    /// A heavy tail of ratios that are all but equal is no reason for distrust; the same tail, larger, is.
    #[test]
    fn ratios_that_hardly_vary_are_trusted() {
        let ratios = |size: f64| -> Vec<f64> { (1..=1000).map(|i| size * (1000.0 / f64::from(i)).powi(3)).collect() };
        let even = Weights::from_log_ratios(&ratios(1e-13));
        assert!(even.khat == f64::NEG_INFINITY && (even.ess() - 1000.0).abs() < 0.1, "{} {}", even.khat, even.ess());
        assert!(Weights::from_log_ratios(&ratios(1e-8)).khat > 0.7);
        let outside: Vec<f64> = (0..1000).map(|i| if i % 3 == 0 { f64::NEG_INFINITY } else { 0.0 }).collect();
        let weights = Weights::from_log_ratios(&outside);
        assert!(weights.khat <= 0.7 && weights.values[0] == 0.0, "{}", weights.khat);
        assert_eq!(Weights::from_log_ratios(&[f64::INFINITY, 0.0, 0.0]).values, [0.0, 0.5, 0.5]);
    }

    /// Normal logs at scales that differ by four powers of ten, as those of a block: heavy tails whatever the scale of them all.
    #[test]
    fn pooled_ratios_of_pairs_are_trusted_where_they_hardly_vary() {
        let pooled = |size: f64| -> Vec<f64> {
            let one = |i: usize| {
                let scale = (9.0 * ((i as f64 * 0.618_033_988_749_894_9).fract() - 1.0)).exp();
                size * scale * (2.0 * (i as f64 * 0.414_213_562_373_095).fract() - 1.0)
            };
            (1..=500).map(one).collect()
        };
        for (size, is_even) in [(0.02, true), (0.2, true), (1.0, false)] {
            let (khat, plain) = (Weights::khat_of_paired(&pooled(size)), Weights::from_log_ratios(&pooled(size)).khat);
            assert_eq!(khat, if is_even { f64::NEG_INFINITY } else { plain }, "{size}");
        }
        // Too few for a shape, and none at all.
        assert_eq!(Weights::khat_of_paired(&[0.01, 0.02, 0.03, 0.0]), f64::INFINITY);
        assert_eq!(Weights::khat_of_paired(&[f64::NEG_INFINITY; 50]), f64::INFINITY);
    }

    #[test]
    fn resampling_takes_draws_in_proportion() {
        let values: Vec<f64> = (0..10).map(|i| f64::from(i) / 45.0).collect();
        let weights = Weights { values, khat: 0.0 };
        let drawn = weights.resample(450, &mut ChaCha8Rng::seed_from_u64(1));
        for i in 0..10 {
            let n = drawn.iter().filter(|&&d| d == i).count();
            assert!(n.abs_diff(10 * i) <= 1, "{i}: {n}");
        }
        assert!(!drawn.is_sorted());
    }
}
