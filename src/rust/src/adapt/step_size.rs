//! Step size by dual averaging (Hoffman and Gelman 2014, section 3.2.1 and algorithm 5).

/// Shrinkage towards the first guess, stability of early iterations and decay of the average:
/// the values of the paper.
const GAMMA: f64 = 0.05;
const T0: f64 = 10.0;
const KAPPA: f64 = 0.75;

/// State of the adaptation.
#[derive(Debug, Clone)]
pub struct DualAveraging {
    target: f64,
    mu: f64,
    error: f64,
    log_average: f64,
    log_step: f64,
    n: f64,
}

impl DualAveraging {
    /// Starts from `step_size` and aims at the mean acceptance statistic `target`.
    pub fn new(step_size: f64, target: f64) -> Self {
        let mut state = Self { target, mu: 0.0, error: 0.0, log_average: 0.0, log_step: 0.0, n: 0.0 };
        state.restart(step_size);
        state
    }

    /// Forgets the past; exploration starts at ten times `step_size`.
    pub fn restart(&mut self, step_size: f64) {
        self.mu = (10.0 * step_size).ln();
        self.error = 0.0;
        self.log_average = step_size.ln();
        self.log_step = step_size.ln();
        self.n = 0.0;
    }

    /// Learns from one acceptance statistic.
    pub fn update(&mut self, accept_stat: f64) {
        let accept_stat = if accept_stat.is_finite() { accept_stat.min(1.0) } else { 0.0 };
        self.n += 1.0;
        let eta = 1.0 / (self.n + T0);
        self.error += eta * (self.target - accept_stat - self.error);
        self.log_step = self.mu - self.error * self.n.sqrt() / GAMMA;
        let weight = self.n.powf(-KAPPA);
        self.log_average += weight * (self.log_step - self.log_average);
    }

    /// Step size for the next iteration of the warm-up.
    pub fn current(&self) -> f64 {
        self.log_step.exp()
    }

    /// Averaged step size, for use after the warm-up.
    pub fn adapted(&self) -> f64 {
        self.log_average.exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If acceptance is exp(-step), the optimum for 0.8 is -log(0.8).
    #[test]
    fn reaches_a_known_optimum() {
        let mut state = DualAveraging::new(3.0, 0.8);
        for _ in 0..2000 {
            state.update((-state.current()).exp());
        }
        assert!((state.adapted() - 0.2231).abs() < 0.01, "{}", state.adapted());
    }
}
