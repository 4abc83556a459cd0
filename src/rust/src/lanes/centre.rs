//! The map's constants at a centre: information and pull of a model's data there, and the first centre.

use super::flat::FlatModel;
use super::frame::Frame;
use super::target::Target;
use crate::families::{self, negative_binomial_information};
use crate::natural::bend::Bend;
use crate::natural::dense::{factor, solve};
use crate::spec::Family;
use crate::transport::conditional::Information;
use crate::transport::follow::{Follow, Part};
use crate::tuning::{ROUGH_COUNT, ROUGH_RIDGE, ROUGH_VARIANCE};

/// Effects, coefficients and scale parameters.
#[derive(Debug, Clone)]
pub struct Centre {
    /// In arrow order.
    pub u: Vec<f64>,
    /// Unconstrained.
    pub theta: Vec<f64>,
}

/// Coefficients by least squares on the log rates of the leaves, or their means, effects zero, scales where their coordinates begin.
pub fn rough(target: &Target) -> Centre {
    let (frame, gene) = (target.frame, &target.gene);
    let Frame { n, p, c, .. } = *frame;
    let theta: Vec<f64> = target.theta.bends.iter().map(|bend| bend.middle).collect();
    let log_dispersion = log_dispersions(frame, gene, &theta);
    let prior = frame.core_matrix(&target.information[0].prior);
    let mut a: Vec<f64> = (0..p * p).map(|e| prior[(c - p + e / p) * c + c - p + e % p]).collect();
    let mut b = target.information[0].prior_pull[c - p..].to_vec();
    for leaf in 0..frame.n_leaves() {
        let x = &frame.x[(leaf + 1) * c - p..(leaf + 1) * c];
        let (response, weight) = match frame.family {
            Family::Gaussian => mean(gene, leaf, log_dispersion[frame.group[leaf]]),
            Family::NegBinomial | Family::Poisson => rate(gene, leaf),
        };
        for i in 0..p {
            b[i] += weight * x[i] * response;
            (0..p).for_each(|j| a[i * p + j] += weight * x[i] * x[j]);
        }
    }
    let root = factor(p, &a, 0.0).or_else(|| factor(p, &a, ROUGH_RIDGE));
    let beta = root.map_or_else(|| vec![0.0; p], |root| solve(p, &root, &b));
    let mut u = vec![0.0; n];
    u[n - p..].copy_from_slice(&beta);
    Centre { u, theta }
}

/// Log dispersions of the groups at scale parameters.
fn log_dispersions(frame: &Frame, gene: &FlatModel, theta: &[f64]) -> Vec<f64> {
    let coefficients = theta[frame.n_sd..].iter().zip(gene.scales.dispersion_units()).map(|(t, unit)| t * unit);
    let coefficients: Vec<f64> = coefficients.collect();
    let rows = frame.x_dispersion.chunks_exact(frame.n_dispersion.max(1));
    rows.map(|x| x.iter().zip(&coefficients).map(|(x, b)| x * b).sum()).collect()
}

/// Mean of a leaf's responses without their offsets, and its weight.
fn mean(gene: &FlatModel, leaf: usize, log_sigma: f64) -> (f64, f64) {
    let rows = gene.starts[leaf]..gene.starts[leaf + 1];
    let weight: f64 = gene.weight[rows.clone()].iter().sum();
    let sum: f64 = rows.map(|r| gene.weight[r] * (gene.total[r] - gene.offset[r])).sum();
    if weight > 0.0 { (sum / weight, weight * (-2.0 * log_sigma).exp()) } else { (0.0, 0.0) }
}

/// Log rate of a leaf and its weight, which is zero for a leaf without exposure.
fn rate(gene: &FlatModel, leaf: usize) -> (f64, f64) {
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
    let log_dispersion = log_dispersions(frame, &target.gene, &centre.theta);
    target.information.iter_mut().for_each(Information::clear);
    // Per group, sums of information and of what of it is in excess of a Poisson's.
    let mut sums = vec![[0.0; 2]; frame.n_groups().max(1)];
    for leaf in 0..frame.n_leaves() {
        let (z, x) = (&frame.z[leaf * b..(leaf + 1) * b], &frame.x[leaf * c..(leaf + 1) * c]);
        let u = &centre.u[frame.block[leaf] * b..];
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let eta = dot(z, u) + dot(x, &centre.u[n - c..]);
        let group = frame.group[leaf];
        let log = log_dispersion.get(group).copied().unwrap_or(0.0);
        let [weight, pull, over] = leaf_moments(frame.family, &target.gene, leaf, eta, log);
        sums[group][0] += weight;
        sums[group][1] += over;
        let of_group = group.min(target.information.len() - 1);
        add(&mut target.information[of_group], frame, leaf, weight, weight * eta + pull);
    }
    target.follows = follows(frame.family, &log_dispersion, &sums);
}

/// How the information follows the dispersions.
fn follows(family: Family, log_dispersion: &[f64], sums: &[[f64; 2]]) -> Vec<Part> {
    let all: f64 = sums.iter().map(|[weight, _]| weight).sum();
    let part = |(group, (&centre, [weight, over])): (usize, (&f64, &[f64; 2]))| {
        let (share, excess) = (weight / all, over / weight);
        let follow = match family {
            Family::Poisson => None,
            Family::NegBinomial => (excess > 0.0 && excess <= 1.0).then_some(Follow::Shape(centre, excess)),
            Family::Gaussian => (share > 0.0).then_some(Follow::Sigma(centre)),
        };
        follow.map(|follow| Part { group, share, follow })
    };
    log_dispersion.iter().zip(sums).enumerate().filter_map(part).collect()
}

/// Sums over a leaf's rows: information, derivative in the linear predictor, and information times the share of the
/// variance that is in excess of a Poisson's.
fn leaf_moments(family: Family, gene: &FlatModel, leaf: usize, eta: f64, log_dispersion: f64) -> [f64; 3] {
    let mut sums = [0.0; 3];
    for r in gene.starts[leaf]..gene.starts[leaf + 1] {
        let (e, w, t) = (eta + gene.offset[r], gene.weight[r], gene.total[r]);
        let (weight, pull, share) = match family {
            Family::Poisson => (w * e.exp(), families::poisson(t, w, e).d_eta, 0.0),
            Family::NegBinomial => {
                let [information, share] = negative_binomial_information(e, log_dispersion);
                let row = families::negative_binomial(t, w * log_dispersion.exp(), e - log_dispersion, [0.0; 2]);
                (w * information, row.d_eta, share)
            }
            Family::Gaussian => {
                let precision = (-2.0 * log_dispersion).exp();
                (w * precision, families::gaussian(w * (t - e), w, 0.0, precision, log_dispersion).d_eta, 0.0)
            }
        };
        let weight = weight.min(family.max_information());
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
