//! No model, engine or prior makes the core panic: it returns draws or says why not.

mod common;

use common::{Shape, arrays, prior, spec};
use proptest::prelude::*;
use twill::approximate::approximate;
use twill::density::Model;
use twill::design::Design;
use twill::sample::sample;
use twill::spec::{
    ApproximationSettings, Device, DispersionSpec, Engine, Family, GuideKind, InitSpec, Method, Metric, ModelSpec,
    PriorSpec, Sampling, Settings,
};

/// Levels, coefficients per level and correlations of terms: below and above where coordinates change.
fn terms() -> impl Strategy<Value = Vec<(usize, usize, bool)>> {
    let one = (prop::sample::select(vec![1, 2, 5, 33, 50, 64, 101]), 1..4usize, any::<bool>());
    prop::collection::vec(one, 0..3)
}

fn shapes() -> impl Strategy<Value = Shape> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let kinds = (any::<bool>(), any::<bool>());
    (0..3usize, 0..4usize, terms(), flags, prop::sample::select(vec![1, 3, 40, 150]), kinds).prop_map(
        |(family, p, terms, f, n, kinds)| {
            let family = [Family::Gaussian, Family::NegBinomial, Family::Poisson][family];
            Shape {
                family,
                n,
                p,
                terms,
                horseshoe_b: f.0 && f.1,
                horseshoe_sd: f.1 && f.2,
                autoscale: f.2,
                centred: f.3,
                regression: f.4 && family != Family::Poisson,
                dispersion_levels: if f.4 && f.0 { 3 } else { 0 },
                positive: f.4 && f.2,
                se: f.5 && family == Family::Gaussian,
                by: kinds.0,
                tails: kinds.1,
            }
        },
    )
}

fn numbers() -> impl Strategy<Value = f64> {
    let size = [5e-324, 1e-310, 1e-200, 1e-8, 0.3, 1.0, 2.0, 50.0, 1e8, 1e200, 1e308, f64::MAX];
    (prop::sample::select(size.to_vec()), any::<bool>())
        .prop_map(|(size, is_negative)| if is_negative { -size } else { size })
}

fn priors() -> impl Strategy<Value = PriorSpec> {
    let dists = [
        ("flat", 0),
        ("normal", 2),
        ("student_t", 3),
        ("cauchy", 2),
        ("exponential", 1),
        ("gamma", 2),
        ("inv_gamma", 2),
        ("lognormal", 2),
        ("uniform", 2),
        ("double_exponential", 2),
        ("horseshoe_scale", 2),
    ];
    // Scales are positive: with other signs nearly every prior would be refused.
    (prop::sample::select(dists.to_vec()), prop::collection::vec(numbers(), 3), any::<bool>()).prop_map(
        |((dist, n), mut args, any_sign)| {
            args.truncate(n);
            let is_location = |i: usize| match dist {
                "student_t" => i == 1,
                "normal" | "cauchy" | "lognormal" | "double_exponential" => i == 0,
                _ => false,
            };
            args.iter_mut().enumerate().for_each(|(i, a)| *a = if any_sign || is_location(i) { *a } else { a.abs() });
            prior(dist, &args)
        },
    )
}

fn settings(engine: Engine, metric: Metric) -> Settings {
    Settings {
        chains: 1,
        iter: 8,
        warmup: 5,
        thin: 1,
        threads: 1,
        seed: 1,
        adapt_delta: vec![0.8],
        max_treedepth: 3,
        init: InitSpec::Mode,
        save_effects: true,
        effects: None,
        save_warmup: true,
        sampler: if engine == Engine::Joint { Sampling::Hmc } else { Sampling::Nuts },
        engine,
        metric,
        checkpoint: None,
    }
}

fn approximation(method: Method, engine: Engine, guide: GuideKind, batch: usize) -> ApproximationSettings {
    ApproximationSettings {
        method,
        draws: 7,
        threads: 1,
        seed: 1,
        engine,
        guide,
        natural: true,
        batch,
        max_steps: 5,
        n_draws: 2,
        step_size: 0.05,
        tolerance: 1.0,
        save_effects: true,
        device: Device::Cpu,
        fallback: false,
        kernel_cache: String::new(),
    }
}

fn set_priors(spec: &mut ModelSpec, priors: &[PriorSpec]) {
    let mut next = priors.iter().cloned().cycle();
    let mut take = || next.next().expect("endless");
    spec.coefficients.iter_mut().for_each(|c| c.prior = take());
    spec.terms.iter_mut().flat_map(|t| &mut t.sd_priors).for_each(|p| *p = take());
    spec.dispersion.iter_mut().flat_map(DispersionSpec::priors_mut).for_each(|p| *p = take());
}

/// Any outcome is one but a panic.
fn run(shape: &Shape, spec: &ModelSpec, unit: f64, engine: Engine, how: usize) {
    let mut raw = arrays(shape, 11);
    if shape.family == Family::Gaussian {
        raw.y.to_mut().iter_mut().for_each(|y| *y *= unit);
    }
    let Ok(design) = Design::new(raw, spec) else { return };
    let Ok(model) = Model::new(design, spec) else { return };
    let guide = [GuideKind::Auto, GuideKind::MeanField, GuideKind::LowRank, GuideKind::FullRank][how % 4];
    let _ = match how % 4 {
        0 => approximate(model, &approximation(Method::Laplace, engine, guide, 0), |_| true).map(|_| ()),
        1 => approximate(model, &approximation(Method::Svi, engine, guide, how % 3 * 10), |_| true).map(|_| ()),
        2 => sample(model, &settings(engine, Metric::Diag), |_| true).map(|_| ()),
        _ => sample(model, &settings(engine, Metric::Auto), |_| true).map(|_| ()),
    };
}

fn engines() -> impl Strategy<Value = Engine> {
    prop::sample::select(vec![Engine::Auto, Engine::Collapsed, Engine::Joint, Engine::Levels, Engine::Levels])
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn of_models_and_engines(shape in shapes(), engine in engines(), how in 0..12usize) {
        run(&shape, &spec(&shape), 1.0, engine, how);
    }

    #[test]
    fn of_priors_and_units(
        shape in shapes(), engine in engines(), how in 0..12usize, unit in numbers(),
        priors in prop::collection::vec(priors(), 1..4), prior_only in any::<bool>(),
    ) {
        let mut spec = spec(&shape);
        set_priors(&mut spec, &priors);
        spec.prior_only = prior_only;
        run(&shape, &spec, unit, engine, how);
    }
}

/// One term of many levels has a transport in lanes, which keeps no factor.
#[test]
fn of_one_term_with_many_levels() {
    for family in [Family::Gaussian, Family::Poisson, Family::NegBinomial] {
        for term in [(101, 1, false), (64, 2, false), (64, 2, true), (40, 3, true)] {
            let shape = Shape::plain(family, 300, 2, &[term]);
            run(&shape, &spec(&shape), 1.0, Engine::Levels, 3);
        }
    }
}

#[test]
fn of_a_prior_with_no_degrees_of_freedom() {
    let shape = Shape::plain(Family::Gaussian, 30, 1, &[(5, 1, false)]);
    let mut spec = spec(&shape);
    set_priors(&mut spec, &[prior("student_t", &[5e-324, 0.0, 1.0])]);
    run(&shape, &spec, 1.0, Engine::Auto, 3);
}
