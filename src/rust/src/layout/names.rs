//! What the variables of a draw are called.

use super::pairs;
use crate::spec::{HorseshoeTarget, ModelSpec, TermSpec};

/// Names of the variables of a draw, in order: coefficients, dispersion, sds, correlations, degrees of freedom,
/// horseshoe scales, means and sds of predictors measured with error, group effects and these predictors (if `with_effects`),
/// `lprior`, `lp__`.
pub fn draw_names(spec: &ModelSpec, with_effects: bool) -> Vec<String> {
    let mut names: Vec<String> = spec.coefficients.iter().map(|c| c.name.clone()).collect();
    names.extend(spec.dispersion.iter().flat_map(|d| d.names().iter().cloned()));
    names.extend(spec.terms.iter().flat_map(TermSpec::sd_names));
    let of_dispersion = || spec.dispersion.iter().flat_map(|d| d.terms());
    names.extend(of_dispersion().flat_map(|t| t.sd_names.iter().cloned()));
    for t in spec.terms.iter().filter(|t| t.cor.is_some()) {
        for coefs in (0..t.n_classes()).map(|class| t.names_in_class(class)) {
            names.extend(pairs(coefs.len()).map(|(i, j)| format!("cor_{}__{}__{}", t.group, coefs[j], coefs[i])));
        }
    }
    names.extend(spec.terms.iter().filter(|t| t.df.is_some()).map(|t| format!("df_{}", t.group)));
    for h in &spec.horseshoes {
        let on = if matches!(h.target, HorseshoeTarget::B { .. }) { "b" } else { "sd" };
        names.extend([format!("hs_{on}_global"), format!("hs_{on}_slab")]);
    }
    let with_scales = spec.latents.iter().filter(|l| l.scales.is_some());
    names.extend(with_scales.flat_map(|l| ["mean", "sd"].map(|what| format!("{what}me_{}", l.name))));
    if with_effects {
        let terms = spec.terms.iter().map(|t| (&t.group, &t.levels, &t.coefs));
        for (group, levels, coefs) in terms.chain(of_dispersion().map(|t| (&t.group, &t.levels, &t.coefs))) {
            for level in levels {
                names.extend(coefs.iter().map(|c| format!("r_{group}[{level},{c}]")));
            }
        }
        for l in &spec.latents {
            names.extend((1..=l.rows).map(|row| format!("Xme_{}[{row}]", l.name)));
        }
    }
    names.extend(["lprior".into(), "lp__".into()]);
    names
}
