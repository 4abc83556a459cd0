//! The likelihood against R, against its own differences, and compressed against its rows.

use super::*;
use crate::compress::compress;
use crate::design::RawArrays;
use crate::spec::{CoefficientSpec, DispersionSpec, PriorSpec};
use approx::assert_relative_eq;
use proptest::prelude::*;

const Y: [f64; 4] = [0.0, 1.0, 7.0, 40.0];
const ETA: [f64; 4] = [-1.0, 0.3, 1.2, 4.0];

fn rows(family: Family, y: &[f64], se: Vec<f64>, regression: bool) -> Likelihood {
    let flat = PriorSpec { dist: "flat".into(), args: vec![] };
    let dispersion = if regression {
        DispersionSpec::Regression {
            names: vec!["a".into(), "b".into()],
            priors: vec![flat.clone(); 2],
            intercept: None,
            terms: vec![],
            positive: vec![],
            units: vec![],
        }
    } else {
        DispersionSpec::Constant { name: "s".into(), prior: flat.clone() }
    };
    let n = y.len();
    let spec = spec(family, dispersion, flat);
    let x_disp =
        if regression { (0..2 * n).map(|i| if i < n { 1.0 } else { i as f64 / n as f64 }).collect() } else { vec![] };
    Likelihood::new(&Design::new(raw(y.to_vec(), vec![1.0; n], se, x_disp), &spec).unwrap(), &spec)
}

fn raw(y: Vec<f64>, x: Vec<f64>, se: Vec<f64>, x_disp: Vec<f64>) -> RawArrays {
    let n = y.len();
    RawArrays {
        y: y.into(),
        offset: vec![0.0; n].into(),
        weights: vec![1.0; n].into(),
        se: se.into(),
        x: x.into(),
        x_disp: x_disp.into(),
        terms: vec![],
    }
}

/// The four rows twice, told apart by a column of `x`.
fn twice(family: Family) -> (Design, ModelSpec) {
    let flat = PriorSpec { dist: "flat".into(), args: vec![] };
    let spec = spec(family, DispersionSpec::Constant { name: "s".into(), prior: flat.clone() }, flat);
    let (y, x) = ([Y, [2.0, 0.0, 5.0, 30.0]].concat(), [ETA, ETA].concat());
    (Design::new(raw(y, x, vec![], vec![]), &spec).unwrap(), spec)
}

fn spec(family: Family, dispersion: DispersionSpec, flat: PriorSpec) -> ModelSpec {
    ModelSpec {
        family,
        sample_sigma: true,
        coefficients: vec![CoefficientSpec { name: "b".into(), prior: flat }],
        intercept: None,
        dispersion: (family != Family::Poisson).then_some(dispersion),
        terms: vec![],
        horseshoes: vec![],
        latents: vec![],
        prior_only: false,
    }
}

fn value(l: &Likelihood, eta: &[f64], dispersion: &[f64]) -> f64 {
    l.evaluate(eta, dispersion, &mut vec![0.0; eta.len()], &mut vec![0.0; dispersion.len()])
}

/// R 4.2.2: sum(dnbinom(c(0,1,7,40), mu = exp(c(-1,.3,1.2,4)), size = 3.5, log = TRUE))
#[test]
fn agrees_with_dnbinom() {
    let l = rows(Family::NegBinomial, &Y, vec![], false);
    assert_relative_eq!(value(&l, &ETA, &[3.5_f64.ln()]), -8.867375320037, max_relative = 1e-12);
}

/// As phi grows the Poisson is reached: sum(dpois(y, exp(eta), log = TRUE)).
#[test]
fn tends_to_the_poisson() {
    let poisson = value(&rows(Family::Poisson, &Y, vec![], false), &ETA, &[]);
    assert_relative_eq!(poisson, -9.7818062805, max_relative = 1e-10);
    let l = rows(Family::NegBinomial, &Y, vec![], false);
    assert_relative_eq!(value(&l, &ETA, &[30.0]), poisson, max_relative = 1e-9);
}

/// R 4.2.2: sum(dnorm(c(0,1,7,40), c(-1,.3,1.2,4), 3.5, log = TRUE)); sd sqrt(3.5^2 + (1:4)^2).
#[test]
fn agrees_with_dnorm() {
    let l = rows(Family::Gaussian, &Y, vec![], false);
    assert_relative_eq!(value(&l, &ETA, &[3.5_f64.ln()]), -63.018_642_741_494_05, max_relative = 1e-12);
    let l = rows(Family::Gaussian, &Y, vec![1.0, 2.0, 3.0, 4.0], false);
    assert_relative_eq!(value(&l, &ETA, &[3.5_f64.ln()]), -33.342_919_821_147_48, max_relative = 1e-10);
}

/// The one-parameter form by count table equals the row-wise form with the same dispersion.
#[test]
fn constant_and_regression_dispersion_agree() {
    for family in [Family::NegBinomial, Family::Gaussian] {
        let one = value(&rows(family, &Y, vec![], false), &ETA, &[0.7]);
        let many = value(&rows(family, &Y, vec![], true), &ETA, &[0.7, 0.0]);
        assert_relative_eq!(one, many, max_relative = 1e-12);
    }
}

/// Rows 0..3 and 4..7 have the same design: merged, value and gradients are those of the rows.
#[test]
fn leaves_equal_their_rows() {
    for family in [Family::NegBinomial, Family::Gaussian, Family::Poisson] {
        let (mut design, spec) = twice(family);
        design.weights = vec![1.0, 2.0, 1.0, 0.5, 3.0, 1.0, 1.5, 1.0].into();
        let rows = Likelihood::new(&design, &spec);
        let fewer = compress(&design, family).expect("rows are alike");
        assert_eq!(fewer.design.n(), 4);
        let (merged, _) = rows.clone().with_rows(fewer);
        let d: &[f64] = if family == Family::Poisson { &[] } else { &[0.4] };
        let (eta8, mut d8, mut d_disp8) = ([ETA, ETA].concat(), vec![0.0; 8], vec![0.0; d.len()]);
        let (mut d4, mut d_disp4) = (vec![0.0; 4], vec![0.0; d.len()]);
        let value = rows.evaluate(&eta8, d, &mut d8, &mut d_disp8);
        assert_relative_eq!(merged.evaluate(&ETA, d, &mut d4, &mut d_disp4), value, max_relative = 1e-12);
        (0..4).for_each(|i| assert_relative_eq!(d4[i], d8[i] + d8[i + 4], max_relative = 1e-11));
        d_disp4.iter().zip(&d_disp8).for_each(|(a, b)| assert_relative_eq!(a, b, max_relative = 1e-11));
    }
}

proptest! {
    #[test]
    fn gradients_agree_with_differences(
        eta in prop::collection::vec(-6.0..6.0f64, 3), a in -3.0..6.0f64, b in -1.0..1.0f64,
        y in prop::collection::vec(0u32..500, 3), family in 0..3usize, regression: bool, with_se: bool,
    ) {
        let family = [Family::Gaussian, Family::NegBinomial, Family::Poisson][family];
        let regression = regression && family != Family::Poisson;
        let y: Vec<f64> = y.into_iter().map(f64::from).collect();
        let l = rows(family, &y, if with_se { vec![0.5, 1.0, 2.0] } else { vec![] }, regression);
        let disp = match (family, regression) { (Family::Poisson, _) => vec![], (_, true) => vec![a, b], _ => vec![a] };
        let (mut d_eta, mut d_disp) = (vec![0.0; 3], vec![0.0; disp.len()]);
        l.evaluate(&eta, &disp, &mut d_eta, &mut d_disp);
        let at = |q: &[f64]| value(&l, &q[..3], &q[3..]);
        let q: Vec<f64> = eta.iter().chain(&disp).copied().collect();
        let d: Vec<f64> = d_eta.iter().chain(&d_disp).copied().collect();
        for j in 0..q.len() {
            let (mut up, mut down) = (q.clone(), q.clone());
            up[j] += 1e-5;
            down[j] -= 1e-5;
            let slope = (at(&up) - at(&down)) / 2e-5;
            prop_assert!((d[j] - slope).abs() <= 1e-6 * (1.0 + slope.abs() + at(&q).abs()), "{j}: {} {slope}", d[j]);
        }
    }
}
