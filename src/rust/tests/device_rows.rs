//! Rows of one model on a device that is the CPU: the likelihood, the order of threads, blocks of rows, and a whole fit.

mod common;
#[path = "common/emulator.rs"]
mod emulator;

use common::row_checks::{cases, evaluated, of_case, positions};
use common::{Shape, arrays, spec};
use emulator::Emulator;
use twill::approximate::{Approximation, approximate_on};
use twill::density::Model;
use twill::design::Design;
use twill::device::machine::Machine;
use twill::device::rows::Rows;
use twill::device::source::Precision;
use twill::spec::{ApproximationSettings, Device, Engine, Family, GuideKind, Method};
use twill::svi::on_device::{OnDevice, arrays_of};

#[test]
fn rows_give_the_densities_of_the_cpu() {
    let Some(mut machine) = Emulator::new() else { return };
    for (order, case) in (1..).zip(cases()) {
        machine.order = order % 3;
        for precision in Precision::ALL {
            println!("{}", of_case(&machine, &case, precision).unwrap());
        }
    }
}

/// Not a bit changes with the order in which threads run.
#[test]
fn results_do_not_depend_on_how_threads_run() {
    let Some(mut machine) = Emulator::new() else { return };
    for case in &cases()[..3] {
        let target = case.target();
        let positions = positions(twill::density::LogDensity::dim(&target), 4);
        let runs = [0, 1, 2].map(|order| {
            machine.order = order;
            let mut there = OnDevice::new(&machine, Precision::Single, &target, 4).unwrap();
            evaluated(&mut there, &positions).unwrap()
        });
        assert!(runs[1] == runs[0] && runs[2] == runs[0], "{}", case.name);
    }
}

/// Rows that do not fit go through in blocks: the same sums but for their order.
#[test]
fn rows_that_do_not_fit_go_through_in_blocks() {
    let Some(mut machine) = Emulator::new() else { return };
    for case in &cases()[..4] {
        let mut target = case.target();
        let center = vec![0.0; twill::density::LogDensity::dim(&target)];
        evaluated(&mut target, &[center]).unwrap();
        let posterior = &target.inner.inner;
        let arrays = arrays_of(&posterior.model, posterior.natural());
        let parameters: Vec<f64> = (0..2 * arrays.n_parameters()).map(|i| 0.3 * (i as f64).sin()).collect();
        let whole = Rows::new(&machine, Precision::Double, &arrays, 2).unwrap();
        let expected = whole.evaluate(&parameters, 2, true).unwrap();
        let size = arrays.n() / 3 + 1;
        for is_resident in [true, false] {
            let blocks = Rows::in_blocks(&machine, Precision::Double, &arrays, 2, size, is_resident).unwrap();
            assert!(blocks.is_resident() == is_resident);
            for (found, expected) in blocks.evaluate(&parameters, 2, true).unwrap().iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-9 * (1.0 + expected.abs()), "{}: {found} {expected}", case.name);
            }
        }
    }
    machine.most = 100;
    assert!(OnDevice::new(&machine, Precision::Single, &cases()[0].target(), 4).is_err());
}

fn settings(device: Device, fallback: bool) -> ApproximationSettings {
    ApproximationSettings {
        method: Method::Svi,
        draws: 60,
        threads: 2,
        seed: 7,
        engine: Engine::Auto,
        guide: GuideKind::Auto,
        natural: false,
        batch: 0,
        max_steps: 15,
        n_draws: 3,
        step_size: 0.05,
        tolerance: 1.0,
        save_effects: true,
        device,
        fallback,
        kernel_cache: String::new(),
    }
}

fn fitted(machine: Option<&dyn Machine>, family: Family, fallback: bool) -> Result<Approximation, String> {
    let shape = Shape::plain(family, 250, 2, &[(12, 2, true), (5, 1, false)]);
    let spec = spec(&shape);
    let model = Model::new(Design::new(arrays(&shape, 3), &spec).unwrap(), &spec).unwrap();
    let device = if machine.is_some() { Device::Cuda } else { Device::Cpu };
    approximate_on(machine, model, &settings(device, fallback), |_| true).map_err(|e| e.to_string())
}

#[test]
fn a_fit_on_a_device_is_the_fit() {
    let Some(machine) = Emulator::new() else { return };
    for family in [Family::NegBinomial, Family::Poisson] {
        let (expected, found) = (fitted(None, family, false).unwrap(), fitted(Some(&machine), family, false).unwrap());
        assert!((expected.device, found.device) == ("cpu", "cuda") && expected.values.len() == found.values.len());
        let far =
            |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).abs() / (1.0 + b.abs())).fold(0.0, f64::max);
        assert!(far(&found.values, &expected.values) < 1e-2, "{}", far(&found.values, &expected.values));
        assert!(far(&found.log_ratios, &expected.log_ratios) < 1e-3);
        assert_eq!(fitted(Some(&machine), family, false).unwrap().values, found.values);
    }
}

/// A model that has nothing to do there is an error, or the CPU's.
#[test]
fn what_a_device_cannot_do_is_said() {
    let Some(machine) = Emulator::new() else { return };
    let error = fitted(Some(&machine), Family::Gaussian, false).unwrap_err();
    assert!(error.contains("any number of rows") && error.contains("device = \"cpu\""), "{error}");
    let on_cpu = fitted(Some(&machine), Family::Gaussian, true).unwrap();
    assert!(on_cpu.device == "cpu" && on_cpu.note.contains("any number of rows"));
    let few = fitted(Some(&machine), Family::Poisson, true).unwrap();
    assert!(few.device == "cpu" && few.note.starts_with("250 rows are too few"), "{}", few.note);
}

/// A card that is lost amidst the steps is an error with its way out, and the CPU still makes the fit.
#[test]
fn a_lost_device_is_said() {
    let Some(mut machine) = Emulator::new() else { return };
    machine.lost_after = 10;
    let error = fitted(Some(&machine), Family::NegBinomial, false).unwrap_err();
    assert!(error.contains("lost") && error.contains("device = \"cpu\""), "{error}");
    assert!(fitted(None, Family::NegBinomial, false).is_ok());
}
