//! Bent coordinates of scale parameters, in which their posterior is nearly normal.
//!
//! ```text
//! theta = m + s x + g A(x) + h x^2 / 2,    A(x) = (x sqrt(1 + x^2) + asinh x) / 2
//! dtheta/dx = s + g sqrt(1 + x^2) + h x,    s > 0, g >= |h|
//! ```
//!
//! The log of a standard deviation has an exponential tail on the left, where the data say nothing: `exp(theta)` is
//! normal in `x` where `theta` falls as `-x^2 / 2`. The four numbers are found from quantiles: those of the posterior
//! along the ridge of the scale parameter at the mode of all others, on a grid, are matched to those of `x`.

use super::dense::{factor, solve};
use crate::number::Real;
use crate::tuning::{FAR_KNOTS, GRID, GRID_CUBIC, GRID_LINEAR, LEVEL, LOWEST, MIN_SLOPE, NEGLIGIBLE};
use statrs::function::erf::erfc;
use std::f64::consts::SQRT_2;

/// Points where quantiles are matched.
const KNOTS: [f64; 2 * FAR_KNOTS.len()] = knots();

const fn knots() -> [f64; 2 * FAR_KNOTS.len()] {
    let (mut out, n) = ([0.0; 2 * FAR_KNOTS.len()], FAR_KNOTS.len());
    let mut i = 0;
    while i < n {
        (out[i], out[2 * n - 1 - i]) = (-FAR_KNOTS[i], FAR_KNOTS[i]);
        i += 1;
    }
    out
}

/// The map of one scale parameter.
#[derive(Debug, Clone, Copy)]
pub struct Bend {
    /// `m`.
    pub middle: f64,
    /// `s`.
    pub slope: f64,
    /// `g`.
    pub both: f64,
    /// `h`.
    pub skew: f64,
}

impl Bend {
    /// `m + x`.
    pub fn straight(middle: f64) -> Self {
        Self { middle, slope: 1.0, both: 0.0, skew: 0.0 }
    }

    /// `theta`, its derivative in `x`, and the derivative of the logarithm of that.
    #[inline(always)]
    pub fn at<T: Real>(&self, x: T) -> (T, T, T) {
        let root = (x * x + T::splat(1.0)).sqrt();
        let asinh = (x.each(f64::abs) + root).ln().zip(x, f64::copysign);
        let bent = (x * root + asinh) * self.both + x * self.skew * x;
        let slope = T::splat(self.slope) + root * self.both + x * self.skew;
        let curve = (x * self.both / root + T::splat(self.skew)) / slope;
        (T::splat(self.middle) + x * self.slope + bent * 0.5, slope, curve)
    }

    /// Distances from the mode, in standard deviations, where the density is asked for.
    pub fn grid() -> [f64; GRID] {
        std::array::from_fn(|i| {
            let from = i as f64 - 0.5 * (GRID - 1) as f64;
            GRID_LINEAR * from + GRID_CUBIC * from.powi(3)
        })
    }

    /// From log densities on the grid about `mode`; `None` if they cannot be used.
    pub fn fit(mode: f64, sd: f64, log_density: &[f64; GRID]) -> Option<Self> {
        let quantiles = quantiles(&Self::grid(), log_density)?;
        let [m, s, g, h] = match_quantiles(&quantiles)?;
        Some(Self { middle: mode + sd * m, slope: sd * s.max(MIN_SLOPE), both: sd * g, skew: sd * h })
    }
}

/// Quantiles at the knots of a density that is exponential between the points of a grid and beyond.
fn quantiles(grid: &[f64; GRID], log_density: &[f64; GRID]) -> Option<[f64; KNOTS.len()]> {
    let top = log_density.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if !top.is_finite() || log_density.iter().any(|l| l.is_nan()) {
        return None;
    }
    let l = log_density.map(|l| (l - top).max(LOWEST));
    let slope = |i: usize| (l[i + 1] - l[i]) / (grid[i + 1] - grid[i]);
    let tail = |end: usize, slope: f64| if l[end] < NEGLIGIBLE { 1.0 } else { slope };
    let (left, right) = (tail(0, slope(0)), tail(GRID - 1, -slope(GRID - 2)));
    if !(left > 0.0 && right > 0.0) {
        return None;
    }
    let mut below = [0.0; GRID];
    below[0] = l[0].exp() / left;
    for i in 1..GRID {
        below[i] = below[i - 1] + mass(l[i - 1], slope(i - 1), grid[i] - grid[i - 1]);
    }
    let total = below[GRID - 1] + l[GRID - 1].exp() / right;
    let at = |x: f64| {
        let p = 0.5 * erfc(-x / SQRT_2) * total;
        if p <= below[0] {
            return grid[0] + (p / below[0]).ln() / left;
        }
        if p >= below[GRID - 1] {
            return grid[GRID - 1] - ((total - p) / (total - below[GRID - 1])).ln() / right;
        }
        let i = below.iter().rposition(|&b| b < p).unwrap_or(0);
        grid[i] + distance(p - below[i], l[i], slope(i))
    };
    Some(KNOTS.map(at))
}

/// Integral of `exp(l + slope t)` from 0 to `width`.
fn mass(l: f64, slope: f64, width: f64) -> f64 {
    let t = slope * width;
    l.exp() * if t.abs() < LEVEL { width } else { t.exp_m1() / slope }
}

/// Where the integral of `exp(l + slope t)` reaches `mass`.
fn distance(mass: f64, l: f64, slope: f64) -> f64 {
    let m = mass * (-l).exp();
    if (slope * m).abs() < LEVEL { m } else { (slope * m).ln_1p() / slope }
}

/// `m`, `s`, `g` and `h` by least squares; fewer of them where the map would not rise everywhere.
fn match_quantiles(quantiles: &[f64; KNOTS.len()]) -> Option<[f64; 4]> {
    let both = |x: f64| 0.5 * (x * x.hypot(1.0) + x.asinh());
    let skew = |x: f64| 0.5 * x * x;
    let fit = least_squares(quantiles, [&|_| 1.0, &|x| x, &both, &skew])?;
    if fit[2] >= fit[3].abs() {
        return Some(fit);
    }
    let sign = fit[3].signum();
    let [m, s, g] = least_squares(quantiles, [&|_| 1.0, &|x| x, &|x| both(x) + sign * skew(x)])?;
    if g >= 0.0 {
        return Some([m, s, g, sign * g]);
    }
    let [m, s] = least_squares(quantiles, [&|_| 1.0, &|x| x])?;
    Some([m, s, 0.0, 0.0])
}

fn least_squares<const N: usize>(quantiles: &[f64; KNOTS.len()], basis: [&dyn Fn(f64) -> f64; N]) -> Option<[f64; N]> {
    let (mut a, mut b) = (vec![0.0; N * N], vec![0.0; N]);
    for (x, q) in KNOTS.iter().zip(quantiles) {
        let values = basis.map(|f| f(*x));
        for i in 0..N {
            b[i] += values[i] * q;
            (0..N).for_each(|j| a[i * N + j] += values[i] * values[j]);
        }
    }
    let solution = solve(N, &factor(N, &a, 0.0)?, &b);
    Some(std::array::from_fn(|i| solution[i]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Largest deviation from the standard normal of `x`'s log density, within three standard deviations.
    fn deviation(log_density: impl Fn(f64) -> f64, mode: f64, sd: f64) -> f64 {
        let bend = Bend::fit(mode, sd, &Bend::grid().map(|c| log_density(mode + sd * c))).unwrap();
        let in_x = |x: f64| {
            let (theta, slope, _) = bend.at(x);
            log_density(theta) + slope.ln() + 0.5 * x * x
        };
        let values: Vec<f64> = (-30..=30).map(|i| in_x(0.1 * f64::from(i))).collect();
        values.iter().copied().fold(f64::MIN, f64::max) - values.iter().copied().fold(f64::MAX, f64::min)
    }

    /// The log of a standard deviation that the data bound from above alone: half-normal.
    #[test]
    fn exponential_tails_become_normal() {
        let half_normal = |t: f64| t - 0.5 * (2.0 * t).exp();
        let found = deviation(half_normal, 0.0, 0.5_f64.sqrt());
        assert!(found < 0.6, "{found}");
        // A straight map, of the same middle and spread, is far off.
        let straight = |x: f64| half_normal(-0.4 + 0.9 * x) + 0.5 * x * x;
        assert!((-30..=30).map(|i| straight(0.1 * f64::from(i))).fold(f64::MAX, f64::min) < straight(0.0) - 3.0);
    }

    #[test]
    fn a_normal_stays() {
        let normal = |t: f64| -0.5 * ((t - 1.0) / 0.3).powi(2);
        let bend = Bend::fit(1.0, 0.3, &Bend::grid().map(|c| normal(1.0 + 0.3 * c))).unwrap();
        assert!((bend.middle - 1.0).abs() < 0.01 && (bend.slope + bend.both - 0.3).abs() < 0.03, "{bend:?}");
        assert!(deviation(normal, 1.0, 0.3) < 0.3);
    }

    #[test]
    fn derivatives_agree_with_differences() {
        let bend = Bend { middle: 0.3, slope: 0.4, both: 0.7, skew: -0.6 };
        for x in [-3.0, -0.2, 0.0, 1.4] {
            let h = 1e-5;
            let (up, down, (_, slope, curve)) = (bend.at(x + h), bend.at(x - h), bend.at(x));
            assert!(((up.0 - down.0) / (2.0 * h) - slope).abs() < 1e-8);
            assert!(((up.1 / down.1).ln() / (2.0 * h) - curve).abs() < 1e-7);
        }
    }
}
