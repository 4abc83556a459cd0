//! What a normal density leaves of the log of the target: a polynomial, by least squares through all values that are known.
//!
//! Values of a density have no noise, so a few hundred of them say more of its shape than as many weighted draws do. The correction of
//! the Student t that proposes is bounded, so that the corrected guide is a density too, and has its tails.

use crate::whiten::dense::solve_and_spread;
use faer::Mat;

/// Largest correction.
const BOUND: f64 = 3.0;
/// Values for each coefficient that a polynomial needs.
const PER_COEFFICIENT: usize = 3;
/// Precision of the coefficients about zero, in values.
const RIDGE: f64 = 0.01;

/// Of nothing, of second order, or with the cubes `y_i^2 y_j` too.
#[derive(Debug, Clone, Default)]
pub struct Correction {
    coefficients: Vec<f64>,
    has_cubes: bool,
}

/// In `d` dimensions.
fn n_coefficients(d: usize, has_cubes: bool) -> usize {
    1 + d + d * (d + 1) / 2 + if has_cubes { d * d } else { 0 }
}

impl Correction {
    /// Whether so many values are enough for cubes.
    pub fn has_cubes(d: usize, n_values: usize) -> bool {
        n_values >= PER_COEFFICIENT * n_coefficients(d, true)
    }

    /// Through `values` at `positions`, logs of target over normal density, as closely as their `weights` say.
    pub fn fit(positions: &[Vec<f64>], values: &[f64], weights: &[f64]) -> Self {
        let d = positions.first().map_or(0, Vec::len);
        let is_fitted = |&has_cubes: &bool| positions.len() >= PER_COEFFICIENT * n_coefficients(d, has_cubes);
        let Some(has_cubes) = [true, false].into_iter().find(is_fitted) else { return Self::default() };
        let n = n_coefficients(d, has_cubes);
        let (mut a, mut b) = (Mat::<f64>::identity(n, n) * faer::Scale(RIDGE), Mat::<f64>::zeros(n, 1));
        let mut row = vec![];
        for ((y, value), weight) in positions.iter().zip(values).zip(weights) {
            row.clear();
            each_power(y, has_cubes, |x| row.push(x));
            for (i, x) in row.iter().enumerate() {
                b[(i, 0)] += weight * x * value;
                row[..=i].iter().enumerate().for_each(|(j, z)| a[(i, j)] += weight * x * z);
            }
        }
        let (solution, _) = solve_and_spread(&a, &b);
        let coefficients: Vec<f64> = (0..n).map(|i| solution[(i, 0)]).collect();
        if coefficients.iter().all(|c| c.is_finite()) { Self { coefficients, has_cubes } } else { Self::default() }
    }

    /// At a position, with the log of the normal density over what proposes; nothing, if nothing was fitted.
    pub fn at(&self, y: &[f64], log_normal_ratio: f64) -> f64 {
        if self.coefficients.is_empty() {
            return 0.0;
        }
        let (mut sum, mut coefficients) = (log_normal_ratio, self.coefficients.iter());
        each_power(y, self.has_cubes, |x| sum += x * coefficients.next().expect("one for each power"));
        sum.clamp(-BOUND, BOUND)
    }
}

/// Powers of a position, in the order of their coefficients.
fn each_power(y: &[f64], has_cubes: bool, mut see: impl FnMut(f64)) {
    see(1.0);
    for (i, &a) in y.iter().enumerate() {
        see(a);
        y[..=i].iter().for_each(|b| see(a * b));
        if has_cubes {
            y.iter().for_each(|b| see(a * a * b));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> Vec<Vec<f64>> {
        let at = |i: usize| 2.0 * ((i as f64 * 0.618_033_988_749_894_9).fract() - 0.5);
        (0..90).map(|i| vec![at(i), at(7 * i + 3), at(i * i)]).collect()
    }

    fn fitted(n: usize, f: impl Fn(&[f64]) -> f64) -> Correction {
        let positions = &grid()[..n];
        let values: Vec<f64> = positions.iter().map(|y| f(y)).collect();
        Correction::fit(positions, &values, &vec![1e6; n])
    }

    #[test]
    fn polynomials_are_found_and_bounded() {
        let cubic = |y: &[f64]| 0.3 - 0.2 * y[0] + 0.4 * y[1] * y[2] + 0.1 * y[2].powi(3) - 0.3 * y[0] * y[0] * y[1];
        let square = |y: &[f64]| 0.3 - 0.2 * y[0] + 0.4 * y[1] * y[2];
        let (with_cubes, of_squares) = (fitted(90, cubic), fitted(40, square));
        for y in grid() {
            assert!((with_cubes.at(&y, 0.5) - 0.5 - cubic(&y)).abs() < 1e-4);
            assert!((of_squares.at(&y, 0.0) - square(&y)).abs() < 1e-4);
        }
        assert_eq!(with_cubes.at(&[0.0, 0.0, 1e3], 0.0), 3.0);
        assert_eq!(with_cubes.at(&[0.0, 0.0, -1e3], 0.0), -3.0);
        assert_eq!(fitted(20, cubic).at(&[0.1, 0.2, 0.3], 0.5), 0.0);
    }
}
