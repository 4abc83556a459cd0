//! How the information of rows follows their dispersion: all of one, or groups of rows each of its own.

use crate::density::{Model, Posterior};
use crate::families::negative_binomial_information;
use crate::transport::follow::Follow;

/// Residual sds whose information is kept apart.
const MOST_SIGMAS: usize = 16;

/// Log shape and the share of the rows' variance that it adds, weighted as the rows are.
fn by_shape(posterior: &Posterior) -> Option<Follow> {
    let model = &posterior.model;
    let has_one_shape = model.layout.dispersion_columns().len() == 1 && model.design.x_disp.ncols() == 0;
    if !model.family().has_shape() || model.prior_only || !has_one_shape {
        return None;
    }
    let log_shape = posterior.scales.dispersion[0];
    let (mut sum, mut excess) = (0.0, 0.0);
    for (eta, w) in posterior.eta.iter().zip(model.design.weights.iter()) {
        let [information, share] = negative_binomial_information(*eta, log_shape);
        sum += w * information;
        excess += w * information * share;
    }
    let share = excess / sum;
    (share > 0.0 && share <= 1.0).then_some(Follow::Shape(log_shape, share))
}

/// How the information of all rows follows their dispersion, about the last evaluation; `None` if it does not.
pub fn follow(posterior: &Posterior) -> Option<Follow> {
    let by_sigma = || scaled_by_sigma(&posterior.model).then(|| Follow::Sigma(posterior.scales.dispersion[0]));
    by_sigma().or_else(|| by_part_of_variance(posterior)).or_else(|| by_shape(posterior))
}

/// Log of the one sigma and its share of the rows' variance, which known standard errors and predictors with errors add to.
fn by_part_of_variance(posterior: &Posterior) -> Option<Follow> {
    let model = &posterior.model;
    let has_one = model.layout.dispersion_columns().len() == 1 && model.design.x_disp.ncols() == 0;
    if !model.family().is_linear() || model.prior_only || !has_one || model.design.errors.is_some() {
        return None;
    }
    let log_sigma = posterior.scales.dispersion[0];
    let (mut sum, mut own) = (0.0, 0.0);
    for (information, weight) in posterior.information().iter().zip(model.design.weights.iter()) {
        sum += information;
        own += if *weight > 0.0 { information * information * (2.0 * log_sigma).exp() / weight } else { 0.0 };
    }
    let share = own / sum;
    (share > 0.0 && share <= 1.0).then_some(Follow::SigmaShare(log_sigma, share))
}

/// Whether the information of the data falls with the square of one sampled sigma.
pub fn scaled_by_sigma(model: &Model) -> bool {
    model.family().is_linear()
        && model.layout.dispersion_columns().len() == 1
        && model.design.se.is_empty()
        && model.design.latents.is_empty()
        && model.design.x_disp.ncols() == 0
}

/// Whether the variance of rows is nothing but the square of a sigma that differs from row to row.
fn has_sigmas_alone(model: &Model) -> bool {
    let design = &model.design;
    let has_others = !design.se.is_empty() || design.errors.is_some() || !design.latents.is_empty();
    design.x_disp.ncols() > 0 && !has_others
}

/// Whether the information of all rows follows what is sampled of their residual sds.
pub fn is_followed(model: &Model) -> bool {
    scaled_by_sigma(model) || rows_of_sigmas(model).is_some()
}

/// Rows of the design of the log of several sampled sigmas, and which of them each row of the data has; `None` where they are not
/// few, or not all that the variance consists of.
pub fn rows_of_sigmas(model: &Model) -> Option<(Vec<Vec<f64>>, Vec<usize>)> {
    let design = &model.design;
    if !model.family().is_linear() || !model.layout.dispersion_terms.is_empty() || !has_sigmas_alone(model) {
        return None;
    }
    let (mut rows, mut of_row): (Vec<Vec<f64>>, _) = (vec![], vec![]);
    for x in design.x_disp.rows() {
        let found = rows.iter().position(|row| x.iter().eq(row.iter()));
        if found.is_none() {
            rows.push(x.to_vec());
        }
        if rows.len() > MOST_SIGMAS {
            return None;
        }
        of_row.push(found.unwrap_or(rows.len() - 1));
    }
    Some((rows, of_row))
}
