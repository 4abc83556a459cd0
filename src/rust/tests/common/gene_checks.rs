//! What a device must agree with the CPU in, whatever the device: run on the emulator by `cargo test` and on cards by the
//! example `gpu`.
#![allow(dead_code)]

use super::gene_cases::{Case, Started, cases, frame, started, unstarted};
use twill::device::machine::Machine;
use twill::device::source::Precision;
use twill::device::walks::WalkPlan;
use twill::lanes::Fit;
use twill::lanes::frame::Frame;
use twill::lanes::target::Target;
use twill::lanes::walks::Walks;
use twill::natural::guide::{Guide, LONGEST_PATH};
use twill::natural::lane::Lane;
use twill::natural::noise::Noise;
use twill::natural::steps::{Ascent, Fitted, ascend};
use twill::tuning::LANES;

/// Largest difference relative to the largest number.
fn difference(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let size = expected.iter().fold(1e-300_f64, |m, x| m.max(x.abs()));
    found
        .iter()
        .zip(expected)
        .map(|(a, b)| if a == b { 0.0 } else { (a - b).abs() / size })
        .fold(0.0, |m: f64, x| if x.is_nan() { f64::INFINITY } else { m.max(x) })
}

/// Largest difference from the mean difference.
fn spread(found: &[f64], expected: &[f64]) -> f64 {
    let apart: Vec<f64> = found.iter().zip(expected).map(|(a, b)| a - b).collect();
    let mean = apart.iter().sum::<f64>() / apart.len() as f64;
    apart.iter().map(|x| (x - mean).abs()).fold(0.0, f64::max)
}

fn judge(what: String, found: f64, limit: f64) -> Result<String, String> {
    let line = format!("{what}: {found:.1e} (at most {limit:.0e})");
    if found <= limit { Ok(line) } else { Err(line) }
}

/// Draws of the starts' guides, `[genes, d, LANES]`, and there the CPU's densities and gradients.
fn at_draws(set: &mut Started, d: usize) -> [Vec<f64>; 3] {
    let [mut positions, mut values, mut gradients] = [const { Vec::new() }; 3];
    for (g, (target, guide)) in set.targets.iter_mut().zip(&set.guides).enumerate() {
        let (mut epsilon, mut y) = (vec![Lane::ZERO; d], vec![Lane::ZERO; d]);
        Noise::new(9, g as u64).normals(std::array::from_fn(|s| s as u32), 0, &mut epsilon);
        guide.place(&epsilon, &mut y);
        values.extend(target.evaluate(&y).0);
        gradients.extend(target.gradient.iter().flat_map(|lane| lane.0));
        positions.extend(y.iter().flat_map(|lane| lane.0));
    }
    [positions, values, gradients]
}

/// Densities and gradients at draws of the starts' guides: relative 1e-5 in single precision, 1e-10 in double. And densities
/// in nats, but for a constant, as a chain or a weight takes them: of a count of 1,000 single precision loses 3e-4.
pub fn target(machine: &dyn Machine, case: &Case, precision: Precision, n: usize) -> Result<String, String> {
    let frame = frame(case);
    let (mut set, d) = (started(&frame, case, n), frame.dim());
    let n = set.guides.len();
    let [positions, values, gradients] = at_draws(&mut set, d);
    let found = set.on(machine, precision, &frame).target(&positions).map_err(|e| e.to_string())?;
    let own = |all: &[f64], g: usize, size: usize| all[g * size..(g + 1) * size].to_vec();
    let per_gene = |g: usize| {
        let gradient = difference(&own(&found.1, g, d * LANES), &own(&gradients, g, d * LANES));
        gradient.max(difference(&own(&found.0, g, LANES), &own(&values, g, LANES)))
    };
    let is_single = precision == Precision::Single;
    let worst = (0..n).map(per_gene).fold(0.0, f64::max);
    let nats = (0..n).map(|g| spread(&own(&found.0, g, LANES), &own(&values, g, LANES))).fold(0.0, f64::max);
    judge(
        format!("{}, density in nats, {}", case.name, precision.c_type()),
        nats,
        if is_single { 5e-3 } else { 1e-6 },
    )?;
    let what = format!("{}, {} genes, density and gradient, {}", case.name, n, precision.c_type());
    judge(what, worst, if is_single { 1e-5 } else { 1e-10 })
}

/// Guides at their starts, and draws of them as effects and coefficients, which the maps take part in. In single precision,
/// and where counts are large, a step of the way may be of another length, and the mode is where rounding lets it be:
/// differences of draws in their standard deviations.
pub fn starts(machine: &dyn Machine, case: &Case, precision: Precision, n: usize) -> Result<String, String> {
    let (n_draws, frame) = (64, frame(case));
    let (set, d) = (started(&frame, case, n), frame.dim());
    let genes = unstarted(machine, precision, &frame, &set.targets);
    genes.start().map_err(|e| e.to_string())?;
    let found = genes.draws(5, n_draws, n_draws).map_err(|e| e.to_string())?;
    let expected = set.on(machine, Precision::Double, &frame).draws(5, n_draws, n_draws).map_err(|e| e.to_string())?;
    let column = |all: &[f64], g: usize, i: usize| -> Vec<f64> {
        all[g * n_draws * d..(g + 1) * n_draws * d].iter().skip(i).step_by(d).copied().collect()
    };
    let apart = |g: usize, i: usize| {
        let (a, b) = (column(&found.values, g, i), column(&expected.values, g, i));
        let mean = b.iter().sum::<f64>() / n_draws as f64;
        let sd = (b.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n_draws as f64).sqrt();
        a.iter()
            .zip(&b)
            .map(|(a, b)| (a - b).abs() / sd)
            .fold(0.0, |m: f64, x| if x.is_nan() { f64::INFINITY } else { m.max(x) })
    };
    let worst =
        (0..set.guides.len()).flat_map(|g| (0..d).map(move |i| (g, i))).map(|(g, i)| apart(g, i)).fold(0.0, f64::max);
    let is_rounded = precision == Precision::Single || case.has_large_counts;
    let limit = if is_rounded { 0.01 } else { 1e-7 };
    judge(format!("{}, start, {}", case.name, precision.c_type()), worst, limit)
}

/// Guides after the ascent: the same steps in double precision; in single, the same guide after some steps.
pub fn ascent(machine: &dyn Machine, case: &Case, precision: Precision, n: usize) -> Result<String, String> {
    let is_single = precision == Precision::Single;
    let ascent = Ascent { max_steps: if is_single { 12 } else { 150 }, polish: 32, tolerance: 0.02 };
    let frame = frame(case);
    let mut set = started(&frame, case, n);
    let found =
        set.on(machine, precision, &frame).ascend(&ascent.rules(), 5, 16, || true).map_err(|e| e.to_string())?;
    let mut worst = 0.0_f64;
    for (g, (target, found)) in set.targets.iter_mut().zip(found).enumerate() {
        let expected = ascend(target, set.guides[g].clone(), ascent, &Noise::new(5, g as u64));
        if (found.steps, found.converged) != (expected.elbo.len(), expected.converged) {
            return Err(format!("{}: {} steps instead of {}", case.name, found.steps, expected.elbo.len()));
        }
        worst = worst.max(difference(&found.mean, &expected.guide.mean));
        worst = worst.max(difference(&found.root, &expected.guide.lower()));
        worst = worst.max(difference(&found.elbo, &expected.elbo));
    }
    // Where counts are large the guide is nearly exact at once, and its mean so small that rounding shows.
    let limit = if !is_single {
        1e-6
    } else if case.has_large_counts {
        1e-3
    } else {
        1e-4
    };
    judge(format!("{}, ascent, {}", case.name, precision.c_type()), worst, limit)
}

/// Draws of the starts' guides and their log ratios.
pub fn draws(machine: &dyn Machine, case: &Case, precision: Precision, n: usize) -> Result<String, String> {
    let (n_draws, n_values) = (21, 13);
    let frame = frame(case);
    let (set, d) = (started(&frame, case, n), frame.dim());
    let found = set.on(machine, precision, &frame).draws(5, n_draws, n_values).map_err(|e| e.to_string())?;
    let mut worst = 0.0_f64;
    for (g, (target, guide)) in set.targets.into_iter().zip(set.guides).enumerate() {
        let fitted = Fitted { guide, elbo: vec![], converged: true };
        let (mut values, mut draw) = (vec![], vec![0.0; d]);
        let keep = |i: usize, v: &[f64]| {
            if i < n_values {
                values.extend_from_slice(v)
            }
        };
        let ratios = Fit::new(target, fitted, Noise::new(5, g as u64)).draws(n_draws, keep);
        worst = worst.max(difference(&found.log_ratios[g * n_draws..(g + 1) * n_draws], &ratios));
        for (i, expected) in values.chunks_exact(d).enumerate() {
            frame.from_device(&found.values[(g * n_values + i) * d..(g * n_values + i + 1) * d], &mut draw);
            worst = worst.max(difference(&draw, expected));
        }
    }
    // Log ratios are what is left of densities, which are large where counts are.
    let limit = if precision == Precision::Single {
        1e-5
    } else if case.has_large_counts {
        1e-9
    } else {
        1e-10
    };
    judge(format!("{}, draws, {}", case.name, precision.c_type()), worst, limit)
}

/// Two chains of four lanes each, every other iteration kept, and one draw fewer than they make.
const PLAN: WalkPlan = WalkPlan {
    chains: 2,
    n_kept: 11,
    lanes: 4,
    each: 3,
    thin: 2,
    warmup: 8,
    walks: 1,
    apart: LANES,
    target: 0.875,
    longest: LONGEST_PATH,
};

/// Draws of the CPU's lanes, chain by chain, and the evaluations that they took.
fn walked(frame: &Frame, target: &Target, guide: &Guide, number: u64) -> Option<(Vec<f64>, usize)> {
    let d = frame.dim();
    let (mut walks, before) =
        (Walks::new(target.clone(), guide.clone(), Noise::new(5, number), 0)?, target.n_evaluations);
    walks.adapt(PLAN.warmup, PLAN.target);
    let mut out = vec![0.0; PLAN.chains * PLAN.n_kept * d];
    for i in 0..PLAN.each * PLAN.thin {
        walks.step();
        for lane in (0..LANES).filter(|_| i % PLAN.thin == 0) {
            let (chain, within) = (lane / PLAN.lanes, lane % PLAN.lanes * PLAN.each + i / PLAN.thin);
            let at = (chain * PLAN.n_kept + within) * d;
            if within < PLAN.n_kept {
                out[at..at + d].copy_from_slice(walks.values(lane));
            }
        }
    }
    Some((out, walks.n_gradients() / LANES - before))
}

/// Chains in the frames of the starts' guides: the same acceptances and numbers of steps, in double precision the same
/// draws. In single precision trajectories drift apart, and one that is accepted by a hair may be refused.
pub fn walks(machine: &dyn Machine, case: &Case, precision: Precision, n: usize) -> Result<String, String> {
    let (frame, is_single) = (frame(case), precision == Precision::Single);
    let (set, d) = (started(&frame, case, n), frame.dim());
    let found = set.on(machine, precision, &frame).walk(&PLAN, 5, 5, || true).map_err(|e| e.to_string())?;
    let (mut worst, mut draw, size) = (0.0_f64, vec![0.0; d], PLAN.chains * PLAN.n_kept * d);
    for (g, (target, guide)) in set.targets.iter().zip(&set.guides).enumerate() {
        let Some((expected, n_evaluations)) = walked(&frame, target, guide, g as u64) else { continue };
        if !found.has_moved[g] || (!is_single && found.n_evaluations[g] != n_evaluations) {
            return Err(format!("{}: {} evaluations instead of {n_evaluations}", case.name, found.n_evaluations[g]));
        }
        let own = found.values[g * size..(g + 1) * size].chunks_exact(d);
        for (values, expected) in own.zip(expected.chunks_exact(d)) {
            frame.from_device(values, &mut draw);
            worst = worst.max(difference(&draw, expected));
        }
    }
    judge(format!("{}, chains, {}", case.name, precision.c_type()), worst, if is_single { 1e-2 } else { 1e-7 })
}

/// The same seed gives the same bits.
pub fn repeats(machine: &dyn Machine, case: &Case, n: usize) -> Result<String, String> {
    let frame = frame(case);
    let set = started(&frame, case, n);
    let ascent = Ascent { max_steps: 40, polish: 32, tolerance: 0.02 };
    let run = || {
        let genes = set.on(machine, Precision::Single, &frame);
        let guides = genes.ascend(&ascent.rules(), 5, 16, || true).map_err(|e| e.to_string())?;
        Ok::<_, String>((guides, genes.draws(5, 16, 16).map_err(|e| e.to_string())?.values))
    };
    if run()? == run()? { Ok(format!("{}, the same bits twice", case.name)) } else { Err(case.name.into()) }
}

/// All checks of a case; each line that went wrong is an error.
pub fn of_case(machine: &dyn Machine, case: &Case, n: usize, precisions: &[Precision]) -> Vec<Result<String, String>> {
    let of = |&p: &Precision| {
        let parts = [target, starts, ascent, draws, walks];
        parts.map(|part: fn(&dyn Machine, &Case, Precision, usize) -> Result<String, String>| part(machine, case, p, n))
    };
    precisions.iter().flat_map(of).chain([repeats(machine, case, n)]).collect()
}

/// All checks of all cases.
pub fn all(machine: &dyn Machine, n: usize, precisions: &[Precision]) -> Vec<Result<String, String>> {
    cases().iter().flat_map(|case| of_case(machine, case, n, precisions)).collect()
}
