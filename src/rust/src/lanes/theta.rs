//! Scale parameters of eight draws: from the guide's bent coordinates to standard deviations, correlations and dispersions, and back.

use super::flat::FlatModel;
use super::frame::Frame;
use crate::natural::bend::Bend;
use crate::natural::lane::Lane;
use crate::number::Real;
use crate::scales::{ScaleGradient, Scales};
use crate::transport::scale_places::{gather, scatter};

/// Values at one position, per scale parameter: standard deviations, dispersion, correlations.
#[derive(Debug, Clone)]
pub struct Theta {
    /// Bends of the coordinates about their mode.
    pub bends: Vec<Bend>,
    /// Unconstrained values.
    pub straight: Vec<Lane>,
    /// Derivatives of unconstrained values in the coordinates, and of their logarithms.
    slope: Vec<Lane>,
    curve: Vec<Lane>,
    /// Sum of the logs of these derivatives.
    pub log_slope: Lane,
    /// Standard deviations and correlations.
    pub natural: Scales<Lane>,
    /// Per group of one dispersion, its logarithm.
    pub log_dispersion: Vec<Lane>,
    /// And what rows need of it: the shape, or the precision.
    pub dispersion: Vec<Lane>,
    /// Scales of the map, with one at the end.
    pub of_map: Vec<Lane>,
    /// Derivatives in what is natural.
    d_natural: ScaleGradient<Lane>,
    /// Unconstrained values, and derivatives in them, in the order of the layout.
    pub unconstrained: Vec<Lane>,
    d_unconstrained: Vec<Lane>,
}

impl Theta {
    /// Straight coordinates about where the priors are.
    pub fn new(frame: &Frame, gene: &FlatModel) -> Self {
        let zeros = || vec![Lane::ZERO; frame.n_theta()];
        Self {
            bends: gene.begin(frame).into_iter().map(Bend::straight).collect(),
            straight: zeros(),
            slope: zeros(),
            curve: zeros(),
            log_slope: Lane::ZERO,
            natural: Scales::default(),
            log_dispersion: vec![Lane::ZERO; frame.n_groups()],
            dispersion: vec![Lane::ZERO; frame.n_groups()],
            of_map: vec![],
            d_natural: ScaleGradient::default(),
            unconstrained: zeros(),
            d_unconstrained: zeros(),
        }
    }

    /// Sets the values at coordinates `x`, which are zero at the mode; returns the log density of priors and Jacobians.
    #[inline(always)]
    pub fn forward(&mut self, frame: &Frame, gene: &FlatModel, x: &[Lane]) -> Lane {
        let mut log_slope = Lane::ZERO;
        for (k, (x, &place)) in x.iter().zip(&frame.theta_place).enumerate() {
            let bend = self.bends[k];
            let (t, slope, curve) = bend.at(*x);
            log_slope += slope.ln();
            (self.straight[k], self.slope[k], self.curve[k]) = (t, slope, curve);
            self.unconstrained[place] = t;
        }
        gene.scales.evaluate(&self.unconstrained, &mut self.natural);
        gather(gene.scales.layout(), &self.natural, &mut self.of_map);
        self.disperse(frame);
        self.log_slope = log_slope;
        log_slope + self.natural.lprior + self.natural.log_jacobian
    }

    /// Sets the dispersions of groups.
    #[inline(always)]
    fn disperse(&mut self, frame: &Frame) {
        let rows = frame.x_dispersion.chunks_exact(frame.n_dispersion.max(1));
        for ((x, log), own) in rows.zip(&mut self.log_dispersion).zip(&mut self.dispersion) {
            *log = Lane::ZERO;
            x.iter().zip(&self.natural.dispersion).for_each(|(x, b)| *log += *b * *x);
            *own = if frame.family.is_linear() { (*log * -2.0).exp() } else { log.exp() };
        }
    }

    /// From derivatives in the scales of the map, as [`scatter`] takes them, and in log dispersions to those in the coordinates.
    #[inline(always)]
    pub fn backward(
        &mut self, frame: &Frame, gene: &FlatModel, slopes: &[Lane], d_log_dispersion: &[Lane], d_x: &mut [Lane],
    ) {
        self.d_natural.reset(&self.natural);
        scatter(gene.scales.layout(), slopes, &mut self.d_natural);
        for (x, d) in frame.x_dispersion.chunks_exact(frame.n_dispersion.max(1)).zip(d_log_dispersion) {
            self.d_natural.dispersion.iter_mut().zip(x).for_each(|(out, x)| *out += *d * *x);
        }
        self.d_unconstrained.fill(Lane::ZERO);
        gene.scales.pull_back(&self.natural, &mut self.d_natural, &mut self.d_unconstrained);
        for (k, (d, &place)) in d_x.iter_mut().zip(&frame.theta_place).enumerate() {
            *d = self.d_unconstrained[place] * self.slope[k] + self.curve[k];
        }
    }
}
