//! Where a guide starts: the map's centre at the mode, coordinates bent there, and the root of the inverse Hessian.

use super::centre;
use super::target::Target;
use crate::natural::bend::Bend;
use crate::natural::dense::{factor, identity, invert_lower, solve, symmetrise};
use crate::natural::guide::Guide;
use crate::natural::lane::Lane;
use crate::tuning::{
    DIFFERENCE, GRID, LANES, LONGEST_SD, LONGEST_STEP, MIN_CURVATURE, RIDGES, ROUNDS, SMALL_DECREMENT,
};
use std::ops::Range;

/// Centres `target` at its mode, and finds the guide of the normal approximation there. `None` where the density is not
/// finite.
pub fn start(target: &mut Target) -> Option<Guide> {
    let mut climb = ModeSearch::new(target);
    climb.run(target)?;
    bend(target, &mut climb);
    climb.hessian(target)
}

/// Positions and gradients of differences about the mode.
struct ModeSearch {
    y: Vec<Lane>,
    /// Gradient at the centre.
    gradient: Vec<f64>,
    /// Rows of the Hessian, with the sign turned, of the coordinates last asked for; `[d]` each.
    rows: Vec<f64>,
}

impl ModeSearch {
    fn new(target: &Target) -> Self {
        let d = target.frame.dim();
        Self { y: vec![Lane::ZERO; d], gradient: vec![0.0; d], rows: vec![0.0; d * d] }
    }

    /// Centre, gradient, Newton's step for the scales and a step for the rest, until nothing is gained.
    fn run(&mut self, target: &mut Target) -> Option<()> {
        let (n, d) = (target.frame.n, target.frame.dim());
        let mut at = centre::rough(target);
        for _ in 0..ROUNDS {
            centre::at(target, &at);
            let value = self.differences(target, n..d, DIFFERENCE);
            if !value.is_finite() {
                return None;
            }
            let direction = self.newton(n, d);
            let decrement: f64 = direction.iter().zip(&self.gradient).map(|(s, g)| s * g).sum();
            if decrement < SMALL_DECREMENT || !self.search(target, &direction, value, &mut at) {
                return decrement.is_finite().then_some(());
            }
        }
        Some(())
    }

    /// Gradient at zero and, for each coordinate in `range`, that row of the Hessian with the sign turned.
    fn differences(&mut self, target: &mut Target, range: Range<usize>, step: f64) -> f64 {
        let (mut value, mut places) = (f64::NAN, range.clone());
        while places.start < range.end || value.is_nan() {
            // The first call has zero in its last lanes.
            let is_first = places.start == range.start;
            let n = (LANES / 2 - usize::from(is_first)).min(places.len());
            let values = self.around(target, places.start..places.start + n, step);
            if is_first {
                value = values.0[LANES - 1];
                self.gradient.iter_mut().zip(&target.gradient).for_each(|(out, g)| *out = g.0[LANES - 1]);
                if !value.is_finite() {
                    return value;
                }
            }
            places.start += n;
        }
        value
    }

    /// Rows of the Hessian from both sides of zero, two lanes each.
    fn around(&mut self, target: &mut Target, places: Range<usize>, step: f64) -> Lane {
        let d = self.y.len();
        self.y.fill(Lane::ZERO);
        for (s, place) in places.clone().enumerate() {
            (self.y[place].0[2 * s], self.y[place].0[2 * s + 1]) = (step, -step);
        }
        let values = target.evaluate(&self.y);
        for (s, place) in places.enumerate() {
            let row = &mut self.rows[place * d..(place + 1) * d];
            let slope = |g: &Lane| -(g.0[2 * s] - g.0[2 * s + 1]) / (2.0 * step);
            row.iter_mut().zip(&target.gradient).for_each(|(h, g)| *h = slope(g));
        }
        values
    }

    /// Newton's direction for the scales, by themselves where the Hessian is not definite; the gradient for the others,
    /// where the map has made the Hessian nearly one.
    fn newton(&self, n: usize, d: usize) -> Vec<f64> {
        let mut direction = self.gradient.clone();
        let h = d - n;
        let mut a: Vec<f64> = (0..h * h).map(|e| self.rows[(n + e / h) * d + n + e % h]).collect();
        symmetrise(h, &mut a);
        let solved = factor(h, &a, 0.0).map(|r| solve(h, &r, &self.gradient[n..]));
        let alone = || (0..h).map(|k| self.gradient[n + k] / a[k * h + k].abs().max(MIN_CURVATURE)).collect();
        let scales: Vec<f64> = solved.unwrap_or_else(alone);
        direction[n..].iter_mut().zip(scales).for_each(|(out, s)| *out = s.clamp(-LONGEST_STEP, LONGEST_STEP));
        direction
    }

    /// Inverse of the scales' Hessian.
    fn covariance(&self, n: usize, d: usize) -> Vec<f64> {
        let h = d - n;
        let mut a: Vec<f64> = (0..h * h).map(|e| self.rows[(n + e / h) * d + n + e % h]).collect();
        symmetrise(h, &mut a);
        (0..h).for_each(|k| a[k * h + k] = a[k * h + k].max(MIN_CURVATURE));
        let root = RIDGES.iter().find_map(|&ridge| factor(h, &a, ridge));
        let inverse = invert_lower(h, &root.unwrap_or_else(|| identity(h)));
        (0..h * h).map(|e| (0..h).map(|k| inverse[k * h + e / h] * inverse[k * h + e % h]).sum()).collect()
    }

    /// Log densities on the grid of a bend, along a direction of the scales.
    fn profile(&mut self, target: &mut Target, n: usize, ridge: &[f64], sd: f64) -> [f64; GRID] {
        let (grid, mut out) = (Bend::grid(), [0.0; GRID]);
        for first in (0..GRID).step_by(LANES) {
            self.y.fill(Lane::ZERO);
            for (y, r) in self.y[n..].iter_mut().zip(ridge) {
                (0..LANES).for_each(|s| y.0[s] = r * sd * grid[first + s]);
            }
            out[first..first + LANES].copy_from_slice(&target.density(&self.y).0);
        }
        out
    }

    /// The best of eight step lengths along `direction`; moves `at` there. Whether anything is gained.
    fn search(&mut self, target: &mut Target, direction: &[f64], value: f64, at: &mut centre::Centre) -> bool {
        for (y, step) in self.y.iter_mut().zip(direction) {
            (0..LANES).for_each(|s| y.0[s] = step * 0.5_f64.powi(s as i32));
        }
        let values = target.density(&self.y);
        let best = (0..LANES).filter(|&s| values.0[s] > value).max_by(|&a, &b| values.0[a].total_cmp(&values.0[b]));
        let Some(best) = best else { return false };
        at.u.iter_mut().zip(target.u()).for_each(|(out, u)| *out = u.0[best]);
        at.theta.iter_mut().zip(&target.theta.straight).for_each(|(out, t)| *out = t.0[best]);
        true
    }

    /// The guide whose covariance is the inverse of the Hessian at zero, a step of Newton from there.
    fn hessian(&mut self, target: &mut Target) -> Option<Guide> {
        let d = self.y.len();
        let value = self.differences(target, 0..d, DIFFERENCE);
        if !value.is_finite() || self.rows.iter().any(|h| !h.is_finite()) {
            return None;
        }
        symmetrise(d, &mut self.rows);
        let reversed: Vec<f64> = (0..d * d).map(|e| self.rows[(d - 1 - e / d) * d + d - 1 - e % d]).collect();
        let (root, _) = RIDGES.iter().find_map(|&ridge| Some((factor(d, &reversed, ridge)?, ridge)))?;
        let inverse = invert_lower(d, &root);
        // The inverse transposed, in the order of the coordinates, is lower triangular again.
        let entry = |i: usize, j: usize| if j <= i { inverse[(d - 1 - j) * d + d - 1 - i] } else { 0.0 };
        let root: Vec<f64> = (0..d * d).map(|e| entry(e / d, e % d)).collect();
        let mut guide = Guide { mean: vec![0.0; d], root };
        guide.newton(&self.gradient);
        Some(guide)
    }
}

impl Guide {
    /// A step of Newton from a mean with this gradient, no longer than a standard deviation.
    fn newton(&mut self, gradient: &[f64]) {
        let d = self.dim();
        let mut white: Vec<f64> = (0..d).map(|j| (j..d).map(|i| self.root[i * d + j] * gradient[i]).sum()).collect();
        let norm = white.iter().map(|w| w * w).sum::<f64>().sqrt();
        white.iter_mut().for_each(|w| *w /= norm.max(1.0));
        for i in 0..d {
            self.mean[i] += (0..=i).map(|j| self.root[i * d + j] * white[j]).sum::<f64>();
        }
    }
}

/// Bends the coordinates of the scales about the mode, by the density along the ridge of each.
fn bend(target: &mut Target, climb: &mut ModeSearch) {
    let (n, d) = (target.frame.n, target.frame.dim());
    let h = d - n;
    let covariance = climb.covariance(n, d);
    let bends: Vec<Bend> = (0..h)
        .map(|k| {
            let ridge: Vec<f64> = (0..h).map(|i| covariance[i * h + k] / covariance[k * h + k]).collect();
            let sd = covariance[k * h + k].sqrt().min(LONGEST_SD);
            let mode = target.theta.bends[k].middle;
            Bend::fit(mode, sd, &climb.profile(target, n, &ridge, sd))
                .unwrap_or(Bend { slope: sd, ..Bend::straight(mode) })
        })
        .collect();
    target.theta.bends = bends;
}
