//! Thousands of genes under one crossed design: pseudobulk counts of 7 donors under 2 conditions,
//! `~ condition + (1 + condition || donor)`, negative binomial, all by NUTS and by Laplace.
//!
//! `cargo bench --no-default-features --bench genes [-- GENES [METHOD]]`; `agree hmc` and `agree` compare HMC and guides with NUTS.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Gamma, Normal, Poisson};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};
use twill::density::LogDensity;
use twill::design::{Design, RawArrays, RawTerm};
use twill::genes::blueprint::Blueprint;
use twill::genes::input::{Device, GeneSet, GeneSettings, Method, PriorOverride, Responses};
use twill::genes::record::{Slot, Status};
use twill::genes::svi;
use twill::genes::svi::flat::FlatGene;
use twill::genes::svi::noise::Noise;
use twill::genes::svi::steps::{Ascent, ascend};
use twill::genes::svi::target::Target;
use twill::genes::{Output, fit};
use twill::hmc::chain::Chain;
use twill::run::{Prepared, prepare_settled, start};
use twill::settle::settle_on;
use twill::spec::*;

/// `DONORS`, 7 without.
fn n_donors() -> usize {
    from_env("DONORS", 7)
}

fn n_samples() -> usize {
    2 * n_donors()
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let n_genes = args.first().map_or(500, |a| a.parse().expect("a number of genes"));
    let method = args.get(1).map_or("all", String::as_str);
    let set = simulate(n_genes, 1);
    let blueprint = Blueprint::new(design(), spec(), &set).expect("valid by construction");
    if method == "all" || method == "gradient" {
        gradient(&blueprint, &set);
    }
    if method == "all" || method == "split" {
        split(&blueprint, &set);
    }
    if method == "all" || method == "guide" {
        guide(&blueprint, &set);
    }
    if method == "agree" {
        let other = if args.get(2).is_some_and(|a| a == "hmc") { Method::Hmc } else { Method::Svi };
        agree(other, &blueprint, &set);
    }
    for (name, choice) in [
        ("hmc", Method::Hmc),
        ("nuts", Method::Nuts),
        ("laplace", Method::Laplace),
        ("auto", Method::Auto),
        ("svi", Method::Svi),
    ] {
        if method == "all" || method == name {
            whole(name, choice, &blueprint, &set);
        }
    }
}

fn prior(dist: &str, args: &[f64]) -> PriorSpec {
    PriorSpec { dist: dist.into(), args: args.to_vec() }
}

fn spec() -> ModelSpec {
    let coefficient = |name: &str, p| CoefficientSpec { name: name.into(), prior: p };
    let term = TermSpec {
        group: "donor".into(),
        levels: (0..n_donors()).map(|d| d.to_string()).collect(),
        coefs: vec!["Intercept".into(), "conditionstim".into()],
        sd_priors: vec![prior("student_t", &[3.0, 0.0, 0.5]); 2],
        cor: None,
    };
    ModelSpec {
        family: Family::NegBinomial,
        sample_sigma: false,
        coefficients: vec![
            coefficient("b_Intercept", prior("normal", &[0.0, 3.0])),
            coefficient("b_conditionstim", prior("normal", &[0.0, 2.0])),
        ],
        intercept: Some(InterceptSpec { column: 0, centre: vec![0.0, 0.5] }),
        dispersion: Some(DispersionSpec::Constant { name: "shape".into(), prior: prior("lognormal", &[1.0, 1.0]) }),
        terms: vec![term],
        horseshoes: vec![],
        prior_only: false,
    }
}

/// Rows: `REPLICATES` of each sample.
fn n() -> usize {
    n_samples() * from_env("REPLICATES", 1)
}

/// Donors 0, 0, 1, 1, ..., control and stimulated in turn; and again.
fn design() -> Design {
    let n = n();
    let stimulated: Vec<f64> = (0..n).map(|i| (i % 2) as f64).collect();
    let x = [vec![1.0; n], stimulated.clone()].concat();
    let codes = (0..n).map(|i| (i % n_samples() / 2) as i32).collect();
    let raw = RawArrays {
        y: vec![0.0; n],
        offset: offsets(),
        weights: vec![1.0; n],
        se: vec![],
        x: x.clone(),
        x_disp: vec![],
        terms: vec![RawTerm { codes, z: x }],
    };
    Design::new(raw, &spec()).expect("valid by construction")
}

/// Log size factors.
fn offsets() -> Vec<f64> {
    (0..n()).map(|i| 0.5 * (i as f64 * 1.7).sin()).collect()
}

/// Mean counts from 1 to thousands, shape 1 / (0.05 + 1.5 / mean) within a factor of 2, sds of donors'
/// baselines about 0.3, of their responses about 0.2; half of the genes respond.
fn simulate(n_genes: usize, seed: u64) -> GeneSet {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut counts, mut log_means, mut trend) = (vec![], vec![], vec![]);
    for gene in 0..n_genes {
        let log_mean =
            normal(&mut rng, from_env("LOG_MEAN", 4.0), 2.0).clamp(0.0, 10.0) - f64::ln(from_env("REPLICATES", 1.0));
        let log_shape = -(0.05 + 1.5 * (-log_mean).exp()).ln();
        let effect = if gene % 2 == 0 { 0.0 } else { normal(&mut rng, 0.0, 0.7) };
        let shape = (log_shape + normal(&mut rng, 0.0, 0.5)).exp();
        counts.extend(one_gene(log_mean, effect, shape, &mut rng));
        log_means.push(log_mean);
        trend.push(log_shape);
    }
    let over = |name: &str, argument, values| PriorOverride { name: name.into(), argument, values };
    GeneSet {
        n: n(),
        responses: Responses::Dense(counts),
        offset: vec![],
        weights: vec![],
        index: (0..n_genes as u64).collect(),
        priors: vec![over("b_Intercept", 0, log_means), over("shape", 0, trend)],
    }
}

fn one_gene(log_mean: f64, effect: f64, shape: f64, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let (sd_baseline, sd_response) = (normal(rng, 0.0, 0.3).abs(), normal(rng, 0.0, 0.2).abs());
    let donors: Vec<[f64; 2]> =
        (0..n_donors()).map(|_| [normal(rng, 0.0, sd_baseline), normal(rng, 0.0, sd_response)]).collect();
    let count = |(i, offset): (usize, f64)| {
        let [baseline, response] = donors[i % n_samples() / 2];
        let eta = log_mean + offset + baseline + (i % 2) as f64 * (effect + response);
        let rate = Gamma::new(shape, eta.exp() / shape).expect("positive").sample(rng);
        if rate > 0.0 { Poisson::new(rate).expect("positive").sample(rng) } else { 0.0 }
    };
    offsets().into_iter().enumerate().map(count).collect()
}

fn normal(rng: &mut impl Rng, mean: f64, sd: f64) -> f64 {
    Normal::new(mean, sd).expect("positive").sample(rng)
}

/// A setting from the environment.
fn from_env<T: std::str::FromStr>(name: &str, default: T) -> T {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

/// 300 draws; `CHAINS`, `WARMUP` and `DELTA` are read from the environment.
fn settings(method: Method) -> GeneSettings {
    let (chains, warmup) = (from_env("CHAINS", 2), from_env("WARMUP", 50));
    GeneSettings {
        method,
        chains,
        iter: 300 / chains + warmup,
        warmup,
        thin: 1,
        threads: 1,
        seed: 1,
        adapt_delta: from_env("DELTA", 0.75),
        max_treedepth: 10,
        keep_effects: false,
        n_draws: 300,
        retry: true,
        refine: from_env("REFINE", true),
        resample: from_env("RESAMPLE", false),
        max_steps: 400,
        tolerance: from_env("TOLERANCE", 0.02),
        device: Device::Cpu,
        kernel_cache: String::new(),
    }
}

fn whole(name: &str, method: Method, blueprint: &Blueprint, set: &GeneSet) {
    let settings = settings(method);
    let n_variables = blueprint.variables.names.len();
    let mut draws = vec![f64::NAN; settings.n_saved() * n_variables * set.len()];
    let slots = draws.chunks_mut(settings.n_saved() * n_variables).map(|draws| Slot { draws, effects: &mut [] });
    let clock = Instant::now();
    let output = fit(blueprint, set, &settings, slots.collect(), |_| true).expect("valid by construction");
    let seconds = clock.elapsed().as_secs_f64();
    let per_gene = 1e3 * seconds / set.len() as f64;
    println!("{name}: {} genes in {seconds:.2} s, {per_gene:.3} ms per gene", set.len());
    describe(&output, blueprint);
}

fn describe(output: &Output, blueprint: &Blueprint) {
    let reports = &output.reports;
    let n = reports.len();
    let sum = |f: &dyn Fn(&twill::genes::record::Report) -> f64| reports.iter().map(f).sum::<f64>();
    let gradients = sum(&|r| r.n_gradients as f64) / n as f64;
    let divergent = sum(&|r| r.divergent as f64);
    println!("  gradients per gene {gradients:.0}, divergences {divergent}");
    for status in [Status::Ok, Status::Refined, Status::NoStart, Status::HighRhat, Status::Failed, Status::HighKhat] {
        let count = reports.iter().filter(|r| r.status == status).count();
        print!("  {status:?} {count}");
    }
    println!();
    for (v, name) in blueprint.variables.names.iter().enumerate() {
        let ess = quantiles(reports.iter().map(|r| r.ess[v]), &[0.1, 0.5]);
        let rhat = quantiles(reports.iter().map(|r| r.rhat[v]), &[0.5, 0.9, 0.99]);
        println!(
            "  {name:<34} ESS p10 {:.0} median {:.0}   R-hat median {:.3} p90 {:.3} p99 {:.3}",
            ess[0], ess[1], rhat[0], rhat[1], rhat[2]
        );
    }
    let khat: Vec<f64> = reports.iter().map(|r| r.khat).filter(|k| !k.is_nan()).collect();
    if !khat.is_empty() {
        let good = khat.iter().filter(|&&k| k <= 0.7).count();
        let ess = quantiles(reports.iter().map(|r| r.ess[0]), &[0.1, 0.5]);
        let median = quantiles(khat.iter().copied(), &[0.5])[0];
        println!(
            "  k-hat <= 0.7: {:.3}, median {median:.2}; ESS p10 {:.0} median {:.0}",
            good as f64 / khat.len() as f64,
            ess[0],
            ess[1]
        );
    }
}

fn quantiles(values: impl Iterator<Item = f64>, at: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    at.iter().map(|q| sorted[(q * (sorted.len() - 1) as f64) as usize]).collect()
}

/// Time of a gradient: the least of many samples, median over genes.
fn gradient(blueprint: &Blueprint, set: &GeneSet) {
    let cancel = AtomicBool::new(false);
    let of_gene = |g: usize| {
        let model = Arc::new(blueprint.model(set, g).expect("valid by construction"));
        let settled = settle_on(&model, blueprint.assembly(&model), Engine::Auto, &cancel);
        let prepared = prepare_settled(settled, Engine::Auto, Metric::Auto, &cancel).expect("valid by construction");
        let Prepared::Full(_, mut target) = prepared else { panic!("counts are not collapsed") };
        let (mut position, mut out) = (vec![0.1; target.dim()], vec![0.0; target.dim()]);
        let mut sample = || {
            let clock = Instant::now();
            for _ in 0..100 {
                position[0] = -position[0];
                std::hint::black_box(target.evaluate(&position, &mut out));
            }
            clock.elapsed().as_nanos() as f64 / 100.0
        };
        (0..50).map(|_| sample()).fold(f64::INFINITY, f64::min)
    };
    println!("{:.0} ns per gradient at best", quantiles((0..set.len().min(20)).map(of_gene), &[0.5])[0]);
}

/// Processor time of this thread where the system tells, else wall time, in nanoseconds.
fn clock_ns(start: Instant) -> u64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let told = told.and_then(|text| text.split(' ').next()?.parse().ok());
    told.unwrap_or_else(|| start.elapsed().as_nanos() as u64)
}

/// Time of each part of a guide's fit, single thread.
fn guide(blueprint: &Blueprint, set: &GeneSet) {
    let frame = blueprint.frame.as_ref().expect("a model with a frame");
    let ascent = Ascent { max_steps: 400, polish: 32, tolerance: from_env("TOLERANCE", 0.02) };
    let names = ["model", "start", "ascent", "draws"];
    let (mut times, mut steps, mut rounds) = ([0; 4], vec![], vec![]);
    let (mut calls, start) = ([0; 4], Instant::now());
    for g in 0..set.len() {
        let mut clock = clock_ns(start);
        let mut lap = |part: usize, clock: &mut u64| {
            let now = clock_ns(start);
            times[part] += now - *clock;
            *clock = now;
        };
        let model = blueprint.model(set, g).expect("valid by construction");
        let mut target = Target::new(frame, FlatGene::new(frame, &model).expect("valid by construction"));
        lap(0, &mut clock);
        let begin = svi::start::start(&mut target).expect("a start");
        rounds.push(target.n_evaluations as f64);
        calls[1] += target.n_evaluations;
        lap(1, &mut clock);
        let noise = Noise::new(1, g as u64);
        let fitted = ascend(&mut target, begin, ascent, &noise);
        steps.push(fitted.elbo.len() as f64);
        calls[2] += fitted.elbo.len();
        lap(2, &mut clock);
        let mut fit = svi::Fit::new(target, fitted, noise);
        std::hint::black_box(fit.draws(300, |_, _| {}));
        calls[3] += 38;
        lap(3, &mut clock);
    }
    for ((name, time), calls) in names.iter().zip(times).zip(calls) {
        let per_call = time as f64 / 1e3 / calls as f64;
        println!("{name:<8} {:8.3} ms per gene, {per_call:.2} us per evaluation", time as f64 / 1e6 / set.len() as f64);
    }
    println!(
        "evaluations of the start {:?}, steps {:?}",
        quantiles(rounds.into_iter(), &[0.1, 0.5, 0.9, 1.0]),
        quantiles(steps.into_iter(), &[0.1, 0.5, 0.9, 1.0])
    );
}

/// Draws of all genes, by gene.
fn draws(method: Method, n: usize, blueprint: &Blueprint, set: &GeneSet) -> (Vec<Vec<f64>>, Output) {
    let settings = GeneSettings { iter: n / 2 + 100, warmup: 100, chains: 2, refine: false, ..settings(method) };
    let size = settings.n_saved() * blueprint.variables.names.len();
    let mut draws = vec![vec![f64::NAN; size]; set.len()];
    let slots = draws.iter_mut().map(|draws| Slot { draws, effects: &mut [] }).collect();
    let output = fit(blueprint, set, &settings, slots, |_| true).expect("valid by construction");
    (draws, output)
}

/// Means, standard deviations and ends of 90 % intervals of another method beside those of NUTS, over genes, in standard deviations;
/// scales in logs too.
fn agree(other: Method, blueprint: &Blueprint, set: &GeneSet) {
    let n = from_env("DRAWS", 4000);
    let (exact, _) = draws(Method::Nuts, n, blueprint, set);
    let (guided, output) = draws(other, n, blueprint, set);
    let khat: Vec<f64> = output.reports.iter().map(|r| r.khat).collect();
    let at = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99];
    println!("{} genes, k-hat {:.2?}", set.len(), quantiles(khat.iter().copied(), &at));
    println!("k-hat <= 0.7: {:.3}", khat.iter().filter(|&&k| k <= 0.7).count() as f64 / khat.len() as f64);
    for (v, name) in blueprint.variables.names.iter().enumerate() {
        for log in [false, true].into_iter().filter(|log| !log || name.starts_with("sd") || name == "shape") {
            let moments = |draws: &Vec<f64>| {
                let x = draws[v * n..(v + 1) * n].iter().map(|x| if log { x.ln() } else { *x });
                let mean = x.clone().sum::<f64>() / n as f64;
                let sd = (x.clone().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64).sqrt();
                let ends = quantiles(x, &[0.05, 0.95]);
                [mean, sd, ends[0], ends[1]]
            };
            let pairs: Vec<_> = exact.iter().zip(&guided).map(|(e, g)| (moments(e), moments(g))).collect();
            let [shift, low, high] = [0, 2, 3].map(|k| quantiles(pairs.iter().map(|(e, g)| (g[k] - e[k]) / e[1]), &at));
            let ratio = quantiles(pairs.iter().map(|(e, g)| g[1] / e[1]), &at);
            println!("{}{name:<28} shift {shift:.3?}  ratio of sds {ratio:.3?}", if log { "log " } else { "    " });
            println!("{:32} ends: 5 % {low:.3?}  95 % {high:.3?}", "");
        }
    }
}

/// Time of each part of a gene's fit.
fn split(blueprint: &Blueprint, set: &GeneSet) {
    let cancel = AtomicBool::new(false);
    let mut parts = [
        ("model", Duration::ZERO),
        ("settle", Duration::ZERO),
        ("whiten", Duration::ZERO),
        ("warm-up", Duration::ZERO),
        ("draws", Duration::ZERO),
    ];
    let (mut warmup, mut sampling) = (0, 0);
    let (mut steps, mut depths) = (vec![], [0usize; 11]);
    for g in 0..set.len() {
        let mut clock = Instant::now();
        let mut lap = |part: usize, clock: &mut Instant| {
            parts[part].1 += clock.elapsed();
            *clock = Instant::now();
        };
        let model = Arc::new(blueprint.model(set, g).expect("valid by construction"));
        lap(0, &mut clock);
        let settled = settle_on(&model, blueprint.assembly(&model), Engine::Auto, &cancel);
        lap(1, &mut clock);
        let prepared = prepare_settled(settled, Engine::Auto, Metric::Auto, &cancel).expect("valid by construction");
        let Prepared::Full(_, mut target) = prepared else { panic!("counts are not collapsed") };
        lap(2, &mut clock);
        let mut rng = ChaCha8Rng::seed_from_u64(g as u64);
        let start = start(&mut target, &InitSpec::Mode, &mut rng).expect("a start");
        let mut chain = Chain::new(target, start, 10, &cancel);
        chain.warm_up(150, settings(Method::Nuts).adapt_delta, &mut rng, |_, t, _| {
            warmup += t.n_leapfrog + 1;
            true
        });
        lap(3, &mut clock);
        for _ in 0..300 {
            let t = chain.transition(&mut rng);
            sampling += t.n_leapfrog + 1;
            depths[t.tree_depth] += 1;
        }
        lap(4, &mut clock);
        steps.push(chain.step_size());
    }
    for (name, time) in parts {
        println!("{name:<8} {:8.3} ms per gene", 1e3 * time.as_secs_f64() / set.len() as f64);
    }
    println!("gradients per gene: warm-up {}, draws {}", warmup / set.len(), sampling / set.len());
    println!("step size {:?}, depths {depths:?}", quantiles(steps.into_iter(), &[0.1, 0.5, 0.9]));
    let ns = (parts[3].1 + parts[4].1).as_nanos() as f64 / (warmup + sampling) as f64;
    println!("{ns:.0} ns per gradient");
}
