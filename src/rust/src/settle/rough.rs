//! Where settling begins: coefficients by least squares, the spread of the response, no effects.

use super::levels::{add_prior_precision, normal_equations};
use crate::density::{Model, Posterior};
use crate::kernels::dot;
use crate::likelihood::RowParts;
use crate::transport::Transport;
use crate::whiten::dense::solve_and_spread;
use faer::Mat;
use std::sync::Arc;

/// The rough start, evaluated by its rows: effects are zero.
pub fn rough_by_rows(model: &Arc<Model>) -> Posterior {
    let mut start = rough(model);
    let position = position_at_centre(&start);
    start.evaluate_rows(&position);
    start
}

/// Its position: effects are zero.
pub fn position_at_centre(posterior: &Posterior) -> Vec<f64> {
    let model = &posterior.model;
    let mut position = vec![0.0; model.layout.dim()];
    position[model.layout.theta()].copy_from_slice(&rough_theta(model));
    position
}

/// Coefficients by penalised least squares on the link's scale, effects zero.
pub fn rough(model: &Arc<Model>) -> Posterior {
    let layout = &model.layout;
    let (weight, response) = working_response(model);
    let (mut a, _) = normal_equations(model, &vec![weight; model.design.n()]);
    let mut rhs = Mat::<f64>::zeros(layout.swept.len(), 1);
    for (i, &j) in layout.swept.iter().enumerate() {
        rhs[(i, 0)] = weight * model.design.x_column(j).iter().zip(&response).map(|(x, r)| x * r).sum::<f64>();
    }
    add_prior_precision(model, &mut a, &mut rhs);
    let (beta, _) = solve_and_spread(&a, &rhs);
    let centre: Vec<f64> = (0..layout.swept.len()).map(|i| beta[(i, 0)]).collect();
    let spread = vec![1.0; centre.len()];
    Posterior::new(Arc::clone(model), Arc::new(Transport::identity(layout, centre, &spread)))
}

/// A common weight and the response on the linear predictor's scale.
fn working_response(model: &Model) -> (f64, Vec<f64>) {
    let d = &model.design;
    if model.prior_only {
        return (0.0, vec![0.0; d.n()]);
    }
    let response = d.y.iter().zip(d.offset.iter()).map(|(y, o)| model.family().linked(*y) - o);
    ((2.0 * rough_log_sd(model)).exp().recip(), response.collect())
}

/// Log of the response's standard deviation on the linear predictor's scale.
pub fn rough_log_sd(model: &Model) -> f64 {
    if !model.family().is_linear() || model.prior_only {
        return 0.0;
    }
    // A row may stand for many, whose squares around it lie apart.
    let RowParts { y, weights, squares, .. } = model.likelihood.parts();
    let n: f64 = weights.iter().sum();
    let mean = dot(y, weights) / n;
    let between: f64 = y.iter().zip(weights).map(|(y, w)| w * (y - mean) * (y - mean)).sum();
    let variance = (between + squares.iter().sum::<f64>()) / n;
    0.5 * variance.max(1e-12 * mean * mean).max(f64::MIN_POSITIVE).ln()
}

/// Scale parameters to begin with.
pub fn rough_theta(model: &Model) -> Vec<f64> {
    let layout = &model.layout;
    let mut theta = vec![0.0; layout.n_scales];
    let log_sd = rough_log_sd(model);
    layout.sds.iter().flat_map(Clone::clone).for_each(|i| theta[i] = log_sd - 1.0);
    let dispersion = layout.dispersion.clone();
    layout.dispersion_terms.iter().flat_map(|t| t.sds.clone()).for_each(|i| theta[i] = -1.0);
    match (model.design.x_disp.ncols(), dispersion.len()) {
        (_, 0) => {}
        (0, _) => theta[dispersion.start] = log_sd,
        (_, p) => {
            // Least-squares coefficients of a constant log dispersion.
            let x = &model.design.x_disp;
            let a = Mat::from_fn(p, p, |i, j| x.column(i).dot(&x.column(j)));
            let b = Mat::from_fn(p, 1, |i, _| log_sd * x.column(i).sum());
            let (solution, _) = solve_and_spread(&a, &b);
            let units = model.scale_priors.dispersion_units().iter().chain(std::iter::repeat(&1.0));
            (0..p).zip(units).for_each(|(i, unit)| theta[dispersion.start + i] = solution[(i, 0)] / unit);
        }
    }
    for places in &layout.horseshoes {
        theta[places.global] = -1.0;
    }
    model.scale_priors.rough_latents(&mut theta);
    layout.free.iter().map(|&place| theta[place]).collect()
}
