//! The dispersion of each row: one for all, one per group of rows, or a regression row by row.

use crate::compress::groups::DispersionGroup;
use crate::design::Design;
use crate::rising::Rising;
use std::ops::Range;

/// How rows have their dispersion.
#[derive(Debug, Clone)]
pub enum Dispersion {
    /// Columns of the dispersion's design, one after the other, of this length.
    Rows {
        /// `[n * p]`.
        columns: Vec<f64>,
        /// `n`.
        n: usize,
    },
    /// Consecutive rows that share theirs.
    Groups(Vec<DispersionGroup>),
}

impl Dispersion {
    /// Of all rows of a design; `n_parameters` is 0 if none is sampled. `rising` is that of all rows.
    pub fn new(design: &Design, n_parameters: usize, rising: Rising) -> Self {
        let n = design.n();
        if design.x_disp.ncols() == 0 {
            return Self::Groups(vec![DispersionGroup { x: vec![1.0; n_parameters], end: n, rising }]);
        }
        Self::Rows { columns: (0..design.x_disp.ncols()).flat_map(|c| design.x_disp_column(c).to_vec()).collect(), n }
    }

    /// Of some rows, ascending; without sums over counts.
    pub fn select(&self, rows: &[usize]) -> Self {
        match self {
            Self::Rows { columns, n } => {
                let columns = columns.chunks_exact(*n).flat_map(|column| rows.iter().map(|&i| column[i]));
                Self::Rows { columns: columns.collect(), n: rows.len() }
            }
            Self::Groups(groups) => {
                let end = |group: &DispersionGroup| rows.partition_point(|&i| i < group.end);
                let group =
                    |g: &DispersionGroup| DispersionGroup { x: g.x.clone(), end: end(g), rising: Rising::default() };
                Self::Groups(groups.iter().map(group).collect())
            }
        }
    }

    /// Log dispersions of `rows`.
    pub fn fill(&self, rows: Range<usize>, coefficients: &[f64], out: &mut [f64]) {
        match self {
            Self::Rows { columns, n } => {
                out.fill(0.0);
                for (column, b) in columns.chunks_exact(*n).zip(coefficients) {
                    out.iter_mut().zip(&column[rows.clone()]).for_each(|(out, x)| *out += x * b);
                }
            }
            Self::Groups(groups) => {
                for (group, part) in parts(groups, rows.clone()) {
                    out[part.start - rows.start..part.end - rows.start].fill(group.log_dispersion(coefficients));
                }
            }
        }
    }

    /// Adds derivatives in the log dispersions of `rows` to those in the coefficients.
    pub fn pull_back(&self, rows: Range<usize>, d: &[f64], d_coefficients: &mut [f64]) {
        match self {
            Self::Rows { columns, n } => {
                for (column, out) in columns.chunks_exact(*n).zip(d_coefficients) {
                    *out += column[rows.clone()].iter().zip(d).map(|(x, d)| x * d).sum::<f64>();
                }
            }
            Self::Groups(groups) => {
                for (group, part) in parts(groups, rows.clone()) {
                    let sum = d[part.start - rows.start..part.end - rows.start].iter().sum();
                    group.add(sum, d_coefficients);
                }
            }
        }
    }
}

impl DispersionGroup {
    /// Its log dispersion; 0 where there is none.
    pub fn log_dispersion(&self, coefficients: &[f64]) -> f64 {
        self.x.iter().zip(coefficients).map(|(x, b)| x * b).sum()
    }

    /// Adds a derivative in its log dispersion to those in the coefficients.
    pub fn add(&self, d: f64, d_coefficients: &mut [f64]) {
        d_coefficients.iter_mut().zip(&self.x).for_each(|(out, x)| *out += x * d);
    }
}

/// The groups that have some of `rows`, with the rows that they have of them.
pub fn parts(groups: &[DispersionGroup], rows: Range<usize>) -> impl Iterator<Item = (&DispersionGroup, Range<usize>)> {
    let first = groups.partition_point(|g| g.end <= rows.start);
    let mut start = rows.start;
    groups[first..].iter().map_while(move |group| {
        let part = start..group.end.min(rows.end);
        start = part.end;
        (part.start < part.end).then_some((group, part))
    })
}

/// The groups' rows of the dispersion's design for each of `rows`, column by column.
pub fn columns_of(groups: &[DispersionGroup], rows: Range<usize>) -> Vec<f64> {
    let n_columns = groups.first().map_or(0, |g| g.x.len());
    let column =
        |c: usize| parts(groups, rows.clone()).flat_map(move |(g, part)| std::iter::repeat_n(g.x[c], part.len()));
    (0..n_columns).flat_map(column).collect()
}
