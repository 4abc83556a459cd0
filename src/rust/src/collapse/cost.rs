//! Seconds that values and draws of a model by blocks take, by rates of one machine: for comparisons with other ways.

use super::constants::n_products;
use super::core::Products;
use super::plan::Plan;
use crate::linalg::dense::DENSE_PER_SPARSE;

/// Of a multiplication among few, in the factor of a large core, in solves with it and in products of many vectors with sparse ones.
const SPARSE: f64 = 1.5e-9;
const FACTOR: f64 = 7e-11;
const SOLVE: f64 = 1.5e-10;
const PRODUCT: f64 = 3e-10;
/// Of a column of a block in a draw.
const COLUMN: f64 = 1e-7;
/// Products with the core's matrix that a draw takes, of two vectors each.
const PRODUCTS: f64 = 10.0;

/// Of one value.
pub fn of_value(plan: &Plan, products: &Products) -> f64 {
    let cube = (plan.n_core as f64).powi(3) / 6.0;
    SPARSE * (n_products(plan, products) as f64 - cube / DENSE_PER_SPARSE as f64).max(0.0) + FACTOR * cube
}

/// Of one draw among many, with the factor of a frame.
pub fn of_draw(plan: &Plan) -> f64 {
    let (n, entries) = (plan.n_core as f64, (plan.basis.len() + plan.core.len()) as f64);
    let innermost = plan.innermost.as_ref().map_or([0; 2], |x| [x.len(), x.n_entries()]);
    let of_innermost = COLUMN * innermost[0] as f64 + PRODUCT * innermost[1] as f64;
    PRODUCTS * (SOLVE * n * n + 2.0 * PRODUCT * entries) + COLUMN * plan.n_lead() as f64 + of_innermost
}
