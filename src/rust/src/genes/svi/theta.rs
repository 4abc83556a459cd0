//! Scale parameters of eight draws: from the guide's bent coordinates to standard deviations and shape, and back.

use super::bend::Bend;
use super::flat::FlatGene;
use super::frame::{Frame, TermScales};
use super::lane::Lane;
use crate::elementary::ln;
use crate::layout::pairs;
use crate::scales::correlation::{correlation_adjoint, correlation_factor};
use crate::tuning::LANES;

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
    /// Scales of the map, with one at the end; Cholesky factors of the correlations.
    pub scales: Vec<Lane>,
    chol: Vec<Lane>,
    /// Derivatives in partial correlations.
    d_partial: Vec<Lane>,
}

impl Theta {
    /// Straight coordinates about where the priors are.
    pub fn new(frame: &Frame, gene: &FlatGene) -> Self {
        let zeros = || vec![Lane::ZERO; frame.n_theta()];
        let middles = gene.scales.iter().map(|prior| prior.scale().ln()).chain(std::iter::repeat_n(0.0, frame.n_cor()));
        let n_chol = frame.terms.iter().filter(|t| t.cor.is_some()).map(|t| t.q * t.q).sum();
        Self {
            bends: middles.map(Bend::straight).collect(),
            value: zeros(),
            straight: zeros(),
            d_log: zeros(),
            slope: zeros(),
            bend_slope: zeros(),
            bend_curve: zeros(),
            scales: vec![Lane::splat(1.0); frame.n_scales()],
            chol: vec![Lane::ZERO; n_chol],
            d_partial: vec![Lane::ZERO; frame.n_cor()],
        }
    }

    /// Sets the values at coordinates `x`, which are zero at the mode; returns the log density of priors and Jacobians.
    #[inline(always)]
    pub fn forward(&mut self, frame: &Frame, gene: &FlatGene, x: &[Lane]) -> Lane {
        let mut log_density = Lane::ZERO;
        for (k, x) in x.iter().enumerate() {
            let bend = self.bends[k];
            let (mut t, mut slope, mut curve) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
            for s in 0..LANES {
                (t[s], slope[s], curve[s]) = bend.at(x.0[s]);
            }
            log_density += Lane(slope).map(ln);
            (self.straight[k], self.bend_slope[k], self.bend_curve[k]) = (Lane(t), Lane(slope), Lane(curve));
            let Some(prior) = gene.scales.get(k) else { continue };
            let t = self.straight[k];
            let at = if k == frame.n_sd { prior.positive_by_log(t) } else { prior.positive(t) };
            log_density += at.lprior + at.log_jacobian;
            (self.value[k], self.d_log[k], self.slope[k]) = (at.value, at.d_log, at.slope);
        }
        log_density + self.scales(frame, gene.scales.len())
    }

    /// Sets the scales of the map; returns the log density of correlations with its Jacobian. `first` is the first of them.
    #[inline(always)]
    fn scales(&mut self, frame: &Frame, first: usize) -> Lane {
        let mut log_density = Lane::ZERO;
        for &TermScales { q, sd, scale, cor } in &frame.terms {
            let Some((cor, entry, eta)) = cor else {
                self.scales[scale..scale + q].copy_from_slice(&self.value[sd..sd + q]);
                continue;
            };
            let chol = &mut self.chol[entry..entry + q * q];
            let [lprior, log_jacobian] = correlation_factor(q, eta, &self.straight[first + cor..], chol);
            log_density += lprior + log_jacobian;
            for (at, c) in chol.iter().enumerate() {
                self.scales[scale + at] = self.value[sd + at / q] * *c;
            }
        }
        log_density
    }

    /// Correlations of draw `s`, in the order of draws.
    pub fn correlations(&self, frame: &Frame, s: usize, out: &mut [f64]) {
        let of_term = |t: &TermScales| {
            let (q, entry) = (t.q, t.cor?.1);
            let chol = self.chol[entry..entry + q * q].iter().map(|c| c.0[s]).collect::<Vec<_>>();
            Some(pairs(q).map(move |(i, j)| (0..=j).map(|l| chol[i * q + l] * chol[j * q + l]).sum::<f64>()))
        };
        out.iter_mut().zip(frame.terms.iter().filter_map(of_term).flatten()).for_each(|(out, cor)| *out = cor);
    }

    /// From derivatives in the entries of `L` of correlated terms and in the logs of other scales, and in the log shape, to those
    /// in the coordinates.
    #[inline(always)]
    pub fn backward(&mut self, frame: &Frame, slopes: &[Lane], d_log_phi: Lane, d_x: &mut [Lane]) {
        let first = frame.n_sd + usize::from(frame.has_shape);
        if frame.has_shape {
            d_x[frame.n_sd] = d_log_phi;
        }
        self.d_partial.fill(Lane::ZERO);
        for &TermScales { q, sd, scale, cor } in &frame.terms {
            let Some((cor, entry, eta)) = cor else {
                d_x[sd..sd + q].copy_from_slice(&slopes[scale..scale + q]);
                continue;
            };
            let g = &slopes[scale..scale + q * q];
            for i in 0..q {
                let mut sum = Lane::ZERO;
                for j in 0..=i {
                    sum += g[i * q + j] * self.scales[scale + i * q + j];
                }
                d_x[sd + i] = sum;
            }
            let values = (&self.chol[entry..entry + q * q], &self.value[sd..sd + q], g);
            let partial = &self.straight[first + cor..];
            correlation_adjoint(eta, partial, values, &mut self.d_partial[cor..]);
        }
        for k in 0..first {
            d_x[k] = (d_x[k] * self.d_log[k] + self.slope[k]) * self.bend_slope[k] + self.bend_curve[k];
        }
        for (k, d) in (first..).zip(&self.d_partial) {
            d_x[k] = *d * self.bend_slope[k] + self.bend_curve[k];
        }
    }
}
