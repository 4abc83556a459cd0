//! The data of a model: response, offsets, design matrices and group codes, checked once.

mod latent;
mod precision;
mod values;

use crate::error::{Error, Result};
use crate::spec::{DispersionSpec, DispersionTermSpec, Family, InterceptSpec, ModelSpec};
pub use latent::{Latent, LatentSource, RawLatent};
pub use precision::{LevelPrecision, Rotation};
use std::sync::Arc;
pub use values::{Table, Values, matrix};
use values::{check_vector, column, select_rows};

/// Rows of a group-level term.
#[derive(Debug, Clone)]
pub struct GroupTerm {
    /// `[members * n]` levels of each row, from 0: those of the first member of all rows, of the second, ...
    pub codes: Vec<u32>,
    /// `[members * n, q]` values multiplied by the level's coefficients. No two members of a row have values of the same level.
    pub z: Table,
    /// Levels that a row belongs to, each with values of its own; one but for multiple membership.
    pub members: usize,
    /// Number of levels.
    pub n_levels: usize,
    /// Coefficients per level.
    pub q: usize,
    /// Whether `z` is one column of ones.
    pub is_intercept: bool,
    /// How levels are related; `None` if they are independent.
    pub precision: Option<Arc<LevelPrecision>>,
}

/// Everything a likelihood reads. One row per observation.
#[derive(Debug, Clone)]
pub struct Design {
    /// `[n]` response.
    pub y: Values,
    /// `[n]` known part of the linear predictor.
    pub offset: Values,
    /// `[n]` multipliers of the log-likelihood.
    pub weights: Values,
    /// `[n]` known standard errors, or empty.
    pub se: Values,
    /// `[n]` weighted squares around `y`, of Gaussian rows that stand for many; or empty.
    pub squares: Values,
    /// `[n, p]` population-level design.
    pub x: Table,
    /// `[n, p_disp]` design of the log dispersion, centred where its intercept is; no column if it is constant.
    pub x_disp: Table,
    /// Group-level terms in the order of the spec.
    pub terms: Vec<GroupTerm>,
    /// Inverse of the covariance of the rows' errors, up to `sigma^2`; `None` if they are independent.
    pub errors: Option<Arc<LevelPrecision>>,
    /// Predictors that are measured with error or missing, in the order of the spec.
    pub latents: Vec<Latent>,
}

/// Unchecked arrays of one group-level term.
pub struct RawTerm {
    /// `[members * n]` levels of each row, from 0.
    pub codes: Vec<i32>,
    /// `[members * n * q]`, column by column.
    pub z: Values,
    /// How levels are related, if they are.
    pub precision: Option<RawPrecision>,
}

/// Entries of the lower half of a matrix, from 0, and its log determinant.
pub struct RawPrecision {
    /// Their rows.
    pub rows: Vec<i32>,
    /// Their columns.
    pub columns: Vec<i32>,
    /// Their values.
    pub values: Vec<f64>,
    /// Of the whole.
    pub log_det: f64,
}

/// Unchecked arrays, column by column.
pub struct RawArrays {
    /// Response.
    pub y: Values,
    /// Known part of the linear predictor.
    pub offset: Values,
    /// Multipliers of the log-likelihood.
    pub weights: Values,
    /// Known standard errors or empty.
    pub se: Values,
    /// `[n * p]`.
    pub x: Values,
    /// `[n * p_disp]`.
    pub x_disp: Values,
    /// Group-level terms.
    pub terms: Vec<RawTerm>,
}

impl Design {
    /// # Errors
    /// [`Error::Spec`] if a shape does not fit the spec, a value is not finite, or a count is
    /// negative or not whole, naming the array and the first row.
    pub fn new(mut raw: RawArrays, spec: &ModelSpec) -> Result<Self> {
        let n = raw.y.len();
        if n == 0 {
            return Err(Error::Spec("the data have no rows".into()));
        }
        check_vector("se", &raw.se, if raw.se.is_empty() { 0 } else { n })?;
        let x = matrix("x", std::mem::take(&mut raw.x), n, spec.coefficients.len())?;
        let mut x_disp = matrix("x_disp", std::mem::take(&mut raw.x_disp), n, spec.n_dispersion_columns())?;
        check_intercept(spec.intercept.as_ref(), x.ncols())?;
        if let Some(intercept) = spec.dispersion.as_ref().and_then(DispersionSpec::intercept) {
            check_intercept(Some(intercept), spec.dispersion.as_ref().map_or(0, |d| d.names().len()))?;
            centre_columns(&mut x_disp, &intercept.centre);
        }
        if raw.terms.len() != spec.terms.len() {
            return Err(Error::Spec("one set of arrays per group-level term is needed".into()));
        }
        let terms = std::mem::take(&mut raw.terms).into_iter().zip(&spec.terms);
        let terms = terms.map(|(t, s)| GroupTerm::new(t, n, s.levels.len(), s.coefs.len())).collect::<Result<_>>()?;
        let RawArrays { y, offset, weights, se, .. } = raw;
        let design = Self {
            y,
            offset,
            weights,
            se,
            squares: Values::default(),
            x,
            x_disp,
            terms,
            errors: None,
            latents: vec![],
        };
        design.check_rows(spec.family)?;
        Ok(design)
    }

    /// # Errors
    /// As [`Design::new`] for response, offset and weights.
    pub fn check_rows(&self, family: Family) -> Result<()> {
        let n = self.n();
        check_vector("y", &self.y, n)?;
        check_vector("offset", &self.offset, n)?;
        check_vector("weights", &self.weights, n)?;
        if family == Family::Gaussian { Ok(()) } else { check_counts(&self.y) }
    }

    /// Gives the rows of a Gaussian model errors of a known covariance.
    ///
    /// # Errors
    /// [`Error::Spec`] if the matrix does not fit the rows, or these have weights, standard errors or a variance of their own.
    pub fn with_errors(mut self, raw: RawPrecision, family: Family) -> Result<Self> {
        let is_plain = self.se.is_empty() && self.x_disp.ncols() == 0 && self.weights.iter().all(|&w| w == 1.0);
        if family != Family::Gaussian || !is_plain {
            return Err(Error::Spec("a known covariance of the errors needs Gaussian rows of one variance".into()));
        }
        let RawPrecision { rows, columns, values, log_det } = raw;
        self.errors = Some(Arc::new(LevelPrecision::new(self.n(), &rows, &columns, &values, log_det)?));
        Ok(self)
    }

    /// Lets Gaussian rows stand for many: `squares` are their weighted squares around `y`, none if it is empty.
    ///
    /// # Errors
    /// [`Error::Spec`] if there is not one for each row, none negative, or the rows are no Gaussian ones.
    pub fn with_squares(mut self, squares: Values, family: Family) -> Result<Self> {
        if squares.is_empty() {
            return Ok(self);
        }
        check_vector("squares", &squares, self.n())?;
        if family != Family::Gaussian || squares.iter().any(|&s| s < 0.0) {
            return Err(Error::Spec("squares around responses must be positive, and of Gaussian rows".into()));
        }
        self.squares = squares;
        Ok(self)
    }

    /// Whether levels of some term, or errors of rows, are related, by what is known or by rows that belong to several.
    pub fn has_relations(&self) -> bool {
        self.errors.is_some() || self.terms.iter().any(|t| t.precision.is_some() || t.members > 1)
    }

    /// Number of rows.
    pub fn n(&self) -> usize {
        self.y.len()
    }

    /// Column `j` of `x`.
    pub fn x_column(&self, j: usize) -> &[f64] {
        column(&self.x, j)
    }

    /// Column `j` of `x_disp`.
    pub fn x_disp_column(&self, j: usize) -> &[f64] {
        column(&self.x_disp, j)
    }

    /// Rows in the order given, each as often as it is named; their errors are independent, and no predictor is measured with
    /// error.
    pub fn select(&self, rows: &[usize]) -> Self {
        let pick = |values: &[f64]| -> Values { rows.iter().filter_map(|&i| values.get(i).copied()).collect() };
        let term = |t: &GroupTerm| {
            let entries: Vec<usize> = (0..t.members).flat_map(|m| rows.iter().map(move |&i| t.entry(m, i))).collect();
            GroupTerm {
                codes: entries.iter().map(|&e| t.codes[e]).collect(),
                z: select_rows(&t.z, &entries),
                precision: t.precision.clone(),
                ..*t
            }
        };
        Self {
            y: pick(&self.y),
            offset: pick(&self.offset),
            weights: pick(&self.weights),
            se: pick(&self.se),
            squares: pick(&self.squares),
            x: select_rows(&self.x, rows),
            x_disp: select_rows(&self.x_disp, rows),
            terms: self.terms.iter().map(term).collect(),
            errors: None,
            latents: vec![],
        }
    }
}

impl GroupTerm {
    fn new(raw: RawTerm, n: usize, n_levels: usize, q: usize) -> Result<Self> {
        let members = raw.codes.len() / n;
        if members == 0 || raw.codes.len() != n * members || n_levels == 0 || q == 0 {
            return Err(Error::Spec("a group-level term has the wrong number of codes, levels or coefficients".into()));
        }
        if raw.codes.iter().any(|&c| c < 0 || c as usize >= n_levels) {
            return Err(Error::Spec("a group code is outside the levels of its factor".into()));
        }
        let codes: Vec<u32> = raw.codes.into_iter().map(|c| c as u32).collect();
        let mut z = matrix("z", raw.z, n * members, q)?;
        merge_members(n, &codes, &mut z);
        let is_intercept = q == 1 && z.iter().all(|&v| v == 1.0);
        let precision = raw.precision.map(|p| LevelPrecision::new(n_levels, &p.rows, &p.columns, &p.values, p.log_det));
        let precision = precision.transpose()?.map(Arc::new);
        Ok(Self { codes, z, members, n_levels, q, is_intercept, precision })
    }

    /// Place of a row's `member` in `codes`, and its row of `z`.
    pub fn entry(&self, member: usize, row: usize) -> usize {
        member * (self.codes.len() / self.members) + row
    }

    /// Those of all its members.
    pub fn entries(&self, row: usize) -> impl Iterator<Item = usize> {
        let n = self.codes.len() / self.members;
        (0..self.members).map(move |member| member * n + row)
    }

    /// Column `c` of `z`.
    pub fn z_column(&self, c: usize) -> &[f64] {
        column(&self.z, c)
    }
}

/// Gives the values of members of a row that are the same level to the first of them.
fn merge_members(n: usize, codes: &[u32], z: &mut Table) {
    for entry in n..codes.len() {
        let Some(first) = (entry % n..entry).step_by(n).find(|&e| codes[e] == codes[entry]) else { continue };
        for c in 0..z.ncols() {
            z[(first, c)] += std::mem::take(&mut z[(entry, c)]);
        }
    }
}

impl ModelSpec {
    /// Columns of `x_disp` this spec asks for.
    pub fn n_dispersion_columns(&self) -> usize {
        match &self.dispersion {
            Some(DispersionSpec::Regression { names, terms, .. }) => {
                names.len() + terms.iter().map(DispersionTermSpec::n_effects).sum::<usize>()
            }
            _ => 0,
        }
    }
}

/// Checks compressed columns of counts: the starts of their values, and the rows of these among `n`, each of which is
/// a `row`.
///
/// # Errors
/// [`Error::Spec`] if starts or rows do not fit.
pub fn check_columns(starts: &[i32], rows: &[i32], values: &[f64], n: usize, row: &str) -> Result<()> {
    let fits = starts.is_sorted() && starts.first() == Some(&0) && rows.len() == values.len();
    if !fits || starts.last().is_none_or(|&end| end as usize != values.len()) {
        return Err(Error::Spec("the counts' columns do not fit their values".into()));
    }
    match rows.iter().find(|&&r| r < 0 || r as usize >= n) {
        Some(bad) => Err(Error::Spec(format!("the counts have {row} {bad}, and there are {n}"))),
        None => Ok(()),
    }
}

fn check_intercept(intercept: Option<&InterceptSpec>, p: usize) -> Result<()> {
    let fits = |i: &InterceptSpec| i.column < p && i.centre.len() == p;
    if intercept.is_none_or(fits) {
        Ok(())
    } else {
        Err(Error::Spec("an intercept's centre does not fit its design".into()))
    }
}

fn centre_columns(x: &mut Table, centre: &[f64]) {
    x.columns_mut().into_iter().zip(centre).for_each(|(mut column, c)| column -= *c);
}

fn check_counts(y: &[f64]) -> Result<()> {
    match y.iter().position(|&v| v < 0.0 || v.fract() != 0.0 || v > 9_007_199_254_740_992.0) {
        Some(i) => Err(Error::Spec(format!("the response is not a count at row {}: {}", i + 1, y[i]))),
        None => Ok(()),
    }
}
