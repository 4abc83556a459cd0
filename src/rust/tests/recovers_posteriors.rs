//! NUTS on targets whose moments are known, and all engines on one hierarchical model.
//!
//! Tolerance: |z| < 4 in units of Monte Carlo error, with seeds fixed.

mod common;

use common::{Shape, arrays, spec};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::sync::atomic::AtomicBool;
use twill::density::{LogDensity, Model};
use twill::design::Design;
use twill::hmc::chain::Chain;
use twill::hmc::hamiltonian::PhasePoint;
use twill::sample::sample;
use twill::spec::{Engine, Family, InitSpec, Metric, ModelSpec, Sampling, Settings};

/// Independent normals with the given standard deviations.
#[derive(Clone)]
struct Normals(Vec<f64>);

impl LogDensity for Normals {
    fn dim(&self) -> usize {
        self.0.len()
    }
    fn evaluate(&mut self, q: &[f64], g: &mut [f64]) -> f64 {
        let mut value = 0.0;
        for ((q, g), sd) in q.iter().zip(g).zip(&self.0) {
            *g = -q / (sd * sd);
            value += 0.5 * q * *g;
        }
        value
    }
}

/// Neal's funnel: v ~ N(0, 3), x ~ N(0, exp(v / 2)).
#[derive(Clone)]
struct Funnel;

impl LogDensity for Funnel {
    fn dim(&self) -> usize {
        10
    }
    fn evaluate(&mut self, q: &[f64], g: &mut [f64]) -> f64 {
        let (v, x) = (q[0], &q[1..]);
        let (precision, squares) = ((-v).exp(), x.iter().map(|x| x * x).sum::<f64>());
        g[0] = -v / 9.0 + 0.5 * squares * precision - 4.5;
        g[1..].iter_mut().zip(x).for_each(|(g, x)| *g = -x * precision);
        -v * v / 18.0 - 0.5 * squares * precision - 4.5 * v
    }
}

/// Draws of coordinate 0.. after warm-up, and the number of divergences.
fn run<D: LogDensity + Clone>(target: &D, n: usize, seed: u64) -> (Vec<Vec<f64>>, usize) {
    let cancel = AtomicBool::new(false);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut start_density = target.clone();
    let start = PhasePoint::at(&mut start_density, vec![0.0; target.dim()]);
    let mut chain = Chain::new(Recorder(target.clone(), vec![]), start, 10, &cancel);
    chain.warm_up(1000, 0.8, &mut rng, |_, _, _| true);
    let mut draws = vec![];
    let mut divergent = 0;
    for _ in 0..n {
        divergent += usize::from(chain.transition(&mut rng).divergent);
        draws.push(chain.density().1.clone());
    }
    (draws, divergent)
}

/// Remembers where it was evaluated last: at the new state, after a transition.
struct Recorder<D>(D, Vec<f64>);

impl<D: LogDensity> LogDensity for Recorder<D> {
    fn dim(&self) -> usize {
        self.0.dim()
    }
    fn evaluate(&mut self, q: &[f64], g: &mut [f64]) -> f64 {
        self.1 = q.to_vec();
        self.0.evaluate(q, g)
    }
}

/// (mean, its Monte Carlo error) by means of 50 batches.
fn mean_and_error(x: &[f64]) -> (f64, f64) {
    let size = x.len() / 50;
    let batches: Vec<f64> = x.chunks_exact(size).map(|b| b.iter().sum::<f64>() / size as f64).collect();
    let mean = batches.iter().sum::<f64>() / batches.len() as f64;
    let variance = batches.iter().map(|b| (b - mean).powi(2)).sum::<f64>() / (batches.len() - 1) as f64;
    (mean, (variance / batches.len() as f64).sqrt())
}

fn assert_mean(x: &[f64], expected: f64, what: &str) {
    let (mean, error) = mean_and_error(x);
    let z = (mean - expected) / error;
    assert!(z.abs() < 4.0, "{what}: mean {mean}, expected {expected}, z {z}");
}

#[test]
fn normals_tiny_and_huge() {
    let sds = [1e-4, 1.0, 1e4, 0.3, 30.0];
    let (draws, divergent) = run(&Normals(sds.to_vec()), 10_000, 1);
    assert_eq!(divergent, 0);
    for (j, sd) in sds.iter().enumerate() {
        let x: Vec<f64> = draws.iter().map(|d| d[j] / sd).collect();
        assert_mean(&x, 0.0, "mean");
        assert_mean(&x.iter().map(|x| x * x).collect::<Vec<_>>(), 1.0, "variance");
    }
}

#[test]
fn a_funnel_is_reported_as_divergent() {
    let (_, divergent) = run(&Funnel, 4000, 2);
    assert!(divergent > 0);
}

fn settings(engine: Engine, threads: usize) -> Settings {
    Settings {
        chains: 4,
        iter: 2250,
        warmup: 500,
        thin: 1,
        threads,
        seed: 3,
        adapt_delta: vec![0.8],
        max_treedepth: 10,
        init: InitSpec::Mode,
        save_effects: true,
        effects: None,
        save_warmup: false,
        sampler: Sampling::Nuts,
        engine,
        metric: Metric::Auto,
        checkpoint: None,
    }
}

fn crossed(family: Family, horseshoe_sd: bool) -> Shape {
    Shape { horseshoe_sd, ..Shape::plain(family, 120, 2, &[(8, 2, true), (5, 1, false)]) }
}

/// Per variable, all draws chain after chain.
fn columns(shape: &Shape, spec: &ModelSpec, settings: &Settings) -> Vec<Vec<f64>> {
    let model = Model::new(Design::new(arrays(shape, 5), spec).unwrap(), spec).unwrap();
    let output = sample(model, settings, |_| true).unwrap();
    let values = output.chains.iter().map(|c| c.values.clone()).collect::<Vec<_>>().concat();
    let n = twill::layout::draw_names(spec, settings.save_effects).len();
    (0..n).map(|v| values.iter().skip(v).step_by(n).copied().collect()).collect()
}

/// Engines share the model and nothing of the path to it: same means and same second moments.
#[test]
fn engines_agree() {
    for (family, engines) in [
        (Family::Gaussian, &[Engine::Collapsed, Engine::Joint, Engine::Levels, Engine::Guided][..]),
        (Family::NegBinomial, &[Engine::Joint, Engine::Levels]),
        (Family::Poisson, &[Engine::Joint, Engine::Levels]),
    ] {
        let is_shrunken = family == Family::NegBinomial;
        let shape = Shape { by: !is_shrunken, tails: family == Family::Poisson, ..crossed(family, is_shrunken) };
        let spec = spec(&shape);
        let mut runs: Vec<_> = engines.iter().map(|&e| columns(&shape, &spec, &settings(e, 2))).collect();
        let by_hmc = |&e| Settings { sampler: Sampling::Hmc, adapt_delta: vec![0.75], ..settings(e, 2) };
        let moving = engines.iter().filter(|&&e| e != Engine::Guided);
        runs.extend(moving.map(|e| columns(&shape, &spec, &by_hmc(e))));
        // lp__ has no fixed distribution to compare: its Monte Carlo error is that of all others.
        for v in 0..runs[0].len() - 1 {
            for other in &runs[1..] {
                for power in [1, 2] {
                    let moment = |x: &[f64]| mean_and_error(&x.iter().map(|x| x.powi(power)).collect::<Vec<_>>());
                    let ((a, e_a), (b, e_b)) = (moment(&runs[0][v]), moment(&other[v]));
                    let z = (a - b) / e_a.hypot(e_b);
                    assert!(z.abs() < 4.5, "{family:?} variable {v} power {power}: {a} {b} z {z}");
                }
            }
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_draws_for_any_number_of_threads() {
    for (family, engine) in [(Family::NegBinomial, Engine::Auto), (Family::Gaussian, Engine::Guided)] {
        let shape = crossed(family, false);
        let spec = spec(&shape);
        let runs: Vec<_> = [1, 2, 4].iter().map(|&t| columns(&shape, &spec, &settings(engine, t))).collect();
        assert_eq!(runs[0], runs[1]);
        assert_eq!(runs[0], runs[2]);
    }
}

/// Without data the draws are those of the priors.
#[test]
fn prior_draws_are_those_of_the_prior() {
    let shape = crossed(Family::Gaussian, false);
    let mut spec = spec(&shape);
    spec.prior_only = true;
    spec.intercept = None;
    for term in &mut spec.terms {
        term.sd_priors = vec![common::prior("exponential", &[2.0]); term.coefs.len()];
    }
    let draws = columns(&shape, &spec, &settings(Engine::Auto, 2));
    // b_0, b_1 ~ N(0.1, 2); sigma; three sds ~ Exponential(2); one correlation under LKJ(1.5).
    for b in &draws[..2] {
        assert_mean(b, 0.1, "b");
        assert_mean(&b.iter().map(|b| (b - 0.1).powi(2)).collect::<Vec<_>>(), 4.0, "b variance");
    }
    draws[3..6].iter().for_each(|sd| assert_mean(sd, 0.5, "sd"));
    assert_mean(&draws[6], 0.0, "cor");
    // (1 + cor) / 2 ~ Beta(1.5, 1.5): variance of cor 1 / (2 * 1.5 + 1).
    assert_mean(&draws[6].iter().map(|c| c * c).collect::<Vec<_>>(), 0.25, "cor variance");
}

#[test]
fn a_cancelled_run_keeps_its_draws() {
    let long = |engine| Settings { iter: 100_000_000, warmup: 100, ..settings(engine, 2) };
    cancel_in(Family::NegBinomial, &long(Engine::Auto), "joint");
    cancel_in(Family::Gaussian, &long(Engine::Guided), "guided");
    let by_hmc = Settings { sampler: Sampling::Hmc, iter: 60_000, warmup: 500, ..settings(Engine::Auto, 2) };
    cancel_in(Family::NegBinomial, &by_hmc, "lanes");
}

fn cancel_in(family: Family, long: &Settings, engine: &str) {
    let shape = crossed(family, false);
    let spec = spec(&shape);
    let model = Model::new(Design::new(arrays(&shape, 5), &spec).unwrap(), &spec).unwrap();
    let output = sample(model, long, |p| p.done < 2000).unwrap();
    assert!(output.interrupted);
    assert_eq!(output.engine, engine);
    let n = twill::layout::draw_names(&spec, true).len();
    let kept: usize = output.chains.iter().map(|c| c.sampler.len()).sum();
    assert!(kept > 0);
    for c in &output.chains {
        assert_eq!(c.values.len(), n * c.sampler.len());
        assert!(c.values.iter().all(|v| v.is_finite()));
    }
}
