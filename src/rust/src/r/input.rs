//! What R hands over, in the types of the core.

use crate::design::{RawArrays, RawLatent, RawPrecision, RawTerm, Values};
use crate::error::{Error, Result};
use extendr_api::prelude::*;
use std::slice::from_raw_parts;

pub(super) fn text<'a>(name: &str, value: &'a Robj) -> Result<&'a str> {
    value.as_str().ok_or_else(|| Error::Spec(format!("'{name}' must be one string")))
}

pub(super) fn reals(name: &str, value: &Robj) -> Result<Vec<f64>> {
    value.as_real_vector().ok_or_else(|| Error::Spec(format!("'{name}' must be a double vector")))
}

/// R's own numbers. They must be part of an argument of the call from R that is going on, and nothing made of them may outlive it.
fn borrowed(name: &str, value: &Robj) -> Result<Values> {
    let numbers = value.as_real_slice().ok_or_else(|| Error::Spec(format!("'{name}' must be a double vector")))?;
    // SAFETY: R keeps the arguments of a call until it returns, and neither moves vectors nor lets others change them meanwhile.
    Ok(Values::Borrowed(unsafe { from_raw_parts(numbers.as_ptr(), numbers.len()) }))
}

pub(super) fn integers(name: &str, value: &Robj) -> Result<Vec<i32>> {
    value.as_integer_vector().ok_or_else(|| Error::Spec(format!("'{name}' must be an integer vector")))
}

pub(super) fn real(name: &str, value: &Robj) -> Result<f64> {
    value.as_real().ok_or_else(|| Error::Spec(format!("'{name}' must be one number")))
}

/// One integer, at least 1: a number of threads.
pub(super) fn at_least_one(name: &str, value: &Robj) -> Result<usize> {
    match value.as_integer() {
        Some(n) if n >= 1 => Ok(n as usize),
        _ => Err(Error::Spec(format!("'{name}' must be one integer, 1 at least"))),
    }
}

/// Integers of which none is negative.
pub(super) fn unsigned(name: &str, value: &Robj) -> Result<Vec<u32>> {
    let values = integers(name, value)?;
    match values.iter().find(|&&v| v < 0) {
        Some(bad) => Err(Error::Spec(format!("'{name}' must not be negative, and has {bad}"))),
        None => Ok(values.into_iter().map(|v| v as u32).collect()),
    }
}

fn find(list: &List, name: &str) -> Option<Robj> {
    list.iter().find(|(n, _)| *n == name).map(|(_, v)| v)
}

pub(super) fn field(list: &List, name: &str) -> Result<Robj> {
    find(list, name).ok_or_else(|| Error::Spec(format!("array '{name}' is missing")))
}

pub(super) fn as_list(name: &str, value: &Robj) -> Result<List> {
    value.as_list().ok_or_else(|| Error::Spec(format!("'{name}' must be a list")))
}

pub(super) fn raw_arrays(arrays: &Robj) -> Result<RawArrays> {
    let list = as_list("arrays", arrays)?;
    let real = |name: &str| borrowed(name, &field(&list, name)?);
    let terms = as_list("terms", &field(&list, "terms")?)?;
    Ok(RawArrays {
        y: real("y")?,
        offset: real("offset")?,
        weights: real("weights")?,
        se: real("se")?,
        x: real("x")?,
        x_disp: real("x_disp")?,
        terms: terms.iter().map(|(_, t)| raw_term(&t)).collect::<Result<_>>()?,
    })
}

/// Squares around responses that stand for many, if they do.
pub(super) fn squares(arrays: &Robj) -> Result<Values> {
    let found = find(&as_list("arrays", arrays)?, "squares").filter(|s| !s.is_null());
    found.map_or(Ok(Values::default()), |s| borrowed("squares", &s))
}

/// The precision of the rows' errors, if they are related.
pub(super) fn errors(arrays: &Robj) -> Result<Option<RawPrecision>> {
    precision_in(&as_list("arrays", arrays)?, "errors")
}

/// Predictors measured with error or missing, if there are some.
pub(super) fn latents(arrays: &Robj) -> Result<Vec<RawLatent>> {
    let Some(latents) = find(&as_list("arrays", arrays)?, "latents").filter(|l| !l.is_null()) else {
        return Ok(vec![]);
    };
    let latents = as_list("latents", &latents)?;
    let one = |latent: Robj| {
        let list = as_list("latents", &latent)?;
        let real = |name: &str| reals(name, &field(&list, name)?);
        let whole = |name: &str| integers(name, &field(&list, name)?);
        let rows = if find(&list, "rows").is_some() { Some([whole("rows")?, whole("sources")?]) } else { None };
        Ok(RawLatent {
            observed: real("observed")?,
            error: real("error")?,
            expected: real("expected")?,
            loadings: real("loadings")?,
            fixed: real("fixed")?,
            rows,
        })
    };
    latents.iter().map(|(_, latent)| one(latent)).collect()
}

fn precision_in(list: &List, name: &str) -> Result<Option<RawPrecision>> {
    find(list, name).filter(|p| !p.is_null()).map(|p| raw_precision(&p)).transpose()
}

fn raw_term(term: &Robj) -> Result<RawTerm> {
    let list = as_list("terms", term)?;
    let precision = precision_in(&list, "precision")?;
    // Numbers of levels, from 1.
    let codes = integers("codes", &field(&list, "codes")?)?.into_iter().map(|code| code.saturating_sub(1)).collect();
    Ok(RawTerm { codes, z: borrowed("z", &field(&list, "z")?)?, precision })
}

fn raw_precision(precision: &Robj) -> Result<RawPrecision> {
    let list = as_list("precision", precision)?;
    Ok(RawPrecision {
        rows: integers("rows", &field(&list, "rows")?)?,
        columns: integers("columns", &field(&list, "columns")?)?,
        values: reals("values", &field(&list, "values")?)?,
        log_det: real("log_det", &field(&list, "log_det")?)?,
    })
}
