//! Log-likelihood of a gene's rows at the linear predictors of eight draws, leaf by leaf.

use super::flat::FlatGene;
use super::lane::Lane;
use crate::kernels::elementary::{MAX_EXPONENT, exp, softplus_logistic};
use crate::simd::LANES;

/// Sums over the rows of a leaf: value, and derivatives in the linear predictor and in log phi.
#[derive(Debug, Clone, Copy)]
pub struct LeafSums {
    /// Log-likelihood.
    pub value: Lane,
    /// Its derivative in the linear predictor.
    pub d_eta: Lane,
    /// And in the log of the shape.
    pub d_log_phi: Lane,
}

/// Negative binomial, but for the terms in `ln Gamma`; `u` is the leaf's linear predictor less `log phi`. Without `SLOPES` the
/// value alone.
#[inline(always)]
pub fn negative_binomial<const SLOPES: bool>(gene: &FlatGene, leaf: usize, u: &Lane, phi: &Lane) -> LeafSums {
    let (mut value, mut d_eta, mut d_log_phi) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
    for r in gene.starts[leaf]..gene.starts[leaf + 1] {
        let (offset, w, t) = (gene.offset[r], gene.weight[r], gene.total[r]);
        for s in 0..LANES {
            let (e, w_phi) = (u.0[s] + offset, w * phi.0[s]);
            let (log1p_ratio, share) = softplus_logistic(e);
            value[s] += t * (e - log1p_ratio) - w_phi * log1p_ratio;
            if SLOPES {
                d_eta[s] += t - (t + w_phi) * share;
                d_log_phi[s] += w_phi * (share - log1p_ratio) - t * (1.0 - share);
            }
        }
    }
    LeafSums { value: Lane(value), d_eta: Lane(d_eta), d_log_phi: Lane(d_log_phi) }
}

/// Poisson, at the leaf's linear predictor.
#[inline(always)]
pub fn poisson(gene: &FlatGene, leaf: usize, eta: &Lane) -> LeafSums {
    let (mut value, mut d_eta) = ([0.0; LANES], [0.0; LANES]);
    for r in gene.starts[leaf]..gene.starts[leaf + 1] {
        let (offset, w, t) = (gene.offset[r], gene.weight[r], gene.total[r]);
        for s in 0..LANES {
            let e = eta.0[s] + offset;
            let mu = w * exp(e.clamp(-MAX_EXPONENT, MAX_EXPONENT));
            value[s] += t * e - mu;
            d_eta[s] += t - mu;
        }
    }
    LeafSums { value: Lane(value), d_eta: Lane(d_eta), d_log_phi: Lane::ZERO }
}
