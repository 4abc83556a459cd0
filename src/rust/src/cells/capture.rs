//! The capture of each cell, given what all genes say of it: a penalised maximum of the negative binomial
//! likelihood in `t_c = log nu_c`.
//!
//! With `m = nu_c mu_gl` and `u` the counts of the cell, in turn:
//!
//! ```text
//! mu_gl       counts over summed capture of the leaf, towards the gene's own mean where there are few
//! phi_g       by moments: sum (u - m)^2 - m = sum m^2 / phi
//! t_c         one Newton step of  sum_g [u t - (u + phi) log(phi + m)] - (t - centre_c)^2 / (2 sd^2)
//! ```
//!
//! The derivative of the sum over genes is that of the counts above zero plus `G_l(t) = sum_g phi m / (phi + m)` over
//! all genes, one smooth function per leaf, which is interpolated at Chebyshev's points. A step is one pass over the
//! counts above zero, without a logarithm.
//!
//! Neither the scale of `nu` nor a factor common to the cells of one leaf is in the data: `mu` takes up both. After each
//! step each leaf is moved so that the mean of `t_c - centre_c` over its cells is zero.

use super::CellColumns;
use crate::error::{Error, Result};
use crate::run::{Progress, Shared, on_workers};
use rayon::prelude::*;
use std::f64::consts::PI;
use std::sync::atomic::Ordering;

/// Most steps, and the change of the capture from which on they have arrived.
const MAX_STEPS: usize = 12;
const ARRIVED: f64 = 1e-3;
/// Longest step.
const MAX_MOVE: f64 = 0.5;
/// Chebyshev points of a leaf's function.
const POINTS: usize = 24;
/// Parts of the genes whose sums are made side by side; fixed, so that sums do not hang on threads.
const PARTS: usize = 16;
/// Bounds of `1 / phi`.
const DISPERSION: (f64, f64) = (1e-3, 20.0);

/// What is known of the cells.
#[derive(Debug)]
pub struct CapturePrior<'a> {
    /// Leaf of each cell.
    pub leaf: &'a [u32],
    /// Number of leaves.
    pub n_leaves: usize,
    /// Prior mean of each cell's `t`.
    pub centre: &'a [f64],
    /// Prior standard deviation of `t` around it.
    pub sd: f64,
}

/// Captures as found.
#[derive(Debug)]
pub struct Capture {
    /// Natural logarithms.
    pub log_capture: Vec<f64>,
    /// Their standard errors, means of the genes given.
    pub sd: Vec<f64>,
    /// Steps made.
    pub steps: usize,
}

/// A gene's means by leaf and its size.
struct Gene {
    mu: Vec<f64>,
    phi: f64,
}

/// A function of `t` and its derivative at Chebyshev's points of an interval.
struct Smooth {
    middle: f64,
    half: f64,
    value: Vec<f64>,
    slope: Vec<f64>,
}

/// Finds the captures; `watch` as in [`on_workers`].
///
/// # Errors
/// [`Error::Interrupt`] if `watch` says so, or if threads cannot be started.
pub fn estimate(
    prior: &CapturePrior, counts: CellColumns, threads: usize, watch: impl FnMut(Progress) -> bool,
) -> Result<Capture> {
    on_workers(threads, MAX_STEPS, watch, |shared| climb(prior, counts, shared))
}

fn climb(prior: &CapturePrior, counts: CellColumns, shared: &Shared) -> Result<Capture> {
    let mut log_capture = prior.centre.to_vec();
    let mut sd = vec![prior.sd; log_capture.len()];
    for step in 1..=MAX_STEPS {
        if shared.cancel.load(Ordering::Relaxed) {
            return Err(Error::Interrupt);
        }
        let moved = newton(prior, counts, &mut log_capture, &mut sd);
        shared.tick();
        if moved < ARRIVED {
            return Ok(Capture { log_capture, sd, steps: step });
        }
    }
    Ok(Capture { log_capture, sd, steps: MAX_STEPS })
}

/// One step of all cells; returns the longest.
fn newton(prior: &CapturePrior, counts: CellColumns, t: &mut [f64], sd: &mut [f64]) -> f64 {
    let nu: Vec<f64> = t.iter().map(|t| t.exp()).collect();
    let genes = genes(prior, counts, &nu);
    let smooth = leaf_functions(prior, &genes, t);
    let (pull, curvature) = of_counts(prior, counts, &genes, &nu);
    let before = t.to_vec();
    let precision = prior.sd.powi(-2);
    for (c, t) in t.iter_mut().enumerate() {
        let (value, slope) = smooth[prior.leaf[c] as usize].at(*t);
        let gradient = pull[c] - value - (*t - prior.centre[c]) * precision;
        let information = curvature[c] + slope.max(0.0) + precision;
        sd[c] = information.sqrt().recip();
        *t += (gradient / information).clamp(-MAX_MOVE, MAX_MOVE);
    }
    recentre(prior, t);
    before.iter().zip(&*t).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// Moves each leaf to a mean difference of zero from the centres.
fn recentre(prior: &CapturePrior, t: &mut [f64]) {
    let (mut sum, mut n) = (vec![0.0; prior.n_leaves], vec![0.0; prior.n_leaves]);
    for ((t, centre), &leaf) in t.iter().zip(prior.centre).zip(prior.leaf) {
        sum[leaf as usize] += t - centre;
        n[leaf as usize] += 1.0;
    }
    t.iter_mut().zip(prior.leaf).for_each(|(t, &leaf)| *t -= sum[leaf as usize] / n[leaf as usize]);
}

fn genes(prior: &CapturePrior, counts: CellColumns, nu: &[f64]) -> Vec<Gene> {
    let mut exposure = vec![(0.0, 0.0); prior.n_leaves];
    for (nu, &leaf) in nu.iter().zip(prior.leaf) {
        exposure[leaf as usize].0 += nu;
        exposure[leaf as usize].1 += nu * nu;
    }
    (0..counts.n_genes()).into_par_iter().map(|g| gene(prior, counts.of(g), nu, &exposure)).collect()
}

fn gene(prior: &CapturePrior, (cells, values): (&[i32], &[f64]), nu: &[f64], exposure: &[(f64, f64)]) -> Gene {
    let mut sums = vec![0.0; prior.n_leaves];
    cells.iter().zip(values).for_each(|(&c, u)| sums[prior.leaf[c as usize] as usize] += u);
    let all: f64 = exposure.iter().map(|e| e.0).sum();
    let mean = (sums.iter().sum::<f64>() / all).max(1e-300);
    let mu: Vec<f64> = sums.iter().zip(exposure).map(|(s, e)| (s + 0.5) / (e.0 + 0.5 / mean)).collect();
    let (mut excess, mut squares) = (0.0, 0.0);
    for (mu, e) in mu.iter().zip(exposure) {
        excess += mu * (mu * e.1 - e.0);
        squares += mu * mu * e.1;
    }
    for (&c, u) in cells.iter().zip(values) {
        let m = nu[c as usize] * mu[prior.leaf[c as usize] as usize];
        excess += u * (u - 2.0 * m);
    }
    let dispersion = (excess / squares).clamp(DISPERSION.0, DISPERSION.1);
    Gene { mu, phi: dispersion.recip() }
}

fn leaf_functions(prior: &CapturePrior, genes: &[Gene], t: &[f64]) -> Vec<Smooth> {
    let mut range = vec![(f64::INFINITY, f64::NEG_INFINITY); prior.n_leaves];
    for (t, &leaf) in t.iter().zip(prior.leaf) {
        let r = &mut range[leaf as usize];
        *r = (r.0.min(*t), r.1.max(*t));
    }
    (0..prior.n_leaves).into_par_iter().map(|leaf| Smooth::new(range[leaf], leaf, genes)).collect()
}

/// Sums over the counts above zero of `u - u m / (phi + m)`, and of `u phi m / (phi + m)^2`, by cell.
fn of_counts(prior: &CapturePrior, counts: CellColumns, genes: &[Gene], nu: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let size = counts.n_genes().div_ceil(PARTS).max(1);
    let part = |k: usize| {
        let (mut pull, mut curvature) = (vec![0.0; nu.len()], vec![0.0; nu.len()]);
        for g in (k * size).min(counts.n_genes())..((k + 1) * size).min(counts.n_genes()) {
            let (Gene { mu, phi }, (cells, values)) = (&genes[g], counts.of(g));
            for (&c, u) in cells.iter().zip(values) {
                let c = c as usize;
                let m = nu[c] * mu[prior.leaf[c] as usize];
                let rest = phi / (phi + m);
                pull[c] += u * rest;
                curvature[c] += u * rest * (1.0 - rest);
            }
        }
        (pull, curvature)
    };
    let parts: Vec<(Vec<f64>, Vec<f64>)> = (0..PARTS).into_par_iter().map(part).collect();
    let (mut pull, mut curvature) = (vec![0.0; nu.len()], vec![0.0; nu.len()]);
    for (p, c) in &parts {
        pull.iter_mut().zip(p).for_each(|(a, b)| *a += b);
        curvature.iter_mut().zip(c).for_each(|(a, b)| *a += b);
    }
    (pull, curvature)
}

impl Smooth {
    fn new((low, high): (f64, f64), leaf: usize, genes: &[Gene]) -> Self {
        let (middle, half) = (0.5 * (low + high), (0.5 * (high - low)).max(1e-6));
        let point = |k: usize| {
            let nu = (middle + half * angle(k).cos()).exp();
            genes.iter().fold((0.0, 0.0), |(value, slope), Gene { mu, phi }| {
                let m = nu * mu[leaf];
                let rest = phi / (phi + m);
                (value + m * rest, slope + m * rest * rest)
            })
        };
        let (value, slope) = (0..POINTS).map(point).unzip();
        Self { middle, half, value, slope }
    }

    /// Value and slope, by the barycentric formula.
    fn at(&self, t: f64) -> (f64, f64) {
        let x = ((t - self.middle) / self.half).clamp(-1.0, 1.0);
        let (mut value, mut slope, mut total) = (0.0, 0.0, 0.0);
        for k in 0..POINTS {
            let gap = x - angle(k).cos();
            if gap == 0.0 {
                return (self.value[k], self.slope[k]);
            }
            let weight = if k % 2 == 0 { angle(k).sin() } else { -angle(k).sin() } / gap;
            value += weight * self.value[k];
            slope += weight * self.slope[k];
            total += weight;
        }
        (value / total, slope / total)
    }
}

/// Angles of Chebyshev's points of the first kind.
fn angle(k: usize) -> f64 {
    PI * (k as f64 + 0.5) / POINTS as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{Distribution, Poisson, StandardNormal};

    fn normal(rng: &mut ChaCha8Rng) -> f64 {
        StandardNormal.sample(rng)
    }

    /// Poisson counts of 40 genes in 400 cells of two leaves.
    #[test]
    fn captures_are_found() {
        let (n, n_genes) = (400, 40);
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let leaf: Vec<u32> = (0..n).map(|c| (c % 2) as u32).collect();
        let truth: Vec<f64> = (0..n).map(|_| 0.4 * normal(&mut rng) - 2.0).collect();
        let log_mu: Vec<f64> = (0..2 * n_genes).map(|_| 3.5 + normal(&mut rng)).collect();
        let (mut starts, mut cells, mut values) = (vec![0], vec![], vec![]);
        for g in 0..n_genes {
            for c in 0..n {
                let mean: f64 = truth[c] + log_mu[2 * g + c % 2];
                cells.push(c as i32);
                values.push(Poisson::new(mean.exp()).unwrap().sample(&mut rng));
            }
            starts.push(values.len() as i32);
        }
        let counts = CellColumns::new(&starts, &cells, &values, n).unwrap();
        let mean = |l: usize| truth.iter().skip(l).step_by(2).sum::<f64>() / (n / 2) as f64;
        let centre: Vec<f64> = (0..n).map(|c| mean(c % 2)).collect();
        let prior = CapturePrior { leaf: &leaf, n_leaves: 2, centre: &centre, sd: 1.0 };
        let found = estimate(&prior, counts, 2, |_| true).unwrap();
        let square = |c: usize| ((found.log_capture[c] - truth[c]) / found.sd[c]).powi(2);
        // Of 400 squares of standard normals the mean is 1 with standard error 0.07.
        let z = (0..n).map(square).sum::<f64>() / n as f64;
        assert!(found.steps < MAX_STEPS && (z - 1.0).abs() < 0.25, "{} {z}", found.steps);
        assert!(found.sd.iter().all(|s| *s < 0.25));
    }
}
