//! The evidence: the same by every engine, approximation and bridge, and one where there are no data.

mod common;

use common::{Shape, arrays, prior, spec};
use twill::approximate::approximate;
use twill::density::Model;
use twill::design::Design;
use twill::evidence::bridge;
use twill::spec::*;

/// Estimate of the log evidence and its Monte Carlo error from logs of ratios.
fn mean_of_ratios(log_ratios: &[f64]) -> (f64, f64) {
    let n = log_ratios.len() as f64;
    let top = log_ratios.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let ratios: Vec<f64> = log_ratios.iter().map(|r| (r - top).exp()).collect();
    let mean = ratios.iter().sum::<f64>() / n;
    let variance = ratios.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (top + mean.ln(), (variance / n).sqrt() / mean)
}

/// Meng and Wong's estimate, its errors as if draws were independent.
fn across(posterior: &[[f64; 2]], normal: &[[f64; 2]]) -> (f64, f64) {
    let start = posterior.iter().map(|[p, q]| p - q).sum::<f64>() / posterior.len() as f64;
    let mut log_evidence = start;
    let mut error = 0.0;
    for _ in 0..100 {
        let above: Vec<f64> = normal.iter().map(|[p, q]| 1.0 / (1.0 + (q - p + log_evidence).exp())).collect();
        let below: Vec<f64> = posterior.iter().map(|[p, q]| 1.0 / (1.0 + (p - log_evidence - q).exp())).collect();
        let log = |x: &[f64]| mean_of_ratios(&x.iter().map(|x| x.ln()).collect::<Vec<_>>());
        let ((a, e_a), (b, e_b)) = (log(&above), log(&below));
        log_evidence += a - b;
        error = e_a.hypot(e_b);
    }
    (log_evidence, error)
}

fn built(spec: &ModelSpec, shape: &Shape) -> Model {
    Model::new(Design::new(arrays(shape, 3), spec).unwrap(), spec).unwrap()
}

fn approximated(model: Model, engine: Engine, method: Method) -> (f64, f64) {
    let settings = ApproximationSettings {
        method,
        draws: 20_000,
        threads: 1,
        seed: 1,
        engine,
        guide: GuideKind::Auto,
        natural: true,
        batch: 0,
        max_steps: 600,
        n_draws: 4,
        step_size: 0.05,
        tolerance: 1.0,
        save_effects: false,
        device: Device::Cpu,
        fallback: false,
        kernel_cache: String::new(),
    };
    mean_of_ratios(&approximate(model, &settings, |_| true).unwrap().log_ratios)
}

fn bridged(model: Model, engine: Engine) -> (f64, f64) {
    let settings = Settings {
        chains: 4,
        iter: 1500,
        warmup: 500,
        thin: 1,
        threads: 2,
        seed: 1,
        adapt_delta: vec![0.8],
        max_treedepth: 10,
        init: InitSpec::Mode,
        save_effects: false,
        effects: None,
        save_warmup: false,
        sampler: Sampling::Nuts,
        engine,
        metric: Metric::Auto,
        checkpoint: None,
    };
    let found = bridge(model, &settings, |_| true).unwrap();
    across(&found.at_posterior, &found.at_normal)
}

/// All ways to the evidence of a model, with their names.
fn ways(spec: &ModelSpec, shape: &Shape) -> Vec<(String, (f64, f64))> {
    let mut engines = vec![Engine::Joint, Engine::Levels];
    let collapses = shape.family == Family::Gaussian && !shape.regression && !shape.se && !spec.prior_only;
    engines.extend(collapses.then_some(Engine::Collapsed));
    let mut out = vec![];
    for engine in engines {
        for method in [Method::Laplace, Method::Svi] {
            out.push((format!("{engine:?} {method:?}"), approximated(built(spec, shape), engine, method)));
        }
        out.push((format!("{engine:?} bridge"), bridged(built(spec, shape), engine)));
    }
    out
}

fn shapes() -> Vec<Shape> {
    let plain = |family, terms: &[(usize, usize, bool)]| Shape::plain(family, 40, 2, terms);
    vec![
        plain(Family::Gaussian, &[(4, 2, true), (3, 1, false)]),
        Shape { regression: true, ..plain(Family::Gaussian, &[(4, 2, true)]) },
        Shape { se: true, ..plain(Family::Gaussian, &[(4, 1, false)]) },
        plain(Family::NegBinomial, &[(4, 2, true)]),
        Shape { regression: true, ..plain(Family::NegBinomial, &[(4, 1, false)]) },
        plain(Family::Poisson, &[(4, 2, false), (3, 1, false)]),
    ]
}

#[test]
fn engines_approximations_and_bridges_agree() {
    for shape in shapes() {
        let mut spec = spec(&shape);
        // Supports that end, and truncated priors.
        spec.terms[0].sd_priors[0] = prior("uniform", &[0.0, 4.0]);
        let all = ways(&spec, &shape);
        let (_, (reference, error)) = all.iter().find(|(name, _)| name.ends_with("bridge")).unwrap();
        for (name, (found, own)) in &all {
            let z = (found - reference) / own.hypot(*error);
            // Ratios have tails, and draws of chains depend on each other.
            assert!(z.abs() < 5.0 && own < &0.2, "{shape:?} {name}: {found} ({own}), {reference} ({error})\n{all:?}");
        }
    }
}

/// Without data the evidence is the integral of the prior.
#[test]
fn priors_integrate_to_one() {
    let mut shapes = shapes();
    shapes.push(Shape { horseshoe_b: true, ..Shape::plain(Family::Gaussian, 40, 3, &[(3, 1, false)]) });
    shapes.push(Shape {
        horseshoe_sd: true,
        autoscale: true,
        ..Shape::plain(Family::NegBinomial, 40, 2, &[(3, 3, true)])
    });
    let sds = [
        prior("student_t", &[3.0, 1.0, 2.5]),
        prior("inv_gamma", &[2.0, 1.0]),
        prior("lognormal", &[0.0, 1.0]),
        prior("gamma", &[2.0, 2.0]),
        prior("normal", &[-1.0, 2.0]),
        prior("double_exponential", &[1.0, 1.0]),
        prior("uniform", &[-1.0, 3.0]),
        prior("exponential", &[2.0]),
    ];
    for (shape, sd) in shapes.iter().zip(sds) {
        let mut spec = spec(shape);
        spec.prior_only = true;
        let of_last = spec.terms.last_mut().unwrap();
        *of_last.sd_priors.last_mut().unwrap() = sd;
        let (found, error) = bridged(built(&spec, shape), Engine::Auto);
        assert!(found.abs() < 0.01 + 5.0 * error && error < 0.1, "{shape:?}: {found} ({error})");
    }
}
