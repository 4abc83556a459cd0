//! Where the time of one gene's fit goes, on a single thread: a gradient, and the parts of a fit by NUTS and by a guide.

use super::data::from_env;
use super::quantiles;
use super::support::nanoseconds;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use twill::density::LogDensity;
use twill::genes::blueprint::Blueprint;
use twill::genes::input::GeneSet;
use twill::hmc::chain::Chain;
use twill::lanes;
use twill::lanes::flat::FlatModel;
use twill::lanes::target::Target;
use twill::natural::noise::Noise;
use twill::natural::steps::{Ascent, ascend};
use twill::run::{Prepared, prepare_settled, start};
use twill::settle::settle_on;
use twill::spec::{Engine, InitSpec, Metric};

/// Time of a gradient: the least of many samples, median over genes.
pub fn gradient(blueprint: &Blueprint, set: &GeneSet) {
    let cancel = AtomicBool::new(false);
    let of_gene = |g: usize| {
        let model = Arc::new(blueprint.model(set, g).expect("valid by construction"));
        let settled = settle_on(&model, blueprint.assembly(&model), Engine::Auto, &cancel);
        let prepared = prepare_settled(settled, Engine::Auto, Metric::Auto, &cancel).expect("valid by construction");
        let Prepared::Full(_, mut target) = prepared else { panic!("counts are not collapsed") };
        let (mut position, mut out) = (vec![0.1; target.dim()], vec![0.0; target.dim()]);
        nanoseconds(|| {
            position[0] = -position[0];
            std::hint::black_box(target.evaluate(&position, &mut out));
        })[0]
    };
    println!("{:.0} ns per gradient at best", quantiles((0..set.len().min(20)).map(of_gene), &[0.5])[0]);
}

/// Processor time of this thread by part; wall time where the system does not tell.
struct Laps<const N: usize> {
    start: Instant,
    last: u64,
    nanoseconds: [u64; N],
}

impl<const N: usize> Laps<N> {
    fn new() -> Self {
        Self { start: Instant::now(), last: 0, nanoseconds: [0; N] }
    }

    fn now(&self) -> u64 {
        let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
        let told = told.and_then(|text| text.split(' ').next()?.parse().ok());
        told.unwrap_or_else(|| self.start.elapsed().as_nanos() as u64)
    }

    /// What follows is timed.
    fn begin(&mut self) {
        self.last = self.now();
    }

    /// What was since the last lap is of this part.
    fn end(&mut self, part: usize) {
        let now = self.now();
        self.nanoseconds[part] += now - self.last;
        self.last = now;
    }
}

/// Time of each part of a guide's fit.
pub fn guide(blueprint: &Blueprint, set: &GeneSet) {
    let frame = blueprint.frame.as_ref().expect("a model with a frame");
    let ascent = Ascent { max_steps: 400, polish: 32, tolerance: from_env("TOLERANCE", 0.02) };
    let (mut laps, mut calls) = (Laps::<4>::new(), [0; 4]);
    let (mut steps, mut evaluations) = (vec![], vec![]);
    for g in 0..set.len() {
        laps.begin();
        let model = blueprint.model(set, g).expect("valid by construction");
        let mut target = Target::new(frame, FlatModel::new(frame, &model).expect("valid by construction"));
        laps.end(0);
        let begin = lanes::start::start(&mut target).expect("a start");
        evaluations.push(target.n_evaluations as f64);
        calls[1] += target.n_evaluations;
        laps.end(1);
        let noise = Noise::new(1, g as u64);
        let fitted = ascend(&mut target, begin, ascent, &noise);
        steps.push(fitted.elbo.len() as f64);
        calls[2] += fitted.elbo.len();
        laps.end(2);
        let mut fit = lanes::Fit::new(target, fitted, noise);
        std::hint::black_box(fit.draws(300, |_, _| {}));
        calls[3] += 300_usize.div_ceil(8);
        laps.end(3);
    }
    for ((name, time), calls) in ["model", "start", "ascent", "draws"].iter().zip(laps.nanoseconds).zip(calls) {
        let per_call = time as f64 / 1e3 / calls as f64;
        println!("{name:<8} {:8.3} ms per gene, {per_call:.2} us per evaluation", time as f64 / 1e6 / set.len() as f64);
    }
    let at = [0.1, 0.5, 0.9, 1.0];
    let [evaluations, steps] = [evaluations, steps].map(|x| quantiles(x.into_iter(), &at));
    println!("evaluations of the start {evaluations:?}, steps {steps:?}");
}

/// Time of each part of a gene's fit by NUTS.
pub fn split(blueprint: &Blueprint, set: &GeneSet) {
    let cancel = AtomicBool::new(false);
    let mut laps = Laps::<5>::new();
    let (mut warmup, mut sampling) = (0, 0);
    let (mut steps, mut depths) = (vec![], [0usize; 11]);
    for g in 0..set.len() {
        laps.begin();
        let model = Arc::new(blueprint.model(set, g).expect("valid by construction"));
        laps.end(0);
        let settled = settle_on(&model, blueprint.assembly(&model), Engine::Auto, &cancel);
        laps.end(1);
        let prepared = prepare_settled(settled, Engine::Auto, Metric::Auto, &cancel).expect("valid by construction");
        let Prepared::Full(_, mut target) = prepared else { panic!("counts are not collapsed") };
        laps.end(2);
        let mut rng = ChaCha8Rng::seed_from_u64(g as u64);
        let start = start(&mut target, &InitSpec::Mode, &mut rng).expect("a start");
        let mut chain = Chain::new(target, start, 10, &cancel);
        chain.warm_up(150, from_env("DELTA", 0.75), &mut rng, |_, t, _| {
            warmup += t.n_leapfrog + 1;
            true
        });
        laps.end(3);
        for _ in 0..300 {
            let t = chain.transition(&mut rng);
            sampling += t.n_leapfrog + 1;
            depths[t.tree_depth] += 1;
        }
        laps.end(4);
        steps.push(chain.step_size());
    }
    for (name, time) in ["model", "settle", "whiten", "warm-up", "draws"].iter().zip(laps.nanoseconds) {
        println!("{name:<8} {:8.3} ms per gene", time as f64 / 1e6 / set.len() as f64);
    }
    println!("gradients per gene: warm-up {}, draws {}", warmup / set.len(), sampling / set.len());
    println!("step size {:?}, depths {depths:?}", quantiles(steps.into_iter(), &[0.1, 0.5, 0.9]));
    let ns = (laps.nanoseconds[3] + laps.nanoseconds[4]) as f64 / (warmup + sampling) as f64;
    println!("{ns:.0} ns per gradient");
}
