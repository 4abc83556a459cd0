//! Models for the tests.

// Not every test binary uses all of it.
#![allow(dead_code)]

pub mod gene_cases;
pub mod gene_checks;
pub mod leaves;
pub mod row_checks;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;
use twill::density::{LogDensity, Model, Posterior};
use twill::design::{Design, RawArrays, RawTerm};
use twill::spec::*;
use twill::transport::Transport;

pub fn prior(dist: &str, args: &[f64]) -> PriorSpec {
    PriorSpec { dist: dist.into(), args: args.to_vec() }
}

/// Shape of a random model.
#[derive(Debug, Clone)]
pub struct Shape {
    pub family: Family,
    pub n: usize,
    pub p: usize,
    /// Per term: levels, coefficients, correlated.
    pub terms: Vec<(usize, usize, bool)>,
    pub horseshoe_b: bool,
    pub horseshoe_sd: bool,
    pub autoscale: bool,
    pub centred: bool,
    pub regression: bool,
    /// Levels of a group-level term of the regression; 0 without.
    pub dispersion_levels: usize,
    /// Whether one coefficient of the regression is the log of a positive parameter.
    pub positive: bool,
    pub se: bool,
    /// Levels in two classes, and effects with heavy tails: Student's, and of every second term a horseshoe's.
    pub by: bool,
    pub tails: bool,
}

impl Shape {
    /// `p` columns and `terms`, and nothing else.
    pub fn plain(family: Family, n: usize, p: usize, terms: &[(usize, usize, bool)]) -> Self {
        Self {
            family,
            n,
            p,
            terms: terms.to_vec(),
            horseshoe_b: false,
            horseshoe_sd: false,
            autoscale: false,
            centred: true,
            regression: false,
            dispersion_levels: 0,
            positive: false,
            se: false,
            by: false,
            tails: false,
        }
    }
}

fn horseshoe(target: HorseshoeTarget, autoscale: bool) -> HorseshoeSpec {
    HorseshoeSpec { target, df: 1.0, df_global: 1.0, scale_global: 0.5, df_slab: 4.0, scale_slab: 2.0, autoscale }
}

/// Two coefficients a level, of which rows tell nothing, or more and more.
fn dispersion_term(name: &str, levels: usize) -> DispersionTermSpec {
    DispersionTermSpec {
        group: format!("d__{name}"),
        levels: (0..levels).map(|l| l.to_string()).collect(),
        coefs: vec!["c0".into(), "c1".into()],
        sd_names: vec![format!("sd_d__{name}_c0"), format!("sd_d__{name}_c1")],
        sd_priors: vec![prior("student_t", &[3.0, 0.0, 1.0]); 2],
        information: (0..2 * levels).map(|i| 3.0 * i as f64).collect(),
    }
}

fn dispersion(shape: &Shape) -> Option<DispersionSpec> {
    let name = if shape.family == Family::Gaussian { "sigma" } else { "shape" };
    if shape.family == Family::Poisson {
        None
    } else if shape.regression {
        let names = vec![format!("b_{name}_Intercept"), format!("b_{name}_x")];
        let intercept = shape.centred.then(|| InterceptSpec { column: 0, centre: vec![0.0, 0.2] });
        let terms =
            if shape.dispersion_levels > 0 { vec![dispersion_term(name, shape.dispersion_levels)] } else { vec![] };
        let mut priors = vec![prior("normal", &[0.0, 1.0]); 2];
        // The second coefficient as the log of a positive parameter.
        let positive = if shape.positive { vec![false, true] } else { vec![] };
        let units = vec![1.0, if shape.positive { 1.0 } else { 0.4 }];
        if shape.positive {
            priors[1] = prior("student_t", &[3.0, 0.0, 2.5]);
        }
        Some(DispersionSpec::Regression { names, priors, intercept, terms, positive, units })
    } else {
        Some(DispersionSpec::Constant { name: name.into(), prior: prior("student_t", &[3.0, 0.0, 2.5]) })
    }
}

pub fn spec(shape: &Shape) -> ModelSpec {
    let coefficient = |j| CoefficientSpec { name: format!("b_{j}"), prior: prior("normal", &[0.1, 2.0]) };
    let by = |levels: usize| BySpec {
        classes: vec!["fa".into(), "fb".into()],
        of_level: (0..levels as u32).map(|l| l % 2).collect(),
    };
    let term = |(k, &(levels, q, cor)): (usize, &(usize, usize, bool))| TermSpec {
        group: format!("g{k}"),
        levels: (0..levels).map(|l| l.to_string()).collect(),
        coefs: (0..q).map(|c| format!("c{c}")).collect(),
        sd_priors: vec![prior("student_t", &[3.0, 0.0, 1.0]); if shape.by { 2 * q } else { q }],
        cor: (cor && q > 1).then_some(CorSpec { eta: 1.5, constant: None }),
        by: shape.by.then(|| by(levels)),
        df: (shape.tails && k % 2 == 0).then(|| prior("gamma", &[2.0, 0.1])),
        horseshoe: shape.tails && k % 2 == 1,
    };
    let mut horseshoes = vec![];
    if shape.horseshoe_b && shape.p > 1 {
        horseshoes.push(horseshoe(HorseshoeTarget::B { columns: (1..shape.p).collect() }, shape.autoscale));
    }
    if shape.horseshoe_sd && !shape.terms.is_empty() {
        let sds = shape.terms.iter().enumerate().map(|(k, _)| [k, 0]).collect();
        horseshoes.push(horseshoe(HorseshoeTarget::Sd { sds }, false));
    }
    ModelSpec {
        family: shape.family,
        sample_sigma: true,
        coefficients: (0..shape.p).map(coefficient).collect(),
        intercept: (shape.centred && shape.p > 0).then(|| InterceptSpec {
            column: 0,
            centre: (0..shape.p).map(|j| if j == 0 { 0.0 } else { 0.3 }).collect(),
        }),
        dispersion: dispersion(shape),
        terms: shape.terms.iter().enumerate().map(term).collect(),
        horseshoes,
        latents: vec![],
        prior_only: false,
    }
}

/// Data with `y` drawn loosely about the family's range; what matters is that they are data.
pub fn arrays(shape: &Shape, seed: u64) -> RawArrays {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let n = shape.n;
    let mut unit = |n: usize| (0..n).map(|_| 2.0 * rng.random::<f64>() - 1.0).collect::<Vec<f64>>();
    let intercept = |v: Vec<f64>| v.iter().enumerate().map(|(i, x)| if i < n { 1.0 } else { *x }).collect::<Vec<f64>>();
    let y =
        unit(n).into_iter().map(|u| if shape.family == Family::Gaussian { 2.0 * u } else { (3.0 * (u + 1.0)).floor() });
    let y = y.collect();
    let terms = shape.terms.iter().map(|&(levels, q, _)| RawTerm {
        codes: unit(n).iter().map(|u| ((0.5 * (u + 1.0)) * levels as f64) as i32).collect(),
        z: intercept(unit(n * q)).into(),
        precision: None,
    });
    let terms = terms.collect();
    RawArrays {
        y,
        offset: unit(n).into(),
        weights: unit(n).iter().map(|u| 1.5 + u).collect(),
        se: if shape.se { unit(n).iter().map(|u| 1.2 + u).collect() } else { vec![].into() },
        x: intercept(unit(n * shape.p)).into(),
        x_disp: if shape.regression {
            [intercept(unit(2 * n)), dispersion_columns(shape)].concat().into()
        } else {
            vec![].into()
        },
        terms,
    }
}

/// Level by level, the indicator and a multiple of it.
fn dispersion_columns(shape: &Shape) -> Vec<f64> {
    let levels = shape.dispersion_levels;
    let column =
        |c: usize| (0..shape.n).map(move |i| if i % levels == c / 2 { 1.0 - 0.7 * (c % 2) as f64 } else { 0.0 });
    (0..2 * levels).flat_map(column).collect()
}

/// Turns columns into signs: rows merge, and fall into groups of one dispersion.
pub fn few_values(raw: &mut RawArrays) {
    let round = |x: &mut f64| *x = x.signum();
    raw.x.to_mut().iter_mut().chain(raw.x_disp.to_mut()).for_each(round);
    raw.terms.iter_mut().for_each(|t| t.z.to_mut().iter_mut().for_each(round));
}

pub fn model(shape: &Shape, seed: u64) -> Model {
    let spec = spec(shape);
    let design = Design::new(arrays(shape, seed), &spec).expect("valid by construction");
    Model::new(design, &spec).expect("valid by construction")
}

/// The log density of the parameters of a draw by its rows, effect by effect.
pub fn by_rows(draw: &Posterior, model: &Arc<Model>, theta: &[f64]) -> f64 {
    let (layout, p) = (&model.layout, model.layout.swept.len());
    let plain = Transport::identity(layout, vec![0.0; p], &vec![1.0; p]);
    let mut posterior = Posterior::new(Arc::clone(model), Arc::new(plain));
    let mut position = vec![0.0; posterior.dim()];
    position[layout.theta()].copy_from_slice(theta);
    position[layout.z_swept()].copy_from_slice(&draw.mapped.swept);
    for level in layout.levels() {
        let (q, l) = (level.block.q, draw.scales.factor_of(level.block.source, level.number));
        let mut own = draw.mapped.effects[level.effects()].to_vec();
        for i in 0..q {
            own[i] = (own[i] - (0..i).map(|k| l[i * q + k] * own[k]).sum::<f64>()) / l[i * q + i];
        }
        position[layout.z_effects()][level.effects()].copy_from_slice(&own);
    }
    posterior.evaluate(&position, &mut vec![0.0; position.len()]);
    posterior.lp
}
