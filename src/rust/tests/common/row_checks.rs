//! Likelihoods of the rows of one model, which a device and the CPU must agree in; run on the emulator by `cargo test` and
//! on cards by the example `gpu`.
#![allow(dead_code)]

use super::{Shape, arrays, few_values, spec};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use twill::density::{LogDensity, Model, Posterior};
use twill::design::Design;
use twill::device::machine::Machine;
use twill::device::source::Precision;
use twill::run::{Prepared, prepare};
use twill::spec::{Engine, Family, Metric};
use twill::svi::Targets;
use twill::svi::on_device::OnDevice;
use twill::whiten::Whitened;
use twill::whiten::bend::Bent;

/// The CPU's target.
pub type Target = Whitened<Bent<Posterior>>;

/// A model with a name.
pub struct Case {
    pub name: &'static str,
    shape: Shape,
    /// Columns of few values, so that rows merge and fall into groups of one dispersion.
    has_few_values: bool,
    /// Factor of the counts: beyond those whose factorials are taken factor by factor.
    counts_by: f64,
    engine: Engine,
}

/// Each family with crossed terms, correlated slopes and independent ones; dispersions for all, for groups and for rows;
/// merged rows; known standard errors; horseshoes.
pub fn cases() -> Vec<Case> {
    let terms = [(30, 2, true), (11, 1, false), (5, 3, false)];
    let of = |name, family, has_few_values, change: &dyn Fn(&mut Shape)| {
        let mut shape = Shape::plain(family, 400, 3, &terms);
        change(&mut shape);
        let counts_by = if name == "negative binomial, a shape per row" { 20.0 } else { 1.0 };
        let engine = if name == "negative binomial, merged rows" { Engine::Joint } else { Engine::Levels };
        Case { name, shape, has_few_values, counts_by, engine }
    };
    let (normal, nb, poisson) = (Family::Gaussian, Family::NegBinomial, Family::Poisson);
    vec![
        of("negative binomial", nb, false, &|_| {}),
        of("negative binomial, merged rows", nb, true, &|shape| shape.terms = vec![(4, 1, false), (3, 1, false)]),
        of("negative binomial, a shape per row", nb, false, &|shape| shape.regression = true),
        of("negative binomial, a shape per group", nb, true, &|shape| shape.regression = true),
        of("negative binomial, horseshoes", nb, false, &|shape| (shape.horseshoe_b, shape.horseshoe_sd) = (true, true)),
        // Levels of more rows than a segment has.
        of("Poisson", poisson, false, &|shape| (shape.n, shape.terms) = (1300, vec![(30, 2, true), (2, 1, false)])),
        of("Poisson, no terms", poisson, false, &|shape| shape.terms = vec![]),
        of("Gaussian, a sigma per row", normal, false, &|shape| shape.regression = true),
        of("Gaussian, a sigma per group", normal, true, &|shape| shape.regression = true),
        of("Gaussian, known standard errors and a sigma", normal, false, &|shape| shape.se = true),
    ]
}

impl Case {
    /// Some model of the kind.
    pub fn model(&self) -> Model {
        let (spec, mut raw) = (spec(&self.shape), arrays(&self.shape, 2));
        raw.y.to_mut().iter_mut().for_each(|y| *y *= self.counts_by);
        if self.has_few_values {
            few_values(&mut raw);
        }
        Model::new(Design::new(raw, &spec).unwrap(), &spec).unwrap()
    }

    /// Its target, centred and whitened.
    pub fn target(&self) -> Target {
        match prepare(Arc::new(self.model()), self.engine, Metric::Auto, &AtomicBool::new(false)).unwrap() {
            Prepared::Full(_, target) => target,
            Prepared::Collapsed(_) => panic!("{} is collapsed", self.name),
        }
    }
}

/// Positions within about two standard deviations of the mode.
pub fn positions(dim: usize, n: usize) -> Vec<Vec<f64>> {
    (0..n).map(|l| (0..dim).map(|i| 1.4 * ((1.3 + 0.7 * l as f64) * (i + 1) as f64).sin()).collect()).collect()
}

/// Largest differences in value and gradient, relative to the largest of either.
fn difference(found: (&[f64], &[Vec<f64>]), expected: (&[f64], &[Vec<f64>])) -> f64 {
    let size = |x: &[f64]| x.iter().fold(1.0_f64, |m, x| m.max(x.abs()));
    let worst = |a: &[f64], all: &[f64]| a.iter().zip(all).map(|(a, b)| (a - b).abs() / size(all)).fold(0.0, f64::max);
    let gradients = found.1.iter().zip(expected.1).map(|(a, b)| worst(a, b));
    gradients.fold(worst(found.0, expected.0), f64::max)
}

/// Values and gradients at positions.
pub fn evaluated<T: Targets>(target: &mut T, positions: &[Vec<f64>]) -> Result<(Vec<f64>, Vec<Vec<f64>>), String> {
    let mut gradients = vec![vec![0.0; target.dim()]; positions.len()];
    let values = target.evaluate_all(positions, &mut gradients).map_err(|e| e.to_string())?;
    Ok((values, gradients))
}

/// Value and gradient of one case in one precision; a number of positions that is no power of two.
pub fn of_case(machine: &dyn Machine, case: &Case, precision: Precision) -> Result<String, String> {
    let mut target = case.target();
    let positions = positions(LogDensity::dim(&target), 5);
    let mut there = OnDevice::new(machine, precision, &target, 4).map_err(|e| e.to_string())?;
    let found = evaluated(&mut there, &positions)?;
    let expected = evaluated(&mut target, &positions)?;
    let apart = difference((&found.0, &found.1), (&expected.0, &expected.1));
    let values = there.values(&positions).map_err(|e| e.to_string())?;
    let limit = if precision == Precision::Single { 1e-5 } else { 1e-10 };
    let line = format!("rows, {}, {}: {apart:.1e} (at most {limit:.0e})", case.name, precision.c_type());
    if apart <= limit && values == found.0 { Ok(line) } else { Err(line) }
}

/// All checks.
pub fn all(machine: &dyn Machine, precisions: &[Precision]) -> Vec<Result<String, String>> {
    let of = |case: &Case| precisions.iter().map(|&p| of_case(machine, case, p)).collect::<Vec<_>>();
    cases().iter().flat_map(of).collect()
}
