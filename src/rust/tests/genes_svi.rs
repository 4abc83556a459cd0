//! The variational engine of genes: its density is that of the model, its gradients agree with differences.

mod common;

use common::{Shape, arrays, few_values, spec};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;
use twill::density::{LogDensity, Model, Posterior};
use twill::design::Design;
use twill::lanes::centre;
use twill::lanes::flat::FlatModel;
use twill::lanes::frame::Frame;
use twill::lanes::start::start;
use twill::lanes::target::Target;
use twill::natural::guide::Direction;
use twill::natural::lane::Lane;
use twill::natural::noise::Noise;
use twill::natural::steps::{Ascent, Fitted, ascend};
use twill::spec::Family;
use twill::transport::Transport;

fn shapes() -> impl Strategy<Value = Shape> {
    let term = (1..5usize, 1..4usize, any::<bool>());
    let families = prop::sample::select(vec![Family::Poisson, Family::NegBinomial, Family::Gaussian]);
    (families, 1..4usize, prop::collection::vec(term, 0..3), any::<[bool; 3]>()).prop_map(
        |(family, p, terms, [centred, by, regression])| {
            let regression = regression && family != Family::Poisson;
            Shape { centred, by, regression, ..Shape::plain(family, 40, p, &terms) }
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
    if seed % 3 == 0 {
        // Rows merge, and fall into groups of one dispersion.
        few_values(&mut raw);
    }
    if shape.terms.len() > 1 && seed % 2 == 0 {
        raw.terms[1].codes = raw.terms[0].codes.clone();
    }
    let design = Design::new(raw, &spec).unwrap();
    let whole = Model::with_rows(design.clone(), None, &spec).unwrap();
    (Frame::new(&whole).expect("a model for this engine"), Model::new(design, &spec).unwrap())
}

fn centred<'a>(frame: &'a Frame, model: &Model) -> Target<'a> {
    let mut target = Target::new(frame, FlatModel::new(frame, model).unwrap());
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
            let standard = [&target.map.standard.lead[..], &target.map.standard.core].concat();
            for (a, &place) in frame.place.iter().enumerate() {
                // Effects come after coefficients there.
                let at = if place < layout.n_effects { frame.p + place } else { place - layout.n_effects };
                position[at] = standard[a].0[s];
            }
            // Correlations come last there.
            let (first, n_cor) = (layout.theta().start, frame.n_cor());
            for (k, t) in target.theta.straight.iter().enumerate() {
                let cor = frame.n_theta() - n_cor;
                let shift = if k >= cor { k - cor + frame.n_sd } else { k + if k >= frame.n_sd { n_cor } else { 0 } };
                position[first + shift] = t.0[s];
            }
            posterior.evaluate(&position, &mut vec![0.0; layout.dim()]);
            let density = value.0[s] - target.log_jacobian.0[s];
            prop_assert!((density - posterior.lp).abs() < 1e-8 * (1.0 + posterior.lp.abs()), "{density} {}", posterior.lp);
        }
    }
}

/// Counts of seven donors, four samples each.
fn paired_gene(seed: u64) -> (Frame, Model) {
    let shape = Shape::plain(Family::NegBinomial, 28, 2, &[(7, 1, false)]);
    let (spec, mut raw) = (spec(&shape), arrays(&shape, seed));
    raw.terms[0].codes = (0..28).map(|i| i / 4).collect();
    raw.weights.to_mut().fill(1.0);
    raw.y.to_mut().iter_mut().enumerate().for_each(|(i, y)| *y += (i / 4) as f64 * 3.0);
    let design = Design::new(raw, &spec).unwrap();
    let whole = Model::with_rows(design.clone(), None, &spec).unwrap();
    (Frame::new(&whole).unwrap(), Model::new(design, &spec).unwrap())
}

const ASCENT: Ascent = Ascent { max_steps: 400, polish: 64, tolerance: 0.01 };

fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

/// From two standard deviations away, and with half or twice the width, to the same guide; that has the larger ELBO.
#[test]
fn the_guide_finds_its_way_from_afar() {
    for seed in 0..5 {
        let (frame, model) = paired_gene(seed);
        let mut target = Target::new(&frame, FlatModel::new(&frame, &model).unwrap());
        let begin = start(&mut target).unwrap();
        let near = ascend(&mut target, begin.clone(), ASCENT, &Noise::new(1, 2));
        for (shift, width) in [(1.0, 0.5), (-1.0, 2.0)] {
            let mut away = begin.clone();
            away.root.iter_mut().for_each(|t| *t *= width);
            (0..frame.dim()).step_by(3).for_each(|i| away.mean[i] += shift);
            let far = ascend(&mut target, away, ASCENT, &Noise::new(1, 3));
            let last = |fitted: &Fitted| mean(&fitted.elbo[fitted.elbo.len() - 16..]);
            assert!(near.converged && far.converged);
            assert!(mean(&far.elbo[..2]) < last(&far) - 1.0, "{:?}", &far.elbo[..2]);
            assert!((last(&near) - last(&far)).abs() < 0.15, "{} {}", last(&near), last(&far));
            for i in 0..frame.dim() {
                let sd = near.guide.root[i * frame.dim()..][..=i].iter().map(|t| t * t).sum::<f64>().sqrt();
                assert!((near.guide.mean[i] - far.guide.mean[i]).abs() < 0.2 * sd, "{seed}, {i}");
            }
        }
    }
}

/// The rule must see that a climb is not over.
#[test]
fn a_climb_cut_short_has_not_converged() {
    let (frame, model) = paired_gene(1);
    let mut target = Target::new(&frame, FlatModel::new(&frame, &model).unwrap());
    let mut begin = start(&mut target).unwrap();
    begin.mean.iter_mut().for_each(|m| *m += 3.0);
    let short = ascend(&mut target, begin.clone(), Ascent { max_steps: 8, polish: 0, ..ASCENT }, &Noise::new(1, 2));
    assert!(!short.converged && short.elbo.len() == 8);
    let impatient = ascend(&mut target, begin, Ascent { polish: 0, ..ASCENT }, &Noise::new(1, 2));
    assert!(impatient.converged && impatient.elbo.len() > 16, "{}", impatient.elbo.len());
}

/// Halves with independent noise estimate half of the squared direction without bias: zero where there is nothing to gain.
#[test]
fn the_gain_is_estimated_without_bias() {
    let (d, mut rng) = (6, ChaCha8Rng::seed_from_u64(5));
    let mut noisy = |truth: f64| {
        let mut direction = Direction::new(d);
        direction.mean.iter_mut().chain(&mut direction.root).for_each(|x| *x = truth + 2.0 * rng.random::<f64>() - 1.0);
        direction
    };
    for truth in [0.0, 0.2] {
        let gains: Vec<f64> = (0..20_000).map(|_| noisy(truth).gain(&noisy(truth))).collect();
        let expected = truth * truth * (0.5 * d as f64 + 0.25 * (d * d) as f64);
        let error = (gains.iter().map(|g| (g - mean(&gains)).powi(2)).sum::<f64>()).sqrt() / gains.len() as f64;
        assert!((mean(&gains) - expected).abs() < 4.0 * error, "{} {expected} {error}", mean(&gains));
    }
}
