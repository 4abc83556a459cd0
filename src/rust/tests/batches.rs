//! Batches of rows: unbiased for value and gradient, and variational fits from them like those from all rows.

mod common;

use common::{Shape, arrays, few_values, spec};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use twill::approximate::approximate;
use twill::density::batch::Batch;
use twill::density::{LogDensity, Model, Posterior};
use twill::design::Design;
use twill::run::{Prepared, prepare};
use twill::spec::Family::{Gaussian, NegBinomial, Poisson};
use twill::spec::{ApproximationSettings, Device, Engine, Family, GuideKind, Method, Metric};
use twill::whiten::Whitened;
use twill::whiten::bend::Bent;

fn shape(family: Family, n: usize, regression: bool) -> Shape {
    Shape { regression, ..Shape::plain(family, n, 3, &[(6, 2, true), (4, 1, false)]) }
}

/// With `groups`, columns of few values: rows that compress, and groups of one dispersion.
fn model(shape: &Shape, groups: bool) -> Model {
    let (spec, mut raw) = (spec(shape), arrays(shape, 2));
    if groups {
        few_values(&mut raw);
    }
    Model::new(Design::new(raw, &spec).unwrap(), &spec).unwrap()
}

/// Full target, the same from batches, and a position away from the centre.
fn targets(model: Model, size: usize) -> (Whitened<Bent<Posterior>>, Whitened<Bent<Posterior>>, Vec<f64>) {
    let prepared = prepare(Arc::new(model), Engine::Joint, Metric::Auto, &AtomicBool::new(false)).unwrap();
    let Prepared::Full(_, mut full) = prepared else { panic!("joint") };
    let dim = full.dim();
    full.evaluate(&vec![0.0; dim], &mut vec![0.0; dim]);
    let mut batched = full.clone();
    batched.inner.inner.batch = Some(Box::new(Batch::new(&full.inner.inner, size, 1)));
    (full, batched, (0..dim).map(|i| 0.8 * (1.3 * i as f64).sin()).collect())
}

/// Means of 4,000 batches are within 4.5 standard errors of what they estimate.
#[test]
fn batches_are_unbiased() {
    for (family, regression, groups) in [
        (Gaussian, false, false),
        (Gaussian, true, true),
        (NegBinomial, false, true),
        (NegBinomial, true, false),
        (Poisson, false, false),
    ] {
        let (mut full, mut batched, position) = targets(model(&shape(family, 300, regression), groups), 20);
        let (mut expected, mut g) = (vec![0.0; position.len()], vec![0.0; position.len()]);
        let value = full.evaluate(&position, &mut expected);
        expected.push(value);
        let (n, dim) = (4000.0, expected.len());
        let (mut sum, mut squares) = (vec![0.0; dim], vec![0.0; dim]);
        for _ in 0..4000 {
            let value = batched.evaluate(&position, &mut g);
            for (j, x) in g.iter().chain([&value]).enumerate() {
                sum[j] += x - expected[j];
                squares[j] += (x - expected[j]).powi(2);
            }
        }
        for j in 0..dim {
            let (mean, error) = (sum[j] / n, (squares[j] / n / n).sqrt());
            assert!(mean.abs() < 4.5 * error + 1e-9, "{family:?} {regression} {j}: {mean} +- {error}");
        }
    }
}

/// A batch of all rows is the likelihood.
#[test]
fn a_batch_of_all_rows_is_exact() {
    for (family, regression) in [(Gaussian, true), (NegBinomial, false), (NegBinomial, true), (Poisson, false)] {
        let model = model(&shape(family, 200, regression), true);
        let n = model.design.n();
        let (mut full, mut batched, position) = targets(model, n);
        let (mut g, mut h) = (vec![0.0; position.len()], vec![0.0; position.len()]);
        let (a, b) = (full.evaluate(&position, &mut g), batched.evaluate(&position, &mut h));
        assert!((a - b).abs() < 1e-9 * a.abs(), "{a} {b}");
        g.iter().zip(&h).for_each(|(g, h)| assert!((g - h).abs() < 1e-8 * (1.0 + g.abs()), "{g} {h}"));
    }
}

fn settings(batch: usize) -> ApproximationSettings {
    ApproximationSettings {
        method: Method::Svi,
        draws: 4000,
        threads: 1,
        seed: 7,
        engine: Engine::Joint,
        guide: GuideKind::Auto,
        natural: false,
        batch,
        max_steps: 4000,
        n_draws: 4,
        step_size: 0.05,
        tolerance: 1.0,
        save_effects: false,
        device: Device::Cpu,
        fallback: false,
        kernel_cache: String::new(),
    }
}

/// Means differ by less than 0.1 posterior standard deviations, standard deviations by a factor of less than e^0.2:
/// so much do ascents over all rows with different seeds (0.08 and 0.2, the latter in standard deviations of few
/// levels, whose posteriors have long tails).
#[test]
fn guides_from_batches_are_those_from_all_rows() {
    for (family, regression) in [(NegBinomial, false), (NegBinomial, true), (Gaussian, false)] {
        let shape = shape(family, 3000, regression);
        let run = |batch| approximate(model(&shape, false), &settings(batch), |_| true).unwrap();
        let (all, some) = (run(0), run(150));
        let n = twill::layout::draw_names(&spec(&shape), false).len();
        let moments = |values: &[f64], v: usize| {
            let x: Vec<f64> = values.iter().skip(v).step_by(n).copied().collect();
            let mean = x.iter().sum::<f64>() / x.len() as f64;
            (mean, (x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / x.len() as f64).sqrt())
        };
        for v in 0..n - 2 {
            let ((a, sd_a), (b, sd_b)) = (moments(&all.values, v), moments(&some.values, v));
            assert!((a - b).abs() < 0.1 * sd_a, "{family:?} {regression} {v}: {a} {b}, sd {sd_a}");
            assert!((sd_b / sd_a).ln().abs() < 0.2, "{family:?} {regression} {v}: sd {sd_a} {sd_b}");
        }
    }
}

#[test]
fn the_same_seed_draws_the_same_batches() {
    let run = || approximate(model(&shape(Poisson, 400, false), false), &settings(40), |_| true).unwrap().values;
    assert_eq!(run(), run());
}
