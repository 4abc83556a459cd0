//! Time of the joint conditional Gaussian alone, forward and backward: as chains have it, and for eight draws at once.
//!
//! `cargo bench --no-default-features --bench transport [-- NAME]`, or `make bench-rust`.

mod support;

use pulp::{Arch, NullaryFnOnce};
use std::hint::black_box;
use std::sync::atomic::AtomicBool;
use support::{Shape, is_wanted, model, time};
use twill::density::{LogDensity, Posterior};
use twill::genes::svi::flat::FlatGene;
use twill::genes::svi::frame::Frame;
use twill::genes::svi::lane::Lane;
use twill::genes::svi::start;
use twill::genes::svi::target::Target;
use twill::scales::ScaleGradient;
use twill::settle::settle;
use twill::spec::Engine;
use twill::spec::Family::{Gaussian, NegBinomial};
use twill::transport::{Context, Mapped};

/// Levels, effects of each, correlated.
type Terms = &'static [(usize, usize, bool)];

fn main() {
    let shapes: [(&str, usize, Terms); 11] = [
        ("7 levels of 2", 2, &[(7, 2, false)]),
        ("12 levels of 2", 2, &[(12, 2, false)]),
        ("40 levels of 2", 2, &[(40, 2, false)]),
        ("20 levels of 1", 2, &[(20, 1, false)]),
        ("59 levels of 1", 2, &[(59, 1, false)]),
        ("18 correlated levels of 2", 2, &[(18, 2, true)]),
        ("200 correlated levels of 2", 2, &[(200, 2, true)]),
        ("6 x 4 crossed", 3, &[(6, 1, false), (4, 1, false)]),
        ("10 x 3 crossed", 3, &[(10, 1, false), (3, 1, false)]),
        ("6 correlated levels of 2 x 4", 3, &[(6, 2, true), (4, 1, false)]),
        ("118 x 63 crossed", 4, &[(118, 1, false), (63, 1, false)]),
    ];
    for (name, p, terms) in shapes {
        let rows = 5 * terms.iter().map(|t| t.0 * t.1).sum::<usize>();
        chains(&format!("{name} + {p}, one position"), &Shape::plain(Gaussian, rows, p, terms));
        eight(&format!("{name} + {p}, eight draws"), &Shape::plain(NegBinomial, rows, p, terms));
    }
}

fn chains(label: &str, shape: &Shape) {
    if !is_wanted(label) {
        return;
    }
    let model = model(shape);
    let settled = settle(&model, Engine::Joint, &AtomicBool::new(false));
    let (mut posterior, mode): (Posterior, _) = (settled.posterior, settled.mode);
    let mut gradient = vec![0.0; mode.len()];
    posterior.evaluate(&mode, &mut gradient);
    let ctx = Context { layout: &model.layout, scales: &posterior.scales };
    let (mut mapped, mut d) = (Mapped::default(), ScaleGradient::default());
    d.reset(&posterior.scales);
    let (d_swept, mut d_effects) = (vec![0.1; model.layout.swept.len()], vec![0.1; model.layout.n_effects]);
    time(label, || {
        posterior.transport.forward(ctx, &mode, &mut mapped);
        posterior.transport.backward(ctx, &mut mapped, &d_swept, &mut d_effects, &mut gradient, &mut d);
        black_box(&gradient);
    });
}

struct Eight<'a, 'b> {
    target: &'a mut Target<'b>,
    sd: &'a [Lane],
    z: &'a [Lane],
    d: &'a mut [Lane],
    d_log_sd: &'a mut [Lane],
}

impl NullaryFnOnce for Eight<'_, '_> {
    type Output = Lane;

    #[inline(always)]
    fn call(self) -> Lane {
        let (arrow, frame) = (&mut self.target.arrow, self.target.frame);
        let value = arrow.forward(frame, &self.target.information, Lane::splat(0.9), self.sd, self.z);
        value + arrow.backward(frame, self.d, self.d_log_sd)
    }
}

fn eight(label: &str, shape: &Shape) {
    if !is_wanted(label) {
        return;
    }
    let model = model(shape);
    let Some(frame) = Frame::new(&model) else { return };
    let mut target = Target::new(&frame, FlatGene::new(&frame, &model).expect("valid by construction"));
    start::start(&mut target).expect("a start");
    let lanes = |x: f64, n: usize| vec![Lane(std::array::from_fn(|s| x + 0.01 * s as f64)); n];
    let mut sd = lanes(0.5, frame.n);
    sd[frame.n - frame.p..].fill(Lane::splat(1.0));
    let (z, mut d_log_sd) = (lanes(0.1, frame.n), lanes(0.0, frame.n_sd + 1));
    let mut d = lanes(0.1, frame.n);
    time(label, || {
        d.fill(Lane::splat(0.1));
        d_log_sd.fill(Lane::ZERO);
        let call = Eight { target: &mut target, sd: &sd, z: &z, d: &mut d, d_log_sd: &mut d_log_sd };
        black_box(Arch::new().dispatch(call));
    });
}
