//! Time of the joint conditional Gaussian alone, forward and backward: as chains have it, and for eight draws at once.
//!
//! `cargo bench --no-default-features --bench transport [-- NAME]`, or `make bench-rust`.

mod support;

use pulp::{Arch, NullaryFnOnce};
use std::hint::black_box;
use std::sync::atomic::AtomicBool;
use support::{Shape, is_wanted, model, time};
use twill::density::{LogDensity, Posterior};
use twill::lanes::flat::FlatModel;
use twill::lanes::frame::Frame;
use twill::lanes::start;
use twill::lanes::target::Target;
use twill::number::{Draws8, Parts};
use twill::scales::ScaleGradient;
use twill::settle::settle;
use twill::spec::Engine;
use twill::spec::Family::{Gaussian, NegBinomial};
use twill::transport::conditional::{Conditional, Information};
use twill::transport::scheme::Scheme;
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

struct Eight<'a> {
    map: &'a mut Conditional<Draws8>,
    scheme: &'a Scheme,
    a: &'a [Information<f64>],
    scales: &'a [Draws8],
    z: &'a Parts<Draws8>,
    d: &'a mut Parts<Draws8>,
}

impl NullaryFnOnce for Eight<'_> {
    type Output = Draws8;

    #[inline(always)]
    fn call(self) -> Draws8 {
        let value = self.map.forward(self.scheme, self.a, &[Draws8::splat(0.9)], self.scales, self.z);
        value + self.map.backward(self.scheme, self.scales, self.d, None)
    }
}

fn eight(label: &str, shape: &Shape) {
    if !is_wanted(label) {
        return;
    }
    let model = model(shape);
    let Some(frame) = Frame::new(&model) else { return };
    let mut target = Target::new(&frame, FlatModel::new(&frame, &model).expect("valid by construction"));
    start::start(&mut target).expect("a start");
    let draws = |x: f64, n: usize| vec![Draws8(std::array::from_fn(|s| x + 0.01 * s as f64)); n];
    let mut scales = draws(0.5, frame.n_scales());
    scales[frame.n_scales() - 1] = Draws8::splat(1.0);
    let (scheme, a) = (&frame.scheme, &target.information);
    let mut map = Conditional::new(scheme);
    let z = Parts { lead: draws(0.1, frame.n - frame.c), core: draws(0.1, frame.c) };
    let mut d = z.clone();
    time(label, || {
        d.lead.fill(Draws8::splat(0.1));
        d.core.fill(Draws8::splat(0.1));
        let call = Eight { map: &mut map, scheme, a, scales: &scales, z: &z, d: &mut d };
        black_box(Arch::new().dispatch(call));
    });
}
