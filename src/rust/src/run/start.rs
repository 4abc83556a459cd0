//! Where a chain starts.

use crate::density::LogDensity;
use crate::draws::Draw;
use crate::error::{Error, Result};
use crate::hmc::hamiltonian::PhasePoint;
use crate::spec::InitSpec;
use crate::whiten::Whitened;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// Spread of the starting points around the mode, in posterior standard deviations.
const START_SPREAD: f64 = 1.0;
/// Starts that are tried near the mode, and then far from it, up to this many of its standard deviations.
const N_NEAR: i32 = 100;
const N_FAR: i32 = 1000;
const FARTHEST: f64 = 20.0;

/// A finite starting point: around the mode, nearer to it at each failure, or uniform as asked. Where the mode is beyond the end of
/// a uniform prior, farther and farther from it.
///
/// # Errors
/// [`Error::Start`] if none is found.
pub fn start<D: Draw>(target: &mut Whitened<D>, init: &InitSpec, rng: &mut ChaCha8Rng) -> Result<PhasePoint> {
    let dim = target.dim();
    let tries = if matches!(init, InitSpec::Mode) { N_NEAR + N_FAR } else { N_NEAR };
    for attempt in 0..tries {
        let y: Vec<f64> = match init {
            InitSpec::Mode => {
                let spread = spread_of_start(attempt);
                (0..dim).map(|_| spread * draw_normal(rng)).collect()
            }
            InitSpec::Random { radius } => (0..dim).map(|_| radius * (2.0 * rng.random::<f64>() - 1.0)).collect(),
        };
        let point = PhasePoint::at(target, y);
        if point.is_finite() {
            return Ok(point);
        }
    }
    Err(Error::Start(format!("no starting point with a finite log density was found in {tries} tries")))
}

fn spread_of_start(attempt: i32) -> f64 {
    if attempt < N_NEAR {
        START_SPREAD * 0.8_f64.powi(attempt)
    } else {
        START_SPREAD * (FARTHEST / START_SPREAD).powf(f64::from(attempt - N_NEAR) / f64::from(N_FAR))
    }
}

fn draw_normal(rng: &mut ChaCha8Rng) -> f64 {
    StandardNormal.sample(rng)
}
