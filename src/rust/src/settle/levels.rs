//! Constants of the transport level by level, and the normal equations that they and the rough
//! start need.

use super::dispersions::follow;
use crate::density::{Model, Posterior};
use crate::kernels::dot;
use crate::layout::{Block, Source};
use crate::transport::levels::LevelTransport;
use crate::transport::small;
use crate::transport::turn::Turn;
use crate::whiten::dense::solve_and_spread;
use faer::Mat;

/// Transport centred at the parameters of the last evaluation.
pub fn level_transport_at(posterior: &Posterior) -> LevelTransport {
    let model = &posterior.model;
    let layout = &model.layout;
    let weights = if model.prior_only { vec![0.0; model.design.n()] } else { posterior.information() };
    let (mut a, cross) = normal_equations(model, &weights);
    add_prior_precision(model, &mut a, &mut Mat::zeros(layout.swept.len(), 1));
    let (sweep, spread) = solve_and_spread(&a, &cross);
    let mut information = level_information(model, &weights);
    let turns = turns(posterior);
    turns.iter().for_each(|turn| turn.information(&mut information));
    subtract_swept(model, &turned(&cross, &turns), &turned(&sweep, &turns), &mut information);
    let effects = &posterior.mapped.effects;
    let centre = (0..layout.swept.len())
        .map(|i| posterior.mapped.swept[i] + (0..layout.n_effects).map(|u| sweep[(i, u)] * effects[u]).sum::<f64>());
    let centre = centre.collect();
    let pull = pull(posterior, &information, &turns);
    let follow = if turns.is_empty() { None } else { follow(posterior) };
    LevelTransport { information, pull, centre, spread, sweep: rows(&sweep), turns, follow }
}

/// Related levels by a dense precision, of which all have the same scales.
fn turns(posterior: &Posterior) -> Vec<Turn> {
    let (layout, design) = (&posterior.model.layout, &posterior.model.design);
    let mut first = 0;
    let of_block = |block: &Block| {
        let entries = first..first + block.len() * block.q;
        first = entries.end;
        let Source::Term(k) = block.source else { return None };
        let precision = design.terms[k].precision.as_ref()?;
        posterior.scales.same_factor(block.source)?;
        let effects = block.start..block.start + block.len();
        Turn::new(effects, entries, block.q, precision)
    };
    layout.blocks.iter().filter(|b| !b.is_empty()).filter_map(of_block).collect()
}

/// Rows over all effects, those of turned levels by their coordinates.
fn turned(of_effects: &Mat<f64>, turns: &[Turn]) -> Mat<f64> {
    let (mut out, mut work) = (of_effects.clone(), vec![]);
    if turns.is_empty() {
        return out;
    }
    for i in 0..out.nrows() {
        let mut row: Vec<f64> = (0..out.ncols()).map(|u| out[(i, u)]).collect();
        turns.iter().for_each(|turn| turn.pull_back(&mut row, &mut work));
        row.iter().enumerate().for_each(|(u, x)| out[(i, u)] = *x);
    }
    out
}

/// `Z'WZ` of each level.
fn level_information(model: &Model, weights: &[f64]) -> Vec<f64> {
    let mut out = Vec::new();
    for block in &model.layout.blocks {
        let (q, at) = (block.q, out.len());
        out.resize(at + block.len() * q, 0.0);
        match block.source {
            Source::Term(k) => {
                let term = &model.design.terms[k];
                for (e, w) in weights.iter().cycle().take(term.codes.len()).enumerate() {
                    let level = at + term.codes[e] as usize * q * q;
                    for a in 0..q {
                        (0..q).for_each(|b| out[level + a * q + b] += w * term.z[(e, a)] * term.z[(e, b)]);
                    }
                }
            }
            Source::Horseshoe(h) => {
                for (level, &j) in model.shrunken[h].iter().enumerate() {
                    let x = model.design.x_column(j);
                    out[at + level] = x.iter().zip(weights).map(|(x, w)| w * x * x).sum();
                }
            }
        }
    }
    out
}

/// Takes from each level what the swept coefficients explain, unless nothing positive is left.
fn subtract_swept(model: &Model, cross: &Mat<f64>, sweep: &Mat<f64>, information: &mut [f64]) {
    for level in model.layout.levels() {
        let (q, e) = (level.block.q, level.effect);
        let explained =
            |a: usize, b: usize| (0..cross.nrows()).map(|i| cross[(i, e + a)] * sweep[(i, e + b)]).sum::<f64>();
        let all = &mut information[level.entries()];
        let rest: Vec<f64> =
            (0..q * q).map(|v| all[v] - 0.5 * (explained(v / q, v % q) + explained(v % q, v / q))).collect();
        if is_positive(q, &rest, all) {
            all.copy_from_slice(&rest);
        }
    }
}

/// Whether a matrix keeps at least a small share of `whole`'s diagonal through its Cholesky factor.
fn is_positive(q: usize, matrix: &[f64], whole: &[f64]) -> bool {
    let mut root = matrix.to_vec();
    small::cholesky(q, &mut root);
    (0..q).all(|i| root[i * q + i].powi(2) > 1e-6 * whole[i * q + i])
}

/// `h = J b + L^-T Q s` at the last evaluation, so that the centre maps to itself; of turned levels `J c + L^-T w`.
fn pull(posterior: &Posterior, information: &[f64], turns: &[Turn]) -> Vec<f64> {
    let layout = &posterior.model.layout;
    let mut out = vec![0.0; layout.n_effects];
    let (tension, effects) = turned_effects(posterior, turns);
    for level in layout.levels() {
        let (q, e, factor) =
            (level.block.q, level.effect, posterior.scales.factor_of(level.block.source, level.number));
        let mut prior_pull = tension[level.effects()].to_vec();
        small::solve_lower_transposed(q, factor, &mut prior_pull);
        for (a, row) in information[level.entries()].chunks_exact(q).enumerate() {
            let data: f64 = row.iter().zip(&effects[e..]).map(|(j, b)| j * b).sum();
            let h = data + prior_pull[a];
            out[e + a] = if h.is_finite() { h } else { 0.0 };
        }
    }
    out
}

/// What the prior pulls by, and effects, at the last evaluation: `w` and `c = L w` of turned levels.
fn turned_effects(posterior: &Posterior, turns: &[Turn]) -> (Vec<f64>, Vec<f64>) {
    let (layout, mapped) = (&posterior.model.layout, &posterior.mapped);
    let (mut tension, mut effects, mut work) = (mapped.tension.clone(), mapped.effects.clone(), vec![]);
    // F'Q s = w.
    let are_turned = !posterior.transport.turns().is_empty();
    turns.iter().filter(|_| !are_turned).for_each(|turn| turn.pull_back(&mut tension, &mut work));
    for level in layout.levels().filter(|level| turns.iter().any(|turn| turn.effects.contains(&level.effect))) {
        let factor = posterior.scales.factor_of(level.block.source, level.number);
        small::multiply_lower(level.block.q, factor, &tension[level.effects()], &mut effects[level.effects()]);
    }
    (tension, effects)
}

/// `X'WX` and `X'WZ` over swept columns and all effects.
pub fn normal_equations(model: &Model, weights: &[f64]) -> (Mat<f64>, Mat<f64>) {
    let (design, layout) = (&model.design, &model.layout);
    let p = layout.swept.len();
    let mut a = Mat::<f64>::zeros(p, p);
    let mut cross = Mat::<f64>::zeros(p, layout.n_effects);
    for (i, &column) in layout.swept.iter().enumerate() {
        let wx: Vec<f64> = design.x_column(column).iter().zip(weights).map(|(x, w)| x * w).collect();
        for (j, &other) in layout.swept.iter().enumerate().take(i + 1) {
            let v = dot(&wx, design.x_column(other));
            a[(i, j)] = v;
            a[(j, i)] = v;
        }
        for block in &layout.blocks {
            match block.source {
                Source::Term(k) => {
                    let term = &design.terms[k];
                    for c in 0..term.q {
                        let rows = wx.iter().cycle().zip(&term.codes).zip(term.z_column(c));
                        rows.for_each(|((w, &l), z)| cross[(i, block.start + l as usize * term.q + c)] += w * z);
                    }
                }
                Source::Horseshoe(h) => {
                    for (at, &j) in model.shrunken[h].iter().enumerate() {
                        cross[(i, block.start + at)] = dot(&wx, design.x_column(j));
                    }
                }
            }
        }
    }
    (a, cross)
}

/// Adds the priors' rough curvature, with the intercept's centring, to the normal equations.
pub fn add_prior_precision(model: &Model, a: &mut Mat<f64>, rhs: &mut Mat<f64>) {
    let swept = &model.layout.swept;
    for (i, &j) in swept.iter().enumerate() {
        let prior = &model.coefficient_priors[j];
        let precision = prior.precision();
        let direction = model.prior_direction(j, i);
        for (r, dr) in direction.iter().enumerate() {
            rhs[(r, 0)] += dr * precision * prior.location();
            for (c, dc) in direction.iter().enumerate() {
                a[(r, c)] += dr * dc * precision;
            }
        }
    }
}

fn rows(m: &Mat<f64>) -> Vec<f64> {
    (0..m.nrows()).flat_map(|i| (0..m.ncols()).map(move |j| m[(i, j)])).collect()
}
