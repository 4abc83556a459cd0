//! A model of few parameters in plain arrays, its density taken eight positions at a time: the target of guides and of chains
//! in the frame of a guide (`walks`).
//!
//! Coefficients and effects are mapped by their joint conditional Gaussian at the current scales ([`crate::transport::conditional`]), scale
//! parameters are bent about their mode ([`crate::natural::bend`]), and the guide starts as the normal approximation there (`start`). Many
//! genes share a [`frame::Frame`], and a device can do the same for many of them.

pub mod arrays;
pub mod centre;
pub mod flat;
pub mod frame;
pub mod plan;
pub mod rows;
pub mod start;
pub mod target;
pub mod theta;
pub mod walks;

use crate::density::Model;
use crate::error::Result;
use crate::natural::guide::Guide;
use crate::natural::lane::Lane;
use crate::natural::noise::Noise;
use crate::natural::steps::{Ascent, Fitted, ascend};
use crate::tuning::{KEPT, LANES};
use flat::FlatModel;
use frame::Frame;
use target::Target;

/// A fitted guide with its target.
#[derive(Debug)]
pub struct Fit<'a> {
    target: Target<'a>,
    /// Guide, and how it was found.
    pub fitted: Fitted,
    noise: Noise,
}

/// A model's target, centred at its mode, and the guide of the normal approximation there.
#[derive(Debug, Clone)]
pub struct Started<'a> {
    /// The target.
    pub target: Target<'a>,
    /// The guide.
    pub guide: Guide,
}

/// Finds the mode of a model. `None` where no start with a finite density is found.
///
/// # Errors
/// As [`FlatModel::new`].
pub fn started<'a>(frame: &'a Frame, model: &Model) -> Result<Option<Started<'a>>> {
    let mut target = Target::new(frame, FlatModel::new(frame, model)?);
    Ok(start::start(&mut target).map(|guide| Started { target, guide }))
}

impl<'a> Started<'a> {
    /// Fits the guide.
    pub fn fit(self, ascent: Ascent, noise: Noise) -> Fit<'a> {
        let Self { mut target, guide } = self;
        let fitted = ascend(&mut target, guide, ascent, &noise);
        Fit::new(target, fitted, noise)
    }
}

impl<'a> Fit<'a> {
    /// Joins a guide to its target.
    pub fn new(target: Target<'a>, fitted: Fitted, noise: Noise) -> Self {
        Self { target, fitted, noise }
    }

    /// Gives `n` draws to `take` with their numbers, in the order of [`crate::layout::draw_names`] without the densities;
    /// returns the logs of target over guide.
    pub fn draws(&mut self, n: usize, mut take: impl FnMut(usize, &[f64])) -> Vec<f64> {
        let d = self.fitted.guide.dim();
        let (mut epsilon, mut y) = (vec![Lane::ZERO; d], vec![Lane::ZERO; d]);
        let (mut values, mut ratios) = (vec![0.0; d], Vec::with_capacity(n.next_multiple_of(LANES)));
        for first in (0..n).step_by(LANES) {
            self.noise.normals(std::array::from_fn(|s| (first + s) as u32), KEPT, &mut epsilon);
            self.fitted.guide.place(&epsilon, &mut y);
            let ratio = self.target.density(&y) + self.fitted.guide.surprise(&epsilon);
            ratios.extend(ratio.0.map(|r| if r.is_nan() { f64::NEG_INFINITY } else { r }));
            for s in 0..LANES.min(n - first) {
                self.target.values(s, &mut values);
                take(first + s, &values);
            }
        }
        ratios.truncate(n);
        ratios
    }

    /// Gradients taken so far.
    pub fn n_gradients(&self) -> usize {
        LANES * self.target.n_evaluations
    }
}
