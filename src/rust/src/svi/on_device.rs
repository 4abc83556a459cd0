//! A target whose rows are on a device: parameters and priors here, on threads, the likelihood of all draws there at once.

use super::Targets;
use crate::density::Model;
use crate::density::batch::Natural;
use crate::density::in_parts::InParts;
use crate::device::error::{DeviceError, FailureKind, Result};
use crate::device::machine::Machine;
use crate::device::row_arrays::{RowArrays, TermArrays};
use crate::device::rows::Rows;
use crate::device::source::Precision;
use crate::spec::Family;
use rayon::prelude::*;

/// Positions at once, at least.
const LANES: usize = 8;

/// The reference from which parameters are counted, `[coefficients, effects of terms]`.
struct Reference(Vec<f64>);

/// One target per position, and the rows that they share.
pub struct OnDevice<'a, D> {
    /// Each at the position that it was last evaluated at.
    pub targets: Vec<D>,
    rows: Rows<'a>,
    reference: Reference,
}

/// Why the rows of a model have nothing to do on a device, if so.
pub fn objection<D: InParts>(target: &mut D) -> Option<&'static str> {
    let posterior = target.bottom();
    if posterior.model.prior_only {
        return Some("This fit has no likelihood.");
    }
    if posterior.model.design.errors.is_some() {
        return Some("Errors of rows are related: all rows belong together.");
    }
    if !posterior.model.design.latents.is_empty() {
        return Some("Predictors are measured with error: a GPU has no rows for that.");
    }
    if posterior.model.design.terms.iter().any(|t| t.members > 1) {
        return Some("Rows belong to several levels of a term: a GPU has no rows for that.");
    }
    let why = "This Gaussian model is computed from cross-products of its columns: a step costs the same for any number of rows.";
    posterior.sums.is_some().then_some(why)
}

/// The error that goes with an objection.
pub fn unsuitable(why: &str) -> DeviceError {
    DeviceError::new(FailureKind::Unsuitable, why)
}

impl<'a, D: InParts + Clone + Send> OnDevice<'a, D> {
    /// Puts the rows of `target` on a device, for `n_draws` positions at once or more; whitened coordinates have their
    /// centre, the mode, at zero.
    ///
    /// # Errors
    /// [`FailureKind::Unsuitable`], memory that does not suffice, and a device that does not answer.
    pub fn new(machine: &'a dyn Machine, precision: Precision, target: &D, n_draws: usize) -> Result<Self> {
        let mut target = target.clone();
        if let Some(why) = objection(&mut target) {
            return Err(unsuitable(why));
        }
        target.place(&vec![0.0; target.dim()]);
        let posterior = target.bottom();
        let model = posterior.model.clone();
        let arrays = arrays_of(&model, posterior.natural());
        let reference = Reference(counted(&model, posterior.natural()));
        let rows = Rows::new(machine, precision, &arrays, n_draws.max(LANES))?;
        Ok(Self { targets: vec![target; rows.max_lanes()], rows, reference })
    }

    /// Values at up to [`Targets::width`] positions; the targets stay there, for their draws.
    ///
    /// # Errors
    /// A device that does not answer.
    pub fn values(&mut self, positions: &[Vec<f64>]) -> Result<Vec<f64>> {
        self.run(positions, None)
    }

    fn run(&mut self, positions: &[Vec<f64>], gradients: Option<&mut [Vec<f64>]>) -> Result<Vec<f64>> {
        let targets = &mut self.targets[..positions.len()];
        targets.par_iter_mut().zip(positions).for_each(|(target, position)| target.place(position));
        let lanes = positions.len().next_power_of_two();
        let parameters = self.reference.parameters(targets, lanes);
        let sums = self.rows.evaluate(&parameters, lanes, gradients.is_some())?;
        let of_lane = |lane: usize| sums.iter().skip(lane).step_by(lanes).copied().collect::<Vec<f64>>();
        let finish = |(lane, target): (usize, &mut D), gradient: &mut [f64]| finish(target, &of_lane(lane), gradient);
        let targets = targets.par_iter_mut().enumerate();
        Ok(match gradients {
            Some(gradients) => targets.zip(gradients).map(|(at, gradient)| finish(at, gradient)).collect(),
            None => targets.map(|at| finish(at, &mut vec![0.0; positions[0].len()])).collect(),
        })
    }
}

/// Log density from the rows' sums: value, and derivatives or none.
fn finish<D: InParts>(target: &mut D, sums: &[f64], gradient: &mut [f64]) -> f64 {
    let posterior = target.bottom();
    let n = posterior.beta.len() + n_effects(&posterior.model) + posterior.scales.dispersion.len();
    let zeros = vec![0.0; n];
    let common = posterior.accept(if sums.len() > 1 { &sums[1..] } else { &zeros });
    target.finish(sums[0] + common, gradient)
}

impl<D: InParts + Clone + Send> Targets for OnDevice<'_, D> {
    fn dim(&self) -> usize {
        self.targets[0].dim()
    }

    fn width(&self) -> usize {
        self.targets.len()
    }

    fn evaluate_all(&mut self, positions: &[Vec<f64>], gradients: &mut [Vec<f64>]) -> Result<Vec<f64>> {
        self.run(positions, Some(gradients))
    }

    fn log_constant(&self) -> f64 {
        self.targets[0].log_constant()
    }
}

impl Reference {
    /// `[parameters][lanes]`; lanes without a target are those of the first.
    fn parameters<D: InParts>(&self, targets: &mut [D], lanes: usize) -> Vec<f64> {
        let of = |target: &mut D| {
            let posterior = target.bottom();
            let mut own = counted(&posterior.model, posterior.natural());
            own.iter_mut().zip(&self.0).for_each(|(own, reference)| *own -= reference);
            own.extend(&posterior.scales.dispersion);
            own
        };
        let all: Vec<Vec<f64>> = targets.iter_mut().map(of).collect();
        let lane = |i: usize, l: usize| all.get(l).unwrap_or(&all[0])[i];
        (0..all[0].len()).flat_map(|i| (0..lanes).map(move |l| lane(i, l)).collect::<Vec<_>>()).collect()
    }
}

/// Effects of terms.
fn n_effects(model: &Model) -> usize {
    model.design.terms.iter().map(|t| t.n_levels * t.q).sum()
}

/// Coefficients and effects of terms.
fn counted(model: &Model, at: Natural) -> Vec<f64> {
    [at.beta, &at.effects[..n_effects(model)]].concat()
}

/// The rows of a model about a reference.
pub fn arrays_of(model: &Model, at: Natural) -> RowArrays {
    let (design, parts) = (&model.design, model.likelihood.parts());
    let mut offset = vec![0.0; design.n()];
    model.linear_predictor(at.beta, at.effects, &mut offset);
    let mut totals = parts.totals.to_vec();
    if model.family() == Family::Gaussian {
        // The residual is what counts, and keeps its digits.
        totals = parts.y.iter().zip(&offset).map(|(y, eta)| y - eta).collect();
        offset.fill(0.0);
    }
    let term = |t: &crate::design::GroupTerm| TermArrays {
        n_levels: t.n_levels,
        q: t.q,
        codes: t.codes.clone(),
        z: if t.is_intercept { vec![] } else { (0..t.q).flat_map(|c| t.z_column(c).to_vec()).collect() },
    };
    let has_counts = parts.has_own && model.family() == Family::NegBinomial;
    RowArrays {
        family: model.family(),
        is_sampled: parts.is_sampled,
        n_dispersion: model.layout.dispersion_columns().len(),
        offset,
        totals,
        weights: parts.weights.to_vec(),
        counts: if has_counts { parts.y.to_vec() } else { vec![] },
        squares: parts.squares.to_vec(),
        se2: parts.se2.to_vec(),
        x: (0..design.x.ncols()).flat_map(|j| design.x_column(j).to_vec()).collect(),
        w: parts.columns,
        terms: design.terms.iter().map(term).collect(),
    }
}
