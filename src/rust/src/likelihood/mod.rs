//! Log-likelihood of the rows and its derivatives in the linear predictor and the dispersion.
//!
//! These are the definitions. With `mu_i = exp(eta_i)`:
//!
//! ```text
//! Gaussian           y_i ~ Normal(eta_i, sqrt(se_i^2 + sigma_i^2)), or y ~ Normal(eta, sigma^2 P^-1) with a known P
//! negative binomial  Var[y_i] = mu_i + mu_i^2 / phi_i       (Stan's neg_binomial_2_log)
//! Poisson            Var[y_i] = mu_i
//! log sigma_i, log phi_i = one parameter, or x_disp[i, ] times coefficients
//! ```
//! A weight multiplies the log-likelihood of its row, as in brms.

mod counts;
pub mod dispersion;
mod gaussian;
mod spread;

use crate::compress::Compressed;
use crate::design::{Design, LevelPrecision, Values};
use crate::families::negative_binomial_information;
use crate::kernels::BLOCK;
use crate::rising::Rising;
use crate::spec::{Family, ModelSpec};
use crate::special::ln_gamma;
use dispersion::{Dispersion, columns_of};
use std::f64::consts::PI;
use std::ops::Range;
use std::sync::Arc;

/// Rows with what does not change during sampling.
#[derive(Debug, Clone)]
pub struct Likelihood {
    family: Family,
    y: Values,
    weights: Values,
    /// Weights times responses, or weighted sums of responses, of counts.
    totals: Vec<f64>,
    /// Weighted squares of Gaussian responses around the means that stand for them in `y`; or empty.
    squares: Values,
    /// Squared known standard errors or empty.
    se2: Vec<f64>,
    sample_sigma: bool,
    dispersion: Dispersion,
    /// Precision of the errors over `sigma^-2`; `None` if they are independent.
    errors: Option<Arc<LevelPrecision>>,
    /// Terms that depend on data alone.
    constant: f64,
}

/// What the rows of a likelihood are made of; fields as there.
#[derive(Debug)]
pub struct RowParts<'a> {
    /// Responses, or what stands for them.
    pub y: &'a [f64],
    /// Weights.
    pub weights: &'a [f64],
    /// Weighted responses, of counts.
    pub totals: &'a [f64],
    /// Weighted squares around `y`, or empty.
    pub squares: &'a [f64],
    /// Squared known standard errors, or empty.
    pub se2: &'a [f64],
    /// Whether a Gaussian's sd is a parameter.
    pub is_sampled: bool,
    /// `[columns * n]` of the log dispersion; none if all rows share it.
    pub columns: Vec<f64>,
    /// Whether the rows' own sums have the terms in `ln Gamma`, and not [`Likelihood::common`].
    pub has_own: bool,
}

impl Likelihood {
    /// Prepares the rows of a design.
    pub fn new(design: &Design, spec: &ModelSpec) -> Self {
        let counts = !spec.family.is_linear();
        Self {
            family: spec.family,
            y: design.y.clone(),
            weights: design.weights.clone(),
            totals: if counts {
                design.y.iter().zip(design.weights.iter()).map(|(y, w)| y * w).collect()
            } else {
                vec![]
            },
            squares: design.squares.clone(),
            se2: design.se.iter().map(|s| s * s).collect(),
            sample_sigma: spec.sample_sigma,
            dispersion: Dispersion::new(design, usize::from(spec.dispersion.is_some()), rising(design, spec.family)),
            errors: design.errors.clone(),
            constant: constant(design, counts),
        }
    }

    /// Puts fewer rows in the place of many; the value stays that of the rows they were made from, or
    /// within the bound of [`crate::compress::offsets`].
    pub fn with_rows(mut self, rows: Compressed) -> (Self, Design) {
        let design = rows.design;
        self.y.clone_from(&design.y);
        self.weights.clone_from(&design.weights);
        self.totals = rows.totals;
        self.squares = rows.squares.into();
        self.se2 = design.se.iter().map(|s| s * s).collect();
        self.constant += rows.constant;
        match &mut self.dispersion {
            Dispersion::Groups(all) => all.iter_mut().for_each(|group| group.end = design.n()),
            regression => *regression = Dispersion::Groups(rows.groups),
        }
        (self, design)
    }

    /// Some rows, ascending, for [`Self::of_rows`]; without what is no sum over rows.
    pub fn select(&self, rows: &[usize]) -> Self {
        let pick = |values: &[f64]| -> Values { rows.iter().filter_map(|&i| values.get(i).copied()).collect() };
        Self {
            y: pick(&self.y),
            weights: pick(&self.weights),
            totals: pick(&self.totals).into_owned(),
            squares: pick(&self.squares),
            se2: pick(&self.se2).into_owned(),
            dispersion: self.dispersion.select(rows),
            errors: None,
            constant: 0.0,
            ..*self
        }
    }

    /// The terms that depend on data alone.
    pub fn constant(&self) -> f64 {
        self.constant
    }

    /// Terms in `ln Gamma` of the counts whose row of the dispersion's design is `x`.
    pub fn rising_of(&self, x: &[f64]) -> Rising {
        match &self.dispersion {
            Dispersion::Groups(groups) => {
                let mut own = groups.iter().filter(|g| g.x == x);
                let rising = own.next().map(|g| g.rising.clone()).unwrap_or_default();
                debug_assert!(own.next().is_none(), "groups of one dispersion are told apart by its design");
                rising
            }
            Dispersion::Rows { columns, n } if self.family.has_shape() => {
                let is_in = |i: &usize| columns.chunks_exact(*n).zip(x).all(|(column, x)| column[*i] == *x);
                Rising::new((0..*n).filter(is_in).map(|i| (self.y[i], self.weights[i])))
            }
            Dispersion::Rows { .. } => Rising::default(),
        }
    }

    /// All that is a sum over rows.
    pub fn parts(&self) -> RowParts<'_> {
        let (columns, has_own) = match &self.dispersion {
            Dispersion::Rows { columns, .. } => (columns.clone(), true),
            Dispersion::Groups(groups) if groups.len() == 1 => (vec![], false),
            Dispersion::Groups(groups) => (columns_of(groups, 0..self.y.len()), false),
        };
        let Self { y, weights, totals, squares, se2, sample_sigma, .. } = self;
        RowParts { y, weights, totals, squares, se2, is_sampled: *sample_sigma, columns, has_own }
    }

    /// Response distribution.
    pub fn family(&self) -> Family {
        self.family
    }

    /// Log-likelihood at `eta` (`[n]`, offset included). Overwrites `d_eta` with its derivative and
    /// adds to `d_dispersion` that in the log dispersion or its coefficients.
    pub fn evaluate(&self, eta: &[f64], dispersion: &[f64], d_eta: &mut [f64], d_dispersion: &mut [f64]) -> f64 {
        debug_assert!(eta.len() == self.y.len() && d_eta.len() == self.y.len());
        self.common(dispersion, d_dispersion) + self.of_rows(0..self.y.len(), eta, dispersion, d_eta, d_dispersion)
    }

    /// The part of [`Self::evaluate`] that is no sum over rows.
    pub fn common(&self, dispersion: &[f64], d_dispersion: &mut [f64]) -> f64 {
        self.constant + self.rising(dispersion, d_dispersion)
    }

    /// The part of [`Self::evaluate`] that is a sum over rows, over some of them; `eta` and `d_eta` have
    /// these rows only.
    pub fn of_rows(
        &self, rows: Range<usize>, eta: &[f64], dispersion: &[f64], d_eta: &mut [f64], d_dispersion: &mut [f64],
    ) -> f64 {
        match self.family {
            Family::Poisson => self.poisson(rows, eta, d_eta),
            Family::Gaussian => self.gaussian(rows, eta, dispersion, d_eta, d_dispersion),
            Family::NegBinomial => self.negative_binomial(rows, eta, dispersion, d_eta, d_dispersion),
        }
    }

    /// Expected second derivative with the sign turned, row by row: the working weights. Of related errors those with all other
    /// rows given.
    pub fn information(&self, eta: &[f64], dispersion: &[f64]) -> Vec<f64> {
        if let Some(errors) = &self.errors {
            let share = self.share(dispersion);
            return errors.diagonal(eta.len()).into_iter().map(|d| d * share).collect();
        }
        let row = |i: usize, log_dispersion: f64| match self.family {
            Family::Poisson => eta[i].exp(),
            Family::Gaussian => 1.0 / self.variance(i, log_dispersion),
            Family::NegBinomial => negative_binomial_information(eta[i], log_dispersion)[0],
        };
        let (n, most) = (self.y.len(), self.family.max_information());
        let mut out = Vec::with_capacity(n);
        let mut log_dispersion = [0.0; BLOCK];
        for start in (0..n).step_by(BLOCK) {
            let rows = start..n.min(start + BLOCK);
            let own = &mut log_dispersion[..rows.len()];
            self.dispersion.fill(rows.clone(), dispersion, own);
            out.extend(rows.zip(own).map(|(i, own)| (self.weights[i] * row(i, *own)).min(most)));
        }
        out
    }

    /// `sigma^-2`, one where it is no parameter.
    fn share(&self, dispersion: &[f64]) -> f64 {
        if self.sample_sigma { (-2.0 * dispersion[0]).exp() } else { 1.0 }
    }

    /// The information, as a matrix over rows, times `values`; `weights` are [`Self::information`].
    pub fn weighted(&self, weights: &[f64], dispersion: &[f64], values: &[f64]) -> Vec<f64> {
        let Some(errors) = &self.errors else { return weights.iter().zip(values).map(|(w, v)| w * v).collect() };
        let mut out = vec![0.0; values.len()];
        errors.times(1, values, &mut out);
        let share = self.share(dispersion);
        out.iter_mut().for_each(|v| *v *= share);
        out
    }

    /// What the information has between different rows: the later, the earlier, and the value.
    pub fn between_rows(&self, dispersion: &[f64]) -> impl Iterator<Item = (usize, usize, f64)> {
        let share = if self.errors.is_some() { self.share(dispersion) } else { 0.0 };
        let entries = self.errors.iter().flat_map(|e| &e.entries).filter(|(i, j, _)| i != j);
        entries.map(move |&(i, j, x)| (i as usize, j as usize, share * x))
    }

    /// Variance of a Gaussian row.
    fn variance(&self, i: usize, log_sigma: f64) -> f64 {
        let sampled = if self.sample_sigma { (2.0 * log_sigma).exp() } else { 0.0 };
        sampled + self.se2.get(i).copied().unwrap_or(0.0)
    }
}

/// Terms in `ln Gamma` of negative binomial rows with one shape.
fn rising(design: &Design, family: Family) -> Rising {
    let needed = family.has_shape() && design.x_disp.ncols() == 0;
    let counts = design.y.iter().copied().zip(design.weights.iter().copied());
    if needed { Rising::new(counts) } else { Rising::default() }
}

fn constant(design: &Design, counts: bool) -> f64 {
    let row = |(&y, &w): (&f64, &f64)| {
        if counts { -w * ln_gamma(y + 1.0) } else { -0.5 * w * (2.0 * PI).ln() }
    };
    let half_log_det = design.errors.as_ref().map_or(0.0, |e| 0.5 * e.log_det);
    half_log_det + design.y.iter().zip(design.weights.iter()).map(row).sum::<f64>()
}

#[cfg(test)]
mod tests;
