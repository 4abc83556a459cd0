//! Mode of a log density by limited-memory BFGS (Nocedal and Wright 2006, algorithms 7.4 and 7.5).

use crate::density::LogDensity;
use crate::kernels::dot;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};

/// Correction pairs kept.
const MEMORY: usize = 12;
/// Largest move of a coordinate in one step: coordinates are of order one, and some are logs.
const LONGEST_STEP: f64 = 2.0;
/// A step must gain this share of what the gradient promises.
const SUFFICIENT: f64 = 1e-4;

struct Pair {
    step: Vec<f64>,
    change: Vec<f64>,
    rho: f64,
}

/// Climbs from `position` until the largest gradient entry is below `tolerance`, the density no
/// longer grows, or `max_iterations` are done. Returns the log density reached; the position is
/// the best found, never worse than the start.
pub fn climb<D: LogDensity>(
    density: &mut D, position: &mut Vec<f64>, max_iterations: usize, tolerance: f64, cancel: &AtomicBool,
) -> f64 {
    let mut gradient = vec![0.0; position.len()];
    let mut value = density.evaluate(position, &mut gradient);
    let mut pairs: VecDeque<Pair> = VecDeque::with_capacity(MEMORY);
    for _ in 0..max_iterations {
        if max_abs(&gradient) < tolerance || cancel.load(Ordering::Relaxed) {
            break;
        }
        let mut direction = ascent(&gradient, &pairs);
        if dot(&direction, &gradient) <= 0.0 {
            pairs.clear();
            direction.copy_from_slice(&gradient);
        }
        let first = if pairs.is_empty() { 1.0 / max_abs(&gradient).max(1.0) } else { 1.0 };
        let first = first.min(LONGEST_STEP / max_abs(&direction));
        let Some((next, next_gradient, next_value)) = search(density, position, value, &gradient, &direction, first)
        else {
            if pairs.is_empty() {
                break;
            }
            pairs.clear();
            continue;
        };
        remember(&mut pairs, position, &next, &gradient, &next_gradient);
        let gain = next_value - value;
        (*position, gradient, value) = (next, next_gradient, next_value);
        if gain < 1e-10 * (1.0 + value.abs()) {
            break;
        }
    }
    value
}

/// Backtracks along `direction`, from so much of it, to a sufficient increase: the position, its gradient and its value.
pub fn search<D: LogDensity>(
    density: &mut D, position: &[f64], value: f64, gradient: &[f64], direction: &[f64], first: f64,
) -> Option<(Vec<f64>, Vec<f64>, f64)> {
    let slope = dot(gradient, direction);
    let mut next_gradient = vec![0.0; position.len()];
    let mut step = first;
    for _ in 0..40 {
        let next: Vec<f64> = position.iter().zip(direction).map(|(x, d)| x + step * d).collect();
        let next_value = density.evaluate(&next, &mut next_gradient);
        let finite = next_value.is_finite() && next_gradient.iter().all(|g| g.is_finite());
        if finite && next_value >= value + SUFFICIENT * step * slope {
            return Some((next, next_gradient, next_value));
        }
        step *= 0.4;
    }
    None
}

fn ascent(gradient: &[f64], pairs: &VecDeque<Pair>) -> Vec<f64> {
    let mut direction = gradient.to_vec();
    let mut alphas = Vec::with_capacity(pairs.len());
    for pair in pairs.iter().rev() {
        let alpha = pair.rho * dot(&pair.step, &direction);
        axpy(-alpha, &pair.change, &mut direction);
        alphas.push(alpha);
    }
    if let Some(last) = pairs.back() {
        let scale = 1.0 / (last.rho * dot(&last.change, &last.change));
        direction.iter_mut().for_each(|d| *d *= scale);
    }
    for (pair, alpha) in pairs.iter().zip(alphas.iter().rev()) {
        let beta = pair.rho * dot(&pair.change, &direction);
        axpy(alpha - beta, &pair.step, &mut direction);
    }
    direction
}

/// Keeps a pair if the density is concave along it.
fn remember(pairs: &mut VecDeque<Pair>, from: &[f64], to: &[f64], g_from: &[f64], g_to: &[f64]) {
    let step: Vec<f64> = to.iter().zip(from).map(|(a, b)| a - b).collect();
    let change: Vec<f64> = g_from.iter().zip(g_to).map(|(a, b)| a - b).collect();
    let curvature = dot(&step, &change);
    if curvature > 1e-10 * dot(&change, &change).sqrt() * dot(&step, &step).sqrt() {
        if pairs.len() == MEMORY {
            pairs.pop_front();
        }
        pairs.push_back(Pair { step, change, rho: 1.0 / curvature });
    }
}

fn axpy(a: f64, x: &[f64], y: &mut [f64]) {
    y.iter_mut().zip(x).for_each(|(y, x)| *y += a * x);
}

fn max_abs(x: &[f64]) -> f64 {
    x.iter().fold(0.0, |m, v| m.max(v.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rosenbrock's valley, turned over: the maximum 0 is at (1, 1).
    struct Valley;
    impl LogDensity for Valley {
        fn dim(&self) -> usize {
            2
        }
        fn evaluate(&mut self, q: &[f64], g: &mut [f64]) -> f64 {
            let (a, b) = (1.0 - q[0], q[1] - q[0] * q[0]);
            g[0] = 2.0 * a + 400.0 * q[0] * b;
            g[1] = -200.0 * b;
            -a * a - 100.0 * b * b
        }
    }

    #[test]
    fn finds_the_top_of_a_bent_ridge() {
        let mut at = vec![-1.2, 1.0];
        climb(&mut Valley, &mut at, 500, 1e-8, &AtomicBool::new(false));
        assert!((at[0] - 1.0).abs() < 1e-5 && (at[1] - 1.0).abs() < 1e-5, "{at:?}");
    }
}
