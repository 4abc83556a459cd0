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

fn posterior(family: Family, engine: Engine, in_parts: bool) -> Posterior {
    let shape = Shape::plain(family, 60, 2, &[(LEVELS, 2, true), (4, 1, false)]);
    let (spec, mut raw) = (spec(&shape), arrays(&shape, 5));
    raw.terms[0].precision = Some(precision(in_parts));
    let model = Model::new(Design::new(raw, &spec).unwrap(), &spec).unwrap();
    settle(&Arc::new(model), engine, &AtomicBool::new(false)).posterior
}

fn position(dim: usize) -> Vec<f64> {
    (0..dim).map(|j| 0.7 * (1.3 * j as f64).sin()).collect()
}

#[test]
fn gradients_agree_with_differences() {
    for family in [Family::Gaussian, Family::NegBinomial] {
        for engine in [Engine::Joint, Engine::Levels] {
            let mut posterior = posterior(family, engine, false);
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
