//! Polynomials of a total degree, by least squares.

use crate::whiten::dense::solve_and_spread;
use faer::Mat;
use std::sync::Arc;

/// Precision of the coefficients about zero, over that of a value of weight one.
const RIDGE: f64 = 1e-9;

/// A polynomial in several coordinates.
#[derive(Debug, Clone)]
pub struct Polynomial {
    /// Each term but the first, which is one, as an earlier term times a coordinate.
    terms: Arc<Vec<(usize, usize)>>,
    coefficients: Vec<f64>,
}

/// Number of terms: `choose(dim + degree, degree)`.
pub fn n_terms(dim: usize, degree: usize) -> usize {
    (1..=degree).fold(1, |n, k| n * (dim + k) / k)
}

/// Terms whose coordinates do not fall, so that each is there once.
fn terms(dim: usize, degree: usize) -> Vec<(usize, usize)> {
    let (mut out, mut last): (Vec<(usize, usize)>, _) = (vec![], 0..1);
    for _ in 0..degree {
        let first = out.len() + 1;
        for of in last {
            let lowest = if of == 0 { 0 } else { out[of - 1].1 };
            out.extend((lowest..dim).map(|coordinate| (of, coordinate)));
        }
        last = first..out.len() + 1;
    }
    out
}

impl Polynomial {
    /// Through `values` at `positions`, as closely as their `weights` say. `None` where that is not finite.
    pub fn fit(degree: usize, positions: &[Vec<f64>], values: &[f64], weights: &[f64]) -> Option<Self> {
        let terms = Arc::new(terms(positions.first()?.len(), degree));
        let n = terms.len() + 1;
        let (mut rows, mut right) = (Mat::<f64>::zeros(positions.len(), n), Mat::<f64>::zeros(positions.len(), 1));
        let mut powers = vec![];
        for (at, ((y, value), weight)) in positions.iter().zip(values).zip(weights).enumerate() {
            set_powers(&terms, y, &mut powers);
            powers.iter().enumerate().for_each(|(j, x)| rows[(at, j)] = weight.sqrt() * x);
            right[(at, 0)] = weight.sqrt() * value;
        }
        let ridge = Mat::<f64>::identity(n, n) * faer::Scale(RIDGE);
        let (solution, _) = solve_and_spread(&(rows.transpose() * &rows + ridge), &(rows.transpose() * right));
        let coefficients: Vec<f64> = (0..n).map(|i| solution[(i, 0)]).collect();
        coefficients.iter().all(|c| c.is_finite()).then_some(Self { terms, coefficients })
    }

    /// At a position; `powers` is memory that is kept.
    pub fn at(&self, y: &[f64], powers: &mut Vec<f64>) -> f64 {
        set_powers(&self.terms, y, powers);
        crate::kernels::dot(powers, &self.coefficients)
    }
}

fn set_powers(terms: &[(usize, usize)], y: &[f64], powers: &mut Vec<f64>) {
    powers.clear();
    powers.push(1.0);
    terms.iter().for_each(|&(of, coordinate)| powers.push(powers[of] * y[coordinate]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_term_is_there_once() {
        for (dim, degree, n) in [(1, 4, 5), (3, 3, 20), (3, 4, 35), (6, 3, 84), (6, 4, 210)] {
            assert_eq!((terms(dim, degree).len() + 1, n_terms(dim, degree)), (n, n));
        }
        let mut powers = vec![];
        set_powers(&terms(2, 3), &[2.0, 3.0], &mut powers);
        assert_eq!(powers, [1.0, 2.0, 3.0, 4.0, 6.0, 9.0, 8.0, 12.0, 18.0, 27.0]);
    }

    #[test]
    fn polynomials_are_found() {
        let f = |y: &[f64]| 0.3 - y[0] + 0.5 * y[0] * y[1] * y[2] - 0.2 * y[2].powi(4) + 0.1 * y[1].powi(2) * y[0];
        let at = |i: usize| 2.0 * (i as f64 * 0.618_033_988_749_894_9).fract() - 1.0;
        let positions: Vec<Vec<f64>> = (0..60).map(|i| vec![at(i), at(7 * i + 3), at(i * i)]).collect();
        let values: Vec<f64> = positions.iter().map(|y| f(y)).collect();
        let found = Polynomial::fit(4, &positions, &values, &[2.0; 60]).unwrap();
        for y in [[0.1, -0.4, 0.9], [1.5, 0.3, -1.2]] {
            assert!((found.at(&y, &mut vec![]) - f(&y)).abs() < 1e-5);
        }
        assert!(Polynomial::fit(1, &positions, &[f64::NAN; 60], &[1.0; 60]).is_none());
    }
}
