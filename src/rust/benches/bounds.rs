//! Time of a gradient beside its arithmetic bound: the operations that its formula needs, at the speed at which this
//! machine does them in long loops.
//!
//! Counted are, for a factor `R` of the precision with `P` multiplications, `3 P` (one factorisation, two for its
//! derivative) and four solves; for a Gaussian likelihood from cross-products, its products; for rows, the kernel per
//! row and four multiplications per row and design column. Not counted: index arithmetic, priors, whitening.
//!
//! `cargo bench --no-default-features --bench bounds`, or `make bench-rust`.

mod support;

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use support::{model, nanoseconds, shapes};
use twill::density::{LogDensity, Model, Posterior};
use twill::kernels;
use twill::run::{Prepared, prepare_settled};
use twill::settle::settle;
use twill::spec::{Engine, Family, Metric};
use twill::transport::Transport;

/// Nanoseconds per operation in long loops.
struct Rates {
    multiplication: f64,
    row_of_counts: f64,
}

fn main() {
    let rates = rates();
    println!(
        "one multiplication {:.3} ns, one row of counts {:.2} ns\n{:<34} {:>12} {:>12} {:>7}",
        rates.multiplication, rates.row_of_counts, "model, engine", "gradient ns", "bound ns", "ratio"
    );
    for (name, shape) in shapes() {
        let model = model(&shape);
        for engine in [Engine::Collapsed, Engine::Joint, Engine::Levels] {
            row(name, &model, engine, &rates);
        }
    }
}

fn row(name: &str, model: &Arc<Model>, engine: Engine, rates: &Rates) {
    let never = AtomicBool::new(false);
    let settled = settle(model, engine, &never);
    let bound = bound(&settled.posterior, rates);
    let took = match prepare_settled(settled, engine, Metric::Auto, &never) {
        Ok(Prepared::Collapsed(target)) => gradient(target),
        Ok(Prepared::Full(_, target)) => gradient(target),
        Err(_) => return,
    };
    println!("{:<34} {took:>12.0} {bound:>12.0} {:>7.1}", format!("{name}, {engine:?}"), took / bound);
}

fn bound(posterior: &Posterior, rates: &Rates) -> f64 {
    let factor = match &*posterior.transport {
        Transport::Joint(map) => {
            let pattern = map.skeleton.pattern();
            3 * pattern.n_multiplications() + 4 * pattern.n_entries()
        }
        Transport::Levels(_) => 0,
    };
    let (n, design) = (posterior.model.design.n(), &posterior.model.design);
    let columns: usize = design.x.ncols() + design.terms.iter().map(|t| t.q).sum::<usize>();
    let rows = match (&posterior.sums, posterior.model.family()) {
        (Some(sums), _) => sums.n_products() as f64 * rates.multiplication,
        (None, Family::Gaussian) => (4 * n * (columns + 1)) as f64 * rates.multiplication,
        (None, _) => n as f64 * (rates.row_of_counts + (4 * columns) as f64 * rates.multiplication),
    };
    factor as f64 * rates.multiplication + rows
}

fn gradient(mut target: impl LogDensity) -> f64 {
    let mut position = vec![0.1; target.dim()];
    let mut out = position.clone();
    nanoseconds(|| {
        position[0] = -position[0];
        black_box(target.evaluate(&position, &mut out));
    })[0]
}

fn rates() -> Rates {
    const N: usize = 1024;
    let a: Vec<f64> = (0..N).map(|i| i as f64).collect();
    let totals: Vec<f64> = (0..N).map(|i| (i % 7) as f64).collect();
    let eta: Vec<f64> = (0..N).map(|i| (i % 11) as f64 * 0.3 - 1.0).collect();
    let (weights, mut out) = (vec![1.0; N], vec![0.0; N]);
    let multiplication = nanoseconds(|| {
        black_box(kernels::dot(black_box(&a), black_box(&totals)));
    })[0];
    let row = nanoseconds(|| {
        black_box(kernels::negative_binomial(black_box(&totals), &weights, &eta, black_box(0.1), &mut out));
    })[0];
    Rates { multiplication: multiplication / N as f64, row_of_counts: row / N as f64 }
}
