//! Runs that are stopped and go on from copies of their chains have the draws of runs that are not.

mod common;

use common::{Shape, arrays, spec};
use std::path::PathBuf;
use twill::density::Model;
use twill::design::Design;
use twill::draws::ChainDraws;
use twill::run::{Output, Progress};
use twill::sample::sample;
use twill::spec::{Checkpoint, Engine, Family, InitSpec, Metric, Sampling, Settings};

fn settings(engine: Engine, sampler: Sampling) -> Settings {
    Settings {
        chains: 2,
        iter: 800,
        warmup: 200,
        thin: 3,
        threads: 2,
        seed: 4,
        adapt_delta: vec![0.8],
        max_treedepth: 10,
        init: InitSpec::Mode,
        save_effects: false,
        effects: Some(40),
        save_warmup: true,
        sampler,
        engine,
        metric: Metric::Auto,
        checkpoint: None,
    }
}

/// A folder of its own, empty.
fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("twill-checkpoint-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    folder
}

fn run(shape: &Shape, settings: &Settings, watch: impl FnMut(Progress) -> bool) -> Output {
    let spec = spec(shape);
    let model = Model::new(Design::new(arrays(shape, 5), &spec).unwrap(), &spec).unwrap();
    sample(model, settings, watch).unwrap()
}

/// All but times.
fn assert_same(a: &Output, b: &Output) {
    let numbers = |c: &ChainDraws| {
        let effects = [&c.effects.mean[..], &c.effects.squares, &c.effects.values].concat();
        let counts = [c.effects.n, c.n_gradients, c.warmup_divergent].map(|n| n as f64);
        [&c.values[..], c.sampler.as_flattened(), &c.warmup, &effects, &counts, &[c.step_size]].concat()
    };
    assert_eq!(a.adapt_delta, b.adapt_delta);
    for (a, b) in a.chains.iter().zip(&b.chains) {
        let (a, b) = (numbers(a), numbers(b));
        assert_eq!(a.len(), b.len());
        assert_eq!(a.iter().zip(&b).position(|(a, b)| a != b), None, "of {}", a.len());
    }
}

/// Stops a run after some of its iterations, again and again, and compares what it has in the end.
fn goes_on(name: &str, shape: &Shape, settings: &Settings) -> Output {
    let folder = folder(name);
    let whole = run(shape, settings, |_| true);
    let checkpoint = Some(Checkpoint { folder: folder.to_str().unwrap().into(), key: "a".into(), seconds: 0.0 });
    let copied = Settings { checkpoint, ..settings.clone() };
    let (mut stops, mut kept) = (0, 0);
    let output = loop {
        // Warm-up is not copied: a run is stopped when it has draws that the one before had not.
        let output = run(shape, &copied, |progress| progress.kept <= kept + 3);
        if !output.interrupted {
            break output;
        }
        kept = output.chains.iter().map(|c| c.sampler.len()).sum();
        stops += 1;
    };
    assert!(stops > 0, "nothing was stopped: more iterations are needed");
    assert_same(&whole, &output);
    // All is there: nothing is drawn again.
    let again = run(shape, &copied, |_| true);
    assert_same(&whole, &again);
    // Other seeds and other keys are other runs.
    for other in [
        Settings { seed: 5, ..copied.clone() },
        Settings {
            checkpoint: copied.checkpoint.clone().map(|c| Checkpoint { key: "b".into(), ..c }),
            ..copied.clone()
        },
    ] {
        let expected = run(shape, &Settings { checkpoint: None, ..other.clone() }, |_| true);
        assert_same(&expected, &run(shape, &other, |_| true));
    }
    std::fs::remove_dir_all(folder).unwrap();
    output
}

fn gaussian() -> Shape {
    Shape::plain(Family::Gaussian, 120, 2, &[(8, 2, true), (5, 1, false)])
}

#[test]
fn trajectories_go_on() {
    let counts = Shape::plain(Family::NegBinomial, 120, 2, &[(8, 2, true), (5, 1, false)]);
    goes_on("nuts", &counts, &settings(Engine::Joint, Sampling::Nuts));
    goes_on("hmc", &counts, &settings(Engine::Levels, Sampling::Hmc));
    goes_on("collapsed", &gaussian(), &settings(Engine::Collapsed, Sampling::Nuts));
}

#[test]
fn guided_chains_go_on() {
    assert_eq!(goes_on("guided", &gaussian(), &settings(Engine::Guided, Sampling::Nuts)).engine, "guided");
}

/// Coarse steps diverge, and chains begin again: copies of the attempt that was given up are not taken up.
#[test]
fn attempts_go_on() {
    let shape = Shape { horseshoe_sd: true, ..Shape::plain(Family::Poisson, 60, 2, &[(10, 1, false)]) };
    let rising = Settings { adapt_delta: vec![0.05, 0.1, 0.9], ..settings(Engine::Joint, Sampling::Nuts) };
    let output = goes_on("attempts", &shape, &rising);
    assert!(output.adapt_delta > 0.05, "nothing diverged");
}

#[test]
fn damaged_copies_are_as_none() {
    let (folder, plain) = (folder("damaged"), settings(Engine::Joint, Sampling::Nuts));
    let checkpoint = Some(Checkpoint { folder: folder.to_str().unwrap().into(), key: "a".into(), seconds: 0.0 });
    let copied = Settings { checkpoint, ..plain.clone() };
    let whole = run(&gaussian(), &plain, |_| true);
    run(&gaussian(), &copied, |_| true);
    let path = folder.join("chain-2");
    let bytes = std::fs::read(&path).unwrap();
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    for damaged in [flipped, bytes[..bytes.len() - 8].to_vec(), bytes[..20].to_vec(), vec![]] {
        std::fs::write(&path, damaged).unwrap();
        assert_same(&whole, &run(&gaussian(), &copied, |_| true));
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn copies_that_cannot_be_written_cost_nothing() {
    let file = folder("nowhere");
    std::fs::write(&file, "not a folder").unwrap();
    let plain = settings(Engine::Joint, Sampling::Nuts);
    let checkpoint = Some(Checkpoint { folder: file.to_str().unwrap().into(), key: "a".into(), seconds: 0.0 });
    let output = run(&gaussian(), &Settings { checkpoint, ..plain.clone() }, |_| true);
    assert!(output.uncopied > 0);
    assert_same(&run(&gaussian(), &plain, |_| true), &output);
    std::fs::remove_file(file).unwrap();
}
