//! Time of one log density and gradient: of each engine on models like those of `bench/`, whitened
//! as they are sampled, and of the likelihood kernels per row.
//!
//! `cargo bench --no-default-features --bench gradient [-- NAME]`, or `make bench-rust`.

mod support;

use std::hint::black_box;
use std::sync::Arc;
use support::{cells, dispersion, is_wanted, model, shapes, target, time};
use twill::density::{LogDensity, Model, Posterior};
use twill::run::Prepared;
use twill::spec::{Engine, Family};
use twill::transport::Transport;

fn main() {
    kernels();
    for (name, shape) in shapes() {
        let model = model(&shape);
        for engine in [Engine::Collapsed, Engine::Joint, Engine::Levels] {
            let label = format!("{name}, {engine:?}");
            if is_wanted(&label) {
                whitened(&label, target(&model, engine));
            }
        }
    }
    for (family, name) in [(Family::Gaussian, "sigma"), (Family::NegBinomial, "shape")] {
        for (of, groups) in [("number", false), ("group", true)] {
            rows(&format!("200,000 rows by {of}, one {name}"), &dispersion(family, groups, false));
            rows(&format!("200,000 rows by {of}, {name} ~ {of}"), &dispersion(family, groups, true));
        }
    }
    whitened("5000 cells, rows", target(&cells(false), Engine::Auto));
    whitened("5000 cells, compressed", target(&cells(true), Engine::Auto));
}

/// In the coordinates of the non-centred form.
fn rows(label: &str, model: &Arc<Model>) {
    let p = model.layout.swept.len();
    let map = Transport::identity(&model.layout, vec![0.0; p], &vec![1.0; p]);
    gradient(label, Posterior::new(Arc::clone(model), Arc::new(map)));
}

fn whitened(label: &str, target: Option<Prepared>) {
    match target {
        Some(Prepared::Collapsed(target)) => gradient(label, target),
        Some(Prepared::Full(_, target)) => gradient(label, target),
        None => {}
    }
}

/// Positions differ from call to call, so that nothing can be kept.
fn gradient(label: &str, mut target: impl LogDensity) {
    let mut position = vec![0.1; target.dim()];
    let mut out = position.clone();
    time(label, || {
        position[0] = -position[0];
        black_box(target.evaluate(&position, &mut out));
    });
}

fn kernels() {
    let n: u32 = 5000;
    let y: Vec<f64> = (0..n).map(|i| f64::from(i % 7)).collect();
    let eta: Vec<f64> = (0..n).map(|i| f64::from(i % 11) * 0.3 - 1.0).collect();
    let (weights, mut out) = (vec![1.0; n as usize], vec![0.0; n as usize]);
    let mut log_phi = 0.1;
    time("5000 rows, negative binomial kernel", || {
        log_phi = -log_phi;
        black_box(twill::kernels::negative_binomial(&y, &weights, &eta, log_phi, &mut out));
    });
    time("5000 rows, Poisson kernel", || {
        black_box(twill::kernels::poisson(&y, &weights, &eta, &mut out));
    });
}
