//! Where the rows of a variational fit are: on a device, or why not; and draws from targets in either place.

use super::{Full, Job};
use crate::density::Posterior;
use crate::density::in_parts::InParts;
use crate::device::machine::Machine;
use crate::device::source::Precision;
use crate::draws::Draw;
use crate::error::Result;
use crate::run::Prepared;
use crate::spec::{ApproximationSettings, Method};
use crate::svi::Targets;
use crate::svi::on_device::{OnDevice, objection, unsuitable};
use rand::Rng;

/// Rows from which on a device may pay where the choice is ours: fewer take the CPU no longer than a device's launches.
const WORTH_ROWS: usize = 20_000;
const INTEGRATED: &str = "The effects of this Gaussian model are integrated out, from cross-products: a step costs the same for any \
     number of rows.";

/// The device that a fit uses, and why none if one was there.
pub struct Place<'a> {
    pub machine: Option<&'a dyn Machine>,
    pub note: String,
}

/// Whether `machine` serves a target.
///
/// # Errors
/// If not, unless the CPU may take over.
pub fn place<'a>(
    machine: Option<&'a dyn Machine>, prepared: &mut Prepared, settings: &ApproximationSettings,
) -> Result<Place<'a>> {
    let on_cpu = |note: &str| Place { machine: None, note: note.to_string() };
    let why = match machine {
        None => return Ok(on_cpu("")),
        Some(_) => reason(prepared, settings),
    };
    match why {
        None => Ok(Place { machine, note: String::new() }),
        Some(why) if settings.fallback => Ok(on_cpu(&why)),
        Some(why) => Err(unsuitable(&why).into()),
    }
}

/// What stands against a device, if anything.
fn reason(prepared: &mut Prepared, settings: &ApproximationSettings) -> Option<String> {
    let Prepared::Full(_, target) = prepared else { return Some(INTEGRATED.into()) };
    if settings.method != Method::Svi {
        return Some("On a GPU there is method \"svi\" only.".into());
    }
    if settings.batch > 0 {
        return Some("Batches of rows are drawn on the CPU: on a GPU each step takes all rows.".into());
    }
    let rows = target.bottom().model.design.n();
    let is_small = settings.fallback && rows < WORTH_ROWS;
    let small = || format!("{rows} rows are too few for a GPU to be worth its launches.");
    objection(target).map(str::to_string).or_else(|| is_small.then(small))
}

/// Targets that draws are taken from where they were evaluated last.
pub trait Drawing: Targets {
    /// Log densities at up to [`Targets::width`] positions.
    ///
    /// # Errors
    /// Those of a device.
    fn values(&mut self, positions: &[Vec<f64>]) -> crate::device::error::Result<Vec<f64>>;
    /// The posterior at the position of this number.
    fn posterior_at(&self, number: usize) -> &Posterior;
    /// Appends the draw there.
    fn push_draw<R: Rng>(&mut self, number: usize, with_effects: bool, rng: &mut R, out: &mut Vec<f64>);
}

impl<D: Draw> Drawing for D {
    fn values(&mut self, positions: &[Vec<f64>]) -> crate::device::error::Result<Vec<f64>> {
        let mut gradients = vec![vec![0.0; Targets::dim(self)]; positions.len()];
        self.evaluate_all(positions, &mut gradients)
    }

    fn posterior_at(&self, _number: usize) -> &Posterior {
        self.posterior()
    }

    fn push_draw<R: Rng>(&mut self, _number: usize, with_effects: bool, rng: &mut R, out: &mut Vec<f64>) {
        self.record(with_effects, rng, out);
    }
}

impl<D: Draw + InParts + Clone + Send> Drawing for OnDevice<'_, D> {
    fn values(&mut self, positions: &[Vec<f64>]) -> crate::device::error::Result<Vec<f64>> {
        OnDevice::values(self, positions)
    }

    fn posterior_at(&self, number: usize) -> &Posterior {
        self.targets[number].posterior()
    }

    fn push_draw<R: Rng>(&mut self, number: usize, with_effects: bool, rng: &mut R, out: &mut Vec<f64>) {
        self.targets[number].record(with_effects, rng, out);
    }
}

impl<'a> Job<'a> {
    /// The target with its rows on the device, if that is the place.
    ///
    /// # Errors
    /// Those of a device.
    pub fn on_device(&self, target: &Full) -> Result<Option<OnDevice<'a, Full>>> {
        let Some(machine) = self.place.machine else { return Ok(None) };
        Ok(Some(OnDevice::new(machine, Precision::Single, target, self.settings.n_draws)?))
    }
}
