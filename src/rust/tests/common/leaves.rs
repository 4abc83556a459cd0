//! Leaves of rows that differ in their offset only, and the log-likelihood of such rows.

use super::prior;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Gamma, Poisson};
use twill::design::{Design, RawArrays, RawTerm};
use twill::likelihood::Likelihood;
use twill::spec::{CoefficientSpec, DispersionSpec, Family, ModelSpec, TermSpec};

pub fn spec(family: Family, n_levels: usize) -> ModelSpec {
    let name = if family == Family::Gaussian { "sigma" } else { "shape" };
    let dispersion = DispersionSpec::Constant { name: name.into(), prior: prior("flat", &[]) };
    let term = TermSpec {
        group: "g".into(),
        levels: (0..n_levels).map(|l| l.to_string()).collect(),
        coefs: vec!["Intercept".into()],
        sd_priors: vec![prior("normal", &[0.0, 1.0])],
        cor: None,
        by: None,
        df: None,
        horseshoe: false,
    };
    ModelSpec {
        family,
        sample_sigma: true,
        coefficients: vec![CoefficientSpec { name: "b".into(), prior: prior("flat", &[]) }],
        intercept: None,
        dispersion: (family != Family::Poisson).then_some(dispersion),
        terms: vec![term],
        horseshoes: vec![],
        latents: vec![],
        prior_only: false,
    }
}

/// Leaves of the given sizes, told apart by their level.
#[derive(Debug, Clone)]
pub struct Cells {
    pub sizes: Vec<usize>,
    /// Factor between the greatest and the least exposure.
    pub spread: f64,
    pub log_mean: f64,
    pub log_phi: f64,
    pub weighted: bool,
    pub seed: u64,
}

impl Cells {
    pub fn design(&self, family: Family) -> Design {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let levels: Vec<usize> = self.sizes.iter().enumerate().flat_map(|(l, &n)| vec![l; n]).collect();
        let n = levels.len();
        let offset: Vec<f64> = (0..n).map(|_| self.spread.ln() * (rng.random::<f64>() - 0.5)).collect();
        let phi = self.log_phi.exp();
        let mut count = |o: &f64| {
            let rate: f64 = Gamma::new(phi, 1.0 / phi).unwrap().sample(&mut rng);
            let mean = (rate * (self.log_mean + o).exp()).clamp(1e-9, 1e12);
            Poisson::new(mean).unwrap().sample(&mut rng)
        };
        let y = offset.iter().map(&mut count).collect();
        let weights = (0..n).map(|i| if self.weighted { [1.0, 0.3, 2.5, 0.0][i % 4] } else { 1.0 }).collect();
        let codes = levels.iter().map(|&l| l as i32).collect();
        let terms = vec![RawTerm { codes, z: vec![1.0; n].into(), precision: None }];
        let raw = RawArrays {
            y,
            offset: offset.into(),
            weights,
            se: vec![].into(),
            x: vec![1.0; n].into(),
            x_disp: vec![].into(),
            terms,
        };
        Design::new(raw, &spec(family, self.sizes.len())).unwrap()
    }

    pub fn n_levels(&self) -> usize {
        self.sizes.len()
    }
}

/// Value, derivative in each level's predictor, and in the log dispersion.
pub fn evaluate(likelihood: &Likelihood, design: &Design, levels: &[f64], log_phi: f64) -> (f64, Vec<f64>, f64) {
    let codes = &design.terms[0].codes;
    let eta: Vec<f64> = codes.iter().zip(design.offset.iter()).map(|(&l, o)| levels[l as usize] + o).collect();
    let (mut d_eta, mut d_phi, mut d_levels) = (vec![0.0; eta.len()], [0.0], vec![0.0; levels.len()]);
    let value = likelihood.evaluate(&eta, &[log_phi], &mut d_eta, &mut d_phi);
    codes.iter().zip(&d_eta).for_each(|(&l, d)| d_levels[l as usize] += d);
    (value, d_levels, d_phi[0])
}

/// The bound, and what rounding may add: expected and observed counts, and the size of the terms.
pub fn allowed(tolerance: f64, design: &Design, levels: &[f64], log_phi: f64) -> f64 {
    let (mut expected, mut observed, mut size) = (0.0, 0.0, 1.0);
    for i in 0..design.n() {
        let (w, y) = (design.weights[i], design.y[i]);
        let eta = levels[design.terms[0].codes[i] as usize] + design.offset[i];
        let l = (eta - log_phi).exp().ln_1p().min(1.0 + (eta - log_phi).abs());
        expected += w * eta.exp();
        observed += w * y;
        size += w * (y * ((eta - log_phi).abs() + l) + log_phi.exp() * l);
    }
    tolerance * (expected + observed) / (observed + levels.len() as f64) + 1e-13 * size
}
