//! Whether a Gaussian response is fitted without any error: its residual sd then has no posterior, because the density
//! grows without bound as that goes to zero.

use super::linear;
use crate::design::Design;
use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::spec::{DispersionSpec, Family, ModelSpec, PriorSpec};
use std::borrow::Cow;

/// Numbers of rows that are looked at before all: nearly every response shows its error there.
const FEW: [usize; 2] = [64, 256];
/// Size of residuals that is rounding error, relative to the response: by orthogonalisation, and by iteration.
const ROUNDING: f64 = 1e-13;
const ROUNDING_ITERATED: f64 = 1e-11;
/// A column whose part beyond the others is smaller is their combination.
const DEPENDENT: f64 = 1e-10;
const MAX_STEPS: usize = 500;

/// # Errors
/// [`Error::Exact`] if coefficients and effects fit the response exactly, or all rows of one of several residual sds, and no prior
/// keeps that from zero.
pub fn check_error(design: &Design, spec: &ModelSpec) -> Result<()> {
    let has_error = spec.family != Family::Gaussian || !spec.sample_sigma || spec.prior_only || has_squares(design);
    if has_error {
        return Ok(());
    }
    // What is measured with error fits nothing exactly.
    let design = design.without_latents();
    for (columns, rows) in parts(&design) {
        let is_kept = spec.dispersion.as_ref().is_some_and(|d| keeps_from_zero(d, &columns));
        if is_kept
            || rows.iter().all(|&i| design.weights[i] == 0.0)
            || rows.iter().any(|&i| design.se.get(i).is_some_and(|&se| se > 0.0))
        {
            continue;
        }
        let own = if rows.len() == design.n() { Cow::Borrowed(&*design) } else { Cow::Owned(design.select(&rows)) };
        if is_exact(&own, &Layout::new(spec)) {
            return Err(Error::Exact(reason(&own, spec)));
        }
    }
    Ok(())
}

/// Columns of the log dispersion that meet in no row with others, such as those of one of several responses, and their rows.
fn parts(design: &Design) -> Vec<(Vec<usize>, Vec<usize>)> {
    let (n, p) = (design.n(), design.x_disp.ncols());
    if p < 2 {
        return vec![((0..p.max(1)).collect(), (0..n).collect())];
    }
    let mut part: Vec<usize> = (0..p).collect();
    let first: Vec<Option<usize>> = (0..n).map(|i| (0..p).find(|&j| design.x_disp[(i, j)] != 0.0)).collect();
    for (i, first) in first.iter().enumerate() {
        let Some(first) = *first else { continue };
        for j in (first..p).filter(|&j| design.x_disp[(i, j)] != 0.0) {
            let (from, to) = (part[j], part[first]);
            if from != to {
                part.iter_mut().filter(|part| **part == from).for_each(|part| *part = to);
            }
        }
    }
    let mut found: Vec<(Vec<usize>, Vec<usize>)> = vec![(vec![], vec![]); p];
    part.iter().enumerate().for_each(|(j, &k)| found[k].0.push(j));
    first.iter().enumerate().filter_map(|(i, first)| Some((i, part[(*first)?]))).for_each(|(i, k)| found[k].1.push(i));
    found.into_iter().filter(|(columns, _)| !columns.is_empty()).collect()
}

/// Whether rows that stand for many say by themselves that these differ.
fn has_squares(design: &Design) -> bool {
    let of_rows: f64 = design.y.iter().zip(design.weights.iter()).map(|(y, w)| w * y * y).sum();
    design.squares.iter().sum::<f64>() > ROUNDING * of_rows
}

/// Whether the density of the residual sd falls faster at zero than any likelihood rises.
fn keeps_from_zero(dispersion: &DispersionSpec, columns: &[usize]) -> bool {
    let is_bounded = |p: &PriorSpec| {
        p.constant().is_some() || p.dist == "uniform" && p.args.first().is_some_and(|&lower| lower > 0.0)
    };
    let keeps = |(i, p): (usize, &PriorSpec)| {
        if dispersion.is_positive(i) {
            is_bounded(p) || matches!(&*p.dist, "lognormal" | "inv_gamma")
        } else {
            matches!(&*p.dist, "normal" | "uniform" | "constant")
        }
    };
    dispersion.priors().iter().enumerate().filter(|(i, _)| columns.contains(i)).all(keeps)
}

fn reason(design: &Design, spec: &ModelSpec) -> String {
    let net: Vec<f64> = design.y.iter().zip(design.offset.iter()).map(|(y, o)| y - o).collect();
    if net.windows(2).all(|w| w[0] == w[1]) {
        return "all values of the response are the same".into();
    }
    let is_constant_within = |codes: &[u32], n_levels: usize| {
        let mut seen = vec![f64::NAN; n_levels];
        codes.iter().zip(&net).all(|(&c, &y)| {
            let first = &mut seen[c as usize];
            if first.is_nan() {
                *first = y;
            }
            *first == y
        })
    };
    let term = design.terms.iter().position(|t| t.members == 1 && is_constant_within(&t.codes, t.n_levels));
    match term {
        Some(k) => format!("in each level of '{}' the response is the same in all rows", spec.terms[k].group),
        None => "coefficients and group effects fit the response exactly".into(),
    }
}

/// Whether the columns fit the response, although there are more rows than columns fit by themselves.
fn is_exact(design: &Design, layout: &Layout) -> bool {
    let rows = rows_by_levels(design);
    let mut is_open = true;
    for n in FEW {
        let some = &rows[..n.min(rows.len())];
        let found = fits_some(design, some);
        if some.len() == rows.len() || found == Some(false) {
            return found == Some(true);
        }
        if found.is_some() {
            is_open = false;
            break;
        }
    }
    let n_columns = design.x.ncols() + layout.n_effects;
    (!is_open || rows.len() > n_columns) && fits_all(design, layout)
}

/// Rows that count, those of a level together: of the term with most levels.
fn rows_by_levels(design: &Design) -> Vec<usize> {
    let mut rows: Vec<usize> = (0..design.n()).filter(|&i| design.weights[i] > 0.0).collect();
    if let Some(term) = design.terms.iter().max_by_key(|t| t.n_levels) {
        rows.sort_by_key(|&i| term.codes[i]);
    }
    rows
}

/// Whether the columns fit these rows of the response; `None` if they would fit any.
fn fits_some(design: &Design, rows: &[usize]) -> Option<bool> {
    let mut basis: Vec<Vec<f64>> = vec![];
    for mut column in columns(design, rows) {
        let size = norm(&column);
        remove(&basis, &mut column);
        let rest = norm(&column);
        if rest > DEPENDENT * size {
            column.iter_mut().for_each(|v| *v /= rest);
            basis.push(column);
        }
    }
    if basis.len() == rows.len() {
        return None;
    }
    let mut y: Vec<f64> = rows.iter().map(|&i| design.y[i] - design.offset[i]).collect();
    let size = norm(&y);
    remove(&basis, &mut y);
    Some(norm(&y) <= ROUNDING * size)
}

/// Columns of coefficients and of the effects of the levels that `rows` have.
fn columns(design: &Design, rows: &[usize]) -> impl Iterator<Item = Vec<f64>> {
    let fixed = (0..design.x.ncols()).map(|j| rows.iter().map(|&i| design.x[(i, j)]).collect());
    let effects = design.terms.iter().flat_map(move |t| {
        let mut levels: Vec<u32> = rows.iter().flat_map(|&i| t.entries(i)).map(|e| t.codes[e]).collect();
        levels.sort_unstable();
        levels.dedup();
        let of_row = move |i: usize, level: u32, c: usize| {
            t.entries(i).filter(|&e| t.codes[e] == level).map(|e| t.z[(e, c)]).sum::<f64>()
        };
        let of = move |level: u32, c: usize| rows.iter().map(|&i| of_row(i, level, c)).collect();
        levels.into_iter().flat_map(move |level| (0..t.q).map(move |c| of(level, c)))
    });
    fixed.chain(effects)
}

/// Takes from `v` what lies along an orthonormal basis; twice, for the digits.
fn remove(basis: &[Vec<f64>], v: &mut [f64]) {
    for _ in 0..2 {
        for b in basis {
            let along = dot(b, v);
            v.iter_mut().zip(b).for_each(|(v, b)| *v -= along * b);
        }
    }
}

/// The same of all rows, by conjugate gradients on the normal equations of scaled columns.
fn fits_all(design: &Design, layout: &Layout) -> bool {
    let mut columns = Columns::new(design, layout);
    let mut r: Vec<f64> = design.y.iter().zip(design.offset.iter()).map(|(y, o)| y - o).collect();
    r.iter_mut().zip(design.weights.iter()).for_each(|(r, w)| *r = if *w > 0.0 { *r } else { 0.0 });
    let size = norm(&r);
    let mut s = columns.transposed_times(&r);
    let (mut p, mut gamma) = (s.clone(), dot(&s, &s));
    for _ in 0..MAX_STEPS {
        if norm(&r) <= ROUNDING_ITERATED * size {
            return true;
        }
        let q = columns.times(&p);
        let alpha = gamma / dot(&q, &q);
        r.iter_mut().zip(&q).for_each(|(r, q)| *r -= alpha * q);
        s = columns.transposed_times(&r);
        let next = dot(&s, &s);
        if !alpha.is_finite() || next.sqrt() <= ROUNDING * norm(&r) {
            return false;
        }
        p.iter_mut().zip(&s).for_each(|(p, s)| *p = s + next / gamma * *p);
        gamma = next;
    }
    false
}

/// All columns over the rows that count, each of length one.
struct Columns<'a> {
    design: Design,
    layout: &'a Layout,
    scale: Vec<f64>,
}

impl<'a> Columns<'a> {
    fn new(design: &Design, layout: &'a Layout) -> Self {
        let offset = vec![0.0; design.n()];
        let p = design.x.ncols();
        let mut scale = vec![0.0; p + layout.n_effects];
        for i in (0..design.n()).filter(|&i| design.weights[i] > 0.0) {
            (0..p).for_each(|j| scale[j] += design.x[(i, j)].powi(2));
            for (t, block) in design.terms.iter().zip(&layout.blocks) {
                for e in t.entries(i) {
                    let first = p + block.start + t.codes[e] as usize * t.q;
                    (0..t.q).for_each(|c| scale[first + c] += t.z[(e, c)].powi(2));
                }
            }
        }
        scale.iter_mut().for_each(|s| *s = if *s > 0.0 { s.sqrt().recip() } else { 0.0 });
        Self { design: Design { offset: offset.into(), ..design.clone() }, layout, scale }
    }

    fn times(&self, w: &[f64]) -> Vec<f64> {
        let w: Vec<f64> = w.iter().zip(&self.scale).map(|(w, s)| w * s).collect();
        let (beta, effects) = w.split_at(self.design.x.ncols());
        let mut out = vec![0.0; self.design.n()];
        linear::predictor(&self.design, self.layout, beta, effects, &mut out);
        out.iter_mut().zip(self.design.weights.iter()).for_each(|(o, w)| *o = if *w > 0.0 { *o } else { 0.0 });
        out
    }

    fn transposed_times(&mut self, rows: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.scale.len()];
        let (beta, effects) = out.split_at_mut(self.design.x.ncols());
        linear::pull_back(&self.design, self.layout, rows, beta, effects);
        out.iter_mut().zip(&self.scale).for_each(|(o, s)| *o *= s);
        out
    }
}

fn norm(v: &[f64]) -> f64 {
    let largest = v.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    if largest == 0.0 { 0.0 } else { largest * v.iter().map(|x| (x / largest).powi(2)).sum::<f64>().sqrt() }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::design::{RawArrays, RawTerm};
    use crate::spec::from_json;

    fn spec(sigma: &str, levels: usize) -> ModelSpec {
        let levels: Vec<String> = (0..levels).map(|l| format!("\"{l}\"")).collect();
        let text = format!(
            r#"{{"family": "gaussian", "sample_sigma": true, "intercept": null,
            "coefficients": [{{"name": "a", "prior": {{"dist": "flat"}}}}, {{"name": "b", "prior": {{"dist": "flat"}}}}],
            "dispersion": {{"kind": "constant", "name": "sigma", "prior": {sigma}}},
            "terms": [{{"group": "g", "levels": [{}], "coefs": ["Intercept"],
            "sd_priors": [{{"dist": "flat"}}], "cor": null}}]}}"#,
            levels.join(",")
        );
        from_json(&text).unwrap()
    }

    const HALF_NORMAL: &str = r#"{"dist": "normal", "args": [0, 1]}"#;

    /// `y` of row, `x` and level; rows take levels in turn.
    fn check(n: usize, levels: usize, sigma: &str, y: impl Fn(usize, f64, usize) -> f64) -> Result<()> {
        let x: Vec<f64> = (0..n).map(|i| (i as f64 * 1.7).sin()).collect();
        let codes: Vec<i32> = (0..n).map(|i| (i % levels) as i32).collect();
        let y = (0..n).map(|i| y(i, x[i], i % levels)).collect();
        let x = vec![1.0; n].into_iter().chain(x).collect();
        let terms = vec![RawTerm { codes, z: vec![1.0; n].into(), precision: None }];
        let raw = RawArrays {
            y,
            offset: vec![0.3; n].into(),
            weights: vec![1.0; n].into(),
            se: vec![].into(),
            x,
            x_disp: vec![].into(),
            terms,
        };
        let spec = spec(sigma, levels);
        check_error(&Design::new(raw, &spec)?, &spec)
    }

    #[test]
    fn responses_without_error_are_seen_at_any_size() {
        let of_level = |_: usize, _: f64, level: usize| (level as f64 * 0.7).cos();
        for (n, levels) in [(12, 4), (60, 12), (300, 12), (300, 100), (4000, 12), (4000, 1000)] {
            let error = check(n, levels, HALF_NORMAL, of_level).unwrap_err();
            assert!(error.to_string().contains("'g'"), "{n} {levels} {error}");
            assert!(check(n, levels, HALF_NORMAL, |_, x, _| 2.0 + 3.0 * x).is_err(), "{n} {levels}");
            assert!(check(n, levels, HALF_NORMAL, |i, x, level| x + of_level(i, x, level)).is_err(), "{n} {levels}");
            let noisy = |i: usize, x: f64, level: usize| {
                1e6 + x + of_level(i, x, level) + 1e-3 * (i as f64 * i as f64 * 0.1).sin()
            };
            assert!(check(n, levels, HALF_NORMAL, noisy).is_ok(), "{n} {levels}");
            // Error in the last rows alone.
            let late = |i: usize, x: f64, level: usize| of_level(i, x, level) + if i + 9 > n { x } else { 0.0 };
            assert!(check(n, levels, HALF_NORMAL, late).is_ok() || n < 20, "{n} {levels}");
        }
    }

    #[test]
    fn as_many_effects_as_rows_and_priors_away_from_zero_are_allowed() {
        assert!(check(40, 40, HALF_NORMAL, |i, _, _| (i as f64 * 1.1).sin()).is_ok());
        assert!(check(400, 400, HALF_NORMAL, |i, _, _| (i as f64 * 1.1).sin()).is_ok());
        for sigma in [r#"{"dist": "lognormal", "args": [0, 1]}"#, r#"{"dist": "inv_gamma", "args": [1, 1]}"#] {
            assert!(check(60, 12, sigma, |_, _, level| level as f64).is_ok());
        }
        assert!(check(60, 12, r#"{"dist": "uniform", "args": [0, 1]}"#, |_, _, level| level as f64).is_err());
    }
}
