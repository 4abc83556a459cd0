//! Time per step, bytes per second against the card's own, and the ratio to this machine's CPU.

use crate::data::{donor_frame, genes};
use crate::rows_speed;
use rayon::prelude::*;
use std::time::Instant;
use twill::device::error::Result as DeviceResult;
use twill::device::genes::Genes;
use twill::device::machine::{Argument, LaunchShape, Machine};
use twill::device::pack::GeneArrays;
use twill::device::source::Precision;
use twill::device::walks::WalkPlan;
use twill::lanes::Fit;
use twill::lanes::flat::FlatModel;
use twill::lanes::frame::Frame;
use twill::lanes::start::start;
use twill::lanes::target::Target;
use twill::lanes::walks::Walks;
use twill::natural::guide::{Guide, LONGEST_PATH};
use twill::natural::noise::Noise;
use twill::natural::steps::{Ascent, ascend};

const ASCENT: Ascent = Ascent { max_steps: 400, polish: 32, tolerance: 0.02 };
/// Before chains.
const FEW: Ascent = Ascent { max_steps: 16, polish: 16, tolerance: 0.0 };
/// Two chains of 150 draws, as a fit has them.
const PLAN: WalkPlan = WalkPlan {
    chains: 2,
    n_kept: 150,
    lanes: 4,
    each: 38,
    thin: 1,
    warmup: 13,
    walks: 1,
    apart: 8,
    target: 0.875,
    longest: LONGEST_PATH,
};
/// Draws for k-hat, and those that are kept.
const DRAWS: (usize, usize) = (400, 300);
/// Repetitions of which the median is told.
const REPEATS: usize = 9;
/// Genes that the CPU fits for comparison.
const CPU_GENES: usize = 2000;

type Outcome = std::result::Result<(), String>;

/// All measurements; `is_small` for a trial of the program.
pub fn all(machine: &dyn Machine, is_small: bool) -> Outcome {
    let by = if is_small { 100 } else { 1 };
    println!("{}; {} threads of the CPU", machine.name(), rayon::current_num_threads());
    let bandwidth = copy(machine, (1 << 30) / by).map_err(|e| e.to_string())?;
    genes_speed(machine, "pseudobulk", 10_000 / by, 1).map_err(|e| e.to_string())?;
    genes_speed(machine, "single cells, compressed", 17_528 / by, 350).map_err(|e| e.to_string())?;
    rows_speed::all(machine, 1_000_000 / by, bandwidth).map_err(|e| e.to_string())
}

/// What the CPU needs, part by part: tells what a card can save.
pub fn cpu(is_small: bool) -> Outcome {
    let by = if is_small { 100 } else { 10 };
    println!("{} threads of the CPU", rayon::current_num_threads());
    for (name, n, cells) in [("pseudobulk", 10_000 / by, 1), ("single cells, compressed", 17_528 / by, 350)] {
        let (frame, model) = donor_frame();
        let (starts, seconds) = all_started(&frame, genes(&model, &frame, n, cells), name);
        let (n, evaluations) = (starts.len(), starts.iter().map(|s| s.target.n_evaluations).sum::<usize>());
        println!("  {:.1} evaluations a gene on the way to its start", evaluations as f64 / n as f64);
        let [steps, draws, chains] = by_cpu(starts, n);
        println!("  {}", Parts { start: seconds, steps, draws, chains });
    }
    rows_speed::cpu(1_000_000 / by)
}

/// Genes at their starts, and the seconds that takes.
fn all_started<'a>(frame: &'a Frame, flat: Vec<FlatModel>, name: &str) -> (Vec<Start<'a>>, f64) {
    let clock = Instant::now();
    let starts: Vec<Start> = flat.into_par_iter().filter_map(|gene| started(frame, gene)).collect();
    let (n, seconds) = (starts.len(), clock.elapsed().as_secs_f64());
    let rows = starts.iter().map(|s| s.target.gene.offset.len()).sum::<usize>();
    println!("\n{name}: {n} genes, {} rows and {} parameters each", rows / n, frame.dim());
    (starts, seconds)
}

/// Median seconds of a run, after one that warms up.
pub fn median(mut run: impl FnMut() -> DeviceResult<()>) -> DeviceResult<f64> {
    run()?;
    let mut seconds = vec![];
    for _ in 0..REPEATS {
        let clock = Instant::now();
        run()?;
        seconds.push(clock.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    Ok(seconds[REPEATS / 2])
}

/// Bytes read and written per second by a plain copy.
fn copy(machine: &dyn Machine, bytes: usize) -> DeviceResult<f64> {
    let (from, to) = (machine.zeros(bytes)?, machine.zeros(bytes)?);
    let shape = LaunchShape { blocks: (4096, 1), threads: 256, shared_bytes: 0 };
    let arguments = [Argument::Pointer(&from), Argument::Pointer(&to), Argument::Long((bytes / 16) as u64)];
    let seconds = median(|| {
        machine.launch("twill_copy", Precision::Single, shape, &arguments)?;
        machine.finish()
    })?;
    let bandwidth = 2.0 * bytes as f64 / seconds;
    println!("copy of {} MiB: {:.0} GB/s read and written", bytes >> 20, bandwidth / 1e9);
    Ok(bandwidth)
}

struct Start<'a> {
    target: Target<'a>,
    /// Before its start.
    arrays: GeneArrays,
    guide: Guide,
}

fn started(frame: &Frame, gene: FlatModel) -> Option<Start<'_>> {
    let mut target = Target::new(frame, gene);
    let arrays = target.arrays();
    let guide = start(&mut target)?;
    Some(Start { target, arrays, guide })
}

fn genes_speed(machine: &dyn Machine, name: &str, n: usize, cells: usize) -> DeviceResult<()> {
    let (frame, model) = donor_frame();
    let (starts, cpu_start) = all_started(&frame, genes(&model, &frame, n, cells), name);
    let (n, rows) = (starts.len(), starts.iter().map(|s| s.target.gene.offset.len()).sum::<usize>());
    let on_card = on_card(machine, &frame, &starts, rows)?;
    let [cpu_steps, cpu_draws, cpu_chains] = by_cpu(starts, n);
    let by_cpu = Parts { start: cpu_start, steps: cpu_steps, draws: cpu_draws, chains: cpu_chains };
    println!("  CPU: {by_cpu}");
    println!("  ratios: {}", by_cpu.over(&on_card));
    println!("  svi by the card {:.3} s, by the CPU {:.3} s", on_card.svi(), by_cpu.svi());
    println!("  hmc by the card {:.3} s, by the CPU {:.3} s", on_card.hmc(), by_cpu.hmc());
    Ok(())
}

/// Seconds of starts, of steps and draws of guides, and of chains with the few steps before them.
struct Parts {
    start: f64,
    steps: f64,
    draws: f64,
    chains: f64,
}

impl Parts {
    fn svi(&self) -> f64 {
        self.start + self.steps + self.draws
    }

    fn hmc(&self) -> f64 {
        self.start + self.chains
    }

    fn over(&self, other: &Self) -> Self {
        let Self { start, steps, draws, chains } = *self;
        Self {
            start: start / other.start,
            steps: steps / other.steps,
            draws: draws / other.draws,
            chains: chains / other.chains,
        }
    }
}

impl std::fmt::Display for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { start, steps, draws, chains } = self;
        write!(f, "starts {start:.3}, steps {steps:.3}, draws {draws:.3}, chains {chains:.3}")
    }
}

/// What the card needs.
fn on_card(machine: &dyn Machine, frame: &Frame, starts: &[Start], rows: usize) -> DeviceResult<Parts> {
    let arrays: Vec<&GeneArrays> = starts.iter().map(|s| &s.arrays).collect();
    let numbers: Vec<u32> = (0..starts.len() as u32).collect();
    let clock = Instant::now();
    let genes = Genes::new(machine, Precision::Single, &frame.arrays(), &arrays, &numbers)?;
    println!("  kernels and upload       {:8.3} s", clock.elapsed().as_secs_f64());
    let start = median(|| genes.start().and_then(|()| machine.finish()))?;
    let mut n_steps = 0.0;
    let both = median(|| {
        genes.start()?;
        let guides = genes.ascend(&ASCENT.rules(), 1, 32, || true)?;
        n_steps = guides.iter().map(|g| g.steps as f64).sum::<f64>() / guides.len() as f64;
        Ok(())
    })?;
    let draws = median(|| genes.draws(1, DRAWS.0, DRAWS.1).map(|_| ()))?;
    let all = median(|| {
        genes.start()?;
        genes.ascend(&FEW.rules(), 1, 32, || true)?;
        genes.walk(&PLAN, 1, 16, || true).map(|_| ())
    })?;
    let parts = Parts { start, steps: both - start, draws, chains: all - start };
    let per_step = parts.steps / n_steps;
    println!("  card: {parts}");
    println!("  {n_steps:.1} steps a gene, {:.3} ms for one step of all", 1e3 * per_step);
    // What the cache does not hold is read again in each step: offsets, weights and totals.
    println!("  {:.1} GB/s of rows", 12.0 * rows as f64 / per_step / 1e9);
    Ok(parts)
}

/// Seconds that the CPU needs for steps, draws and chains of `n` genes, from some of them, on all threads.
fn by_cpu(starts: Vec<Start>, n: usize) -> [f64; 3] {
    let some: Vec<Start> = starts.into_iter().take(CPU_GENES).collect();
    let by = n as f64 / some.len() as f64;
    let clock = Instant::now();
    let n_values: usize = some.par_iter().enumerate().map(|(g, s)| chains(s, Noise::new(1, g as u64))).sum();
    let chains = clock.elapsed().as_secs_f64();
    assert!(n_values > 0);
    let clock = Instant::now();
    let fitted: Vec<_> = some
        .into_par_iter()
        .enumerate()
        .map(|(g, mut s)| {
            let noise = Noise::new(1, g as u64);
            let fitted = ascend(&mut s.target, s.guide, ASCENT, &noise);
            Fit::new(s.target, fitted, noise)
        })
        .collect();
    let steps = clock.elapsed().as_secs_f64();
    let clock = Instant::now();
    let ratios: usize = fitted.into_par_iter().map(|mut fit| fit.draws(DRAWS.0, |_, _| ()).len()).sum();
    assert!(ratios > 0);
    [steps, clock.elapsed().as_secs_f64(), chains].map(|seconds| by * seconds)
}

/// Chains of one gene as [`PLAN`] has them; how many values they gave.
fn chains(start: &Start, noise: Noise) -> usize {
    let mut target = start.target.clone();
    let guide = ascend(&mut target, start.guide.clone(), FEW, &noise).guide;
    let Some(mut walks) = Walks::new(target, guide, noise, 0) else { return 0 };
    walks.adapt(PLAN.warmup, PLAN.target);
    (0..PLAN.each).for_each(|_| _ = walks.step());
    walks.values(0).len()
}
