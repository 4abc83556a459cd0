//! Convergence of one variable's draws: rank-normalised split R-hat, bulk and tail effective sample size
//! (Vehtari et al. 2021), as the R package posterior computes them.

use statrs::distribution::{ContinuousCDF, Normal};

/// Normal scores of ranks and buffers, for draws of one shape; shared by many variables.
#[derive(Debug, Clone)]
pub struct Diagnostics {
    n_chains: usize,
    n_draws: usize,
    /// Normal score of rank `r / 2`, at `r`: ties have half ranks.
    scores: Vec<f64>,
    order: Vec<(f64, u32)>,
    z: Vec<f64>,
    folded: Vec<f64>,
}

impl Diagnostics {
    /// For `n_chains` chains of `n_draws` draws.
    pub fn new(n_chains: usize, n_draws: usize) -> Self {
        let used = 2 * (n_draws / 2) * n_chains;
        let normal = Normal::standard();
        // Blom's scores.
        let score = |r: usize| normal.inverse_cdf((0.5 * r as f64 - 0.375) / (used as f64 + 0.25));
        let scores = (0..=2 * used).map(|r| if r < 2 { f64::NAN } else { score(r) }).collect();
        Self { n_chains, n_draws, scores, order: vec![], z: vec![], folded: vec![] }
    }

    /// `(R-hat, bulk ESS)` of draws given chain after chain. Not numbers where the draws are
    /// constant, too few, or not finite.
    pub fn of(&mut self, draws: &[f64]) -> (f64, f64) {
        if !self.can_be_judged(draws) {
            return (f64::NAN, f64::NAN);
        }
        let middle = median(draws, &mut self.folded);
        self.folded.clear();
        self.folded.extend(draws.iter().map(|x| (x - middle).abs()));
        let folded = std::mem::take(&mut self.folded);
        self.normalise(&folded);
        self.folded = folded;
        let tail = self.rhat();
        self.normalise(draws);
        (self.rhat().max(tail), self.ess())
    }

    /// Tail ESS: the smaller of the effective sizes of the 5 and the 95 percent quantile.
    pub fn tail(&mut self, draws: &[f64]) -> f64 {
        if !self.can_be_judged(draws) {
            return f64::NAN;
        }
        self.folded.clear();
        self.folded.extend_from_slice(draws);
        self.folded.sort_unstable_by(f64::total_cmp);
        let [low, high] = [0.05, 0.95].map(|p| quantile(&self.folded, p));
        let [low, high] = [low, high].map(|q| self.ess_below(draws, q));
        // Not a number if either is.
        if low.is_nan() { low } else { low.min(high) + 0.0 * high }
    }

    fn can_be_judged(&self, draws: &[f64]) -> bool {
        debug_assert_eq!(draws.len(), self.n_chains * self.n_draws);
        let is_constant = draws.windows(2).all(|w| w[0] == w[1]);
        self.n_draws >= 4 && !is_constant && draws.iter().all(|x| x.is_finite())
    }

    /// Effective size of the indicator of values up to `q`.
    fn ess_below(&mut self, draws: &[f64], q: f64) -> f64 {
        let half = self.half();
        self.z.clear();
        for chain in draws.chunks_exact(self.n_draws) {
            let halves = chain[..half].iter().chain(&chain[self.n_draws - half..]);
            self.z.extend(halves.map(|x| f64::from(u8::from(*x <= q))));
        }
        if self.z.windows(2).all(|w| w[0] == w[1]) { f64::NAN } else { self.ess() }
    }

    fn half(&self) -> usize {
        self.n_draws / 2
    }

    /// Splits the chains (a middle draw belongs to neither half) and replaces values by the normal
    /// scores of their ranks among all.
    fn normalise(&mut self, draws: &[f64]) {
        let half = self.half();
        let starts = (0..self.n_chains).flat_map(|c| [c * self.n_draws, (c + 1) * self.n_draws - half]);
        self.order.clear();
        for start in starts {
            let at = self.order.len() as u32;
            self.order.extend(draws[start..start + half].iter().zip(at..).map(|(x, i)| (*x, i)));
        }
        self.order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        self.z.resize(self.order.len(), 0.0);
        let mut from = 0;
        for tied in self.order.chunk_by(|a, b| a.0 == b.0) {
            // Mean of the ranks from + 1, ..., from + tied.len(), doubled.
            let score = self.scores[2 * from + tied.len() + 1];
            tied.iter().for_each(|&(_, i)| self.z[i as usize] = score);
            from += tied.len();
        }
    }

    /// Potential scale reduction of the split and normalised chains.
    fn rhat(&self) -> f64 {
        let n = self.half() as f64;
        let moments: Vec<(f64, f64)> = self.z.chunks_exact(self.half()).map(mean_variance).collect();
        let means: Vec<f64> = moments.iter().map(|m| m.0).collect();
        let within = moments.iter().map(|m| m.1).sum::<f64>() / moments.len() as f64;
        ((n * mean_variance(&means).1 / within + n - 1.0) / n).sqrt()
    }

    /// Effective sample size of the split and normalised chains, by Geyer's initial monotone sequence.
    fn ess(&self) -> f64 {
        let n = self.half();
        if n < 3 {
            return f64::NAN;
        }
        let moments: Vec<(f64, f64)> = self.z.chunks_exact(n).map(mean_variance).collect();
        let means: Vec<f64> = moments.iter().map(|m| m.0).collect();
        let (m, n_f) = (means.len() as f64, n as f64);
        let within = moments.iter().map(|m| m.1).sum::<f64>() / m;
        let total = within * (n_f - 1.0) / n_f + mean_variance(&means).1;
        let rho = |lag: usize| 1.0 - (within - self.autocovariance(&means, lag)) / total;
        let rho = initial_sequence(n, rho);
        let last = rho.len() - 1;
        // A sequence of its first value alone counts it twice, as in posterior.
        let whole = if last == 0 { rho[0] } else { rho[..last].iter().sum() };
        let time = -1.0 + 2.0 * whole + rho[last];
        let size = m * n_f;
        size / time.max(1.0 / size.log10())
    }

    /// Mean over chains of the autocovariance at a lag.
    fn autocovariance(&self, means: &[f64], lag: usize) -> f64 {
        let n = self.half();
        let one =
            |(z, mean): (&[f64], &f64)| z.iter().zip(&z[lag..]).map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>();
        self.z.chunks_exact(n).zip(means).map(one).sum::<f64>() / (n * means.len()) as f64
    }
}

/// Autocorrelations up to the last pair with a positive sum, then one more if positive; sums of
/// pairs made to fall.
fn initial_sequence(n: usize, rho: impl Fn(usize) -> f64) -> Vec<f64> {
    let mut out = vec![1.0, rho(1)];
    let (mut even, mut sum, mut t) = (1.0, out[0] + out[1], 0);
    while t + 5 < n && sum > 0.0 {
        t += 2;
        even = rho(t);
        let odd = rho(t + 1);
        sum = even + odd;
        out.extend(if sum >= 0.0 { [even, odd] } else { [0.0; 2] });
    }
    out.truncate(t + 1);
    if even > 0.0 {
        out[t] = even;
    }
    for t in (2..=t.saturating_sub(2)).step_by(2) {
        let before = out[t - 2] + out[t - 1];
        if out[t] + out[t + 1] > before {
            out[t..t + 2].fill(0.5 * before);
        }
    }
    out
}

/// Of sorted values, as R's type 7.
fn quantile(x: &[f64], p: f64) -> f64 {
    let at = (x.len() - 1) as f64 * p;
    let (below, share) = (at as usize, at.fract());
    if share == 0.0 { x[below] } else { (1.0 - share) * x[below] + share * x[below + 1] }
}

fn mean_variance(x: &[f64]) -> (f64, f64) {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    let squares: f64 = x.iter().map(|v| (v - mean) * (v - mean)).sum();
    (mean, squares / (n - 1.0))
}

fn median(x: &[f64], scratch: &mut Vec<f64>) -> f64 {
    scratch.clear();
    scratch.extend_from_slice(x);
    let middle = x.len() / 2;
    let (below, &mut upper, _) = scratch.select_nth_unstable_by(middle, f64::total_cmp);
    if x.len() % 2 == 1 { upper } else { 0.5 * (below.iter().copied().fold(f64::MIN, f64::max) + upper) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    /// `i <- seq_len(n); sin(i * i * 0.37) + cumsum(cos(i * 1.7 + i^2 * 0.01)) / 3`
    fn draws(n: usize) -> Vec<f64> {
        let mut sum = 0.0;
        let one = |i: usize| {
            let i = i as f64;
            sum += (i * 1.7 + i * i * 0.01).cos();
            (i * i * 0.37).sin() + sum / 3.0
        };
        (1..=n).map(one).collect()
    }

    fn assert_agrees(chains: usize, x: &[f64], rhat: f64, ess: f64) {
        let found = Diagnostics::new(chains, x.len() / chains).of(x);
        assert_relative_eq!(found.0, rhat, max_relative = 1e-10);
        assert_relative_eq!(found.1, ess, max_relative = 1e-9);
    }

    /// R 4.2.2, posterior 1.4.0, x as above: `m <- matrix(x(n * k), n, k); c(rhat(m), ess_bulk(m))`;
    /// the last but one with `round(x)`, the last with `(-1)^(1:40) + x(40) / 1000`.
    #[test]
    fn agrees_with_posterior() {
        assert_agrees(1, &draws(20), 1.130_128_705_978_32, 7.708_679_572_074_74);
        assert_agrees(1, &draws(21), 1.049_235_535_751_99, 11.524_016_697_034_5);
        assert_agrees(1, &draws(301), 1.224_010_000_165_868, 3.610_400_811_380_028);
        assert_agrees(4, &draws(404), 1.526_668_412_139_01, 7.830_689_476_770_45);
        let tied: Vec<f64> = draws(600).iter().map(|x| x.round_ties_even()).collect();
        assert_agrees(2, &tied, 1.675_782_075_640_56, 3.265_978_085_072_14);
        let signs = draws(40).into_iter().zip(0..).map(|(x, i)| x / 1000.0 + if i % 2 == 0 { -1.0 } else { 1.0 });
        assert_agrees(1, &signs.collect::<Vec<_>>(), 1.016_612_990_590_44, 64.082_399_653_118_5);
    }

    #[test]
    fn few_draws_have_an_rhat_and_no_ess() {
        let (rhat, ess) = Diagnostics::new(1, 5).of(&draws(5));
        assert_relative_eq!(rhat, 1.932_361_681_750_88, max_relative = 1e-10);
        assert!(ess.is_nan());
        let (rhat, _) = Diagnostics::new(2, 4).of(&draws(8));
        assert_relative_eq!(rhat, 2.046_751_525_329_62, max_relative = 1e-10);
    }

    #[test]
    fn constant_or_unfinished_draws_have_none() {
        let mut diagnostics = Diagnostics::new(1, 10);
        assert!(diagnostics.of(&[2.0; 10]).0.is_nan());
        let mut x = draws(10);
        x[3] = f64::NAN;
        assert!(diagnostics.of(&x).0.is_nan() && diagnostics.of(&x).1.is_nan());
    }
}
