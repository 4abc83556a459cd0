//! Time of a step of one large model: the likelihood of all rows, and its gradient, at four draws.

use crate::common::{Shape, spec};
use crate::speed::median;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;
use twill::density::{LogDensity, Model, Posterior};
use twill::design::{Design, RawArrays, RawTerm};
use twill::device::error::Result as DeviceResult;
use twill::device::machine::Machine;
use twill::device::rows::Rows;
use twill::device::source::Precision;
use twill::spec::Family;
use twill::svi::on_device::arrays_of;
use twill::transport::Transport;

/// Draws of a step.
const DRAWS: usize = 4;
/// Columns, and levels of the crossed terms.
const COLUMNS: usize = 3;
const LEVELS: [usize; 2] = [3000, 1000];
/// Bytes per row that a step reads and writes if caches hold what is used twice at once: offset, total, weight and columns;
/// codes, and the rows sorted by level; derivatives written once and read for each term.
const BYTES: usize = 4 * (3 + COLUMNS + 2 * LEVELS.len() + DRAWS * (1 + LEVELS.len()));

/// `y ~ a + b + (1 | 3000 levels) + (1 | 1000 levels)`, negative binomial; covariates differ from row to row.
fn model(n: usize) -> Model {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let mut unit = |n: usize| (0..n).map(|_| rng.random_range(-1.0..1.0)).collect::<Vec<f64>>();
    let terms = LEVELS.map(|levels| RawTerm {
        codes: unit(n).iter().map(|u| ((0.5 * (u + 1.0)) * levels as f64) as i32).collect(),
        z: vec![1.0; n].into(),
        precision: None,
    });
    let x = [vec![1.0; n], unit(n * (COLUMNS - 1))].concat();
    let y = unit(n).iter().map(|u| (3.0 * (u + 1.0)).floor()).collect();
    let raw = RawArrays {
        y,
        offset: vec![0.0; n].into(),
        weights: vec![1.0; n].into(),
        se: vec![].into(),
        x: x.into(),
        x_disp: vec![].into(),
        terms: terms.into(),
    };
    let spec = spec(&Shape::plain(Family::NegBinomial, n, COLUMNS, &LEVELS.map(|levels| (levels, 1, false))));
    Model::with_rows(Design::new(raw, &spec).expect("valid"), None, &spec).expect("valid")
}

/// The posterior at its coordinates' origin.
fn posterior(model: Model) -> Posterior {
    let p = model.layout.swept.len();
    let map = Transport::identity(&model.layout, vec![0.0; p], &vec![1.0; p]);
    let mut posterior = Posterior::new(Arc::new(model), Arc::new(map));
    let dim = posterior.dim();
    posterior.evaluate(&vec![0.0; dim], &mut vec![0.0; dim]);
    posterior
}

/// Seconds of as many gradients by one thread.
fn by_cpu(posterior: &mut Posterior) -> DeviceResult<f64> {
    let (y, mut gradient) = (vec![0.01; posterior.dim()], vec![0.0; posterior.dim()]);
    median(|| {
        (0..DRAWS).for_each(|_| _ = posterior.evaluate(&y, &mut gradient));
        Ok(())
    })
}

/// What the CPU needs.
pub fn cpu(n: usize) -> Result<(), String> {
    let seconds = by_cpu(&mut posterior(model(n))).map_err(|e| e.to_string())?;
    println!("\n{n} rows, {COLUMNS} columns, {LEVELS:?} levels: {:.3} ms a step by one thread", 1e3 * seconds);
    Ok(())
}

/// Both.
pub fn all(machine: &dyn Machine, n: usize, bandwidth: f64) -> DeviceResult<()> {
    let mut posterior = posterior(model(n));
    let arrays = arrays_of(&posterior.model, posterior.natural());
    let rows = Rows::new(machine, Precision::Single, &arrays, DRAWS)?;
    let parameters = vec![0.01; DRAWS * arrays.n_parameters()];
    let step = median(|| rows.evaluate(&parameters, DRAWS, true).map(|_| ()))?;
    let values = median(|| rows.evaluate(&parameters, DRAWS, false).map(|_| ()))?;
    let streamed = Rows::in_blocks(machine, Precision::Single, &arrays, DRAWS, n.div_ceil(4), false)?;
    let in_blocks = median(|| streamed.evaluate(&parameters, DRAWS, true).map(|_| ()))?;
    let on_cpu = by_cpu(&mut posterior)?;
    let bytes = (n * BYTES) as f64 / step;
    println!("\n{n} rows, {COLUMNS} columns, {LEVELS:?} levels: {:.3} ms a step of {DRAWS} draws", 1e3 * step);
    println!(
        "  {:.0} GB/s, {:.0} % of the copy, transfers and launches included",
        bytes / 1e9,
        100.0 * bytes / bandwidth
    );
    println!("  values alone {:.3} ms; rows in 4 blocks that travel {:.3} ms", 1e3 * values, 1e3 * in_blocks);
    println!("  CPU, one thread: {:.3} ms; ratio {:.1}", 1e3 * on_cpu, on_cpu / step);
    Ok(())
}
