//! Fits of all genes by one method: their time and diagnostics, and how far they agree with NUTS.

use super::data::from_env;
use super::quantiles;
use std::time::Instant;
use twill::genes::blueprint::Blueprint;
use twill::genes::input::{Device, GeneMethod, GeneSet, GeneSettings};
use twill::genes::record::{Report, Slot, Status};
use twill::genes::{GenesOutput, fit};

/// 300 draws; `CHAINS`, `WARMUP` and `DELTA` are read from the environment.
fn settings(method: GeneMethod) -> GeneSettings {
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

pub fn whole(name: &str, method: GeneMethod, blueprint: &Blueprint, set: &GeneSet) {
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

fn describe(output: &GenesOutput, blueprint: &Blueprint) {
    let reports = &output.reports;
    let n = reports.len();
    let gradients = reports.iter().map(|r| r.n_gradients).sum::<usize>() / n;
    let divergent: usize = reports.iter().map(|r| r.divergent).sum();
    println!("  gradients per gene {gradients}, divergences {divergent}");
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
    describe_weights(reports);
}

/// Of genes that were approximated.
fn describe_weights(reports: &[Report]) {
    let khat: Vec<f64> = reports.iter().map(|r| r.khat).filter(|k| !k.is_nan()).collect();
    if khat.is_empty() {
        return;
    }
    let ess = quantiles(reports.iter().map(|r| r.ess[0]), &[0.1, 0.5]);
    let median = quantiles(khat.iter().copied(), &[0.5])[0];
    let good = share_of_good(&khat);
    println!("  k-hat <= 0.7: {good:.3}, median {median:.2}; ESS p10 {:.0} median {:.0}", ess[0], ess[1]);
}

fn share_of_good(khat: &[f64]) -> f64 {
    khat.iter().filter(|&&k| k <= 0.7).count() as f64 / khat.len() as f64
}

/// Draws of all genes, by gene.
fn draws(method: GeneMethod, n: usize, blueprint: &Blueprint, set: &GeneSet) -> (Vec<Vec<f64>>, GenesOutput) {
    let settings = GeneSettings { iter: n / 2 + 100, warmup: 100, chains: 2, refine: false, ..settings(method) };
    let size = settings.n_saved() * blueprint.variables.names.len();
    let mut draws = vec![vec![f64::NAN; size]; set.len()];
    let slots = draws.iter_mut().map(|draws| Slot { draws, effects: &mut [] }).collect();
    let output = fit(blueprint, set, &settings, slots, |_| true).expect("valid by construction");
    (draws, output)
}

/// Mean, standard deviation and ends of the 90 % interval; of logs if asked for.
fn moments(draws: &[f64], log: bool) -> [f64; 4] {
    let x = draws.iter().map(|x| if log { x.ln() } else { *x });
    let n = draws.len() as f64;
    let mean = x.clone().sum::<f64>() / n;
    let sd = (x.clone().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
    let ends = quantiles(x, &[0.05, 0.95]);
    [mean, sd, ends[0], ends[1]]
}

/// Means, standard deviations and ends of 90 % intervals of another method beside those of NUTS, over genes, in standard
/// deviations; scales in logs too.
pub fn agree(other: GeneMethod, blueprint: &Blueprint, set: &GeneSet) {
    let n = from_env("DRAWS", 4000);
    let (exact, _) = draws(GeneMethod::Nuts, n, blueprint, set);
    let (other, output) = draws(other, n, blueprint, set);
    let khat: Vec<f64> = output.reports.iter().map(|r| r.khat).collect();
    let at = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99];
    println!("{} genes, k-hat {:.2?}", set.len(), quantiles(khat.iter().copied(), &at));
    println!("k-hat <= 0.7: {:.3}", share_of_good(&khat));
    for (v, name) in blueprint.variables.names.iter().enumerate() {
        for log in [false, true].into_iter().filter(|log| !log || name.starts_with("sd") || name == "shape") {
            let of = |draws: &[f64]| moments(&draws[v * n..(v + 1) * n], log);
            let pairs: Vec<_> = exact.iter().zip(&other).map(|(e, o)| (of(e), of(o))).collect();
            let [shift, low, high] = [0, 2, 3].map(|k| quantiles(pairs.iter().map(|(e, o)| (o[k] - e[k]) / e[1]), &at));
            let ratio = quantiles(pairs.iter().map(|(e, o)| o[1] / e[1]), &at);
            println!("{}{name:<28} shift {shift:.3?}  ratio of sds {ratio:.3?}", if log { "log " } else { "    " });
            println!("{:32} ends: 5 % {low:.3?}  95 % {high:.3?}", "");
        }
    }
}
