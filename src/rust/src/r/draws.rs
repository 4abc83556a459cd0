//! Draws of chains as arrays of R.

use crate::error::{Error, Result};
use extendr_api::prelude::*;

/// Iterations that are turned at a time, so that what is read stays in the processor's cache.
const BLOCK: usize = 256;

/// A `draws_array` of posterior. It gets its class here, since R would copy it to set that.
///
/// # Errors
/// As [`array`].
pub fn draws_array(chains: &[&[f64]], names: &[String], n_iterations: usize) -> Result<Robj> {
    let mut draws = array(chains, names, n_iterations)?;
    let _ = draws.set_attrib("class", ["draws_array", "draws", "array"]);
    Ok(draws)
}

/// Iteration x chain x variable, of the first `n_iterations` of each chain, which holds them draw by draw.
///
/// # Errors
/// [`Error::Spec`] where there is no memory for it.
pub fn array(chains: &[&[f64]], names: &[String], n_iterations: usize) -> Result<Robj> {
    let (n_chains, n_variables) = (chains.len(), names.len());
    let n = n_iterations * n_chains * n_variables;
    let mut array = memory(n)?;
    let out = array.as_real_slice_mut().unwrap_or_default();
    for (c, values) in chains.iter().enumerate() {
        let blocks = values[..n_iterations * n_variables].chunks(BLOCK * n_variables);
        for (b, block) in blocks.enumerate() {
            for v in 0..n_variables {
                let first = (v * n_chains + c) * n_iterations + b * BLOCK;
                let column = block[v..].iter().step_by(n_variables);
                out[first..].iter_mut().zip(column).for_each(|(to, from)| *to = *from);
            }
        }
    }
    let dimnames = list!(iteration = numbers(n_iterations)?, chain = numbers(n_chains)?, variable = names.to_vec());
    // The attributes fit by construction; extendr aborts on one that does not.
    let dim = [n_iterations as i32, n_chains as i32, n_variables as i32];
    let _ = array.set_attrib("dim", dim);
    let _ = array.set_attrib("dimnames", dimnames);
    Ok(array)
}

/// Memory of R for `n` numbers, so that draws are not copied.
///
/// # Errors
/// [`Error::Spec`] where there is none.
pub fn memory(n: usize) -> Result<Robj> {
    // R raises an error that would jump over this code, so it is asked for what there is alone.
    let room = Vec::<f64>::new().try_reserve_exact(n);
    room.map_err(|_| Error::Spec(format!("there is no memory for {n} numbers, the draws")))?;
    Ok(Doubles::new(n).into())
}

/// "1" to `n`, of which R makes texts when they are looked at: a million of them take longer than their draws.
fn numbers(n: usize) -> Result<Robj> {
    let whole: Vec<i32> = (1..=n as i32).collect();
    call!("as.character", whole).map_err(|e| Error::Spec(e.to_string()))
}
