//! Genes that are simulated: pseudobulk counts of donors under two conditions.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Gamma, Normal, Poisson};
use twill::design::{Design, RawArrays, RawTerm};
use twill::genes::input::{GeneSet, PriorOverride, Responses};
use twill::spec::*;

/// `DONORS`, 7 without.
fn n_donors() -> usize {
    from_env("DONORS", 7)
}

fn n_samples() -> usize {
    2 * n_donors()
}

fn prior(dist: &str, args: &[f64]) -> PriorSpec {
    PriorSpec { dist: dist.into(), args: args.to_vec() }
}

pub fn spec() -> ModelSpec {
    let coefficient = |name: &str, p| CoefficientSpec { name: name.into(), prior: p };
    let term = TermSpec {
        group: "donor".into(),
        levels: (0..n_donors()).map(|d| d.to_string()).collect(),
        coefs: vec!["Intercept".into(), "conditionstim".into()],
        sd_priors: vec![prior("student_t", &[3.0, 0.0, 0.5]); 2],
        cor: (from_env("CORRELATED", 0) == 1).then_some(CorSpec { eta: 1.0, constant: None }),
        by: None,
        df: None,
        horseshoe: false,
    };
    ModelSpec {
        family: family(),
        sample_sigma: false,
        coefficients: vec![
            coefficient("b_Intercept", prior("normal", &[0.0, 3.0])),
            coefficient("b_conditionstim", prior("normal", &[0.0, 2.0])),
        ],
        intercept: Some(InterceptSpec { column: 0, centre: vec![0.0, 0.5] }),
        dispersion: dispersion(),
        terms: vec![term],
        horseshoes: vec![],
        latents: vec![],
        prior_only: false,
    }
}

/// `FAMILY`: `gaussian`, `poisson`, or a negative binomial without.
fn family() -> Family {
    match from_env("FAMILY", String::new()).as_str() {
        "gaussian" => Family::Gaussian,
        "poisson" => Family::Poisson,
        _ => Family::NegBinomial,
    }
}

/// Constant, or with `DISPERSION=1` a regression on what differs by donor, as age.
fn dispersion() -> Option<DispersionSpec> {
    let (name, log_mean) = match family() {
        Family::Poisson => return None,
        Family::Gaussian => ("sigma", -1.0),
        Family::NegBinomial => ("shape", 1.0),
    };
    if from_env("DISPERSION", 0) == 0 {
        return Some(DispersionSpec::Constant { name: name.into(), prior: prior("lognormal", &[log_mean, 1.0]) });
    }
    let names = vec![format!("b_{name}_Intercept"), format!("b_{name}_age")];
    let priors = vec![prior("normal", &[log_mean, 0.7]), prior("normal", &[0.0, 0.5])];
    Some(DispersionSpec::Regression { names, priors, intercept: None, terms: vec![], positive: vec![], units: vec![] })
}

/// Rows: `REPLICATES` of each sample.
fn n() -> usize {
    n_samples() * from_env("REPLICATES", 1)
}

/// Donors 0, 0, 1, 1, ..., control and stimulated in turn; and again.
pub fn design() -> Design {
    let n = n();
    let stimulated: Vec<f64> = (0..n).map(|i| (i % 2) as f64).collect();
    let x = [vec![1.0; n], stimulated.clone()].concat();
    let donor = |i: usize| i % n_samples() / 2;
    let codes = (0..n).map(|i| donor(i) as i32).collect();
    let age = (0..n).map(|i| (1.3 * donor(i) as f64).sin()).collect();
    let has_regression = family() != Family::Poisson && from_env("DISPERSION", 0) == 1;
    let raw = RawArrays {
        y: vec![0.0; n].into(),
        offset: offsets().into(),
        weights: vec![1.0; n].into(),
        se: vec![].into(),
        x: x.clone().into(),
        x_disp: if has_regression { [vec![1.0; n], age].concat().into() } else { vec![].into() },
        terms: vec![RawTerm { codes, z: x.into(), precision: None }],
    };
    Design::new(raw, &spec()).expect("valid by construction")
}

/// Log size factors.
fn offsets() -> Vec<f64> {
    (0..n()).map(|i| 0.5 * (i as f64 * 1.7).sin()).collect()
}

/// Mean counts from 1 to thousands, shape 1 / (0.05 + 1.5 / mean) within a factor of 2, sds of donors'
/// baselines about 0.3, of their responses about 0.2; half of the genes respond.
pub fn simulate(n_genes: usize, seed: u64) -> GeneSet {
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
    if family() == Family::Gaussian {
        counts.iter_mut().for_each(|y| *y = (*y + 0.5).ln());
    }
    let over = |name: &str, argument, values| PriorOverride { name: name.into(), argument, values };
    let of_shape = (family() == Family::NegBinomial && from_env("DISPERSION", 0) == 0).then(|| over("shape", 0, trend));
    GeneSet {
        n: n(),
        responses: Responses::Dense(counts),
        offset: vec![],
        weights: vec![],
        index: (0..n_genes as u64).collect(),
        priors: std::iter::once(over("b_Intercept", 0, log_means)).chain(of_shape).collect(),
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
pub fn from_env<T: std::str::FromStr>(name: &str, default: T) -> T {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}
