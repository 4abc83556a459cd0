//! Known relations between the levels of a term (relatives, species, neighbours), or between the errors of rows.

use crate::error::{Error, Result};
use faer::{Mat, Side};
use std::sync::OnceLock;

/// Share of the entries from which a precision is dense, and levels up to which its eigenvectors are worth their memory.
const DENSE: f64 = 0.5;
const MOST_TURNED: usize = 1_500;

/// `s_c ~ N(0, Q^-1)` for the effects `c` of all levels, or for the errors of all rows, in the place of independent ones.
#[derive(Debug, Clone, PartialEq)]
pub struct LevelPrecision {
    /// Row, column and value of the entries of `Q` on and below its diagonal.
    pub entries: Vec<(u32, u32, f64)>,
    /// Log determinant of `Q`.
    pub log_det: f64,
    rotation: OnceLock<Option<Rotation>>,
}

/// `F` with `Q^-1 = F F'`, of the eigenvectors of `Q` over the roots of its eigenvalues.
#[derive(Debug, Clone, PartialEq)]
pub struct Rotation {
    /// `F`, row by row.
    pub rows: Vec<f64>,
    /// `F`, column by column.
    pub columns: Vec<f64>,
}

impl LevelPrecision {
    /// From entries of the lower half, numbered from 0.
    ///
    /// # Errors
    /// [`Error::Spec`] for entries outside of the lower half or not finite, and for a diagonal that is not positive throughout.
    pub fn new(n: usize, rows: &[i32], columns: &[i32], values: &[f64], log_det: f64) -> Result<Self> {
        let wrong =
            || Error::Spec("a known precision is not the lower half of a matrix of the size that is needed".into());
        if rows.len() != values.len() || columns.len() != values.len() || !log_det.is_finite() {
            return Err(wrong());
        }
        let mut diagonal = vec![0.0; n];
        let mut entries = Vec::with_capacity(values.len());
        for ((&i, &j), &x) in rows.iter().zip(columns).zip(values) {
            if j < 0 || j > i || i as usize >= n || !x.is_finite() {
                return Err(wrong());
            }
            if i == j {
                diagonal[i as usize] += x;
            }
            entries.push((i as u32, j as u32, x));
        }
        if diagonal.iter().all(|&d| d > 0.0) {
            Ok(Self { entries, log_det, rotation: OnceLock::new() })
        } else {
            Err(wrong())
        }
    }

    /// Diagonal of `Q`.
    pub fn diagonal(&self, n: usize) -> Vec<f64> {
        let mut out = vec![0.0; n];
        self.entries.iter().filter(|(i, j, _)| i == j).for_each(|&(i, _, x)| out[i as usize] += x);
        out
    }

    /// Whether most pairs of `n` levels are related.
    pub fn is_dense(&self, n: usize) -> bool {
        n <= MOST_TURNED && self.entries.len() as f64 >= DENSE * (n * (n + 1) / 2) as f64
    }

    /// Of a dense precision of `n` levels that is positive definite; found once.
    pub fn rotation(&self, n: usize) -> Option<&Rotation> {
        self.rotation.get_or_init(|| if self.is_dense(n) { self.find_rotation(n) } else { None }).as_ref()
    }

    fn find_rotation(&self, n: usize) -> Option<Rotation> {
        let mut q = Mat::<f64>::zeros(n, n);
        self.entries.iter().for_each(|&(i, j, x)| q[(i as usize, j as usize)] += x);
        let eigen = q.self_adjoint_eigen(Side::Lower).ok()?;
        let (vectors, values) = (eigen.U(), eigen.S().column_vector());
        let of = |i: usize, j: usize| vectors[(i, j)] / values[j].sqrt();
        let rows: Vec<f64> = (0..n * n).map(|at| of(at / n, at % n)).collect();
        let columns = (0..n * n).map(|at| of(at % n, at / n)).collect();
        rows.iter().all(|f| f.is_finite()).then_some(Rotation { rows, columns })
    }

    /// `out <- (Q (x) I) s`, `q` effects of each level, level by level.
    pub fn times(&self, q: usize, s: &[f64], out: &mut [f64]) {
        out.fill(0.0);
        for &(i, j, x) in &self.entries {
            let (i, j) = (i as usize * q, j as usize * q);
            for c in 0..q {
                out[i + c] += x * s[j + c];
                if i != j {
                    out[j + c] += x * s[i + c];
                }
            }
        }
    }
}
