//! A stop-watch and models for the benches. Written by hand: criterion and its 25 crates would
//! compile with every `cargo test`, for a minute.

// Neither bench uses all of it.
#![allow(dead_code)]

#[path = "../../tests/common/mod.rs"]
mod common;

pub use common::Shape;
use common::{arrays, spec};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};
use twill::density::Model;
use twill::design::Design;
use twill::likelihood::Likelihood;
use twill::run::{Prepared, prepare};
use twill::spec::Family::{self, Gaussian, NegBinomial};
use twill::spec::{Engine, Metric};

/// Samples per bench and their shortest length.
const SAMPLES: usize = 25;
const SAMPLE: Duration = Duration::from_millis(5);

/// Whether the argument of the command line, if there is one, selects benches of this name.
pub fn is_wanted(name: &str) -> bool {
    let filter = std::env::args().skip(1).find(|a| !a.starts_with('-'));
    filter.is_none_or(|f| name.contains(&f))
}

/// Prints nanoseconds per call, the least and the median of the samples, if the bench is wanted.
pub fn time(name: &str, call: impl FnMut()) {
    if !is_wanted(name) {
        return;
    }
    let nanos = nanoseconds(call);
    println!("{name:<46} {:>12.1} ns (median {:.1})", nanos[0], nanos[SAMPLES / 2]);
}

/// Nanoseconds per call of each sample, from the least on.
pub fn nanoseconds(mut call: impl FnMut()) -> Vec<f64> {
    let mut calls = 1;
    while sample(calls, &mut call) < SAMPLE {
        calls *= 2;
    }
    let per_call = |seconds: Duration| seconds.as_secs_f64() * 1e9 / calls as f64;
    let mut nanos: Vec<f64> = (0..SAMPLES).map(|_| per_call(sample(calls, &mut call))).collect();
    nanos.sort_by(f64::total_cmp);
    nanos
}

fn sample(calls: usize, call: &mut impl FnMut()) -> Duration {
    let clock = Instant::now();
    (0..calls).for_each(|_| call());
    clock.elapsed()
}

/// Named shapes like those of `bench/models.R`.
pub fn shapes() -> Vec<(&'static str, Shape)> {
    vec![
        ("crossed screen", Shape::plain(Gaussian, 90, 1, &[(10, 1, false), (3, 1, false)])),
        ("correlated slopes", Shape::plain(Gaussian, 180, 2, &[(18, 2, true)])),
        ("guides and lines", Shape::plain(Gaussian, 20_000, 1, &[(103, 1, false), (258, 1, false)])),
        ("donors", Shape::plain(NegBinomial, 560, 2, &[(7, 1, false)])),
        ("ticks", Shape::plain(NegBinomial, 403, 4, &[(118, 1, false), (63, 1, false)])),
        ("crossed counts", Shape::plain(NegBinomial, 5_000, 2, &[(50, 1, false), (40, 1, false)])),
    ]
}

/// A model with random data, unit weights and no offset.
pub fn model(shape: &Shape) -> Arc<Model> {
    let spec = spec(shape);
    let mut raw = arrays(shape, 1);
    raw.weights.to_mut().fill(1.0);
    raw.offset.to_mut().fill(0.0);
    let design = Design::new(raw, &spec).expect("valid by construction");
    Arc::new(Model::new(design, &spec).expect("valid by construction"))
}

/// Counts of 5,000 cells of 7 donors in 2 conditions, with exposures over a factor of 36: row by row or
/// compressed.
pub fn cells(compressed: bool) -> Arc<Model> {
    let spec = spec(&Shape::plain(NegBinomial, 5_000, 2, &[(7, 2, false)]));
    let mut raw = arrays(&Shape::plain(NegBinomial, 5_000, 2, &[(7, 2, false)]), 1);
    let n = raw.y.len();
    raw.weights.to_mut().fill(1.0);
    raw.offset.to_mut().iter_mut().for_each(|o| *o *= 0.5 * 36f64.ln());
    raw.x.to_mut()[n..].iter_mut().enumerate().for_each(|(i, x)| *x = (i % 2) as f64);
    raw.terms[0].z = raw.x.clone();
    let design = Design::new(raw, &spec).expect("valid by construction");
    let mut model = Model::new(design.clone(), &spec).expect("valid by construction");
    if !compressed {
        model.likelihood = Likelihood::new(&design, &spec);
        model.design = design;
    }
    Arc::new(model)
}

/// 200,000 rows of a design of numbers, or of two groups; their log dispersion is a regression on it or one
/// parameter.
pub fn dispersion(family: Family, groups: bool, regression: bool) -> Arc<Model> {
    let shape = Shape { regression, ..Shape::plain(family, 200_000, 2, &[(20, 1, false)]) };
    let spec = spec(&shape);
    let mut raw = arrays(&shape, 1);
    let n = raw.y.len();
    raw.weights.to_mut().fill(1.0);
    raw.offset.to_mut().fill(0.0);
    if groups {
        raw.x.to_mut()[n..].iter_mut().for_each(|x| *x = f64::from(u8::from(*x > 0.0)));
    }
    if regression {
        raw.x_disp.to_mut().copy_from_slice(&raw.x);
    }
    Arc::new(Model::new(Design::new(raw, &spec).expect("valid by construction"), &spec).expect("valid by construction"))
}

/// The target as it is sampled; `None` if the engine cannot do the model.
pub fn target(model: &Arc<Model>, engine: Engine) -> Option<Prepared> {
    prepare(Arc::clone(model), engine, Metric::Auto, &AtomicBool::new(false)).ok()
}
