//! The boundary with R for the convergence of draws.

use super::{guarded, integers, reals};
use crate::diagnostics::Diagnostics;
use crate::error::{Error, Result};
use extendr_api::prelude::*;

/// R-hat, bulk and tail ESS of each variable, one after the other; `size` is iterations and chains.
/// @noRd
#[extendr]
fn engine_convergence(draws: Robj, size: Robj) -> Robj {
    guarded(|| {
        let (draws, size) = (reals("draws", &draws)?, integers("size", &size)?);
        let (n_draws, n_chains) = shape(&size, draws.len())?;
        let mut diagnostics = Diagnostics::new(n_chains, n_draws);
        let of = |x: &[f64]| {
            let (rhat, bulk) = diagnostics.of(x);
            [rhat, bulk, diagnostics.tail(x)]
        };
        Ok(r!(draws.chunks_exact(n_draws * n_chains).flat_map(of).collect::<Vec<f64>>()))
    })
}

fn shape(size: &[i32], n: usize) -> Result<(usize, usize)> {
    let wrong = || Error::Spec("'size' does not fit the draws".into());
    let [i, c] = *size else { return Err(wrong()) };
    let one = i.max(0) as usize * c.max(0) as usize;
    if one > 0 && n / one * one == n { Ok((i as usize, c as usize)) } else { Err(wrong()) }
}

extendr_module! {
    mod diagnostics;
    fn engine_convergence;
}
