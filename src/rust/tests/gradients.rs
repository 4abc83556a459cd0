//! Gradients of random models agree with differences, in any coordinates; the transport is exact.

mod common;

use common::{Shape, model};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use twill::density::{LogDensity, Posterior};
use twill::draws::Draw;
use twill::run::{Prepared, prepare};
use twill::settle::settle;
use twill::spec::{Engine, Family, Metric};
use twill::transport::Transport;

fn shapes() -> impl Strategy<Value = Shape> {
    let term = (1..5usize, 1..4usize, any::<bool>());
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let kinds = (any::<bool>(), any::<bool>());
    (0..3usize, 1..4usize, prop::collection::vec(term, 0..3), flags, kinds).prop_map(|(family, p, terms, f, kinds)| {
        let family = [Family::Gaussian, Family::NegBinomial, Family::Poisson][family];
        let n_effects: usize = terms.iter().map(|(n_levels, q, _)| n_levels * q).sum();
        Shape {
            family,
            // A residual sd with many effects, or a model of its own, on few rows fits some of them perfectly: no digits
            // are left for differences.
            n: if f.4 || n_effects > 10 { 100 } else { 20 },
            p,
            terms,
            horseshoe_b: f.0,
            horseshoe_sd: f.1,
            autoscale: f.2,
            centred: f.3,
            regression: f.4 && family != Family::Poisson,
            dispersion_levels: if f.4 && f.0 { 3 } else { 0 },
            positive: f.4 && f.2,
            se: f.5 && family == Family::Gaussian,
            by: kinds.0,
            tails: kinds.1,
        }
    })
}

/// Largest error of the gradient against central differences, relative to the value's size.
fn gradient_error(posterior: &mut Posterior, position: &[f64]) -> f64 {
    let mut gradient = vec![0.0; position.len()];
    let value = posterior.evaluate(position, &mut gradient);
    assert!(value.is_finite());
    let mut scratch = gradient.clone();
    let mut x = position.to_vec();
    let mut worst: f64 = 0.0;
    for j in 0..x.len() {
        let h = 1e-5;
        x[j] = position[j] + h;
        let up = posterior.evaluate(&x, &mut scratch);
        x[j] = position[j] - h;
        let down = posterior.evaluate(&x, &mut scratch);
        x[j] = position[j];
        let slope = (up - down) / (2.0 * h);
        worst = worst.max((gradient[j] - slope).abs() / (1.0 + slope.abs() + 0.01 * value.abs()));
    }
    worst
}

fn random_position(dim: usize, seed: u64) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..dim).map(|_| 1.6 * rng.random::<f64>() - 0.8).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn gradients_agree_with_differences(shape in shapes(), seed in 0..1000u64) {
        let model = Arc::new(model(&shape, seed));
        let p = model.layout.swept.len();
        let plain = Transport::identity(&model.layout, vec![0.1; p], &vec![0.7; p]);
        let mut posterior = Posterior::new(Arc::clone(&model), Arc::new(plain));
        let position = random_position(posterior.dim(), seed);
        prop_assert!(gradient_error(&mut posterior, &position) < 2e-6);
        for engine in [Engine::Levels, Engine::Joint] {
            let mut settled = settle(&model, engine, &AtomicBool::new(false)).posterior;
            let error = gradient_error(&mut settled, &position);
            prop_assert!(error < 2e-6, "{engine:?} {error} at {}", settled.lp);
        }
    }

    /// Whatever a position is, the next one has the value and the gradient that it has by itself.
    #[test]
    fn a_position_without_density_leaves_nothing_behind(shape in shapes(), seed in 0..1000u64) {
        let model = Arc::new(model(&shape, seed));
        for engine in [Engine::Levels, Engine::Joint] {
            let mut settled = settle(&model, engine, &AtomicBool::new(false)).posterior;
            let position = random_position(settled.dim(), seed);
            let (mut before, mut after) = (vec![0.0; position.len()], vec![0.0; position.len()]);
            let value = settled.evaluate(&position, &mut before);
            for far in [f64::NAN, f64::INFINITY, 1e3, -1e3] {
                settled.evaluate(&vec![far; position.len()], &mut after);
                prop_assert_eq!(settled.evaluate(&position, &mut after), value);
                prop_assert_eq!(&after, &before);
            }
        }
    }

    /// A density's value alone is that beside its gradient, and leaves the same draw; also where only the scales stay.
    #[test]
    fn values_alone_are_those_beside_gradients(shape in shapes(), seed in 0..1000u64) {
        let model = Arc::new(model(&shape, seed));
        for engine in [Engine::Levels, Engine::Joint] {
            let mut settled = settle(&model, engine, &AtomicBool::new(false)).posterior;
            let (position, theta) = (random_position(settled.dim(), seed + 3), model.layout.theta());
            let value = settled.evaluate(&position, &mut vec![0.0; position.len()]);
            let all = |p: &Posterior| [vec![p.lp, p.lprior], p.beta.clone(), p.mapped.effects.clone()].concat();
            let draw = all(&settled);
            let mut other = random_position(settled.dim(), seed + 4);
            settled.value(&other);
            prop_assert_eq!(settled.value(&position), value);
            prop_assert_eq!(&all(&settled), &draw);
            other[theta.clone()].copy_from_slice(&position[theta]);
            settled.value(&other);
            prop_assert_eq!(settled.value_at_same_scales(&position), value);
            prop_assert_eq!(&all(&settled), &draw);
        }
    }

    /// lp is a function of the parameters alone, whatever the coordinates that led to them.
    #[test]
    fn transport_changes_coordinates_and_nothing_else(shape in shapes(), seed in 0..1000u64, joint: bool) {
        let model = Arc::new(model(&shape, seed));
        let mut settled = settle(&model, if joint { Engine::Joint } else { Engine::Levels }, &AtomicBool::new(false)).posterior;
        let position = random_position(settled.dim(), seed + 1);
        let mut gradient = vec![0.0; position.len()];
        settled.evaluate(&position, &mut gradient);
        let layout = &model.layout;
        let p = layout.swept.len();
        let plain = Transport::identity(layout, vec![0.0; p], &vec![1.0; p]);
        let mut same = position.clone();
        same[layout.z_swept()].copy_from_slice(&settled.mapped.swept);
        same[layout.z_effects()].copy_from_slice(&settled.mapped.standard);
        let mut other = Posterior::new(Arc::clone(&model), Arc::new(plain));
        other.evaluate(&same, &mut gradient);
        prop_assert!((other.lp - settled.lp).abs() < 1e-8 * (1.0 + settled.lp.abs()));
        for (a, b) in other.mapped.effects.iter().zip(&settled.mapped.effects) {
            prop_assert!((a - b).abs() < 1e-9 * (1.0 + a.abs()));
        }
    }

    /// The Jacobian of the effects' map, by differences, is what the target says it is.
    #[test]
    fn log_jacobian_is_that_of_the_map(shape in shapes(), seed in 0..1000u64, joint: bool) {
        let model = Arc::new(model(&shape, seed));
        let mut settled = settle(&model, if joint { Engine::Joint } else { Engine::Levels }, &AtomicBool::new(false)).posterior;
        let position = random_position(settled.dim(), seed + 2);
        let mut gradient = vec![0.0; position.len()];
        settled.evaluate(&position, &mut gradient);
        let expected = settled.mapped.log_jacobian;
        // Coefficients and effects together: the levels' map has unit scale in the former at its own.
        let places = if joint { 0..model.layout.theta().start } else { model.layout.z_effects() };
        let n = places.len();
        let image = |p: &Posterior| if joint { [p.mapped.swept.clone(), p.mapped.standard.clone()].concat() } else { p.mapped.standard.clone() };
        let mut jacobian = faer::Mat::<f64>::zeros(n, n);
        for (j, place) in places.enumerate() {
            let mut x = position.clone();
            x[place] += 1e-5;
            settled.evaluate(&x, &mut gradient);
            let up = image(&settled);
            x[place] -= 2e-5;
            settled.evaluate(&x, &mut gradient);
            let down = image(&settled);
            (0..n).for_each(|i| jacobian[(i, j)] = (up[i] - down[i]) / 2e-5);
        }
        let log_det = if n == 0 { 0.0 } else { jacobian.determinant().abs().ln() };
        prop_assert!((log_det - expected).abs() < 1e-6 * (1.0 + expected.abs()), "{log_det} {expected}");
    }
}

/// Log of the absolute determinant of the map from a target's positions to coefficients, standardised effects and `theta`,
/// by differences.
fn log_det_of_map<D: Draw>(target: &mut D, position: &[f64]) -> f64 {
    let (n, mut gradient) = (position.len(), vec![0.0; position.len()]);
    let mut image = |x: &[f64]| {
        target.evaluate(x, &mut gradient);
        let posterior = target.posterior();
        [posterior.mapped.swept.clone(), posterior.mapped.standard.clone(), posterior.scales.theta.clone()].concat()
    };
    let mut jacobian = faer::Mat::<f64>::zeros(n, n);
    for j in 0..n {
        let mut x = position.to_vec();
        x[j] += 1e-5;
        let up = image(&x);
        x[j] -= 2e-5;
        let down = image(&x);
        (0..n).for_each(|i| jacobian[(i, j)] = (up[i] - down[i]) / 2e-5);
    }
    jacobian.determinant().abs().ln()
}

/// Shapes with all parts of a density, and one whose whitening is in parts: more than 100 parameters.
fn parts() -> Vec<Shape> {
    let plain = |family, terms: &[(usize, usize, bool)]| Shape::plain(family, 60, 2, terms);
    vec![
        plain(Family::Gaussian, &[(4, 2, true), (3, 1, false)]),
        Shape { regression: true, ..plain(Family::Gaussian, &[(4, 2, true)]) },
        Shape { se: true, horseshoe_b: true, ..plain(Family::Gaussian, &[(3, 1, false)]) },
        Shape { horseshoe_sd: true, ..plain(Family::NegBinomial, &[(3, 3, true)]) },
        Shape { regression: true, ..plain(Family::NegBinomial, &[(4, 2, false)]) },
        Shape { regression: true, dispersion_levels: 4, ..plain(Family::Gaussian, &[(4, 2, true)]) },
        Shape { regression: true, positive: true, ..plain(Family::NegBinomial, &[(4, 2, true)]) },
        plain(Family::Poisson, &[(4, 2, true), (3, 1, false)]),
        Shape { by: true, ..plain(Family::Gaussian, &[(4, 2, true), (3, 1, false)]) },
        Shape { by: true, tails: true, ..plain(Family::NegBinomial, &[(4, 2, true), (3, 1, false)]) },
        Shape { n: 300, ..plain(Family::NegBinomial, &[(60, 1, false), (45, 1, false)]) },
        Shape { n: 300, ..plain(Family::Poisson, &[(30, 3, true), (15, 1, false)]) },
    ]
}

/// Whatever the coordinates, the target with its constant is the density of the parameters times the determinant of the map.
#[test]
fn targets_with_their_constants_are_densities() {
    for (i, shape) in parts().iter().enumerate() {
        for (engine, metric) in
            [Engine::Joint, Engine::Levels].into_iter().flat_map(|e| [(e, Metric::Auto), (e, Metric::Diag)])
        {
            let model = Arc::new(model(shape, i as u64));
            let prepared = prepare(model, engine, metric, &AtomicBool::new(false)).unwrap();
            let Prepared::Full(_, mut target) = prepared else { unreachable!("neither engine integrates") };
            let position: Vec<f64> = random_position(target.dim(), 7).iter().map(|x| 0.5 * x).collect();
            let value = target.evaluate(&position, &mut vec![0.0; position.len()]) + target.log_constant();
            let density = target.posterior().lp;
            let expected = density + log_det_of_map(&mut target, &position);
            assert!((value - expected).abs() < 1e-4, "{shape:?} {engine:?} {metric:?}: {value} {expected}");
        }
    }
}

/// A step to where nothing is finite leaves nothing behind: the next evaluation is that of a target which never was there.
#[test]
fn targets_forget_where_they_were() {
    let terms: [&[(usize, usize, bool)]; 4] =
        [&[(4, 2, true)], &[(11, 2, false)], &[(5, 1, false)], &[(4, 3, true), (3, 1, false)]];
    for (i, terms) in terms.into_iter().enumerate() {
        for (family, engine) in [Family::Gaussian, Family::NegBinomial, Family::Poisson]
            .into_iter()
            .flat_map(|f| [Engine::Joint, Engine::Levels].map(|e| (f, e)))
        {
            let model = Arc::new(model(&Shape::plain(family, 60, 2, terms), i as u64));
            let mut fresh = settle(&model, engine, &AtomicBool::new(false)).posterior;
            let mut used = fresh.clone();
            let position = random_position(fresh.dim(), 3);
            let mut gradients = [vec![0.0; position.len()], vec![0.0; position.len()]];
            for wild in [f64::NAN, f64::INFINITY, 1e3, -1e3] {
                used.evaluate(&vec![wild; position.len()], &mut gradients[0]);
                used.evaluate(&position, &mut gradients[0]);
                fresh.evaluate(&position, &mut gradients[1]);
                assert!(gradients[1].iter().all(|g| g.is_finite()));
                assert_eq!(gradients[0], gradients[1], "{family:?} {engine:?} {terms:?} after {wild}");
            }
        }
    }
}
