//! Mode and curvature of a density of few parameters by its values alone, many at a time: Newton steps by differences that are
//! as wide as the density is.

use super::values;
use crate::density::LogDensity;
use crate::whiten::dense::{multiply, multiply_transposed, upper_factor};
use faer::Mat;
use std::sync::atomic::AtomicBool;

/// Half-width of the first differences where nothing is known, of those that follow in standard deviations, and the largest.
pub const FIRST: f64 = 0.1;
const WIDTH: f64 = 0.7;
const WIDEST: f64 = 0.5;
/// Largest move of a coordinate.
const LONGEST_STEP: f64 = 1.5;
/// Gain in log density that is not worth a step.
const NO_GAIN: f64 = 0.02;
/// Gain after which the step is the last, where values are dear and what follows moves to the mode by itself: three standard deviations.
pub const NEAR: f64 = 5.0;
/// Length of such a step: further away a density need not look the same.
const SHORT: f64 = 0.2;
const MOST_STEPS: usize = 60;
const MOST_HALVINGS: usize = 12;

/// Half-widths of differences, by minus the second derivatives.
pub fn widths(curvature: &Mat<f64>) -> Vec<f64> {
    (0..curvature.ncols()).map(|j| (WIDTH / curvature[(j, j)].abs().max(1.0).sqrt()).min(WIDEST)).collect()
}

/// Values of a step in so many dimensions.
pub fn n_values(dim: usize) -> usize {
    2 + 2 * dim + dim * (dim - 1) / 2
}

/// From `start`, a position and half-widths of the first differences there: the mode and minus the second derivatives there, or those one
/// step before where that gains less than `near`. `None` if there is no way up from where nothing is finite, or after a cancel.
pub fn find<D: LogDensity + Clone + Send + Sync>(
    target: &D, start: (Vec<f64>, Vec<f64>), near: f64, threads: usize, cancel: &AtomicBool,
) -> Option<(Vec<f64>, Mat<f64>)> {
    let (mut at, mut widths) = start;
    let dim = at.len();
    let mut value =
        values(target, std::slice::from_ref(&at), threads, cancel).first().copied().filter(|v| v.is_finite())?;
    for _ in 0..MOST_STEPS {
        let (slope, curvature) = derivatives(target, &at, value, &widths, threads, cancel)?;
        let factor = upper_factor(&curvature)?;
        let (mut white, mut step) = (vec![0.0; dim], vec![0.0; dim]);
        multiply_transposed(&factor, &slope, &mut white);
        multiply(&factor, &white, &mut step);
        let gain = 0.5 * white.iter().map(|x| x * x).sum::<f64>();
        let wanted = self::widths(&curvature);
        let is_wide = widths.iter().zip(&wanted).all(|(have, want)| (0.5..2.0).contains(&(have / want)));
        if gain < NO_GAIN && is_wide {
            return Some((at, curvature));
        }
        let longest = step.iter().fold(0.0_f64, |m, s| m.max(s.abs()));
        if gain < near && longest < SHORT && is_wide {
            at.iter_mut().zip(&step).for_each(|(x, s)| *x += s);
            return Some((at, curvature));
        }
        widths = wanted;
        let mut share = (LONGEST_STEP / longest).min(1.0);
        for _ in 0..MOST_HALVINGS {
            let next: Vec<f64> = at.iter().zip(&step).map(|(x, s)| x + share * s).collect();
            let found = *values(target, std::slice::from_ref(&next), threads, cancel).first()?;
            if found > value {
                (at, value) = (next, found);
                break;
            }
            share *= 0.4;
        }
    }
    None
}

/// Slope and minus the second derivatives.
fn derivatives<D: LogDensity + Clone + Send + Sync>(
    target: &D, at: &[f64], value: f64, widths: &[f64], threads: usize, cancel: &AtomicBool,
) -> Option<(Vec<f64>, Mat<f64>)> {
    let dim = at.len();
    let moved = |moves: &[(usize, f64)]| {
        let mut x = at.to_vec();
        moves.iter().for_each(|&(j, sign)| x[j] += sign * widths[j]);
        x
    };
    let pairs: Vec<(usize, usize)> = (0..dim).flat_map(|i| (0..i).map(move |j| (i, j))).collect();
    let mut points: Vec<Vec<f64>> = (0..dim).flat_map(|j| [moved(&[(j, 1.0)]), moved(&[(j, -1.0)])]).collect();
    points.extend(pairs.iter().map(|&(i, j)| moved(&[(i, 1.0), (j, 1.0)])));
    let found = values(target, &points, threads, cancel);
    if found.len() < points.len() || found.iter().any(|v| !v.is_finite()) {
        return None;
    }
    let (up, down) = (|j: usize| found[2 * j], |j: usize| found[2 * j + 1]);
    let slope = (0..dim).map(|j| (up(j) - down(j)) / (2.0 * widths[j])).collect();
    let mut curvature = Mat::<f64>::zeros(dim, dim);
    (0..dim).for_each(|j| curvature[(j, j)] = (2.0 * value - up(j) - down(j)) / widths[j].powi(2));
    for (&(i, j), both) in pairs.iter().zip(&found[2 * dim..]) {
        let mixed = (up(i) + up(j) - value - both) / (widths[i] * widths[j]);
        (curvature[(i, j)], curvature[(j, i)]) = (mixed, mixed);
    }
    Some((slope, curvature))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Logs of two gamma variables, of which the second's rate is the first, and `size` of the first: their mode is `(0.4, 0.9)`, and
    /// minus the second derivatives there `[[1.5 size + 4, -4], [-4, 4]]`.
    #[derive(Clone)]
    struct Gammas {
        size: f64,
    }

    impl LogDensity for Gammas {
        fn dim(&self) -> usize {
            2
        }
        fn evaluate(&mut self, q: &[f64], _: &mut [f64]) -> f64 {
            let [a, b] = [q[0] - 0.4, q[1] - 0.5 - q[0]];
            1.5 * self.size * (a - a.exp()) + 4.0 * (b - b.exp())
        }
    }

    #[test]
    fn modes_near_and_far_are_found_with_their_curvature() {
        for (size, start) in [(1.0, 0.0), (1.0, -4.0), (1e6, 1.0), (1e6, -3.0)] {
            let from = (vec![start; 2], vec![FIRST; 2]);
            let (at, h) = find(&Gammas { size }, from.clone(), 0.0, 2, &AtomicBool::new(false)).unwrap();
            let (near, _) = find(&Gammas { size }, from, NEAR, 2, &AtomicBool::new(false)).unwrap();
            let sd = (1.5 * size).sqrt().recip();
            assert!((near[0] - 0.4).abs() < sd, "{near:?}");
            assert!((at[0] - 0.4).abs() < 0.4 * sd, "{at:?}");
            assert!((at[1] - at[0] - 0.5).abs() < 0.2, "{at:?}");
            assert!((h[(0, 0)] / (1.5 * size + 4.0) - 1.0).abs() < 0.3, "{h:?}");
            assert!((h[(1, 1)] / 4.0 - 1.0).abs() < 0.3, "{h:?}");
            assert!((h[(0, 1)] / 4.0 + 1.0).abs() < 0.3, "{h:?}");
        }
    }

    #[test]
    fn there_is_none_after_a_cancel() {
        assert!(find(&Gammas { size: 1.0 }, (vec![0.0; 2], vec![FIRST; 2]), 0.0, 2, &AtomicBool::new(true)).is_none());
    }
}
