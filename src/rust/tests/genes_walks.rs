//! Chains of HMC in vector lanes: their draws are of the posterior, whatever the guide in whose frame they move.

mod common;

use common::{Shape, arrays, prior, spec};
use twill::density::Model;
use twill::design::{Design, RawArrays};
use twill::genes::blueprint::Blueprint;
use twill::genes::fit;
use twill::genes::input::{Device, GeneMethod, GeneSet, GeneSettings, Responses};
use twill::genes::record::{Slot, Status};
use twill::lanes::flat::FlatModel;
use twill::lanes::frame::Frame;
use twill::lanes::start::start;
use twill::lanes::target::Target;
use twill::lanes::walks::Walks;
use twill::natural::guide::Guide;
use twill::natural::noise::Noise;
use twill::spec::{Family, ModelSpec, PriorSpec};
use twill::tuning::LANES;

const GENES: u64 = 3;

fn settings(method: GeneMethod, chains: usize, n_kept: usize) -> GeneSettings {
    GeneSettings {
        method,
        chains,
        iter: n_kept + 150,
        warmup: 150,
        thin: 1,
        threads: 2,
        seed: 5,
        adapt_delta: 0.75,
        max_treedepth: 10,
        keep_effects: false,
        n_draws: 1,
        retry: true,
        refine: true,
        resample: false,
        max_steps: 400,
        tolerance: 0.02,
        device: Device::Cpu,
        kernel_cache: String::new(),
    }
}

/// A model with other priors of its standard deviations.
fn with_priors(shape: &Shape, sds: &[PriorSpec]) -> ModelSpec {
    let mut spec = spec(shape);
    let all = spec.terms.iter_mut().flat_map(|t| &mut t.sd_priors);
    all.zip(sds.iter().cycle()).for_each(|(sd, prior)| *sd = prior.clone());
    spec
}

/// Genes whose counts are those of the shape's arrays times `factor`, rounded down; or whose values are those.
fn genes(shape: &Shape, spec: &ModelSpec, factor: f64) -> (Blueprint, GeneSet) {
    let is_gaussian = shape.family == Family::Gaussian;
    let scaled = move |y: f64| if is_gaussian { y } else { (factor * y).floor() };
    let y = |g: u64| arrays(shape, 50 + g).y.into_owned().into_iter().map(scaled);
    let set = GeneSet {
        n: shape.n,
        responses: Responses::Dense((0..GENES).flat_map(y).collect()),
        offset: vec![],
        weights: vec![],
        index: (10..10 + GENES).collect(),
        priors: vec![],
    };
    let raw = RawArrays { y: vec![0.0; shape.n].into(), ..arrays(shape, 1) };
    (Blueprint::new(Design::new(raw, spec).unwrap(), spec.clone(), &set).unwrap(), set)
}

/// Per gene and variable, mean, standard deviation and effective draws; of logs where the variable is positive.
struct Moments(Vec<[f64; 3]>);

impl Moments {
    fn of(draws: &[f64], n: usize, ess: &[f64], names: &[String]) -> Self {
        let one = |((x, ess), name): ((&[f64], &f64), &String)| {
            let is_positive = name.starts_with("sd_") || name == "shape" || name == "sigma";
            let x: Vec<f64> = x.iter().map(|x| if is_positive { x.ln() } else { *x }).collect();
            let mean = x.iter().sum::<f64>() / n as f64;
            let sd = (x.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n as f64).sqrt();
            [mean, sd, ess.min(n as f64)]
        };
        Self(draws.chunks_exact(n).zip(ess).zip(names.iter().cycle()).map(one).collect())
    }

    /// Differences of means in their standard errors, and logs of ratios of standard deviations.
    fn against(&self, other: &Self) -> (Vec<f64>, Vec<f64>) {
        let one = |(a, b): (&[f64; 3], &[f64; 3])| {
            let error = (a[1] * a[1] / a[2] + b[1] * b[1] / b[2]).sqrt();
            ((a[0] - b[0]) / error, (a[1] / b[1]).ln())
        };
        self.0.iter().zip(&other.0).map(one).unzip()
    }
}

fn run(blueprint: &Blueprint, set: &GeneSet, method: GeneMethod) -> Moments {
    let settings = settings(method, 2, 3000);
    let (s, v) = (settings.n_saved(), blueprint.variables.names.len());
    let mut draws = vec![f64::NAN; s * v * set.len()];
    let slots = draws.chunks_exact_mut(s * v).map(|draws| Slot { draws, effects: &mut [] }).collect();
    let output = fit(blueprint, set, &settings, slots, |_| true).unwrap();
    assert!(output.reports.iter().all(|r| r.status == Status::Ok && r.rhat.iter().all(|&r| r < 1.03)));
    let ess: Vec<f64> = output.reports.iter().flat_map(|r| r.ess.clone()).collect();
    Moments::of(&draws, s, &ess, &blueprint.variables.names)
}

#[test]
fn lanes_sample_what_nuts_samples() {
    let of = |dist: &str, args: &[f64]| prior(dist, args);
    let half = [of("student_t", &[3.0, 0.0, 0.5]), of("normal", &[0.0, 0.7])];
    let away = [of("lognormal", &[-1.0, 0.6]), of("horseshoe_scale", &[0.3, 2.0]), of("exponential", &[2.0])];
    let (nb, poisson, gaussian) = (Family::NegBinomial, Family::Poisson, Family::Gaussian);
    let cases = [
        (Shape::plain(nb, 42, 2, &[(7, 2, false)]), &half[..], 5.0),
        // Few counts.
        (Shape::plain(nb, 42, 2, &[(7, 2, false)]), &half[..], 0.3),
        (Shape::plain(nb, 60, 3, &[(6, 1, false), (4, 1, false)]), &away[..], 2.0),
        (Shape::plain(poisson, 40, 2, &[(5, 2, false)]), &away[..], 1.0),
        (Shape::plain(nb, 30, 2, &[]), &half[..], 10.0),
        (Shape::plain(gaussian, 42, 2, &[(7, 2, false)]), &half[..], 1.0),
        (Shape::plain(gaussian, 42, 2, &[(7, 2, true)]), &half[..], 1.0),
        (Shape { regression: true, ..Shape::plain(gaussian, 42, 2, &[(7, 2, false)]) }, &half[..], 1.0),
        (Shape { regression: true, ..Shape::plain(nb, 42, 2, &[(7, 2, false)]) }, &half[..], 5.0),
    ];
    for (shape, sds, factor) in cases {
        let (blueprint, set) = genes(&shape, &with_priors(&shape, sds), factor);
        assert!(blueprint.frame.as_ref().unwrap().dim() <= 40);
        let (z, ratios) = run(&blueprint, &set, GeneMethod::Hmc).against(&run(&blueprint, &set, GeneMethod::Nuts));
        assert!(z.iter().all(|z| z.abs() < 4.5), "{shape:?} {z:.1?}");
        assert!(ratios.iter().all(|r| r.abs() < 0.15), "{shape:?} {ratios:.2?}");
    }
}

/// A gene of 7 donors.
fn gene() -> (Frame, Model) {
    let shape = Shape::plain(Family::NegBinomial, 42, 2, &[(7, 2, false)]);
    let (spec, raw) = (spec(&shape), arrays(&shape, 4));
    let design = Design::new(raw, &spec).unwrap();
    let whole = Model::with_rows(design.clone(), None, &spec).unwrap();
    (Frame::new(&whole).unwrap(), Model::new(design, &spec).unwrap())
}

fn started<'a>(frame: &'a Frame, model: &Model) -> (Target<'a>, Guide) {
    let mut target = Target::new(frame, FlatModel::new(frame, model).unwrap());
    let guide = start(&mut target).unwrap();
    (target, guide)
}

/// Mean and standard deviation of each natural value, and the mean acceptance.
fn moments(mut walks: Walks, dim: usize) -> (Vec<[f64; 2]>, f64) {
    let n = 8000;
    walks.adapt(60, 0.85);
    let (mut sums, mut accepted) = (vec![[0.0; 2]; dim], 0.0);
    for _ in 0..n {
        accepted += walks.step().accept_stat() / n as f64;
        for lane in 0..LANES {
            // Bounded, so that heavy tails do not blur the comparison.
            let values = walks.values(lane).iter().map(|x| x.clamp(-3.0, 3.0));
            sums.iter_mut().zip(values).for_each(|(sum, x)| (sum[0], sum[1]) = (sum[0] + x, sum[1] + x * x));
        }
    }
    let n = (n * LANES) as f64;
    (sums.iter().map(|s| [s[0] / n, (s[1] / n - (s[0] / n).powi(2)).sqrt()]).collect(), accepted)
}

/// Half as wide as the posterior in some directions, twice as wide in others, and beside it.
#[test]
fn a_bad_guide_makes_the_same_draws() {
    let (frame, model) = gene();
    let (target, guide) = started(&frame, &model);
    let mut bad = guide.clone();
    let d = guide.dim();
    bad.root.iter_mut().enumerate().for_each(|(e, t)| *t *= [0.5, 1.0, 2.0][e / d % 3]);
    bad.mean.iter_mut().for_each(|m| *m += 0.4);
    let good = Walks::new(target.clone(), guide, Noise::new(1, 1), 0).unwrap();
    let (expected, high) = moments(good, d);
    let (found, low) = moments(Walks::new(target, bad, Noise::new(2, 1), 0).unwrap(), d);
    assert!(high > 0.8 && low > 0.6 && low < 0.99, "{high} {low}");
    // Of 64,000 draws the largest of these differences was 0.015; 0.05 with trajectories that cannot be reversed.
    for (e, f) in expected.iter().zip(&found) {
        assert!((e[0] - f[0]).abs() < 0.035 * e[1] && (e[1] / f[1]).ln().abs() < 0.035, "{e:?} {f:?}");
    }
}

/// Halved steps: the same trajectories end with a quarter of the error of energy.
#[test]
fn errors_of_energy_fall_with_the_square_of_the_step() {
    let (frame, model) = gene();
    let (target, guide) = started(&frame, &model);
    let walks = Walks::new(target, guide, Noise::new(1, 1), 0).unwrap();
    // The same momenta for all of its steps.
    let size = |n_steps: usize, angle: f64| {
        let mut walks = walks.clone();
        let squares = |_| walks.trajectory(n_steps, angle)[0].0.iter().map(|g| g * g).sum::<f64>();
        ((0..50).map(squares).sum::<f64>() / 400.0).sqrt()
    };
    let (coarse, fine) = (size(8, 0.2), size(16, 0.1));
    assert!(coarse > 1e-4 && (3.4..4.6).contains(&(coarse / fine)), "{coarse} {fine}");
    assert!(size(1, 0.0) < 1e-9);
}
