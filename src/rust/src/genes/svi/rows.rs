//! Log-likelihood of a gene's rows at the linear predictors of eight draws, leaf by leaf.

use super::flat::FlatGene;
use super::lane::Lane;
use crate::families::{self, RowSum};

/// Sum over a leaf's rows, each from its offset, weight and weighted count.
#[inline(always)]
fn over_rows(gene: &FlatGene, leaf: usize, row: impl Fn(f64, f64, f64) -> RowSum<Lane>) -> RowSum<Lane> {
    let mut sum = RowSum::default();
    for r in gene.starts[leaf]..gene.starts[leaf + 1] {
        sum += row(gene.offset[r], gene.weight[r], gene.total[r]);
    }
    sum
}

/// Negative binomial, but for the terms in `ln Gamma`; `u` is the leaf's linear predictor less `log phi`.
#[inline(always)]
pub fn negative_binomial(gene: &FlatGene, leaf: usize, u: Lane, phi: Lane) -> RowSum<Lane> {
    let zeros = [Lane::ZERO; 2];
    over_rows(gene, leaf, |offset, w, t| families::negative_binomial(t, phi * w, u + Lane::splat(offset), zeros))
}

/// Poisson, at the leaf's linear predictor.
#[inline(always)]
pub fn poisson(gene: &FlatGene, leaf: usize, eta: Lane) -> RowSum<Lane> {
    over_rows(gene, leaf, |offset, w, t| families::poisson(t, w, eta + Lane::splat(offset)))
}
