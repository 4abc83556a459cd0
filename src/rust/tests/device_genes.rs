//! Variational fits of genes on a device that is the CPU: all that a card must agree in, and a whole run.

mod common;
#[path = "common/emulator.rs"]
mod emulator;

use common::gene_cases::{self, cases};
use common::gene_checks;
use common::{Shape, arrays, spec};
use emulator::Emulator;
use twill::design::{Design, RawArrays};
use twill::device::source::Precision;
use twill::error::Error;
use twill::genes::blueprint::Blueprint;
use twill::genes::fit_on;
use twill::genes::input::{Device, GeneMethod, GeneSet, GeneSettings, Responses};
use twill::genes::record::Slot;
use twill::natural::steps::Ascent;
use twill::spec::Family;

#[test]
fn densities_steps_and_draws_are_those_of_the_cpu() {
    let Some(mut machine) = Emulator::new() else { return };
    for (order, case) in (1..).zip(cases()) {
        machine.order = order % 3;
        for outcome in gene_checks::of_case(&machine, &case, 2, &Precision::ALL) {
            println!("{}", outcome.unwrap());
        }
    }
}

/// Left to the CPU, which says why; the genes beside it have theirs.
#[test]
fn a_gene_without_a_finite_density_has_no_start() {
    let Some(machine) = Emulator::new() else { return };
    let frame = gene_cases::frame(&cases()[0]);
    let mut targets = gene_cases::started(&frame, &cases()[0], 3).targets;
    targets[1].gene.constant = f64::NAN;
    let genes = gene_cases::unstarted(&machine, Precision::Single, &frame, &targets);
    genes.start().unwrap();
    let rules = Ascent { max_steps: 4, polish: 4, tolerance: 0.0 }.rules();
    let guides = genes.ascend(&rules, 1, 4, || true).unwrap();
    assert_eq!(guides.iter().map(|g| (g.has_start, g.steps)).collect::<Vec<_>>(), [(true, 4), (false, 0), (true, 4)]);
}

const GENES: usize = 6;

fn settings(max_steps: usize) -> GeneSettings {
    GeneSettings {
        method: GeneMethod::Svi,
        chains: 1,
        iter: 30,
        warmup: 10,
        thin: 1,
        threads: 2,
        seed: 3,
        adapt_delta: 0.75,
        max_treedepth: 8,
        keep_effects: true,
        n_draws: 20,
        refine: false,
        resample: false,
        retry: true,
        max_steps,
        tolerance: 0.02,
        device: Device::Cpu,
        kernel_cache: String::new(),
    }
}

fn data(shape: &Shape) -> (Blueprint, GeneSet) {
    let spec = spec(shape);
    let y = |g: u64| arrays(shape, 50 + g).y.into_owned();
    let set = GeneSet {
        n: shape.n,
        responses: Responses::Dense((0..GENES as u64).flat_map(y).collect()),
        offset: vec![],
        weights: vec![],
        index: (10..10 + GENES as u64).collect(),
        priors: vec![],
    };
    let raw = RawArrays { y: vec![0.0; shape.n].into(), ..arrays(shape, 1) };
    (Blueprint::new(Design::new(raw, &spec).unwrap(), spec, &set).unwrap(), set)
}

/// Draws and k-hat of all genes.
fn run(
    machine: Option<&Emulator>, shape: &Shape, settings: &GeneSettings,
) -> twill::error::Result<(Vec<f64>, Vec<f64>)> {
    let (blueprint, set) = data(shape);
    let (s, v, e) = (settings.n_saved(), blueprint.variables.names.len(), blueprint.variables.effect_names.len());
    let (mut draws, mut effects) = (vec![f64::NAN; s * v * GENES], vec![f64::NAN; s * e * GENES]);
    let slots = draws.chunks_exact_mut(s * v).zip(effects.chunks_exact_mut(s * e));
    let slots = slots.map(|(draws, effects)| Slot { draws, effects }).collect();
    let machine = machine.map(|m| m as &dyn twill::device::machine::Machine);
    let output = fit_on(machine, &blueprint, &set, settings, slots, |_| true)?;
    let khat = output.reports.iter().map(|r| r.khat).collect();
    draws.extend(effects);
    Ok((draws, khat))
}

/// Bytes of the largest array of a gene: its draws or its guide.
fn largest(shape: &Shape, settings: &GeneSettings) -> usize {
    let (blueprint, _) = data(shape);
    let d = blueprint.frame.as_ref().map_or(0, |frame| frame.dim());
    8 * (settings.n_saved() * d).max(400).max(4 + 3 * (d + d * (d + 1) / 2))
}

/// Few steps: in single precision a window's end may fall elsewhere later on, for guides equally good. Blocks of one gene,
/// as on a card with little memory, must not change a thing.
fn is_the_fit_of_the_cpu(settings: &GeneSettings) {
    let Some(mut machine) = Emulator::new() else { return };
    let shape = Shape::plain(Family::NegBinomial, 42, 2, &[(7, 2, false)]);
    let (expected, khat) = run(None, &shape, settings).unwrap();
    let (found, found_khat) = run(Some(&machine), &shape, settings).unwrap();
    let scale = expected.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    assert!(expected.iter().all(|x| x.is_finite()));
    for (a, b) in found.iter().zip(&expected) {
        assert!((a - b).abs() < 1e-3 * scale, "{a} {b}");
    }
    // Rounded otherwise, so they are the device's.
    assert!(found.iter().zip(&expected).filter(|(a, b)| a == b).count() < found.len() / 10);
    for (a, b) in found_khat.iter().zip(&khat) {
        assert!((a - b).abs() < 0.05 || (a.is_nan() && b.is_nan()), "{a} {b}");
    }
    machine.free = 1;
    assert_eq!(run(Some(&machine), &shape, settings).unwrap().0, found);
    // Enough for the arrays of two genes, and less than three.
    (machine.free, machine.most) = (1 << 30, 2 * largest(&shape, settings));
    assert_eq!(run(Some(&machine), &shape, settings).unwrap().0, found);
    machine.lost_after = 1;
    assert!(matches!(run(Some(&machine), &shape, settings), Err(Error::Device(_))));
}

#[test]
fn a_guide_on_a_device_is_the_guide() {
    is_the_fit_of_the_cpu(&settings(10));
}

#[test]
fn chains_on_a_device_are_the_chains() {
    is_the_fit_of_the_cpu(&GeneSettings { method: GeneMethod::Hmc, chains: 2, retry: false, ..settings(10) });
}
