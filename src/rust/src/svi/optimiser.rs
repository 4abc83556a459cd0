//! Adam (Kingma and Ba 2015, algorithm 1).

/// Decay of the first and second moment and the guard of the division: the values of the paper.
const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// Running moments of the gradient.
#[derive(Debug, Clone)]
pub struct Adam {
    mean: Vec<f64>,
    square: Vec<f64>,
    n: i32,
}

impl Adam {
    /// For `n` parameters.
    pub fn new(n: usize) -> Self {
        Self { mean: vec![0.0; n], square: vec![0.0; n], n: 0 }
    }

    /// One step uphill of size `rate`.
    pub fn step(&mut self, parameters: &mut [f64], gradient: &[f64], rate: f64) {
        self.n += 1;
        let (c1, c2) = (1.0 - BETA_1.powi(self.n), 1.0 - BETA_2.powi(self.n));
        for (((p, g), m), s) in parameters.iter_mut().zip(gradient).zip(&mut self.mean).zip(&mut self.square) {
            *m = BETA_1 * *m + (1.0 - BETA_1) * g;
            *s = BETA_2 * *s + (1.0 - BETA_2) * g * g;
            *p += rate * (*m / c1) / ((*s / c2).sqrt() + EPSILON);
        }
    }
}
