//! Log-likelihood of the rows and its derivatives in the linear predictor and the dispersion.
//!
//! These are the definitions. With `mu_i = exp(eta_i)`:
//!
//! ```text
//! Gaussian           y_i ~ Normal(eta_i, sqrt(se_i^2 + sigma_i^2))
//! negative binomial  Var[y_i] = mu_i + mu_i^2 / phi_i       (Stan's neg_binomial_2_log)
//! Poisson            Var[y_i] = mu_i
//! log sigma_i, log phi_i = one parameter, or x_disp[i, ] times coefficients
//! ```
//! A weight multiplies the log-likelihood of its row, as in brms.

use crate::compress::leaves::Leaves;
use crate::design::Design;
use crate::kernels;
use crate::spec::{Family, ModelSpec};
use crate::special::{d_ln_rising, ln_gamma, ln_rising, softplus_logistic};
use ndarray::Axis;
use std::f64::consts::PI;

/// Rows with what does not change during sampling.
#[derive(Debug, Clone)]
pub struct Likelihood {
    family: Family,
    y: Vec<f64>,
    weights: Vec<f64>,
    /// Squared known standard errors or empty.
    se2: Vec<f64>,
    sample_sigma: bool,
    /// `[n]` rows of the dispersion's design, row-major; empty if the dispersion is constant.
    x_disp: Vec<Vec<f64>>,
    /// Distinct counts and their summed weights: `ln Gamma` depends on a row through its count only.
    count_table: Vec<(f64, f64)>,
    /// Weighted squares of Gaussian responses around the means that stand for them in `y`.
    squares_within: f64,
    /// Terms that depend on data alone.
    constant: f64,
}

impl Likelihood {
    /// Prepares the rows of a design.
    pub fn new(design: &Design, spec: &ModelSpec) -> Self {
        let x_disp = if design.x_disp.ncols() == 0 {
            vec![]
        } else {
            design.x_disp.axis_iter(Axis(0)).map(|row| row.to_vec()).collect()
        };
        let counts = spec.family != Family::Gaussian;
        Self {
            family: spec.family,
            y: design.y.clone(),
            weights: design.weights.clone(),
            se2: design.se.iter().map(|s| s * s).collect(),
            sample_sigma: spec.sample_sigma,
            x_disp,
            count_table: if counts { count_table(&design.y, &design.weights) } else { vec![] },
            squares_within: 0.0,
            constant: constant(design, counts),
        }
    }

    /// Puts leaves in the place of rows; the value stays that of the rows they were merged from.
    pub fn with_leaves(mut self, leaves: &Leaves) -> Self {
        self.y.clone_from(&leaves.design.y);
        self.weights.clone_from(&leaves.design.weights);
        self.squares_within = leaves.squares_within;
        self
    }

    /// Response distribution.
    pub fn family(&self) -> Family {
        self.family
    }

    /// Log-likelihood at `eta` (`[n]`, offset included). Overwrites `d_eta` with its derivative and
    /// adds to `d_dispersion` that in the log dispersion or its coefficients.
    pub fn evaluate(&self, eta: &[f64], dispersion: &[f64], d_eta: &mut [f64], d_dispersion: &mut [f64]) -> f64 {
        debug_assert!(eta.len() == self.y.len() && d_eta.len() == self.y.len());
        self.constant
            + match self.family {
                Family::Poisson => kernels::poisson(&self.y, &self.weights, eta, d_eta),
                Family::Gaussian => self.gaussian(eta, dispersion, d_eta, d_dispersion),
                Family::NegBinomial => self.negative_binomial(eta, dispersion, d_eta, d_dispersion),
            }
    }

    /// Expected second derivative with the sign turned, row by row: the working weights.
    pub fn information(&self, eta: &[f64], dispersion: &[f64]) -> Vec<f64> {
        let row = |i: usize| match self.family {
            Family::Poisson => eta[i].exp(),
            Family::Gaussian => 1.0 / self.variance(i, self.log_dispersion(i, dispersion)).0,
            // mu / (1 + mu / phi), safe at both ends.
            Family::NegBinomial => {
                let log_phi = self.log_dispersion(i, dispersion);
                1.0 / ((-eta[i]).exp() + (-log_phi).exp())
            }
        };
        (0..self.y.len()).map(|i| (self.weights[i] * row(i)).min(1e12)).collect()
    }

    fn gaussian(&self, eta: &[f64], dispersion: &[f64], d_eta: &mut [f64], d_dispersion: &mut [f64]) -> f64 {
        if self.se2.is_empty() && self.x_disp.is_empty() {
            return self.homoscedastic(eta, dispersion[0], d_eta, &mut d_dispersion[0]);
        }
        let mut log_lik = 0.0;
        for i in 0..self.y.len() {
            let (variance, sampled) = self.variance(i, self.log_dispersion(i, dispersion));
            let (w, r) = (self.weights[i], self.y[i] - eta[i]);
            log_lik -= 0.5 * w * (r * r / variance + variance.ln());
            d_eta[i] = w * r / variance;
            self.add_dispersion(i, w * (r * r / variance - 1.0) * sampled / variance, d_dispersion);
        }
        log_lik
    }

    fn homoscedastic(&self, eta: &[f64], log_sigma: f64, d_eta: &mut [f64], d_log_sigma: &mut f64) -> f64 {
        let precision = (-2.0 * log_sigma).exp();
        let (mut squares, mut n) = (self.squares_within, 0.0);
        for (((&y, &w), &eta), d) in self.y.iter().zip(&self.weights).zip(eta).zip(d_eta) {
            let r = y - eta;
            squares += w * r * r;
            n += w;
            *d = w * r * precision;
        }
        *d_log_sigma += squares * precision - n;
        -0.5 * squares * precision - n * log_sigma
    }

    fn negative_binomial(&self, eta: &[f64], dispersion: &[f64], d_eta: &mut [f64], d_dispersion: &mut [f64]) -> f64 {
        if self.x_disp.is_empty() {
            let log_phi = dispersion[0];
            let (value, d_log_phi) = kernels::negative_binomial(&self.y, &self.weights, eta, log_phi, d_eta);
            d_dispersion[0] += d_log_phi;
            return value + self.rising(log_phi, &mut d_dispersion[0]);
        }
        let mut log_lik = 0.0;
        for i in 0..self.y.len() {
            let (y, w) = (self.y[i], self.weights[i]);
            let log_phi = self.log_dispersion(i, dispersion);
            let phi = log_phi.exp();
            // log(1 + mu / phi) and mu / (mu + phi)
            let (log1p_ratio, share) = softplus_logistic(eta[i] - log_phi);
            log_lik += w * (y * (eta[i] - log_phi - log1p_ratio) - phi * log1p_ratio + ln_rising(phi, y));
            d_eta[i] = w * (y - (y + phi) * share);
            let d_log_phi = phi * (share - log1p_ratio + d_ln_rising(phi, y)) - y * (1.0 - share);
            self.add_dispersion(i, w * d_log_phi, d_dispersion);
        }
        log_lik
    }

    /// Sum over rows of `ln Gamma(y + phi) - ln Gamma(phi)`, by distinct count.
    fn rising(&self, log_phi: f64, d_log_phi: &mut f64) -> f64 {
        let phi = log_phi.exp();
        let terms = self.count_table.iter();
        terms
            .map(|&(y, w)| {
                *d_log_phi += w * phi * d_ln_rising(phi, y);
                w * ln_rising(phi, y)
            })
            .sum()
    }

    /// Variance of a Gaussian row, and the part of it that is sampled.
    #[inline]
    fn variance(&self, i: usize, log_sigma: f64) -> (f64, f64) {
        let sampled = if self.sample_sigma { (2.0 * log_sigma).exp() } else { 0.0 };
        (sampled + self.se2.get(i).copied().unwrap_or(0.0), sampled)
    }

    #[inline]
    fn log_dispersion(&self, i: usize, dispersion: &[f64]) -> f64 {
        match self.x_disp.get(i) {
            Some(row) => row.iter().zip(dispersion).map(|(x, b)| x * b).sum(),
            None => dispersion.first().copied().unwrap_or(0.0),
        }
    }

    #[inline]
    fn add_dispersion(&self, i: usize, d: f64, d_dispersion: &mut [f64]) {
        match self.x_disp.get(i) {
            Some(row) => d_dispersion.iter_mut().zip(row).for_each(|(g, x)| *g += d * x),
            None => {
                if let Some(g) = d_dispersion.first_mut() {
                    *g += d;
                }
            }
        }
    }
}

/// Distinct positive counts with the sums of their weights. Zeros contribute nothing.
fn count_table(y: &[f64], weights: &[f64]) -> Vec<(f64, f64)> {
    let mut rows: Vec<(f64, f64)> = y.iter().copied().zip(weights.iter().copied()).filter(|&(y, _)| y > 0.0).collect();
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    rows.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 += next.1;
        }
        same
    });
    rows
}

fn constant(design: &Design, counts: bool) -> f64 {
    let row = |(&y, &w): (&f64, &f64)| {
        if counts { -w * ln_gamma(y + 1.0) } else { -0.5 * w * (2.0 * PI).ln() }
    };
    design.y.iter().zip(&design.weights).map(row).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compress::leaves::merge;
    use crate::design::RawArrays;
    use crate::spec::{CoefficientSpec, DispersionSpec, PriorSpec};
    use approx::assert_relative_eq;
    use proptest::prelude::*;

    const Y: [f64; 4] = [0.0, 1.0, 7.0, 40.0];
    const ETA: [f64; 4] = [-1.0, 0.3, 1.2, 4.0];

    fn rows(family: Family, y: &[f64], se: Vec<f64>, regression: bool) -> Likelihood {
        let flat = PriorSpec { dist: "flat".into(), args: vec![] };
        let dispersion = if regression {
            DispersionSpec::Regression { names: vec!["a".into(), "b".into()], priors: vec![flat.clone(); 2] }
        } else {
            DispersionSpec::Constant { name: "s".into(), prior: flat.clone() }
        };
        let n = y.len();
        let spec = spec(family, dispersion, flat);
        let x_disp = if regression {
            (0..2 * n).map(|i| if i < n { 1.0 } else { i as f64 / n as f64 }).collect()
        } else {
            vec![]
        };
        Likelihood::new(&Design::new(raw(y.to_vec(), vec![1.0; n], se, x_disp), &spec).unwrap(), &spec)
    }

    fn raw(y: Vec<f64>, x: Vec<f64>, se: Vec<f64>, x_disp: Vec<f64>) -> RawArrays {
        let n = y.len();
        RawArrays { y, offset: vec![0.0; n], weights: vec![1.0; n], se, x, x_disp, terms: vec![] }
    }

    /// The four rows twice, told apart by a column of `x`.
    fn twice(family: Family) -> (Design, ModelSpec) {
        let flat = PriorSpec { dist: "flat".into(), args: vec![] };
        let spec = spec(family, DispersionSpec::Constant { name: "s".into(), prior: flat.clone() }, flat);
        let (y, x) = ([Y, [2.0, 0.0, 5.0, 30.0]].concat(), [ETA, ETA].concat());
        (Design::new(raw(y, x, vec![], vec![]), &spec).unwrap(), spec)
    }

    fn spec(family: Family, dispersion: DispersionSpec, flat: PriorSpec) -> ModelSpec {
        ModelSpec {
            family,
            sample_sigma: true,
            coefficients: vec![CoefficientSpec { name: "b".into(), prior: flat }],
            intercept: None,
            dispersion: (family != Family::Poisson).then_some(dispersion),
            terms: vec![],
            horseshoes: vec![],
            prior_only: false,
        }
    }

    fn value(l: &Likelihood, eta: &[f64], dispersion: &[f64]) -> f64 {
        l.evaluate(eta, dispersion, &mut vec![0.0; eta.len()], &mut vec![0.0; dispersion.len()])
    }

    /// R 4.2.2: sum(dnbinom(c(0,1,7,40), mu = exp(c(-1,.3,1.2,4)), size = 3.5, log = TRUE))
    #[test]
    fn agrees_with_dnbinom() {
        let l = rows(Family::NegBinomial, &Y, vec![], false);
        assert_relative_eq!(value(&l, &ETA, &[3.5_f64.ln()]), -8.867375320037, max_relative = 1e-12);
    }

    /// As phi grows the Poisson is reached: sum(dpois(y, exp(eta), log = TRUE)).
    #[test]
    fn tends_to_the_poisson() {
        let poisson = value(&rows(Family::Poisson, &Y, vec![], false), &ETA, &[]);
        assert_relative_eq!(poisson, -9.7818062805, max_relative = 1e-10);
        let l = rows(Family::NegBinomial, &Y, vec![], false);
        assert_relative_eq!(value(&l, &ETA, &[30.0]), poisson, max_relative = 1e-9);
    }

    /// R 4.2.2: sum(dnorm(c(0,1,7,40), c(-1,.3,1.2,4), 3.5, log = TRUE)); sd sqrt(3.5^2 + (1:4)^2).
    #[test]
    fn agrees_with_dnorm() {
        let l = rows(Family::Gaussian, &Y, vec![], false);
        assert_relative_eq!(value(&l, &ETA, &[3.5_f64.ln()]), -63.018_642_741_494_05, max_relative = 1e-12);
        let l = rows(Family::Gaussian, &Y, vec![1.0, 2.0, 3.0, 4.0], false);
        assert_relative_eq!(value(&l, &ETA, &[3.5_f64.ln()]), -33.342_919_821_147_48, max_relative = 1e-10);
    }

    /// The one-parameter form by count table equals the row-wise form with the same dispersion.
    #[test]
    fn constant_and_regression_dispersion_agree() {
        for family in [Family::NegBinomial, Family::Gaussian] {
            let one = value(&rows(family, &Y, vec![], false), &ETA, &[0.7]);
            let many = value(&rows(family, &Y, vec![], true), &ETA, &[0.7, 0.0]);
            assert_relative_eq!(one, many, max_relative = 1e-12);
        }
    }

    /// Rows 0..3 and 4..7 have the same design: merged, value and gradients are those of the rows.
    #[test]
    fn leaves_equal_their_rows() {
        for family in [Family::NegBinomial, Family::Gaussian, Family::Poisson] {
            let (mut design, spec) = twice(family);
            design.weights = vec![1.0, 2.0, 1.0, 0.5, 3.0, 1.0, 1.5, 1.0];
            let rows = Likelihood::new(&design, &spec);
            let leaves = merge(&design).expect("rows are alike");
            assert_eq!(leaves.design.n(), 4);
            let merged = rows.clone().with_leaves(&leaves);
            let d: &[f64] = if family == Family::Poisson { &[] } else { &[0.4] };
            let (eta8, mut d8, mut d_disp8) = ([ETA, ETA].concat(), vec![0.0; 8], vec![0.0; d.len()]);
            let (mut d4, mut d_disp4) = (vec![0.0; 4], vec![0.0; d.len()]);
            let value = rows.evaluate(&eta8, d, &mut d8, &mut d_disp8);
            assert_relative_eq!(merged.evaluate(&ETA, d, &mut d4, &mut d_disp4), value, max_relative = 1e-12);
            (0..4).for_each(|i| assert_relative_eq!(d4[i], d8[i] + d8[i + 4], max_relative = 1e-11));
            d_disp4.iter().zip(&d_disp8).for_each(|(a, b)| assert_relative_eq!(a, b, max_relative = 1e-11));
        }
    }

    proptest! {
        #[test]
        fn gradients_agree_with_differences(
            eta in prop::collection::vec(-6.0..6.0f64, 3), a in -3.0..6.0f64, b in -1.0..1.0f64,
            y in prop::collection::vec(0u32..500, 3), family in 0..3usize, regression: bool, with_se: bool,
        ) {
            let family = [Family::Gaussian, Family::NegBinomial, Family::Poisson][family];
            let regression = regression && family != Family::Poisson;
            let y: Vec<f64> = y.into_iter().map(f64::from).collect();
            let l = rows(family, &y, if with_se { vec![0.5, 1.0, 2.0] } else { vec![] }, regression);
            let disp = match (family, regression) { (Family::Poisson, _) => vec![], (_, true) => vec![a, b], _ => vec![a] };
            let (mut d_eta, mut d_disp) = (vec![0.0; 3], vec![0.0; disp.len()]);
            l.evaluate(&eta, &disp, &mut d_eta, &mut d_disp);
            let at = |q: &[f64]| value(&l, &q[..3], &q[3..]);
            let q: Vec<f64> = eta.iter().chain(&disp).copied().collect();
            let d: Vec<f64> = d_eta.iter().chain(&d_disp).copied().collect();
            for j in 0..q.len() {
                let (mut up, mut down) = (q.clone(), q.clone());
                up[j] += 1e-5;
                down[j] -= 1e-5;
                let slope = (at(&up) - at(&down)) / 2e-5;
                prop_assert!((d[j] - slope).abs() <= 1e-6 * (1.0 + slope.abs() + at(&q).abs()), "{j}: {} {slope}", d[j]);
            }
        }
    }
}
