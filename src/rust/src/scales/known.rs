//! Scale parameters that are numbers: priors of one value, and correlations that are given.

use super::correlation::partial_of_equal;
use super::dispersion::DispersionEffects;
use super::latent::LatentPriors;
use crate::error::Result;
use crate::layout::Layout;
use crate::prior::Prior;
use crate::spec::ModelSpec;
use std::ops::Range;

/// Per scale parameter, its unconstrained value if it is known, else zero. From the priors of standard deviations, and of the
/// dispersion with whether that is positive, of degrees of freedom, and of predictors measured with error.
pub(super) fn known_values(
    layout: &Layout, spec: &ModelSpec, sds: &[Vec<Prior>], (dispersion, is_positive): (&[Prior], bool),
    (dispersion_terms, dfs, latents): (&[DispersionEffects], &[Option<Prior>], &[LatentPriors]),
) -> Result<Vec<f64>> {
    let mut out = vec![0.0; layout.n_scales];
    let mut keep = |places: &Range<usize>, priors: &[Prior], is_positive: bool| {
        for (place, value) in places.clone().zip(priors.iter().map(Prior::constant)) {
            out[place] = value.map_or(0.0, |value| if is_positive { value.ln() } else { value });
        }
    };
    layout.sds.iter().zip(sds).for_each(|(places, priors)| keep(places, priors, true));
    keep(&layout.dispersion, dispersion, is_positive);
    layout.dispersion_terms.iter().zip(dispersion_terms).for_each(|(t, own)| keep(&t.sds, &own.sds, true));
    for (places, priors) in layout.latents.iter().zip(latents) {
        places.iter().zip(priors.known()).for_each(|(&place, value)| out[place] = value);
    }
    for (places, term) in layout.cors.iter().zip(&spec.terms) {
        if let Some(r) = term.cor.as_ref().and_then(|c| c.constant) {
            let of_class = partial_of_equal(term.coefs.len(), r)?;
            out[places.clone()].chunks_exact_mut(of_class.len()).for_each(|class| class.copy_from_slice(&of_class));
        }
    }
    for (tail, df) in layout.tails.iter().zip(dfs) {
        if let (Some(tail), Some(value)) = (tail, df.as_ref().and_then(Prior::constant)) {
            out[tail.df] = value.ln();
        }
    }
    Ok(out)
}
