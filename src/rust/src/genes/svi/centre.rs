//! The map's constants at a centre: information and pull of a gene's data there, and the first centre.

use super::bend::Bend;
use super::dense::{factor, solve};
use super::flat::FlatGene;
use super::frame::Frame;
use super::target::Target;
use crate::families::{self, negative_binomial_information};
use crate::transport::conditional::Information;
use crate::tuning::{MAX_INFORMATION, ROUGH_COUNT, ROUGH_RIDGE, ROUGH_VARIANCE};

/// Effects, coefficients and scale parameters.
#[derive(Debug, Clone)]
pub struct Centre {
    /// In arrow order.
    pub u: Vec<f64>,
    /// Unconstrained.
    pub theta: Vec<f64>,
}

/// Coefficients by least squares on the log rates of the leaves, effects zero, scales where their coordinates begin.
pub fn rough(target: &Target) -> Centre {
    let (frame, gene) = (target.frame, &target.gene);
    let Frame { n, p, c, .. } = *frame;
    let prior = frame.core_matrix(&target.information.prior);
    let mut a: Vec<f64> = (0..p * p).map(|e| prior[(c - p + e / p) * c + c - p + e % p]).collect();
    let mut b = target.information.prior_pull[c - p..].to_vec();
    for leaf in 0..frame.n_leaves() {
        let x = &frame.x[(leaf + 1) * c - p..(leaf + 1) * c];
        let (log_rate, weight) = rate(gene, leaf);
        for i in 0..p {
            b[i] += weight * x[i] * log_rate;
            (0..p).for_each(|j| a[i * p + j] += weight * x[i] * x[j]);
        }
    }
    let root = factor(p, &a, 0.0).or_else(|| factor(p, &a, ROUGH_RIDGE));
    let beta = root.map_or_else(|| vec![0.0; p], |root| solve(p, &root, &b));
    let mut u = vec![0.0; n];
    u[n - p..].copy_from_slice(&beta);
    Centre { u, theta: target.theta.bends.iter().map(|bend| bend.middle).collect() }
}

/// Log rate of a leaf and its weight, which is zero for a leaf without exposure.
fn rate(gene: &FlatGene, leaf: usize) -> (f64, f64) {
    let rows = gene.starts[leaf]..gene.starts[leaf + 1];
    let total: f64 = gene.total[rows.clone()].iter().sum::<f64>() + ROUGH_COUNT;
    let exposure: f64 = rows.map(|r| gene.weight[r] * gene.offset[r].exp()).sum();
    if exposure > 0.0 { ((total / exposure).ln(), 1.0 / (1.0 / total + ROUGH_VARIANCE)) } else { (0.0, 0.0) }
}

/// Centres the map of `target`, its scale parameters straight.
pub fn at(target: &mut Target, centre: &Centre) {
    let frame = target.frame;
    let Frame { n, b, c, .. } = *frame;
    target.theta.bends.clear();
    target.theta.bends.extend(centre.theta.iter().map(|mode| Bend::straight(*mode)));
    let log_phi = frame.has_shape.then(|| centre.theta[frame.n_sd]);
    target.information.clear();
    let (mut sum, mut excess) = (0.0, 0.0);
    for leaf in 0..frame.n_leaves() {
        let (z, x) = (&frame.z[leaf * b..(leaf + 1) * b], &frame.x[leaf * c..(leaf + 1) * c]);
        let u = &centre.u[frame.block[leaf] * b..];
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let eta = dot(z, u) + dot(x, &centre.u[n - c..]);
        let [weight, pull, over] = leaf_moments(&target.gene, leaf, eta, log_phi);
        sum += weight;
        excess += over;
        add(&mut target.information, frame, leaf, weight, weight * eta + pull);
    }
    let share = excess / sum;
    target.excess = log_phi.filter(|_| share > 0.0 && share <= 1.0).map(|log_phi| (log_phi, share));
}

/// Sums over a leaf's rows: information, derivative in the linear predictor, and information times the share of the
/// variance that is in excess of a Poisson's.
fn leaf_moments(gene: &FlatGene, leaf: usize, eta: f64, log_phi: Option<f64>) -> [f64; 3] {
    let mut sums = [0.0; 3];
    for r in gene.starts[leaf]..gene.starts[leaf + 1] {
        let (e, w, t) = (eta + gene.offset[r], gene.weight[r], gene.total[r]);
        let (weight, pull, share) = match log_phi {
            None => (w * e.exp(), families::poisson(t, w, e).d_eta, 0.0),
            Some(log_phi) => {
                let [information, share] = negative_binomial_information(e, log_phi);
                let row = families::negative_binomial(t, w * log_phi.exp(), e - log_phi, [0.0; 2]);
                (w * information, row.d_eta, share)
            }
        };
        let weight = weight.min(MAX_INFORMATION);
        [weight, pull, weight * share].iter().zip(&mut sums).for_each(|(x, sum)| *sum += x);
    }
    sums
}

/// Adds a leaf of this weight, with a response times it, to information and pull.
fn add(a: &mut Information<f64>, frame: &Frame, leaf: usize, weight: f64, response: f64) {
    let Frame { b, c, .. } = *frame;
    let (z, x, g) = (&frame.z[leaf * b..(leaf + 1) * b], &frame.x[leaf * c..(leaf + 1) * c], frame.block[leaf]);
    let starts = &frame.scheme.pattern.starts;
    for i in 0..b {
        a.pull[g * b + i] += response * z[i];
        let column = &mut a.lead[starts[g * b + i]..];
        (i..b).for_each(|j| column[j - i] += weight * z[i] * z[j]);
        (0..c).for_each(|k| column[b - i + k] += weight * z[i] * x[k]);
    }
    let mut at = 0;
    for i in 0..c {
        a.core_pull[i] += response * x[i];
        for j in i..c {
            a.core[at] += weight * x[i] * x[j];
            at += 1;
        }
    }
}
