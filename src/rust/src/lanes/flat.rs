//! One model's data and priors in plain arrays, as a device would take them.

use super::frame::Frame;
use crate::density::Model;
use crate::error::{Error, Result};
use crate::prior::Prior;
use crate::rising::Rising;
use crate::scales::ScalePriors;
use crate::transport::conditional::Information;

/// Rows sorted by leaf, terms in `ln Gamma`, and priors.
#[derive(Debug, Clone)]
pub struct FlatModel {
    /// `[leaves + 1]` starts of the leaves' rows.
    pub starts: Vec<usize>,
    /// Offsets of the rows.
    pub offset: Vec<f64>,
    /// Sums of weights.
    pub weight: Vec<f64>,
    /// Weighted sums of counts; of Gaussian rows means of responses.
    pub total: Vec<f64>,
    /// Weighted squares of responses around these means; of counts empty.
    pub squares: Vec<f64>,
    /// Per group of one dispersion, terms in `ln Gamma` of its counts.
    pub rising: Vec<Rising>,
    /// Terms of the log-likelihood without parameters.
    pub constant: f64,
    /// `[p]` priors of the coefficients.
    pub coefficients: Vec<Prior>,
    /// `[p, p]`: row `j` has the derivative of the argument of prior `j` in the coefficients.
    pub directions: Vec<f64>,
    /// Priors of standard deviations, shape and correlations.
    pub scales: ScalePriors,
}

impl FlatModel {
    /// From a model.
    ///
    /// # Errors
    /// [`Error::Spec`] if a row is not one of the frame's leaves.
    pub fn new(frame: &Frame, model: &Model) -> Result<Self> {
        let leaves = frame.leaves_of(&model.design);
        let leaves = leaves.ok_or_else(|| Error::Spec("a gene has a row that its design has not".into()))?;
        let rows = model.likelihood.parts();
        let is_linear = frame.family.is_linear();
        let mut order: Vec<usize> = (0..leaves.len()).collect();
        order.sort_by_key(|&row| leaves[row]);
        let mut starts = vec![0; frame.n_leaves() + 1];
        leaves.iter().for_each(|leaf| starts[leaf + 1] += 1);
        (0..frame.n_leaves()).for_each(|leaf| starts[leaf + 1] += starts[leaf]);
        let pick = |from: &[f64]| order.iter().map(|&row| from[row]).collect();
        let groups = frame.x_dispersion.chunks_exact(frame.n_dispersion.max(1));
        Ok(Self {
            starts,
            offset: pick(&model.design.offset),
            weight: pick(rows.weights),
            total: pick(if is_linear { rows.y } else { rows.totals }),
            squares: match (is_linear, rows.squares.is_empty()) {
                (false, _) => vec![],
                (true, true) => vec![0.0; order.len()],
                (true, false) => pick(rows.squares),
            },
            rising: groups.map(|x| model.likelihood.rising_of(x)).collect(),
            constant: model.likelihood.constant(),
            coefficients: model.coefficient_priors.clone(),
            directions: (0..frame.p).flat_map(|j| model.prior_direction(j, j)).collect(),
            scales: model.scale_priors.clone(),
        })
    }

    /// Where scale parameters begin, unconstrained: standard deviations and dispersion where their priors are, correlations at zero.
    pub fn begin(&self, frame: &Frame) -> Vec<f64> {
        let sds = self.scales.own_sds().unwrap_or_default();
        let sds = sds.iter().map(|prior| prior.scale().ln());
        sds.chain(self.scales.begin_dispersion()).chain(std::iter::repeat_n(0.0, frame.n_cor())).collect()
    }

    /// Priors of the standard deviations, then of the shape.
    pub fn positive(&self) -> impl Iterator<Item = Prior> {
        self.scales.own_sds().unwrap_or_default().into_iter().chain(self.scales.dispersion().iter().cloned())
    }

    /// No data, and the priors: that of coefficients as a normal distribution of its location and precision.
    pub fn without_data(&self, frame: &Frame) -> Vec<Information<f64>> {
        let Frame { c, p, .. } = *frame;
        let mut a: Information<f64> = Information::new(&frame.scheme);
        for (of, direction) in self.coefficients.iter().zip(self.directions.chunks_exact(p.max(1))) {
            for (i, di) in direction.iter().enumerate() {
                a.prior_pull[c - p + i] += di * of.precision() * of.location();
            }
            let last = a.prior.len() - p * (p + 1) / 2;
            let lower = (0..p).flat_map(|j| (j..p).map(move |i| (i, j)));
            for (s, (i, j)) in a.prior[last..].iter_mut().zip(lower) {
                *s += direction[i] * direction[j] * of.precision();
            }
        }
        let mut all = vec![Information::new(&frame.scheme); frame.n_informations()];
        all[0] = a;
        all
    }
}
