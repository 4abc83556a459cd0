//! The linear predictor of the rows of a design, and derivatives pulled back through it.

use crate::design::Design;
use crate::layout::Layout;

/// Linear predictor, offset included.
pub fn predictor(design: &Design, layout: &Layout, beta: &[f64], effects: &[f64], eta: &mut [f64]) {
    eta.copy_from_slice(&design.offset);
    for (j, &b) in beta.iter().enumerate() {
        eta.iter_mut().zip(design.x_column(j)).for_each(|(e, x)| *e += x * b);
    }
    for (block, term) in layout.blocks.iter().zip(&design.terms) {
        let effects = &effects[block.start..block.start + block.len()];
        if term.is_intercept {
            eta.iter_mut().zip(&term.codes).for_each(|(e, &l)| *e += effects[l as usize]);
            continue;
        }
        for c in 0..term.q {
            let rows = eta.iter_mut().zip(&term.codes).zip(term.z_column(c));
            rows.for_each(|((e, &l), z)| *e += z * effects[l as usize * term.q + c]);
        }
    }
}

/// Pulls `d_eta` back to coefficients and effects (both overwritten).
pub fn pull_back(design: &Design, layout: &Layout, d_eta: &[f64], d_beta: &mut [f64], d_effects: &mut [f64]) {
    for (j, d) in d_beta.iter_mut().enumerate() {
        *d = d_eta.iter().zip(design.x_column(j)).map(|(d, x)| d * x).sum();
    }
    d_effects.fill(0.0);
    for (block, term) in layout.blocks.iter().zip(&design.terms) {
        let out = &mut d_effects[block.start..block.start + block.len()];
        if term.is_intercept {
            d_eta.iter().zip(&term.codes).for_each(|(d, &l)| out[l as usize] += d);
            continue;
        }
        for c in 0..term.q {
            let rows = d_eta.iter().zip(&term.codes).zip(term.z_column(c));
            rows.for_each(|((d, &l), z)| out[l as usize * term.q + c] += d * z);
        }
    }
}
