//! Numbers of a design: borrowed from who handed them over, as long as nobody changes them.

use crate::error::{Error, Result};
use ndarray::{Array2, ArrayView2, CowArray, Ix2, ShapeBuilder};
use std::borrow::Cow;

/// A column of numbers. R's own are borrowed, so that large data are in memory once.
pub type Values = Cow<'static, [f64]>;

/// A column-major matrix, borrowed likewise.
pub type Table = CowArray<'static, f64, Ix2>;

/// A column-major matrix, without negative zeros.
///
/// # Errors
/// [`Error::Spec`] if there are not `n * p` finite values.
pub fn matrix(name: &str, mut values: Values, n: usize, p: usize) -> Result<Table> {
    check_vector(name, &values, n * p)?;
    // Rows are told apart by their bits in one place and by their values in another: there is one zero.
    if values.iter().any(|x| *x == 0.0 && x.is_sign_negative()) {
        values.to_mut().iter_mut().for_each(|x| *x += 0.0);
    }
    let table = match values {
        Cow::Borrowed(values) => ArrayView2::from_shape((n, p).f(), values).map(Table::from),
        Cow::Owned(values) => Array2::from_shape_vec((n, p).f(), values).map(Table::from),
    };
    table.map_err(|e| Error::Spec(format!("{name}: {e}")))
}

/// Rows of a column-major matrix, column-major again.
pub fn select_rows(m: &Table, rows: &[usize]) -> Table {
    let columns = (0..m.ncols()).flat_map(|j| {
        let column = column(m, j);
        rows.iter().map(move |&i| column[i])
    });
    let values = columns.collect();
    Table::from(Array2::from_shape_vec((rows.len(), m.ncols()).f(), values).expect("one value per row and column"))
}

/// Column `j` of a matrix.
pub fn column(m: &Table, j: usize) -> &[f64] {
    // Matrices here are stored by columns (see `matrix`), so a column is contiguous.
    m.column(j).to_slice().expect("column-major by construction")
}

/// # Errors
/// [`Error::Spec`] if there are not `len` finite values.
pub fn check_vector(name: &str, values: &[f64], len: usize) -> Result<()> {
    if values.len() != len {
        return Err(Error::Spec(format!("array '{name}' has {} values where {len} are needed", values.len())));
    }
    match values.iter().position(|v| !v.is_finite()) {
        Some(i) => Err(Error::Spec(format!("array '{name}' has a value that is not finite at position {}", i + 1))),
        None => Ok(()),
    }
}
