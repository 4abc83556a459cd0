//! Energy, momentum, and the leapfrog step and other splittings under a diagonal metric.
//!
//! `H(q, p) = -log pi(q) + p' M^-1 p / 2` with diagonal `M^-1` (`inverse_mass`), so that
//! `p ~ N(0, M)` (Neal 2011, section 5.2).

use crate::density::LogDensity;
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

/// A symmetric splitting of a step: shares of the kicks, and of the drifts between them.
#[derive(Debug)]
pub struct Splitting {
    /// One more than drifts.
    pub kicks: &'static [f64],
    /// Each is followed by a gradient.
    pub drifts: &'static [f64],
}

const LEAPFROG: Splitting = Splitting { kicks: &[0.5, 0.5], drifts: &[1.0] };

/// A point of a trajectory with its cached gradient.
#[derive(Debug, Clone, Default)]
pub struct PhasePoint {
    /// Position.
    pub position: Vec<f64>,
    /// Momentum.
    pub momentum: Vec<f64>,
    /// Gradient of the log density at the position.
    pub gradient: Vec<f64>,
    /// Log density at the position.
    pub log_density: f64,
}

impl PhasePoint {
    /// Evaluates a density at `position`; the momentum is zero.
    pub fn at<D: LogDensity>(density: &mut D, position: Vec<f64>) -> Self {
        let mut gradient = vec![0.0; position.len()];
        let log_density = density.evaluate(&position, &mut gradient);
        Self { momentum: vec![0.0; position.len()], position, gradient, log_density }
    }

    /// Whether density and gradient are finite here.
    pub fn is_finite(&self) -> bool {
        self.log_density.is_finite() && self.gradient.iter().all(|g| g.is_finite())
    }

    /// Copies without allocating.
    pub fn copy_from(&mut self, other: &Self) {
        self.position.copy_from_slice(&other.position);
        self.momentum.copy_from_slice(&other.momentum);
        self.gradient.copy_from_slice(&other.gradient);
        self.log_density = other.log_density;
    }

    /// Draws a fresh momentum from `N(0, M)`.
    pub fn refresh<R: Rng>(&mut self, inverse_mass: &[f64], rng: &mut R) {
        for (p, m) in self.momentum.iter_mut().zip(inverse_mass) {
            let z: f64 = StandardNormal.sample(rng);
            *p = z / m.sqrt();
        }
    }

    /// `H`; plus infinity where the density vanishes, is infinite or is not a number.
    pub fn energy(&self, inverse_mass: &[f64]) -> f64 {
        let kinetic: f64 = self.momentum.iter().zip(inverse_mass).map(|(p, m)| p * p * m).sum();
        let energy = 0.5 * kinetic - self.log_density;
        if energy.is_nan() || energy == f64::NEG_INFINITY { f64::INFINITY } else { energy }
    }

    /// One step of signed size `step` of a symmetric splitting.
    pub fn split_step<D: LogDensity>(
        &mut self, density: &mut D, splitting: &Splitting, inverse_mass: &[f64], step: f64,
    ) {
        self.kick(splitting.kicks[0] * step);
        for (drift, kick) in splitting.drifts.iter().zip(&splitting.kicks[1..]) {
            for ((q, p), m) in self.position.iter_mut().zip(&self.momentum).zip(inverse_mass) {
                *q += drift * step * m * p;
            }
            self.log_density = density.evaluate(&self.position, &mut self.gradient);
            self.kick(kick * step);
        }
    }

    /// One leapfrog step of signed size `step`.
    pub fn leapfrog<D: LogDensity>(&mut self, density: &mut D, inverse_mass: &[f64], step: f64) {
        self.split_step(density, &LEAPFROG, inverse_mass, step);
    }

    fn kick(&mut self, step: f64) {
        self.momentum.iter_mut().zip(&self.gradient).for_each(|(p, g)| *p += step * g);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Normal;
    impl LogDensity for Normal {
        fn dim(&self) -> usize {
            2
        }
        fn evaluate(&mut self, q: &[f64], g: &mut [f64]) -> f64 {
            g.iter_mut().zip(q).for_each(|(g, q)| *g = -q);
            -0.5 * q.iter().map(|q| q * q).sum::<f64>()
        }
    }

    fn start() -> PhasePoint {
        let mut point = PhasePoint::at(&mut Normal, vec![0.3, -1.2]);
        point.momentum = vec![0.7, 0.4];
        point
    }

    #[test]
    fn leapfrog_is_reversible() {
        let (mut point, inverse_mass) = (start(), [1.0, 0.5]);
        (0..10).for_each(|_| point.leapfrog(&mut Normal, &inverse_mass, 0.3));
        (0..10).for_each(|_| point.leapfrog(&mut Normal, &inverse_mass, -0.3));
        point.position.iter().zip(&start().position).for_each(|(a, b)| assert!((a - b).abs() < 1e-12));
    }

    #[test]
    fn no_point_is_taken_for_an_infinite_density() {
        let energy = |log_density: f64| PhasePoint { log_density, ..start() }.energy(&[1.0, 1.0]);
        for log_density in [f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
            assert_eq!(energy(log_density), f64::INFINITY);
        }
        assert!(energy(-3.0).is_finite());
    }

    #[test]
    fn energy_error_falls_with_the_square_of_the_step() {
        let error = |step: f64| {
            let mut point = start();
            let before = point.energy(&[1.0, 1.0]);
            (0..(1.0 / step) as usize).for_each(|_| point.leapfrog(&mut Normal, &[1.0, 1.0], step));
            (point.energy(&[1.0, 1.0]) - before).abs()
        };
        let ratio = error(0.1) / error(0.05);
        assert!((3.5..4.5).contains(&ratio), "{ratio}");
    }
}
