//! Diagonal inverse mass matrix from the variances of warm-up positions.

/// A window's estimate is shrunk, on the log scale, towards the metric in use as if this many
/// positions had said so. Positions are whitened and the first metric is 1: what a good whitening
/// leaves (Stan shrinks to 0.001 on the natural scale).
const PRIOR_WEIGHT: f64 = 5.0;

/// Running means and sums of squares (Welford 1962).
#[derive(Debug, Clone)]
pub struct Variances {
    n: f64,
    /// Of the positions so far.
    pub mean: Vec<f64>,
    squares: Vec<f64>,
}

impl Variances {
    /// For positions of length `dim`.
    pub fn new(dim: usize) -> Self {
        Self { n: 0.0, mean: vec![0.0; dim], squares: vec![0.0; dim] }
    }

    /// Adds a position.
    pub fn push(&mut self, position: &[f64]) {
        self.n += 1.0;
        for ((mean, squares), x) in self.mean.iter_mut().zip(&mut self.squares).zip(position) {
            let d = x - *mean;
            *mean += d / self.n;
            *squares += d * (x - *mean);
        }
    }

    /// Variances of the positions so far; not numbers or infinite if there are fewer than two.
    pub fn variances(&self) -> impl Iterator<Item = f64> {
        self.squares.iter().map(|s| s / (self.n - 1.0))
    }

    /// Forgets the positions.
    pub fn clear(&mut self) {
        self.n = 0.0;
        self.mean.fill(0.0);
        self.squares.fill(0.0);
    }

    /// Overwrites the metric with the shrunk variances and forgets the positions.
    pub fn renew(&mut self, inverse_mass: &mut [f64]) {
        let n = self.n;
        for (m, variance) in inverse_mass.iter_mut().zip(self.variances()) {
            if variance > 0.0 && variance.is_finite() {
                *m = ((n * variance.ln() + PRIOR_WEIGHT * m.ln()) / (n + PRIOR_WEIGHT)).exp();
            }
        }
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variances_are_those_of_the_positions() {
        let mut v = Variances::new(1);
        (0..1000).for_each(|i| v.push(&[f64::from(i % 2) * 4.0]));
        let mut m = [1.0];
        v.renew(&mut m);
        let expected = (4000.0_f64 / 999.0).powf(1000.0 / 1005.0);
        assert!((m[0] - expected).abs() < 1e-9);
    }
}
