//! Genes and cells as large as real ones, simulated.

use crate::common::{Shape, spec};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Gamma, Poisson, StandardNormal};
use rayon::prelude::*;
use twill::density::Model;
use twill::design::{Design, RawArrays, RawTerm};
use twill::lanes::flat::FlatModel;
use twill::lanes::frame::Frame;
use twill::rising::Rising;
use twill::spec::{Family, ModelSpec};

pub const DONORS: usize = 7;
/// Leaves: two conditions of each donor.
pub const LEAVES: usize = 2 * DONORS;
/// Bins of log capture within a leaf, as many as a quadrature has nodes.
const BINS: usize = 12;

fn design(y: Vec<f64>, spec: &ModelSpec) -> Design {
    let x = [vec![1.0; LEAVES], (0..LEAVES).map(|i| (i % 2) as f64).collect()].concat();
    let codes = (0..LEAVES).map(|i| (i / 2) as i32).collect();
    let (offset, weights) = (vec![0.0; LEAVES], vec![1.0; LEAVES]);
    let terms = vec![RawTerm { codes, z: x.clone().into(), precision: None }];
    Design::new(
        RawArrays {
            y: y.into(),
            offset: offset.into(),
            weights: weights.into(),
            se: vec![].into(),
            x: x.into(),
            x_disp: vec![].into(),
            terms,
        },
        spec,
    )
    .expect("valid")
}

/// `~ condition + (1 + condition || donor)`, negative binomial.
pub fn donor_frame() -> (Frame, Model) {
    let spec = spec(&Shape::plain(Family::NegBinomial, LEAVES, 2, &[(DONORS, 2, false)]));
    let model = Model::with_rows(design(vec![1.0; LEAVES], &spec), None, &spec).expect("valid");
    (Frame::new(&model).expect("a model for guides"), model)
}

/// Counts of `cells` cells per leaf at their log captures, or of one sample per leaf.
fn counts(cells: usize, rng: &mut ChaCha8Rng) -> Vec<Vec<(f64, f64)>> {
    let normal =
        |rng: &mut ChaCha8Rng, sd: f64| sd * <StandardNormal as Distribution<f64>>::sample(&StandardNormal, rng);
    let level = if cells == 1 { 4.0 } else { -0.5 };
    let (base, effect, shape) = (level + normal(rng, 1.2), normal(rng, 0.5), (0.7 + normal(rng, 0.5)).exp());
    let donors: Vec<f64> = (0..DONORS).map(|_| normal(rng, 0.3)).collect();
    let noise = Gamma::new(shape, 1.0 / shape).expect("positive");
    let cell = |leaf: usize, rng: &mut ChaCha8Rng| {
        let offset = if cells == 1 { 0.0 } else { normal(rng, 0.6) };
        let mu = (base + effect * (leaf % 2) as f64 + donors[leaf / 2] + offset).exp();
        let rate: f64 = mu * noise.sample(rng);
        (offset, Poisson::new(rate.max(1e-9)).map_or(0.0, |p| p.sample(rng)))
    };
    (0..LEAVES).map(|leaf| (0..cells).map(|_| cell(leaf, rng)).collect()).collect()
}

/// Rows of a leaf: bins of captures with their cells and counts.
fn bins(cells: &[(f64, f64)]) -> Vec<[f64; 3]> {
    let mut bins = vec![[0.0; 3]; BINS];
    for (offset, y) in cells {
        let bin = &mut bins[((offset + 2.4) / 0.4).clamp(0.0, BINS as f64 - 1.0) as usize];
        *bin = [bin[0] + offset, bin[1] + 1.0, bin[2] + y];
    }
    bins.into_iter().filter(|bin| bin[1] > 0.0).map(|[offset, n, y]| [offset / n, n, y]).collect()
}

/// Genes of pseudobulk (`cells = 1`) or of single cells, compressed.
pub fn genes(model: &Model, frame: &Frame, n: usize, cells: usize) -> Vec<FlatModel> {
    let template = FlatModel::new(frame, model).expect("rows of the frame");
    let one = |g: usize| {
        let leaves = counts(cells, &mut ChaCha8Rng::seed_from_u64(g as u64));
        let rows: Vec<Vec<[f64; 3]>> = leaves.iter().map(|leaf| bins(leaf)).collect();
        let ends = rows.iter().scan(0, |end, leaf| {
            *end += leaf.len();
            Some(*end)
        });
        let column = |k: usize| rows.iter().flatten().map(|row| row[k]).collect();
        FlatModel {
            starts: std::iter::once(0).chain(ends).collect(),
            offset: column(0),
            weight: column(1),
            total: column(2),
            rising: vec![Rising::new(leaves.iter().flatten().map(|(_, y)| (*y, 1.0)))],
            ..template.clone()
        }
    };
    (0..n).into_par_iter().map(one).collect()
}
