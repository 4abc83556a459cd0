//! Time of one leapfrog step inside of NUTS: on standard normals, where it is the sampler's own
//! cost, and on models like those of `bench/`.
//!
//! `cargo bench --no-default-features --bench leapfrog [-- NAME]`, or `make bench-rust`.

mod support;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::sync::atomic::AtomicBool;
use support::{model, shapes, target, time};
use twill::density::LogDensity;
use twill::hmc::hamiltonian::PhasePoint;
use twill::hmc::tree::{Dynamics, Tree};
use twill::run::Prepared;
use twill::spec::Engine;

struct StandardNormal(usize);

impl LogDensity for StandardNormal {
    fn dim(&self) -> usize {
        self.0
    }

    fn evaluate(&mut self, position: &[f64], gradient: &mut [f64]) -> f64 {
        gradient.iter_mut().zip(position).for_each(|(g, q)| *g = -q);
        -0.5 * position.iter().map(|q| q * q).sum::<f64>()
    }
}

fn main() {
    for dim in [4, 17, 95, 393, 4104] {
        transitions(&format!("standard normal, {dim}"), StandardNormal(dim));
    }
    for (name, shape) in shapes() {
        match target(&model(&shape), Engine::Auto) {
            Some(Prepared::Collapsed(target)) => transitions(&format!("{name}, collapsed"), target),
            Some(Prepared::Full(engine, target)) => transitions(&format!("{name}, {engine}"), target),
            None => {}
        }
    }
}

/// A call is one leapfrog step: transitions are run whenever the steps of the last are used up. The
/// step size is about that of a target acceptance of 0.8 on a standard normal.
fn transitions(label: &str, mut density: impl LogDensity) {
    let dim = density.dim();
    let (cancel, inverse_mass) = (AtomicBool::new(false), vec![1.0; dim]);
    let step_size = 1.2 * (dim as f64).powf(-0.25);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut state = PhasePoint::at(&mut density, vec![0.1; dim]);
    let mut tree = Tree::new(dim, 10);
    let mut left = 0;
    time(label, || {
        if left == 0 {
            let mut dynamics =
                Dynamics { density: &mut density, inverse_mass: &inverse_mass, step_size, cancel: &cancel };
            left = tree.transition(&mut dynamics, &mut state, &mut rng).n_leapfrog;
        }
        left = left.saturating_sub(1);
    });
}
