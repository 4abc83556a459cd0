//! The compressed likelihood against the rows it stands for: within the stated bound, for any
//! offsets, means, shapes, counts, weights and leaf sizes.

mod common;

use common::leaves::{Cells, allowed, evaluate, spec};
use common::prior;
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use twill::compress::compress;
use twill::compress::offsets::TOLERANCE;
use twill::design::{Design, RawArrays, RawTerm};
use twill::likelihood::Likelihood;
use twill::spec::{DispersionSpec, Family, ModelSpec};

fn assert_within_bound(cells: &Cells, family: Family, shift: f64, log_phi: f64) -> Option<Design> {
    let design = cells.design(family);
    let rows = Likelihood::new(&design, &spec(family, cells.n_levels()));
    let fewer = compress(&design, family)?;
    let (compressed, design_c) = rows.clone().with_rows(fewer);
    let levels: Vec<f64> = (0..cells.n_levels()).map(|l| cells.log_mean + shift * (1.0 - 0.7 * l as f64)).collect();
    let (value, d_levels, d_phi) = evaluate(&rows, &design, &levels, log_phi);
    let (value_c, d_levels_c, d_phi_c) = evaluate(&compressed, &design_c, &levels, log_phi);
    let bound = allowed(TOLERANCE, &design, &levels, log_phi);
    assert!((value - value_c).abs() <= bound, "value {value} {value_c} bound {bound}");
    for (a, b) in d_levels.iter().zip(&d_levels_c) {
        assert!((a - b).abs() <= bound, "gradient {a} {b} bound {bound}");
    }
    assert!((d_phi - d_phi_c).abs() <= 2.0 * bound, "log phi {d_phi} {d_phi_c} bound {bound}");
    Some(design_c)
}

fn cells() -> impl Strategy<Value = Cells> {
    let sizes = prop::collection::vec(prop::sample::select(vec![1usize, 2, 5, 50, 5000]), 1..5);
    let spread = prop::sample::select(vec![1.1, 2.0, 36.0, 1e3, 1e4]);
    (sizes, spread, -6.0..8.0f64, -7.0..14.0f64, any::<bool>(), 0..10_000u64).prop_map(
        |(sizes, spread, log_mean, log_phi, weighted, seed)| Cells { sizes, spread, log_mean, log_phi, weighted, seed },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn negative_binomial_leaves_are_within_the_bound(cells in cells(), shift in -5.0..5.0f64, ratio in -3.0..3.0f64) {
        // At the shape of the data, and far from it.
        assert_within_bound(&cells, Family::NegBinomial, shift, cells.log_phi);
        assert_within_bound(&cells, Family::NegBinomial, 0.1 * shift, cells.log_phi + ratio);
        assert_within_bound(&cells, Family::NegBinomial, shift, 2.3 * ratio + 3.0);
    }

    #[test]
    fn other_leaves_are_exact(cells in cells(), shift in -3.0..3.0f64, gaussian: bool) {
        let family = if gaussian { Family::Gaussian } else { Family::Poisson };
        let design = cells.design(family);
        let Some(fewer) = compress(&design, family) else { return Ok(()) };
        assert_eq!(fewer.design.n(), cells.n_levels());
        let rows = Likelihood::new(&design, &spec(family, cells.n_levels()));
        let (compressed, design_c) = rows.clone().with_rows(fewer);
        let levels: Vec<f64> = (0..cells.n_levels()).map(|l| cells.log_mean + shift / (1.0 + l as f64)).collect();
        let (value, d_levels, d_sigma) = evaluate(&rows, &design, &levels, 0.3);
        let (value_c, d_levels_c, d_sigma_c) = evaluate(&compressed, &design_c, &levels, 0.3);
        // Rounding in proportion to the terms that are summed.
        let size: f64 = design.y.iter().map(|y| 1.0 + y * y).sum::<f64>() + levels.iter().map(|l| l.exp() * 1e6).sum::<f64>();
        prop_assert!((value - value_c).abs() < 1e-12 * size, "{value} {value_c}");
        prop_assert!((d_sigma - d_sigma_c).abs() < 1e-12 * size);
        for (a, b) in d_levels.iter().zip(&d_levels_c) {
            prop_assert!((a - b).abs() < 1e-12 * size, "{a} {b}");
        }
    }
}

/// Rows in `groups` groups of one dispersion each, with two standard errors if asked for.
fn dispersed(family: Family, groups: usize, se: bool, seed: u64) -> (Design, ModelSpec) {
    let n = 400;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let group: Vec<usize> = (0..n).map(|_| rng.random_range(0..groups)).collect();
    let names = vec!["b_disp_Intercept".into(), "b_disp_x".into()];
    let priors = vec![prior("flat", &[]); 2];
    let dispersion =
        DispersionSpec::Regression { names, priors, intercept: None, terms: vec![], positive: vec![], units: vec![] };
    let spec = ModelSpec { dispersion: Some(dispersion), ..spec(family, 4) };
    let x_disp = (0..2 * n).map(|i| if i < n { 1.0 } else { group[i - n] as f64 / groups as f64 });
    let raw = RawArrays {
        y: (0..n).map(|_| f64::from(rng.random_range(0..30u32))).collect(),
        offset: (0..n).map(|_| rng.random::<f64>()).collect(),
        weights: (0..n).map(|i| [1.0, 2.5][i % 2]).collect(),
        se: if se { (0..n).map(|i| [0.7, 1.5][i % 2]).collect() } else { vec![].into() },
        x: vec![1.0; n].into(),
        x_disp: x_disp.collect(),
        terms: vec![RawTerm {
            codes: (0..n).map(|_| rng.random_range(0..4)).collect(),
            z: vec![1.0; n].into(),
            precision: None,
        }],
    };
    (Design::new(raw, &spec).unwrap(), spec)
}

/// As [`evaluate`], with two coefficients of the dispersion.
fn evaluate_dispersed(likelihood: &Likelihood, design: &Design, levels: &[f64], b: &[f64]) -> Vec<f64> {
    let codes = &design.terms[0].codes;
    let eta: Vec<f64> = codes.iter().zip(design.offset.iter()).map(|(&l, o)| levels[l as usize] + o).collect();
    let (mut d_eta, mut out) = (vec![0.0; eta.len()], vec![0.0; 3 + levels.len()]);
    out[0] = likelihood.evaluate(&eta, b, &mut d_eta, &mut [0.0; 2]);
    likelihood.evaluate(&eta, b, &mut d_eta, &mut out[1..3]);
    codes.iter().zip(&d_eta).for_each(|(&l, d)| out[3 + l as usize] += d);
    out
}

proptest! {
    #[test]
    fn groups_of_one_dispersion_equal_their_rows(
        groups in 1..25usize, gaussian: bool, se: bool, seed in 0..1000u64, a in -2.0..3.0f64, b in -1.0..1.0f64,
    ) {
        let family = if gaussian { Family::Gaussian } else { Family::NegBinomial };
        let (design, spec) = dispersed(family, groups, se && gaussian, seed);
        let rows = Likelihood::new(&design, &spec);
        let (compressed, fewer) = rows.clone().with_rows(compress(&design, family).expect("few groups"));
        prop_assert!(!gaussian || fewer.n() <= 8 * groups);
        let levels = [0.5, 1.0, 2.0, 2.5];
        let expected = evaluate_dispersed(&rows, &design, &levels, &[a, b]);
        let found = evaluate_dispersed(&compressed, &fewer, &levels, &[a, b]);
        for (e, f) in expected.iter().zip(&found) {
            prop_assert!((e - f).abs() < 1e-6 + 1e-11 * expected[0].abs(), "{expected:?} {found:?}");
        }
    }
}

/// A dispersion of its own for each row leaves nothing to compress.
#[test]
fn rows_of_their_own_dispersion_stay() {
    let (design, _) = dispersed(Family::NegBinomial, 300, false, 1);
    assert!(compress(&design, Family::NegBinomial).is_none());
}

/// 5,000 cells in 14 leaves with exposures over a factor of 36: 27 rows a leaf.
#[test]
fn cells_become_few_rows() {
    let sizes: Vec<usize> = (0..14).map(|l| 240 + 18 * l).collect();
    for log_mean in [-3.0, 0.0, 4.0] {
        let cells = Cells { sizes: sizes.clone(), spread: 36.0, log_mean, log_phi: 0.7, weighted: false, seed: 1 };
        let fewer = assert_within_bound(&cells, Family::NegBinomial, 0.2, 0.7).unwrap();
        assert!(fewer.n() <= 14 * 29, "{}", fewer.n());
    }
}
