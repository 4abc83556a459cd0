//! Log-likelihood of a gene's rows at the linear predictors of eight draws, leaf by leaf.

use super::flat::FlatGene;
use super::lane::Lane;
use crate::families::{self, RowSum};

/// Sum over a leaf's rows, at its linear predictor: of a Poisson, or with `HAS_SHAPE` of a negative binomial of shape `phi` but for the
/// terms in `ln Gamma`, at the predictor less `log phi`. A loop, no closure: that would not be compiled for the machine's vectors.
#[inline(always)]
pub fn over_rows<const HAS_SHAPE: bool>(gene: &FlatGene, leaf: usize, eta: Lane, phi: Lane) -> RowSum<Lane> {
    let mut sum = RowSum::default();
    for r in gene.starts[leaf]..gene.starts[leaf + 1] {
        let (eta, w, t) = (eta + Lane::splat(gene.offset[r]), gene.weight[r], gene.total[r]);
        if HAS_SHAPE {
            sum += families::negative_binomial(t, phi * w, eta, [Lane::ZERO; 2]);
        } else {
            sum += families::poisson(t, w, eta);
        }
    }
    sum
}
