//! Values of scale parameters that are numbers.

use super::correlation::partial_of_equal;
use crate::error::Result;
use crate::layout::Layout;
use crate::spec::ModelSpec;

/// Per scale parameter, its unconstrained value if it is known, else zero.
pub(super) fn known_values(layout: &Layout, spec: &ModelSpec) -> Result<Vec<f64>> {
    let mut out = vec![0.0; layout.n_scales];
    for (place, prior, coordinate) in layout.with_priors(spec) {
        out[place] = prior.constant().map_or(0.0, |value| coordinate.of(value));
    }
    for (places, term, r) in layout.known_correlations(spec) {
        let of_class = partial_of_equal(term.coefs.len(), r)?;
        out[places].chunks_exact_mut(of_class.len()).for_each(|class| class.copy_from_slice(&of_class));
    }
    Ok(out)
}
