//! After the warm-up a transition, of NUTS or of one length, allocates no memory, whatever the engine and the model's parts;
//! nor do the steps of a gene's guide.

mod common;

use common::{Shape, model};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use twill::density::LogDensity;
use twill::draws::Draw;
use twill::hmc::chain::Chain;
use twill::hmc::fixed::Walk;
use twill::hmc::hamiltonian::PhasePoint;
use twill::lanes::flat::FlatModel;
use twill::lanes::frame::Frame;
use twill::lanes::start::start;
use twill::lanes::target::Target;
use twill::natural::noise::Noise;
use twill::natural::steps::{Ascent, ascend};
use twill::run::{Prepared, prepare};
use twill::spec::Engine::{self, Collapsed, Joint, Levels};
use twill::spec::Family::{Gaussian, NegBinomial, Poisson};
use twill::spec::Metric;
use twill::whiten::Whitened;

/// The system's allocator, counting the calls of each thread.
struct Counting;

thread_local! {
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: each call is handed on as it is; the counter has no destructor and allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.set(CALLS.get() + 1);
        unsafe { System.alloc(layout) }
    }
    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        CALLS.set(CALLS.get() + 1);
        unsafe { System.realloc(place, layout, size) }
    }
    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Calls of the allocator during 20 transitions of either kind after a short warm-up, draws completed.
fn calls<D: Draw + Clone>(mut target: Whitened<D>) -> usize {
    let (cancel, mut rng) = (AtomicBool::new(false), ChaCha8Rng::seed_from_u64(4));
    let position = vec![0.1; target.dim()];
    let start = PhasePoint::at(&mut target, position);
    let mut walk = Walk::new(target.clone(), start.clone(), 3, &cancel);
    walk.adapt(12, 0.8, &mut rng, |_, _, _| true);
    let mut chain = Chain::new(target, start, 8, &cancel);
    chain.warm_up(60, 0.8, &mut rng, |_, _, _| true);
    let before = CALLS.get();
    for _ in 0..20 {
        chain.transition(&mut rng);
        chain.density().complete(&mut rng);
        walk.transition(&mut rng);
        walk.density().0.complete(&mut rng);
    }
    CALLS.get() - before
}

fn assert_no_call(label: &str, shape: &Shape, engine: Engine, whitened: bool) {
    let metric = if whitened { Metric::Auto } else { Metric::Diag };
    let prepared = prepare(Arc::new(model(shape, 1)), engine, metric, &AtomicBool::new(false)).unwrap();
    let calls = match (prepared, engine) {
        (Prepared::Collapsed(target), Collapsed) => calls(target),
        (Prepared::Full("joint", target), Joint) => calls(target),
        (Prepared::Full("levels", target), Levels) => calls(target),
        _ => panic!("{label}: not the engine asked for"),
    };
    assert_eq!(calls, 0, "{label}, {engine:?}, whitened {whitened}: calls of the allocator");
}

#[test]
fn correlated_slopes() {
    let shape = Shape::plain(Gaussian, 150, 3, &[(9, 3, true), (5, 1, false)]);
    for engine in [Collapsed, Joint, Levels] {
        assert_no_call("LKJ", &shape, engine, true);
        assert_no_call("LKJ", &shape, engine, false);
    }
}

#[test]
fn dispersion_regressions() {
    for family in [Gaussian, NegBinomial] {
        let shape = Shape { regression: true, ..Shape::plain(family, 200, 3, &[(6, 2, true)]) };
        for engine in [Joint, Levels] {
            assert_no_call("dispersion regression", &shape, engine, true);
        }
    }
}

#[test]
fn horseshoes_and_standard_errors() {
    let counts = Shape { horseshoe_b: true, horseshoe_sd: true, ..Shape::plain(Poisson, 120, 3, &[(7, 2, true)]) };
    let errors = Shape { se: true, ..Shape::plain(Gaussian, 120, 3, &[(7, 2, true)]) };
    for engine in [Joint, Levels] {
        assert_no_call("horseshoes", &counts, engine, true);
        assert_no_call("standard errors", &errors, engine, true);
    }
}

/// More than 100 parameters: whitening in parts; crossed levels: a dense tail of the factor.
#[test]
fn many_crossed_levels() {
    for family in [Gaussian, NegBinomial] {
        let shape = Shape::plain(family, 1500, 3, &[(60, 2, true), (40, 1, false)]);
        for engine in [Joint, Levels] {
            assert_no_call("crossed", &shape, engine, true);
        }
    }
    assert_no_call("crossed", &Shape::plain(Gaussian, 1500, 3, &[(60, 2, true), (40, 1, false)]), Collapsed, true);
}

#[test]
fn long_and_short_climbs_of_a_guide() {
    for family in [NegBinomial, Poisson] {
        let model = model(&Shape::plain(family, 60, 2, &[(6, 2, false), (3, 1, false)]), 1);
        let frame = Frame::new(&model).unwrap();
        let calls = |max_steps: usize| {
            let mut target = Target::new(&frame, FlatModel::new(&frame, &model).unwrap());
            let guide = start(&mut target).unwrap();
            let before = CALLS.get();
            ascend(&mut target, guide, Ascent { max_steps, polish: 1000, tolerance: 1e-9 }, &Noise::new(1, 1));
            CALLS.get() - before
        };
        assert_eq!(calls(16), calls(160), "{family:?}");
    }
}
