//! Diagonal inverse mass matrix from the variances of warm-up positions.

/// A window's estimate is shrunk towards 1 as if this many positions had said so. Positions are
/// whitened, so 1 (Stan shrinks to 0.001) is what a good whitening leaves.
const PRIOR_WEIGHT: f64 = 5.0;

/// Running means and sums of squares (Welford 1962).
#[derive(Debug, Clone)]
pub struct Variances {
    n: f64,
    mean: Vec<f64>,
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

    /// Overwrites the metric with the shrunk variances and forgets the positions.
    pub fn renew(&mut self, inverse_mass: &mut [f64]) {
        let n = self.n;
        for (m, s) in inverse_mass.iter_mut().zip(&self.squares) {
            let variance = s / (n - 1.0).max(1.0);
            *m = (n * variance + PRIOR_WEIGHT) / (n + PRIOR_WEIGHT);
        }
        *self = Self::new(self.mean.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variances_are_those_of_the_positions() {
        let mut v = Variances::new(1);
        (0..1000).for_each(|i| v.push(&[f64::from(i % 2) * 4.0]));
        let mut m = [0.0];
        v.renew(&mut m);
        let expected = (1000.0 * 4.0 * 1000.0 / 999.0 + 5.0) / 1005.0;
        assert!((m[0] - expected).abs() < 1e-9);
    }
}
