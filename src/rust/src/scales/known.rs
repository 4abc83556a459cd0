//! Scale parameters that are numbers: priors of one value, and correlations that are given.

use super::correlation::partial_of_equal;
use crate::error::Result;
use crate::layout::Layout;
use crate::prior::Prior;
use crate::spec::ModelSpec;
use std::ops::Range;

/// Per scale parameter, its unconstrained value if it is known, else zero. From the priors of standard deviations, and of the
/// dispersion with whether that is positive.
pub(super) fn known_values(
    layout: &Layout, spec: &ModelSpec, sds: &[Vec<Prior>], (dispersion, is_positive): (&[Prior], bool),
) -> Result<Vec<f64>> {
    let mut out = vec![0.0; layout.n_scales];
    let mut keep = |places: &Range<usize>, priors: &[Prior], is_positive: bool| {
        for (place, value) in places.clone().zip(priors.iter().map(Prior::constant)) {
            out[place] = value.map_or(0.0, |value| if is_positive { value.ln() } else { value });
        }
    };
    layout.sds.iter().zip(sds).for_each(|(places, priors)| keep(places, priors, true));
    keep(&layout.dispersion, dispersion, is_positive);
    for (places, term) in layout.cors.iter().zip(&spec.terms) {
        if let Some(r) = term.cor.as_ref().and_then(|c| c.constant) {
            out[places.clone()].copy_from_slice(&partial_of_equal(term.coefs.len(), r)?);
        }
    }
    Ok(out)
}
