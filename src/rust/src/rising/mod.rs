//! Sums over counts of log rising factorials, `ln Gamma(phi + y) - ln Gamma(phi)`: what a negative
//! binomial with one shape needs of its counts, and all it needs of them but their sums.
//!
//! The first factors, below [`DIRECT`], are shared by the counts: `sum_j n_j log(phi + j)`, `n_j` the
//! weight of the counts above `j`. The rest starts at `b = phi + DIRECT`, where Stirling's series is
//! exact to rounding:
//!
//! ```text
//! ln Gamma(b + d) - ln Gamma(b) = (t - 1/2) log(t / b) + d (log b - 1) + s(t) - s(b),    t = b + d
//! ```
//!
//! All loops run without branches, so that they turn into vector instructions.

pub mod one;
mod series;

use crate::elementary::{ln, ln_ratio};
use crate::tuning::{DIRECT, LANES};
use pulp::{Arch, NullaryFnOnce};
use series::Terms;

type Series = Terms<5>;

/// Counts in the form of the sums; padded, so that loops have no remainder.
#[derive(Debug, Clone, Default)]
pub struct Rising {
    /// Weight of the counts above `j`.
    above: Vec<f64>,
    /// `j`.
    steps: Vec<f64>,
    /// What exceeds `DIRECT` in each larger count, and its weight.
    excess: Vec<f64>,
    weights: Vec<f64>,
}

impl Rising {
    /// From counts and their weights.
    pub fn new(counts: impl Iterator<Item = (f64, f64)>) -> Self {
        let (mut above, mut large) = ([0.0; DIRECT], vec![]);
        for (y, w) in counts {
            above.iter_mut().take(y.min(DIRECT as f64) as usize).for_each(|n| *n += w);
            if y > DIRECT as f64 {
                large.push((y - DIRECT as f64, w));
            }
        }
        large.sort_by(|a, b| a.0.total_cmp(&b.0));
        large.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            kept.1 += if same { next.1 } else { 0.0 };
            same
        });
        let used = DIRECT - above.iter().rev().take_while(|&&n| n == 0.0).count();
        let pad = |mut v: Vec<f64>, with: f64| {
            v.resize(v.len().next_multiple_of(LANES), with);
            v
        };
        Self {
            above: pad(above[..used].to_vec(), 0.0),
            steps: pad((0..used).map(|j| j as f64).collect(), 1.0),
            excess: pad(large.iter().map(|l| l.0).collect(), 1.0),
            weights: pad(large.iter().map(|l| l.1).collect(), 0.0),
        }
    }

    /// Whether there are no counts but zeros.
    pub fn is_empty(&self) -> bool {
        self.above.is_empty()
    }

    /// Weights of the counts above `j`, excesses of the larger counts, and their weights; padded with weights of zero.
    pub fn parts(&self) -> [&[f64]; 3] {
        [&self.above, &self.excess, &self.weights]
    }

    /// The sum and its derivative in `log phi`.
    pub fn evaluate(&self, phi: f64) -> (f64, f64) {
        let (value, slope) = Arch::new().dispatch(Direct { rising: self, phi });
        if self.excess.is_empty() {
            return (value, phi * slope);
        }
        let rest = Arch::new().dispatch(Stirling { rising: self, base: phi + DIRECT as f64 });
        (value + rest.0, phi * (slope + rest.1))
    }
}

/// `sum_j n_j log(phi + j)` and its derivative in phi.
struct Direct<'a> {
    rising: &'a Rising,
    phi: f64,
}

impl NullaryFnOnce for Direct<'_> {
    type Output = (f64, f64);

    #[inline(always)]
    fn call(self) -> (f64, f64) {
        let Rising { above, steps, .. } = self.rising;
        let (mut values, mut slopes) = ([0.0; DIRECT], [0.0; DIRECT]);
        let outputs = values.iter_mut().zip(&mut slopes);
        for ((n, j), (value, slope)) in above.iter().zip(steps).zip(outputs) {
            let x = self.phi + j;
            *value = n * ln(x);
            *slope = n / x;
        }
        (values.iter().sum(), slopes.iter().sum())
    }
}

/// Sum of `ln Gamma(base + d) - ln Gamma(base)` over the excesses `d`, and its derivative.
struct Stirling<'a> {
    rising: &'a Rising,
    base: f64,
}

impl NullaryFnOnce for Stirling<'_> {
    type Output = (f64, f64);

    #[inline(always)]
    fn call(self) -> (f64, f64) {
        let Rising { excess, weights, .. } = self.rising;
        let (base, from) = (self.base, 1.0 / self.base);
        let (below, d_below) = (Series::ln_gamma(from), Series::digamma(from));
        let linear = base.ln() - 1.0;
        let (mut value, mut slope) = (0.0, 0.0);
        let (mut values, mut slopes) = ([0.0; LANES], [0.0; LANES]);
        for (d, w) in excess.chunks_exact(LANES).zip(weights.chunks_exact(LANES)) {
            for i in 0..LANES {
                let top = base + d[i];
                let (log, r) = (ln_ratio(d[i], base), 1.0 / top);
                values[i] = w[i] * ((top - 0.5) * log + d[i] * linear + Series::ln_gamma(r) - below);
                slopes[i] = w[i] * (log + 0.5 * d[i] * from * r + Series::digamma(r) - d_below);
            }
            value += values.iter().sum::<f64>();
            slope += slopes.iter().sum::<f64>();
        }
        (value, slope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::special::rising_factorial::{d_ln_rising, ln_rising};
    use approx::assert_relative_eq;

    #[test]
    fn sums_are_those_of_the_counts() {
        let tables: [&[(f64, f64)]; 4] = [
            &[(1.0, 2.0), (3.0, 1.0), (16.0, 0.5)],
            &[(17.0, 1.0)],
            &[(0.0, 3.0), (40.0, 1.0), (1234.0, 2.5), (40.0, 2.0), (7.0, 1.0), (2e6, 1.0), (900.0, 0.0)],
            &[],
        ];
        for table in tables {
            let rising = Rising::new(table.iter().copied());
            for phi in [1e-4, 0.03, 0.7, 3.5, 12.0, 250.0, 1e5] {
                let (value, slope) = rising.evaluate(phi);
                let expected: f64 = table.iter().map(|&(y, w)| w * ln_rising(phi, y)).sum();
                let d_expected: f64 = table.iter().map(|&(y, w)| w * phi * d_ln_rising(phi, y)).sum();
                assert_relative_eq!(value, expected, max_relative = 1e-12);
                assert_relative_eq!(slope, d_expected, max_relative = 1e-10);
            }
        }
    }

    /// As phi grows the sum less `y log(phi)` tends to `y (y - 1) / (2 phi)`.
    #[test]
    fn keeps_its_digits_at_the_poisson_limit() {
        let (phi, y) = (1e12_f64, 1000.0);
        let (value, _) = Rising::new([(y, 1.0)].into_iter()).evaluate(phi);
        assert!((value - y * phi.ln() - y * (y - 1.0) / (2.0 * phi)).abs() < 2e-8);
    }
}
