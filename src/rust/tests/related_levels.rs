//! Levels with a known precision: gradients in any coordinates, and entries that are given in parts.

mod common;

use common::{Shape, arrays, spec};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use twill::density::{LogDensity, Model, Posterior};
use twill::design::{Design, RawPrecision};
use twill::linalg::log_det::log_determinant;
use twill::settle::settle;
use twill::spec::{Engine, Family};
use twill::transport::{Transport, small};

const LEVELS: usize = 6;

/// Neighbours in a chain: 2.5 on the diagonal, -1 beside it. With `in_parts` the diagonal is given twice, as 1.5 and 1.
fn precision(in_parts: bool) -> RawPrecision {
    let diagonal: &[f64] = if in_parts { &[1.5, 1.0] } else { &[2.5] };
    let of_level = |i: u32| {
        let own = diagonal.iter().map(move |&x| (i, i, x));
        own.chain((i > 0).then(|| (i, i - 1, -1.0))).collect::<Vec<_>>()
    };
    let entries: Vec<(u32, u32, f64)> = (0..LEVELS as u32).flat_map(of_level).collect();
    RawPrecision {
        rows: entries.iter().map(|e| e.0 as i32).collect(),
        columns: entries.iter().map(|e| e.1 as i32).collect(),
        values: entries.iter().map(|e| e.2).collect(),
        log_det: log_determinant(LEVELS, &entries).unwrap(),
    }
}

/// All levels are related to all others.
fn dense() -> RawPrecision {
    let entry =
        |i: u32, j: u32| if i == j { 3.0 + 0.2 * f64::from(i) } else { 0.6 * (1.7 * f64::from(i * j + i)).sin() };
    let entries: Vec<_> = (0..LEVELS as u32).flat_map(|i| (0..=i).map(move |j| (i, j, entry(i, j)))).collect();
    RawPrecision {
        rows: entries.iter().map(|e| e.0 as i32).collect(),
        columns: entries.iter().map(|e| e.1 as i32).collect(),
        values: entries.iter().map(|e| e.2).collect(),
        log_det: log_determinant(LEVELS, &entries).unwrap(),
    }
}

fn model(family: Family, q: usize, precision: RawPrecision) -> Arc<Model> {
    let shape = Shape::plain(family, 60, 2, &[(LEVELS, q, true), (4, 1, false)]);
    let (spec, mut raw) = (spec(&shape), arrays(&shape, 5));
    raw.terms[0].precision = Some(precision);
    Arc::new(Model::new(Design::new(raw, &spec).unwrap(), &spec).unwrap())
}

fn settled(model: &Arc<Model>, engine: Engine) -> Posterior {
    settle(model, engine, &AtomicBool::new(false)).posterior
}

fn posterior(family: Family, engine: Engine, in_parts: bool) -> Posterior {
    settled(&model(family, 2, precision(in_parts)), engine)
}

fn position(dim: usize) -> Vec<f64> {
    (0..dim).map(|j| 0.7 * (1.3 * j as f64).sin()).collect()
}

fn check_gradient(posterior: &mut Posterior) {
    let mut x = position(posterior.dim());
    let (mut gradient, mut scratch) = (vec![0.0; x.len()], vec![0.0; x.len()]);
    assert!(posterior.evaluate(&x, &mut gradient).is_finite());
    for j in 0..x.len() {
        let (at, h) = (x[j], 1e-5);
        let [up, down] = [at + h, at - h].map(|moved| {
            x[j] = moved;
            posterior.evaluate(&x, &mut scratch)
        });
        x[j] = at;
        let slope = (up - down) / (2.0 * h);
        assert!((gradient[j] - slope).abs() < 1e-5 * (1.0 + slope.abs()), "{j}: {} {slope}", gradient[j]);
    }
}

#[test]
fn gradients_agree_with_differences() {
    for family in [Family::Gaussian, Family::NegBinomial] {
        for engine in [Engine::Joint, Engine::Levels] {
            check_gradient(&mut posterior(family, engine, false));
            for q in [1, 2] {
                let mut dense = settled(&model(family, q, dense()), engine);
                assert_eq!(dense.transport.turns().len(), usize::from(engine == Engine::Levels));
                check_gradient(&mut dense);
            }
        }
    }
}

/// Turned coordinates lead to parameters of the same density, and their Jacobian is that of the map.
#[test]
fn turned_levels_are_other_coordinates_and_nothing_else() {
    for (family, q) in [(Family::Gaussian, 1), (Family::NegBinomial, 1), (Family::NegBinomial, 2)] {
        let model = model(family, q, dense());
        let mut turned = settled(&model, Engine::Levels);
        let layout = &model.layout;
        let at = position(turned.dim());
        turned.value(&at);
        // In coordinates that stand for themselves, standardised effects are those by the factor of the scales.
        let p = layout.swept.len();
        let plain = Transport::identity(layout, vec![0.0; p], &vec![1.0; p]);
        let mut other = Posterior::new(Arc::clone(&model), Arc::new(plain));
        let standard = |posterior: &Posterior| {
            let mut out = posterior.mapped.effects.clone();
            for level in layout.levels() {
                let factor = posterior.scales.factor_of(level.block.source, level.number);
                small::solve_lower(level.block.q, factor, &mut out[level.effects()]);
            }
            out
        };
        let mut same = at.clone();
        same[layout.z_swept()].copy_from_slice(&turned.mapped.swept);
        same[layout.z_effects()].copy_from_slice(&standard(&turned));
        other.value(&same);
        assert!((other.lp - turned.lp).abs() < 1e-9 * (1.0 + turned.lp.abs()), "{} {}", other.lp, turned.lp);
        let expected = turned.mapped.log_jacobian + turned.transport.log_constant();
        let n = layout.theta().start;
        let mut jacobian = faer::Mat::<f64>::zeros(n, n);
        for j in 0..n {
            let [up, down] = [1e-5, -1e-5].map(|h| {
                let mut x = at.clone();
                x[j] += h;
                turned.value(&x);
                [turned.mapped.swept.clone(), standard(&turned)].concat()
            });
            (0..n).for_each(|i| jacobian[(i, j)] = (up[i] - down[i]) / 2e-5);
        }
        let log_det = jacobian.determinant().abs().ln();
        assert!((log_det - expected).abs() < 1e-6 * (1.0 + expected.abs()), "{log_det} {expected}");
    }
}

/// The joint transport of a Gaussian model is exact only with the whole of an entry.
#[test]
fn entries_in_parts_are_their_sum() {
    let [(whole, expected), (parts, found)] = [false, true].map(|in_parts| {
        let mut posterior = posterior(Family::Gaussian, Engine::Joint, in_parts);
        let mut gradient = vec![0.0; posterior.dim()];
        (posterior.evaluate(&position(gradient.len()), &mut gradient), gradient)
    });
    assert!((whole - parts).abs() < 1e-6 * whole.abs(), "{whole} {parts}");
    expected.iter().zip(&found).for_each(|(e, f)| assert!((e - f).abs() < 1e-4 * (1.0 + e.abs()), "{e} {f}"));
}
