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
//! All loops run without branches, so that they turn into vector instructions: over counts at one `phi`, over draws at eight.

pub mod one;
mod series;

use crate::elementary::{ln, ln_ratio};
use crate::number::{Draws8, Real};
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
    /// Runs of `j` with the same weight: one past the last, and the weight.
    runs: Vec<(usize, f64)>,
    /// Number of larger counts, without padding.
    n_large: usize,
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
        let mut runs: Vec<(usize, f64)> = (1..).zip(above[..used].iter().copied()).collect();
        runs.dedup_by(|next, run| {
            let same = next.1 == run.1;
            run.0 = if same { next.0 } else { run.0 };
            same
        });
        Self {
            runs,
            n_large: large.len(),
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

    /// The same at eight `phi`.
    pub fn evaluate_eight(&self, log_phi: Draws8, phi: Draws8) -> [Draws8; 2] {
        Arch::new().dispatch(AtEight { rising: self, log_phi, phi })
    }
}

/// As [`Rising::evaluate`], at eight `phi`. A logarithm of a product of factors takes the place of theirs, which are taken over `phi`
/// where that is large: no product overflows.
struct AtEight<'a> {
    rising: &'a Rising,
    log_phi: Draws8,
    phi: Draws8,
}

impl NullaryFnOnce for AtEight<'_> {
    type Output = [Draws8; 2];

    #[inline(always)]
    fn call(self) -> [Draws8; 2] {
        let Self { rising, log_phi, phi } = self;
        let (scale, log_scale) = (phi.map(|phi| 1.0 / phi.max(1.0)), log_phi.map(|log| log.max(0.0)));
        let (first, mut value, mut slope, mut j) = (phi * scale, Draws8::ZERO, Draws8::ZERO, 0);
        for &(end, n) in &rising.runs {
            let (mut product, mut d, length) = (Draws8::splat(1.0), Draws8::ZERO, end - j);
            while j < end {
                let factor = first + scale * j as f64;
                d = d * factor + product;
                product *= factor;
                j += 1;
            }
            value += (product.ln() + log_scale * length as f64) * n;
            slope += d / product * n;
        }
        slope *= first;
        if rising.n_large == 0 {
            return [value, slope];
        }
        let base = phi + Draws8::splat(DIRECT as f64);
        let (start, mut rest, mut d_rest) = (SeriesStart::new(base, base.ln()), Draws8::ZERO, Draws8::ZERO);
        for (d, w) in rising.excess[..rising.n_large].iter().zip(&rising.weights) {
            let [value, slope] = start.term(Draws8::splat(*d));
            rest += value * *w;
            d_rest += slope * *w;
        }
        [value + rest, slope + phi * d_rest]
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

/// Where Stirling's series starts, and what all terms share there.
#[derive(Debug, Clone, Copy)]
struct SeriesStart<T> {
    base: T,
    from: T,
    below: T,
    d_below: T,
    linear: T,
}

impl<T: Real> SeriesStart<T> {
    #[inline(always)]
    fn new(base: T, log_base: T) -> Self {
        let from = base.recip();
        let (below, d_below) = (from.each(Series::ln_gamma), from.each(Series::digamma));
        Self { base, from, below, d_below, linear: log_base - T::splat(1.0) }
    }

    /// `ln Gamma(base + d) - ln Gamma(base)` and its derivative.
    #[inline(always)]
    fn term(&self, d: T) -> [T; 2] {
        let top = self.base + d;
        let (log, r) = (d.zip(self.base, ln_ratio), top.recip());
        let value = (top - T::splat(0.5)) * log + d * self.linear + r.each(Series::ln_gamma) - self.below;
        [value, log + d * 0.5 * self.from * r + r.each(Series::digamma) - self.d_below]
    }
}

/// Sum of these over the excesses `d`.
struct Stirling<'a> {
    rising: &'a Rising,
    base: f64,
}

impl NullaryFnOnce for Stirling<'_> {
    type Output = (f64, f64);

    #[inline(always)]
    fn call(self) -> (f64, f64) {
        let Rising { excess, weights, .. } = self.rising;
        let start = SeriesStart::new(self.base, self.base.ln());
        let (mut value, mut slope) = (0.0, 0.0);
        let (mut values, mut slopes) = ([0.0; LANES], [0.0; LANES]);
        for (d, w) in excess.chunks_exact(LANES).zip(weights.chunks_exact(LANES)) {
            for i in 0..LANES {
                let [value, slope] = start.term(d[i]);
                values[i] = w[i] * value;
                slopes[i] = w[i] * slope;
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
            let phi = Draws8([1e-4, 0.03, 0.7, 3.5, 12.0, 250.0, 1e5, 1e30]);
            let eight = rising.evaluate_eight(phi.ln(), phi);
            for s in 0..LANES {
                let (value, slope) = rising.evaluate(phi.0[s]);
                assert_relative_eq!(eight[0].0[s], value, max_relative = 1e-13);
                assert_relative_eq!(eight[1].0[s], slope, max_relative = 1e-13);
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
