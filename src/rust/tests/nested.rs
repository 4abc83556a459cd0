//! Counts by blocks of effects: values are integrals over effects and coefficients, and draws are what their log density and their ratios
//! say.

mod common;

use common::{Shape, by_rows, model};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use twill::density::{LogDensity, Model, Posterior};
use twill::nested::Nested;
use twill::settle::assembly::Assembly;
use twill::settle::{rough_by_rows, rough_theta};
use twill::spec::Family;
use twill::transport::Transport;

fn nested(model: &Arc<Model>, cancel: &Arc<AtomicBool>) -> Option<Nested> {
    Nested::new(rough_by_rows(model), &Assembly::new(model), usize::MAX, cancel)
}

fn shapes() -> impl Strategy<Value = Shape> {
    let term = (2..9usize, 1..4usize, any::<bool>());
    let family = prop_oneof![Just(Family::NegBinomial), Just(Family::Poisson)];
    (family, 1..4usize, prop::collection::vec(term, 1..4), any::<bool>())
        .prop_map(|(family, p, terms, centred)| Shape { centred, ..Shape::plain(family, 200, p, &terms) })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn the_log_density_of_a_draw_is_that_of_its_rows(shape in shapes(), seed in 0..1000u64) {
        let model = Arc::new(model(&shape, seed));
        let mut target = nested(&model, &Arc::default()).expect("blocks are small");
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        for _ in 0..2 {
            let theta: Vec<f64> = (0..target.dim()).map(|_| 1.6 * rng.random::<f64>() - 0.8).collect();
            prop_assert!(target.value(&theta).is_finite());
            let ratio = target.draw(&theta, &mut rng).map_or(f64::NAN, |drawn| drawn.log_ratio);
            prop_assert!(ratio.is_finite());
            let (draw, lp) = (target.drawn(), by_rows(target.drawn(), &model, &theta));
            prop_assert!((draw.lp - lp).abs() < 1e-8 * (1.0 + lp.abs()), "{} {}", draw.lp, lp);
        }
    }
}

/// Two levels and a coefficient: the log of the integral over these, on a grid.
fn by_quadrature(model: &Arc<Model>, theta: &[f64]) -> f64 {
    const HALF: i32 = 60;
    let map = Transport::identity(&model.layout, vec![0.0], &[1.0]);
    let mut posterior = Posterior::new(Arc::clone(model), Arc::new(map));
    let step = 0.06;
    let mut values = vec![];
    let mut position = [&[0.0; 3], theta].concat();
    for i in -HALF..=HALF {
        for j in -HALF..=HALF {
            for k in -HALF..=HALF {
                [i, j, k].iter().zip(&mut position).for_each(|(&at, x)| *x = step * f64::from(at));
                values.push(posterior.value(&position));
            }
        }
    }
    let top = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    top + values.iter().map(|v| (v - top).exp()).sum::<f64>().ln() + 3.0 * f64::ln(step)
}

#[test]
fn values_are_integrals_and_ratios_have_them_for_a_mean() {
    for (family, seed) in [(Family::NegBinomial, 1), (Family::Poisson, 2)] {
        let model = Arc::new(model(&Shape::plain(family, 60, 1, &[(2, 1, false)]), seed));
        let mut target = nested(&model, &Arc::default()).unwrap();
        let start = rough_theta(&model);
        assert!(target.begin_at(&start) && target.follow(&vec![0.2; start.len()]));
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for shift in [0.0, 0.4] {
            let theta: Vec<f64> = start.iter().map(|x| x + shift).collect();
            let (found, expected) = (target.value(&theta), by_quadrature(&model, &theta));
            // The coefficient is integrated by Laplace's method.
            let ratios: Vec<f64> = (0..2000)
                .map(|_| target.draw(&theta, &mut rng).map_or(0.0, |drawn| (drawn.log_ratio - expected).exp()))
                .collect();
            let mean = ratios.iter().sum::<f64>() / 2000.0;
            let spread = (ratios.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / 2000.0).sqrt();
            // Beside the noise of the mean there is that of the integral over each block, which is the same for all draws.
            assert!((found - expected).abs() < 0.03, "{found} {expected}");
            assert!((mean - 1.0).abs() < 4.5 * spread / 2000_f64.sqrt() + 0.02, "{mean} {spread}");
        }
    }
}

#[test]
fn there_is_none_of_gaussian_rows_nor_after_a_cancel() {
    let gaussian = Arc::new(model(&Shape::plain(Family::Gaussian, 60, 1, &[(6, 1, false)]), 1));
    assert!(nested(&gaussian, &Arc::default()).is_none());
    let counts = Arc::new(model(&Shape::plain(Family::Poisson, 60, 1, &[(6, 1, false)]), 1));
    let cancel = Arc::new(AtomicBool::new(false));
    let mut target = nested(&counts, &cancel).unwrap();
    let theta = rough_theta(&counts);
    assert!(target.value(&theta).is_finite());
    cancel.store(true, Ordering::Relaxed);
    assert!(target.value(&theta).is_nan() && !target.begin_at(&theta));
}
