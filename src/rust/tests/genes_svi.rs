//! The variational engine of genes: its density is that of the model, its gradients agree with differences.

mod common;

use common::{Shape, arrays, spec};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;
use twill::density::{LogDensity, Model, Posterior};
use twill::design::Design;
use twill::genes::svi::centre;
use twill::genes::svi::flat::FlatGene;
use twill::genes::svi::frame::Frame;
use twill::genes::svi::lane::Lane;
use twill::genes::svi::target::Target;
use twill::spec::Family;
use twill::transport::Transport;

fn shapes() -> impl Strategy<Value = Shape> {
    let term = (1..5usize, 1..4usize, Just(false));
    (any::<bool>(), 1..4usize, prop::collection::vec(term, 0..4), any::<bool>()).prop_map(
        |(poisson, p, terms, centred)| {
            let family = if poisson { Family::Poisson } else { Family::NegBinomial };
            Shape { centred, ..Shape::plain(family, 40, p, &terms) }
        },
    )
}

/// Frame and model of random data; a second term on the levels of the first, if there are two.
fn gene(shape: &Shape, seed: u64) -> (Frame, Model) {
    let mut shape = shape.clone();
    if shape.terms.len() > 1 && seed % 2 == 0 {
        shape.terms[1].0 = shape.terms[0].0;
    }
    let spec = spec(&shape);
    let mut raw = arrays(&shape, seed);
    if shape.terms.len() > 1 && seed % 2 == 0 {
        raw.terms[1].codes = raw.terms[0].codes.clone();
    }
    let design = Design::new(raw, &spec).unwrap();
    let whole = Model::with_rows(design.clone(), None, &spec).unwrap();
    (Frame::new(&whole).expect("a model for this engine"), Model::new(design, &spec).unwrap())
}

fn centred<'a>(frame: &'a Frame, model: &Model) -> Target<'a> {
    let mut target = Target::new(frame, FlatGene::new(frame, model).unwrap());
    let at = centre::rough(&target);
    centre::at(&mut target, &at);
    target
}

fn random_lanes(dim: usize, seed: u64) -> Vec<Lane> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..dim).map(|_| Lane(std::array::from_fn(|_| 1.6 * rng.random::<f64>() - 0.8))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn gradients_agree_with_differences(shape in shapes(), seed in 0..1000u64) {
        let (frame, model) = gene(&shape, seed);
        let mut target = centred(&frame, &model);
        let skews = [0.2, -0.2, 0.0, 0.1].into_iter().cycle();
        target.theta.bends.iter_mut().zip(skews).for_each(|(bend, skew)| (bend.both, bend.skew) = (0.2, skew));
        let y = random_lanes(frame.dim(), seed);
        let value = target.evaluate(&y);
        let (gradient, h) = (target.gradient.clone(), 1e-5);
        for j in 0..frame.dim() {
            let mut moved = y.clone();
            moved[j] = y[j] + Lane::splat(h);
            let up = target.evaluate(&moved);
            moved[j] = y[j] - Lane::splat(h);
            let down = target.evaluate(&moved);
            for s in 0..8 {
                let slope = (up.0[s] - down.0[s]) / (2.0 * h);
                let error = (gradient[j].0[s] - slope).abs() / (1.0 + slope.abs() + 0.01 * value.0[s].abs());
                prop_assert!(error < 2e-6, "{j}, {s}: {} and {slope}", gradient[j].0[s]);
            }
        }
    }

    /// But for the Jacobian of the map, the density is that of [`Posterior`] at the same parameters.
    #[test]
    fn the_density_is_that_of_the_model(shape in shapes(), seed in 0..1000u64) {
        let (frame, model) = gene(&shape, seed);
        let mut target = centred(&frame, &model);
        let value = target.evaluate(&random_lanes(frame.dim(), seed));
        let layout = model.layout.clone();
        let plain = Transport::identity(&layout, vec![0.0; frame.p], &vec![1.0; frame.p]);
        let mut posterior = Posterior::new(Arc::new(model), Arc::new(plain));
        for s in 0..8 {
            let mut position = vec![0.0; layout.dim()];
            for (a, &place) in frame.place.iter().enumerate() {
                // Effects come after coefficients there.
                let at = if place < layout.n_effects { frame.p + place } else { place - layout.n_effects };
                position[at] = target.arrow.v[a].0[s];
            }
            layout.theta().zip(&target.theta.straight).for_each(|(at, t)| position[at] = t.0[s]);
            posterior.evaluate(&position, &mut vec![0.0; layout.dim()]);
            let density = value.0[s] - target.log_jacobian.0[s];
            prop_assert!((density - posterior.lp).abs() < 1e-8 * (1.0 + posterior.lp.abs()), "{density} {}", posterior.lp);
        }
    }
}
