//! Compressed single cells against the cells one by one, by the likelihood that a gene's fit uses: value and gradient, from
//! leaves of one cell to leaves of hundreds with empty droplets among them.
//!
//! `cargo test --release --no-default-features --test cells -- --nocapture` prints the errors.

mod common;

use common::leaves::{Cells, allowed, evaluate, spec};
use twill::cells::{CellColumns, compress};
use twill::compress::cells::{self, TOLERANCE};
use twill::compress::statistics::CellStatistics;
use twill::design::{Design, RawArrays, RawTerm};
use twill::likelihood::Likelihood;
use twill::spec::Family::NegBinomial;

/// Cells of one gene in each leaf.
const SIZES: [(&str, &[usize]); 5] =
    [("1", &[1; 6]), ("2", &[2; 6]), ("5", &[5; 6]), ("500", &[500; 6]), ("1, 2, 5, 500", &[1, 2, 5, 500])];
/// Factors between the greatest and the least capture.
const SPREADS: [f64; 4] = [2.0, 36.0, 1e3, 1e4];
const LOG_MEANS: [f64; 5] = [-7.0, -3.0, 0.0, 3.0, 6.0];
const LOG_SHAPES: [f64; 4] = [-3.0, 0.0, 2.0, 7.0];
/// Moves of the levels and of the log shape away from the truth.
const MOVES: [(f64, f64); 5] = [(0.0, 0.0), (0.3, 0.5), (-0.3, -0.5), (3.0, 3.0), (-3.0, -3.0)];

/// Largest errors near the truth and anywhere; the largest of any over its bound; rows per leaf.
#[derive(Default)]
struct Errors {
    near: [f64; 3],
    far: [f64; 3],
    over_bound: f64,
    rows: f64,
}

/// A gene's rows as its fit has them.
fn compressed(design: &Design, n_leaves: usize) -> (Likelihood, Design) {
    let leaf: Vec<u32> = design.terms[0].codes.clone();
    let cells = cells::Cells { leaf, log_capture: design.offset.to_vec(), sd: vec![], n_leaves };
    let rows: Vec<i32> = (0..design.n() as i32).filter(|&i| design.y[i as usize] > 0.0).collect();
    let values: Vec<f64> = rows.iter().map(|&i| design.y[i as usize]).collect();
    let starts = [0, rows.len() as i32];
    let kept = compress(&cells, CellColumns::new(&starts, &rows, &values, design.n()).unwrap(), 1, |_| true).unwrap();
    let starts = |s: &[i32]| s.iter().map(|&s| s as usize).collect::<Vec<usize>>();
    // The rule serves genes with far more counts, and is shortened for this one.
    let (rule, own) = (cells.rule(1e4 * (1.0 + values.iter().sum::<f64>())), starts(&kept.node_starts));
    let statistics = CellStatistics::new(rule, own, kept.nodes, starts(&kept.histogram_starts), kept.histogram);
    let (counts, rows) = statistics.rows_of(0, &of_leaves(n_leaves), NegBinomial);
    Likelihood::new(&counts, &spec(NegBinomial, n_leaves)).with_rows(rows)
}

/// One row per leaf.
fn of_leaves(n: usize) -> Design {
    let terms = vec![RawTerm { codes: (0..n as i32).collect(), z: vec![1.0; n].into(), precision: None }];
    let zeros = vec![0.0; n];
    let (y, offset, ones) = (zeros.clone(), zeros, vec![1.0; n]);
    let raw = RawArrays {
        y: y.into(),
        offset: offset.into(),
        weights: ones.clone().into(),
        se: vec![].into(),
        x: ones.into(),
        x_disp: vec![].into(),
        terms,
    };
    Design::new(raw, &spec(NegBinomial, n)).unwrap()
}

/// Errors of the value, of the derivatives in the levels, and of that in the log shape, with their bound.
fn errors(design: &Design, cells: &Cells, (shift, ratio): (f64, f64)) -> ([f64; 3], f64, usize) {
    let rows = Likelihood::new(design, &spec(NegBinomial, cells.n_levels()));
    let (fewer, design_c) = compressed(design, cells.n_levels());
    let levels: Vec<f64> = (0..cells.n_levels()).map(|l| cells.log_mean + shift * (1.0 - 0.4 * l as f64)).collect();
    let log_phi = cells.log_phi + ratio;
    let (value, d_levels, d_phi) = evaluate(&rows, design, &levels, log_phi);
    let (value_c, d_levels_c, d_phi_c) = evaluate(&fewer, &design_c, &levels, log_phi);
    let level = d_levels.iter().zip(&d_levels_c).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    let found = [(value - value_c).abs(), level, (d_phi - d_phi_c).abs()];
    (found, allowed(TOLERANCE, design, &levels, log_phi), design_c.n())
}

/// Over means, shapes and positions.
fn grid(sizes: &[usize], spread: f64, droplets: bool) -> Errors {
    let mut out = Errors::default();
    for (log_mean, log_phi) in LOG_MEANS.iter().flat_map(|m| LOG_SHAPES.iter().map(move |s| (*m, *s))) {
        let cells = Cells { sizes: sizes.to_vec(), spread, log_mean, log_phi, weighted: false, seed: 7 };
        let mut design = cells.design(NegBinomial);
        if droplets {
            empty_droplets(&mut design);
        }
        for at in MOVES {
            let (found, bound, rows) = errors(&design, &cells, at);
            // The bound of the derivative in the log shape is twice that of the others.
            let over = found[0].max(found[1]).max(0.5 * found[2]) / bound;
            assert!(over <= 1.0, "{cells:?} at {at:?}: {found:?}, bound {bound}");
            let kind = if at.0.abs() < 1.0 { &mut out.near } else { &mut out.far };
            kind.iter_mut().zip(found).for_each(|(largest, e)| *largest = largest.max(e));
            out.over_bound = out.over_bound.max(over);
            out.rows = out.rows.max(rows as f64 / sizes.len() as f64);
        }
    }
    out
}

/// Every third cell a droplet without counts, of a thousandth of the capture.
fn empty_droplets(design: &mut Design) {
    for i in (0..design.n()).step_by(3) {
        design.offset.to_mut()[i] -= 1e3f64.ln();
        design.y.to_mut()[i] = 0.0;
    }
}

fn print_row(name: &str, spread: f64, e: &Errors) {
    let [value, level, shape] = e.near;
    let far = e.far.iter().fold(0.0f64, |a, b| a.max(*b));
    println!(
        "| {name} | {spread} | {:.0} | {value:.0e} | {level:.0e} | {shape:.0e} | {far:.0e} | {:.0e} |",
        e.rows, e.over_bound
    );
}

#[test]
fn compressed_cells_are_within_the_bound() {
    println!("| cells per leaf | spread | rows per leaf | value | d level | d log shape | far away | over bound |");
    println!("|---|---|---|---|---|---|---|---|");
    for (name, sizes) in SIZES {
        for spread in SPREADS {
            print_row(name, spread, &grid(sizes, spread, false));
        }
    }
    print_row("500, droplets", 36.0, &grid(&[500; 6], 36.0, true));
    print_row("1, 2, 5, 500, droplets", 36.0, &grid(&[1, 2, 5, 500], 36.0, true));
}
