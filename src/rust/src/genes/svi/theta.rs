//! Scale parameters of eight draws: from the guide's bent coordinates to standard deviations and shape, and back.

use super::bend::Bend;
use super::flat::FlatGene;
use super::frame::Frame;
use super::lane::Lane;
use super::priors::positives;
use crate::kernels::elementary::ln;
use crate::simd::LANES;

/// Values at one position, per scale parameter.
#[derive(Debug, Clone)]
pub struct Theta {
    /// Bends of the coordinates about their mode.
    pub bends: Vec<Bend>,
    /// Standard deviations and shape.
    pub value: Vec<Lane>,
    /// Unconstrained values.
    pub straight: Vec<Lane>,
    /// Derivatives of their logarithms in the unconstrained values.
    d_log: Vec<Lane>,
    /// Derivatives of priors with Jacobians likewise.
    slope: Vec<Lane>,
    /// Derivatives of unconstrained values in the coordinates, and of their logarithms.
    bend_slope: Vec<Lane>,
    bend_curve: Vec<Lane>,
}

impl Theta {
    /// Straight coordinates about where the priors are.
    pub fn new(frame: &Frame, gene: &FlatGene) -> Self {
        let zeros = || vec![Lane::ZERO; frame.n_theta()];
        Self {
            bends: gene.scales.iter().map(|prior| Bend::straight(prior.scale().ln())).collect(),
            value: zeros(),
            straight: zeros(),
            d_log: zeros(),
            slope: zeros(),
            bend_slope: zeros(),
            bend_curve: zeros(),
        }
    }

    /// Sets the values at coordinates `x`, which are zero at the mode; returns the log density of priors and Jacobians.
    #[inline(always)]
    pub fn forward(&mut self, frame: &Frame, gene: &FlatGene, x: &[Lane]) -> Lane {
        let mut log_density = Lane::ZERO;
        for (k, (x, prior)) in x.iter().zip(&gene.scales).enumerate() {
            let bend = self.bends[k];
            let (mut t, mut slope, mut curve) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
            for s in 0..LANES {
                (t[s], slope[s], curve[s]) = bend.at(x.0[s]);
            }
            log_density += Lane(slope).map(ln);
            let at = positives(prior, &t, k == frame.n_sd);
            log_density += Lane(at.log_density);
            (self.value[k], self.d_log[k], self.slope[k]) = (Lane(at.value), Lane(at.d_log), Lane(at.slope));
            (self.straight[k], self.bend_slope[k], self.bend_curve[k]) = (Lane(t), Lane(slope), Lane(curve));
        }
        log_density
    }

    /// From derivatives in the log values to those in the coordinates.
    #[inline(always)]
    pub fn backward(&self, d_log_value: &[Lane], d_x: &mut [Lane]) {
        for (k, (d, out)) in d_log_value.iter().zip(d_x).enumerate() {
            *out = (*d * self.d_log[k] + self.slope[k]) * self.bend_slope[k] + self.bend_curve[k];
        }
    }
}
