//! Coordinates in which a hierarchical posterior looks like a standard normal.
//!
//! Effects are `b = L s` with `s ~ N(0, I)`. A transport maps standard normal `z` to `s` and to the
//! population-level coefficients by a Gaussian that follows the current scales: without data it is
//! the non-centred form, with much data the centred one, and it moves between them as the scales
//! do, so there is no funnel on either side. The target is exact for any constants in the map; they
//! only decide how nearly normal it is. (Papaspiliopoulos, Roberts and Skold 2007 treat fixed
//! mixtures of the two forms.)

pub mod conditional;
mod correlated;
pub mod follow;
pub mod joint;
pub mod joint_constants;
pub mod levels;
pub mod pieces;
mod scalars;
pub mod scale_places;
pub mod scheme;
pub mod small;
pub mod turn;

use crate::layout::Layout;
use crate::scales::{ScaleGradient, Scales};
use joint::{JointScratch, JointTransport};
use levels::{LevelScratch, LevelTransport};
use turn::Turn;

/// Where parameters are and what the scales are now.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Places.
    pub layout: &'a Layout,
    /// Scales at the position.
    pub scales: &'a Scales,
}

/// A map from positions to parameters.
#[derive(Debug, Clone)]
pub enum Transport {
    /// Level by level, coefficients swept.
    Levels(LevelTransport),
    /// All effects and coefficients together.
    Joint(JointTransport),
}

/// Values of the map at one position, kept for the gradient.
#[derive(Debug, Clone, Default)]
pub struct Mapped {
    /// Effects on the natural scale.
    pub effects: Vec<f64>,
    /// Standardised effects `s`; `w` of turned levels.
    pub standard: Vec<f64>,
    /// `Q s`, with the precision `Q` of related levels that are not turned: what the prior pulls by.
    pub tension: Vec<f64>,
    /// Swept coefficients.
    pub swept: Vec<f64>,
    /// `-sum log |R|`.
    pub log_jacobian: f64,
    /// Level by level, Cholesky factors of the conditional precisions.
    root: Vec<f64>,
    /// Conditional means in the units of `z` or `s`, as the map needs them.
    shift: Vec<f64>,
    joint: JointScratch,
    levels: LevelScratch,
    turned: Vec<f64>,
}

impl Mapped {
    /// Cholesky factors of the conditional precisions, level by level.
    pub fn root(&self) -> &[f64] {
        &self.root
    }
}

impl Transport {
    /// The non-centred form without sweep: `s = z`, `beta = centre + spread z`.
    pub fn identity(layout: &Layout, centre: Vec<f64>, spread: &[f64]) -> Self {
        Self::Levels(LevelTransport::identity(layout, centre, spread))
    }

    /// Related levels whose coordinates are turned.
    pub fn turns(&self) -> &[Turn] {
        match self {
            Self::Levels(map) => &map.turns,
            Self::Joint(_) => &[],
        }
    }

    /// The part of the log Jacobian that is the same at all positions and not in [`Mapped::log_jacobian`].
    pub fn log_constant(&self) -> f64 {
        match self {
            Self::Levels(map) => map.log_spread() + map.turns.iter().map(Turn::log_det).sum::<f64>(),
            Self::Joint(_) => 0.0,
        }
    }

    /// Maps a position to coefficients and effects.
    pub fn forward(&self, ctx: Context, position: &[f64], out: &mut Mapped) {
        let layout = ctx.layout;
        out.effects.resize(layout.n_effects, 0.0);
        out.standard.resize(layout.n_effects, 0.0);
        out.swept.resize(layout.swept.len(), 0.0);
        match self {
            Self::Levels(map) => map.forward(ctx, position, out),
            Self::Joint(map) => map.forward(ctx, position, out),
        }
    }

    /// As [`Transport::forward`], at the scales of the last one.
    pub fn forward_at_same_scales(&self, ctx: Context, position: &[f64], out: &mut Mapped) {
        match self {
            Self::Levels(map) => map.forward(ctx, position, out),
            Self::Joint(map) => map.forward_at_same_scales(ctx, position, out),
        }
    }

    /// Pulls `d_swept` and `d_effects` (overwritten) back to the position and the scales.
    pub fn backward(
        &self, ctx: Context, at: &mut Mapped, d_swept: &[f64], d_effects: &mut [f64], gradient: &mut [f64],
        d_scales: &mut ScaleGradient,
    ) {
        match self {
            Self::Levels(map) => map.backward(ctx, at, d_swept, d_effects, gradient, d_scales),
            Self::Joint(map) => map.backward(ctx, at, d_swept, d_effects, gradient, d_scales),
        }
    }
}
