//! Gradients on sparse counts, which must agree with the CPU's on all cells; run on the emulator by `cargo test` and on
//! cards by the example `gpu`.
#![allow(dead_code)]

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use twill::device::cells::{CellArrays, CellGradient, Cells, CountArrays, Nodes};
use twill::device::machine::Machine;
use twill::device::source::Precision;
use twill::kernels::negative_binomial;

/// 200 cells in two batches and three leaves, two covariates, three genes, one count beyond 16 bits.
struct Experiment {
    cells: CellArrays,
    counts: CountArrays,
    y: Vec<Vec<f64>>,
    parameters: Vec<f64>,
}

/// Leaf of each segment: the second batch begins in the middle of a leaf.
const SEGMENTS: [(u32, usize, usize); 5] = [(0, 0, 50), (1, 50, 90), (1, 90, 120), (2, 120, 190), (0, 190, 200)];

fn experiment() -> Experiment {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let mut numbers = |n: usize| (0..n).map(|_| rng.random_range(-1.0..1.0)).collect::<Vec<f64>>();
    let (offset, covariates) = (numbers(200), numbers(400));
    let leaf_of = |cell: usize| SEGMENTS.iter().find(|s| cell < s.2).unwrap().0;
    let order: Vec<usize> = (0..3).flat_map(|leaf| (0..200).filter(move |&c| leaf_of(c) == leaf)).collect();
    let n_in = |leaf: u32| (0..200).filter(|&c| leaf_of(c) < leaf).count() as u32;
    // Every cell is a node.
    let nodes = Nodes {
        starts: (0..=3).map(n_in).collect(),
        offset: order.iter().map(|&c| offset[c]).collect(),
        mass: vec![1.0; 200],
        covariates: [0, 200]
            .iter()
            .flat_map(|k| order.iter().map(|&c| covariates[k + c]).collect::<Vec<_>>())
            .collect(),
    };
    let segments = SEGMENTS.iter().map(|s| (s.0, s.1..s.2)).collect();
    let cells = CellArrays { n_leaves: 3, segments, rate: vec![1.0; 5], offset, covariates, n_covariates: 2, nodes };
    let mut y: Vec<Vec<f64>> =
        (0..3).map(|g| (0..200).map(|c| f64::from(((c * 7 + g) % 11 / 8) as u32)).collect()).collect();
    y[1][77] = 200_000.0;
    let mut counts = CountArrays::default();
    for gene in &y {
        counts.push(&cells, gene.iter().enumerate().filter(|(_, y)| **y > 0.0).map(|(c, y)| (c, *y as u32)));
    }
    Experiment { cells, counts, y, parameters: numbers(3 * 6) }
}

/// The CPU's definition, cell by cell.
fn cell_by_cell(e: &Experiment, gene: usize) -> CellGradient {
    let own = &e.parameters[gene * 6..(gene + 1) * 6];
    let leaf: Vec<usize> = SEGMENTS.iter().flat_map(|s| vec![s.0 as usize; s.2 - s.1]).collect();
    let w = |j: usize, c: usize| e.cells.covariates[j * 200 + c];
    let eta = |c: usize| own[leaf[c]] + e.cells.offset[c] + w(0, c) * own[3] + w(1, c) * own[4] + own[5];
    let eta: Vec<f64> = (0..200).map(eta).collect();
    let mut d_eta = vec![0.0; 200];
    let (value, d_log_phi) = negative_binomial(&e.y[gene], &[1.0; 200], &eta, own[5], &mut d_eta);
    let sum = |f: &dyn Fn(usize) -> f64| (0..200).map(|c| d_eta[c] * f(c)).sum::<f64>();
    CellGradient {
        value,
        d_log_phi,
        d_gamma: (0..2).map(|j| sum(&|c| w(j, c))).collect(),
        d_leaf: (0..3).map(|l| sum(&|c| f64::from(u8::from(leaf[c] == l)))).collect(),
    }
}

fn numbers_of(g: &CellGradient) -> Vec<f64> {
    [&[g.value, g.d_log_phi], &g.d_gamma[..], &g.d_leaf].concat()
}

/// Largest difference relative to the largest derivative: that of two large sums has the error of the sums.
fn difference(found: &[CellGradient], expected: &[CellGradient]) -> f64 {
    let of = |(found, expected): (&CellGradient, &CellGradient)| {
        let (found, expected) = (numbers_of(found), numbers_of(expected));
        let size = expected.iter().fold(1.0_f64, |m, x| m.max(x.abs()));
        found.iter().zip(&expected).map(|(f, e)| (f - e).abs() / size).fold(0.0, f64::max)
    };
    found.iter().zip(expected).map(of).fold(0.0, f64::max)
}

fn judge(what: &str, found: f64, limit: f64) -> Result<String, String> {
    let line = format!("{what}: {found:.1e} (at most {limit:.0e})");
    if found <= limit { Ok(line) } else { Err(line) }
}

fn whole(machine: &dyn Machine, precision: Precision) -> Result<String, String> {
    let e = experiment();
    let cells = Cells::new(machine, precision, &e.cells, &e.counts).map_err(|e| e.to_string())?;
    let found = cells.gradient(0..5, &e.parameters).map_err(|e| e.to_string())?;
    let expected: Vec<CellGradient> = (0..3).map(|gene| cell_by_cell(&e, gene)).collect();
    let limit = if precision == Precision::Single { 1e-5 } else { 1e-10 };
    judge(&format!("sparse counts, {}", precision.c_type()), difference(&found, &expected), limit)
}

/// Two batches at twice the rate have the mean of the whole: nodes are in both.
fn batches(machine: &dyn Machine, precision: Precision) -> Result<String, String> {
    let mut e = experiment();
    e.cells.rate = vec![2.0; 5];
    let cells = Cells::new(machine, precision, &e.cells, &e.counts).map_err(|e| e.to_string())?;
    let of = |segments| cells.gradient(segments, &e.parameters).map_err(|e| e.to_string());
    let mean = |(a, b): (CellGradient, CellGradient)| {
        let mean = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| 0.5 * (x + y)).collect();
        CellGradient {
            value: 0.5 * (a.value + b.value),
            d_log_phi: 0.5 * (a.d_log_phi + b.d_log_phi),
            d_gamma: mean(&a.d_gamma, &b.d_gamma),
            d_leaf: mean(&a.d_leaf, &b.d_leaf),
        }
    };
    let found: Vec<CellGradient> = of(0..2)?.into_iter().zip(of(2..5)?).map(mean).collect();
    let expected: Vec<CellGradient> = (0..3).map(|gene| cell_by_cell(&e, gene)).collect();
    let limit = if precision == Precision::Single { 1e-5 } else { 1e-10 };
    judge(&format!("batches of sparse counts, {}", precision.c_type()), difference(&found, &expected), limit)
}

/// All checks.
pub fn all(machine: &dyn Machine, precisions: &[Precision]) -> Vec<Result<String, String>> {
    precisions.iter().flat_map(|&p| [whole(machine, p), batches(machine, p)]).collect()
}
