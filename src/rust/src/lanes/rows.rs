//! Log-likelihood of a model's rows at the linear predictors of eight draws, leaf by leaf.

use super::flat::FlatModel;
use crate::families::{self, RowSum};
use crate::natural::lane::Lane;

/// The formula of a row, by family. Types and no functions to be passed: those are calls, not loops, if they are long.
pub trait RowFormula {
    /// Whether rows have a dispersion.
    const HAS_DISPERSION: bool = true;

    /// What rows need of the linear predictor of their leaf, but for their offset, and of its log dispersion.
    #[inline(always)]
    fn at(eta: Lane, _log_dispersion: Lane) -> Lane {
        eta
    }

    /// Row `r` there, offset included; `dispersion` is its logarithm, and the shape or the precision.
    fn row(gene: &FlatModel, r: usize, at: Lane, dispersion: [Lane; 2]) -> RowSum<Lane>;
}

/// Counts with a shape, but for the terms in `ln Gamma`.
pub struct NegativeBinomialRows;

impl RowFormula for NegativeBinomialRows {
    #[inline(always)]
    fn at(eta: Lane, log_phi: Lane) -> Lane {
        eta - log_phi
    }

    #[inline(always)]
    fn row(gene: &FlatModel, r: usize, at: Lane, [_, phi]: [Lane; 2]) -> RowSum<Lane> {
        families::negative_binomial(gene.total[r], phi * gene.weight[r], at, [Lane::ZERO; 2])
    }
}

/// Counts without.
pub struct PoissonRows;

impl RowFormula for PoissonRows {
    const HAS_DISPERSION: bool = false;

    #[inline(always)]
    fn row(gene: &FlatModel, r: usize, at: Lane, _: [Lane; 2]) -> RowSum<Lane> {
        families::poisson(gene.total[r], gene.weight[r], at)
    }
}

/// Values around their mean.
pub struct GaussianRows;

impl RowFormula for GaussianRows {
    #[inline(always)]
    fn row(gene: &FlatModel, r: usize, at: Lane, [log_sigma, precision]: [Lane; 2]) -> RowSum<Lane> {
        let (residual, w) = (Lane::splat(gene.total[r]) - at, gene.weight[r]);
        let (weighted, squares) = (residual * w, Lane::splat(gene.squares[r]));
        families::gaussian(weighted, Lane::splat(w), weighted * residual + squares, precision, log_sigma)
    }
}

/// Sum over a leaf's rows at its linear predictor. A loop, no closure: that would not be compiled for the machine's vectors.
#[inline(always)]
pub fn over_rows<R: RowFormula>(gene: &FlatModel, leaf: usize, eta: Lane, dispersion: [Lane; 2]) -> RowSum<Lane> {
    let (mut sum, at) = (RowSum::default(), R::at(eta, dispersion[0]));
    for r in gene.starts[leaf]..gene.starts[leaf + 1] {
        sum += R::row(gene, r, at + Lane::splat(gene.offset[r]), dispersion);
    }
    sum
}
