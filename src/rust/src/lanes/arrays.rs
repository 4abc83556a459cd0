//! A gene and its map in plain arrays, for devices; and what comes back in the order of draws.

use super::frame::Frame;
use super::target::Target;
use crate::device::pack::{FrameArrays, GeneArrays};
use crate::natural::guide::Guide;
use crate::prior::{Prior, PriorKind};
use crate::transport::follow::Follow;
use crate::tuning::PRIOR_SIZE;

impl Frame {
    /// What genes share.
    pub fn arrays(&self) -> FrameArrays {
        FrameArrays {
            p: self.p,
            n_sd: self.n_sd,
            has_shape: self.family.has_shape(),
            n_blocks: self.n_blocks,
            b: self.b,
            c: self.c,
            sd_of: self.sd_of.iter().map(|&k| (k < self.n_sd).then_some(k)).collect(),
            block: self.block.clone(),
            z: self.z.clone(),
            x: self.x.clone(),
        }
    }

    /// A draw of a device (effects and coefficients in arrow order, standard deviations, shape) in the order of
    /// [`Target::values`].
    pub fn from_device(&self, values: &[f64], out: &mut [f64]) {
        let (n_effects, first) = (self.n - self.p, self.p + self.n_dispersion);
        let (u, scales) = values.split_at(self.n);
        out[self.p..first].copy_from_slice(&scales[self.n_sd..self.n_sd + self.n_dispersion]);
        out[first..first + self.n_sd].copy_from_slice(&scales[..self.n_sd]);
        for (u, &place) in u.iter().zip(&self.place) {
            out[if place < n_effects { first + self.n_sd + place } else { place - n_effects }] = *u;
        }
    }
}

impl Target<'_> {
    /// The gene at the map's centre.
    pub fn arrays(&self) -> GeneArrays {
        let map = &self.information[0];
        let [above, large, weights] =
            self.gene.rising.first().map(|r| r.parts().map(<[f64]>::to_vec)).unwrap_or_default();
        let (gene, frame) = (&self.gene, self.frame);
        let [blocks, cross] = of_blocks(frame, &map.lead);
        GeneArrays {
            constant: gene.constant,
            excess: match self.follows.first().map(|part| part.follow) {
                Some(Follow::Shape(centre, excess)) => (centre, excess),
                _ => (0.0, 0.0),
            },
            information: [blocks, cross, lower(frame, &map.core)],
            pull: [&map.pull[..], &map.core_pull].concat(),
            core_prior: [frame.core_matrix(&map.prior), map.prior_pull.clone()],
            directions: gene.directions.clone(),
            bends: self.theta.bends.iter().map(|b| [b.middle, b.slope, b.both, b.skew]).collect(),
            above,
            large: [large, weights],
            priors: gene.coefficients.iter().cloned().chain(gene.positive()).map(numbers).collect(),
            starts: gene.starts.clone(),
            rows: [gene.offset.clone(), gene.weight.clone(), gene.total.clone()],
        }
    }
}

impl Guide {
    /// Lower triangle of the root, row by row.
    pub fn lower(&self) -> Vec<f64> {
        let d = self.dim();
        (0..d).flat_map(|i| self.root[i * d..=i * d + i].iter().copied()).collect()
    }
}

/// Information of the blocks, `[n_blocks, b, b]` lower, and between them and the core, `[n_blocks, c, b]`.
fn of_blocks(frame: &Frame, lead: &[f64]) -> [Vec<f64>; 2] {
    let Frame { n_blocks, b, c, .. } = *frame;
    let (mut blocks, mut cross) = (vec![0.0; n_blocks * b * b], vec![0.0; n_blocks * c * b]);
    for (g, j) in (0..n_blocks).flat_map(|g| (0..b).map(move |j| (g, j))) {
        let column = &lead[frame.scheme.pattern.starts[g * b + j]..];
        (j..b).for_each(|i| blocks[(g * b + i) * b + j] = column[i - j]);
        (0..c).for_each(|i| cross[(g * c + i) * b + j] = column[b - j + i]);
    }
    [blocks, cross]
}

/// Lower half of a matrix of the core, `[c, c]`.
fn lower(frame: &Frame, packed: &[f64]) -> Vec<f64> {
    let mut out = frame.core_matrix(packed);
    (0..frame.c).for_each(|i| out[i * frame.c + i + 1..(i + 1) * frame.c].fill(0.0));
    out
}

/// Kind, three arguments and the log of the normalising constant, as `kernels/prior.cuh` reads them.
fn numbers(prior: Prior) -> [f64; PRIOR_SIZE] {
    let (kind, constant) = prior.parts();
    let [kind, a, b, c] = match kind {
        PriorKind::Flat | PriorKind::Constant { .. } => [0.0; 4],
        PriorKind::Normal { mean, sd } => [1.0, mean, sd, 0.0],
        PriorKind::StudentT { df, location, scale } => [2.0, df, location, scale],
        PriorKind::Gamma { shape, rate } => [3.0, shape, rate, 0.0],
        PriorKind::InvGamma { shape, scale } => [4.0, shape, scale, 0.0],
        PriorKind::LogNormal { mean_log, sd_log } => [5.0, mean_log, sd_log, 0.0],
        PriorKind::Uniform { lower, upper } => [6.0, lower, upper, 0.0],
        PriorKind::DoubleExponential { location, scale } => [7.0, location, scale, 0.0],
        PriorKind::HorseshoeScale { tau, slab } => [8.0, tau, slab, 0.0],
    };
    [kind, a, b, c, constant]
}
