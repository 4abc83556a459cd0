//! The linear predictor of the rows of a design, and derivatives pulled back through it.

use crate::design::{Design, GroupTerm};
use crate::layout::Layout;

/// Rows that follow each other and differ in their offset only: each run of them as one row, so that the predictor of the
/// nodes of a leaf is made once.
#[derive(Debug)]
pub struct Runs {
    /// One row per run, offsets zero.
    design: Design,
    /// Where each run ends.
    ends: Vec<usize>,
}

impl Runs {
    /// `None` if they are not much fewer than the rows.
    pub fn find(design: &Design) -> Option<Self> {
        let n = design.n();
        let starts: Vec<usize> = (0..n).filter(|&i| i == 0 || !is_alike(design, i - 1, i)).collect();
        if 2 * starts.len() > n {
            return None;
        }
        let ends = starts[1..].iter().copied().chain([n]).collect();
        Some(Self { design: Design { offset: vec![0.0; starts.len()].into(), ..design.select(&starts) }, ends })
    }

    /// As [`predictor`]; `short` is scratch.
    pub fn predictor(
        &self, offset: &[f64], layout: &Layout, beta: &[f64], effects: &[f64], short: &mut Vec<f64>, eta: &mut [f64],
    ) {
        short.resize(self.ends.len(), 0.0);
        predictor(&self.design, layout, beta, effects, short);
        let mut start = 0;
        for (&end, run) in self.ends.iter().zip(short.iter()) {
            eta[start..end].iter_mut().zip(&offset[start..end]).for_each(|(e, o)| *e = o + run);
            start = end;
        }
    }

    /// As [`pull_back`]; `short` is scratch.
    pub fn pull_back(
        &self, layout: &Layout, d_eta: &[f64], short: &mut [f64], d_beta: &mut [f64], d_effects: &mut [f64],
    ) {
        let mut start = 0;
        for (&end, sum) in self.ends.iter().zip(short.iter_mut()) {
            *sum = d_eta[start..end].iter().sum();
            start = end;
        }
        pull_back(&self.design, layout, short, d_beta, d_effects);
    }
}

/// Whether rows have the same columns of the design.
fn is_alike(design: &Design, a: usize, b: usize) -> bool {
    let same = |column: &[f64]| column[a] == column[b];
    (0..design.x.ncols()).all(|j| same(design.x_column(j)))
        && design.terms.iter().all(|t| (0..t.members).all(|m| is_alike_in(t, t.entry(m, a), t.entry(m, b))))
}

fn is_alike_in(term: &GroupTerm, a: usize, b: usize) -> bool {
    term.codes[a] == term.codes[b] && term.z.row(a) == term.z.row(b)
}

/// Linear predictor, offset included.
pub fn predictor(design: &Design, layout: &Layout, beta: &[f64], effects: &[f64], eta: &mut [f64]) {
    eta.copy_from_slice(&design.offset);
    for (j, &b) in beta.iter().enumerate() {
        eta.iter_mut().zip(design.x_column(j)).for_each(|(e, x)| *e += x * b);
    }
    for (block, term) in layout.blocks.iter().zip(&design.terms) {
        let effects = &effects[block.start..block.start + block.len()];
        for (m, codes) in term.codes.chunks_exact(eta.len()).enumerate() {
            if term.is_intercept {
                eta.iter_mut().zip(codes).for_each(|(e, &l)| *e += effects[l as usize]);
                continue;
            }
            for c in 0..term.q {
                let rows = eta.iter_mut().zip(codes).zip(&term.z_column(c)[term.entry(m, 0)..]);
                rows.for_each(|((e, &l), z)| *e += z * effects[l as usize * term.q + c]);
            }
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
        for (m, codes) in term.codes.chunks_exact(d_eta.len()).enumerate() {
            if term.is_intercept {
                d_eta.iter().zip(codes).for_each(|(d, &l)| out[l as usize] += d);
                continue;
            }
            for c in 0..term.q {
                let rows = d_eta.iter().zip(codes).zip(&term.z_column(c)[term.entry(m, 0)..]);
                rows.for_each(|((d, &l), z)| out[l as usize * term.q + c] += d * z);
            }
        }
    }
}
