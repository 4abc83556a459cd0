//! Rows that share design and offset as one row: a leaf.
//!
//! All rows of a leaf have one linear predictor. For counts with one shape (or none) the
//! log-likelihood is linear in the response but for `ln Gamma` terms, which do not depend on the
//! predictor: the weighted mean of the responses and the sum of the weights serve for all of them.
//! For Gaussian rows with one sd the sum of squares within the leaf is a constant more.

use crate::design::{Design, GroupTerm};
use ndarray::{Array2, Axis};
use std::collections::HashMap;

/// A design with one row per leaf.
#[derive(Debug)]
pub struct Leaves {
    /// Weighted mean responses, summed weights, and the design of each leaf.
    pub design: Design,
    /// Weighted sum of squares of the responses around their leaves' means.
    pub squares_within: f64,
}

/// Merges rows; `None` if no two are alike, or if the dispersion differs between rows.
pub fn merge(design: &Design) -> Option<Leaves> {
    if design.x_disp.ncols() > 0 || !design.se.is_empty() {
        return None;
    }
    let mut found: HashMap<Vec<u64>, usize> = HashMap::new();
    let mut first: Vec<usize> = vec![];
    let leaf_of = (0..design.n()).map(|row| {
        *found.entry(key(design, row)).or_insert_with(|| {
            first.push(row);
            first.len() - 1
        })
    });
    let leaf_of: Vec<usize> = leaf_of.collect();
    if first.len() == design.n() {
        return None;
    }
    let (mut weights, mut y) = (vec![0.0; first.len()], vec![0.0; first.len()]);
    for (row, &leaf) in leaf_of.iter().enumerate() {
        weights[leaf] += design.weights[row];
        // A running weighted mean loses no digits to a distant origin.
        if weights[leaf] > 0.0 {
            y[leaf] += (design.y[row] - y[leaf]) * design.weights[row] / weights[leaf];
        }
    }
    let within = leaf_of.iter().enumerate().map(|(row, &leaf)| design.weights[row] * (design.y[row] - y[leaf]).powi(2));
    let squares_within = within.sum();
    Some(Leaves { design: select(design, &first, y, weights), squares_within })
}

fn key(design: &Design, row: usize) -> Vec<u64> {
    let mut key = vec![design.offset[row].to_bits()];
    key.extend(design.x.row(row).iter().map(|v| v.to_bits()));
    for term in &design.terms {
        key.push(u64::from(term.codes[row]));
        if !term.is_intercept {
            key.extend(term.z.row(row).iter().map(|v| v.to_bits()));
        }
    }
    key
}

fn select(design: &Design, rows: &[usize], y: Vec<f64>, weights: Vec<f64>) -> Design {
    let term = |t: &GroupTerm| GroupTerm {
        codes: rows.iter().map(|&i| t.codes[i]).collect(),
        z: select_rows(&t.z, rows),
        ..*t
    };
    Design {
        y,
        offset: rows.iter().map(|&i| design.offset[i]).collect(),
        weights,
        se: vec![],
        x: select_rows(&design.x, rows),
        x_disp: select_rows(&design.x_disp, rows),
        terms: design.terms.iter().map(term).collect(),
    }
}

/// Rows of a column-major matrix, column-major again.
fn select_rows(m: &Array2<f64>, rows: &[usize]) -> Array2<f64> {
    let columns: Vec<f64> =
        m.axis_iter(Axis(1)).flat_map(|c| rows.iter().map(move |&i| c[i]).collect::<Vec<_>>()).collect();
    crate::design::matrix("x", columns, rows.len(), m.ncols()).expect("shape and values were checked")
}
