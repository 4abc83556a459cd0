//! Rows of one model in plain arrays, as a device takes them.

use crate::spec::Family;

/// A term of the linear predictor: a level's coefficients times columns.
#[derive(Debug, Clone, Default)]
pub struct TermArrays {
    /// Levels.
    pub n_levels: usize,
    /// Coefficients per level.
    pub q: usize,
    /// `[n]`.
    pub codes: Vec<u32>,
    /// `[q][n]`; empty for one column of ones.
    pub z: Vec<f64>,
}

/// Rows in plain arrays. Those that may be missing are empty.
#[derive(Debug, Clone)]
pub struct RowArrays {
    /// Response distribution.
    pub family: Family,
    /// Whether a Gaussian's sd is a parameter.
    pub is_sampled: bool,
    /// Log dispersions, or their coefficients.
    pub n_dispersion: usize,
    /// `[n]` linear predictor at the reference from which parameters are counted.
    pub offset: Vec<f64>,
    /// `[n]` weighted counts; of a Gaussian, the responses less the linear predictor at the reference.
    pub totals: Vec<f64>,
    /// `[n]`.
    pub weights: Vec<f64>,
    /// `[n]` counts of rows that have each their own dispersion, with their terms in `ln Gamma`.
    pub counts: Vec<f64>,
    /// `[n]` weighted squares around the responses.
    pub squares: Vec<f64>,
    /// `[n]` squared known standard errors.
    pub se2: Vec<f64>,
    /// `[columns][n]`.
    pub x: Vec<f64>,
    /// `[columns][n]` of the log dispersion; none if all rows share it.
    pub w: Vec<f64>,
    /// Terms.
    pub terms: Vec<TermArrays>,
}

impl RowArrays {
    /// Number of rows.
    pub fn n(&self) -> usize {
        self.offset.len()
    }

    /// Number of parameters: coefficients, effects, log dispersions.
    pub fn n_parameters(&self) -> usize {
        self.n_columns()[0] + self.n_effects() + self.n_dispersion
    }

    /// Effects of all terms.
    pub fn n_effects(&self) -> usize {
        self.terms.iter().map(|t| t.n_levels * t.q).sum()
    }

    /// Columns of `x` and of `w`.
    pub fn n_columns(&self) -> [usize; 2] {
        [&self.x, &self.w].map(|columns| columns.len() / self.n().max(1))
    }

    /// Arrays of the rows `first..end`.
    pub(super) fn part(&self, first: usize, end: usize) -> Self {
        let n = self.n();
        let rows = |v: &Vec<f64>| v.get(first..end).map_or(vec![], <[f64]>::to_vec);
        let columns = |v: &Vec<f64>| v.chunks_exact(n).flat_map(|column| column[first..end].to_vec()).collect();
        let term = |t: &TermArrays| TermArrays { codes: t.codes[first..end].to_vec(), z: columns(&t.z), ..*t };
        Self {
            offset: rows(&self.offset),
            totals: rows(&self.totals),
            weights: rows(&self.weights),
            counts: rows(&self.counts),
            squares: rows(&self.squares),
            se2: rows(&self.se2),
            x: columns(&self.x),
            w: columns(&self.w),
            terms: self.terms.iter().map(term).collect(),
            ..*self
        }
    }
}
