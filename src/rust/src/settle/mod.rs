//! From a model to good coordinates: a rough start, then climb, re-centre, climb again.
//!
//! The transport is centred where the target in transported coordinates has its mode. There the
//! effects are nearly independent of the scales, so the mode of the scales is close to that of
//! their marginal posterior; the joint mode of a hierarchical model in its usual coordinates is not.

pub mod assembly;
mod levels;

use crate::density::{LogDensity, Model, Posterior};
use crate::optimise::climb;
use crate::spec::{Engine, Family};
use crate::transport::Transport;
use crate::whiten::solve_and_spread;
use assembly::Assembly;
use faer::Mat;
use levels::{add_prior_precision, level_transport_at, normal_equations};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Multiplications that a factorisation may take for a transport of all effects together: per row,
/// and at least. With its derivative one costs 4 ns; a row of counts 5 ns.
const PRODUCTS_PER_ROW: usize = 3;
const FREE_PRODUCTS: usize = 15_000;
/// A Gaussian model gains more: with its effects integrated out it needs a third of the gradients.
const FREE_PRODUCTS_GAUSSIAN: usize = 300_000;
/// Climbs between re-centrings, and their lengths.
const ROUNDS: [usize; 3] = [60, 100, 300];
/// Largest gradient entry at a mode; coordinates are of order one.
const TOLERANCE: f64 = 1e-3;

/// A posterior in settled coordinates with its mode.
pub struct Settled {
    /// Target with its final transport.
    pub posterior: Posterior,
    /// Mode in those coordinates.
    pub mode: Vec<f64>,
}

/// Finds coordinates and mode. Without data the coordinates are the non-centred ones.
pub fn settle(model: &Arc<Model>, engine: Engine, cancel: &AtomicBool) -> Settled {
    let free = if model.family() == Family::Gaussian { FREE_PRODUCTS_GAUSSIAN } else { FREE_PRODUCTS };
    let affordable = free.max(PRODUCTS_PER_ROW * model.design.n());
    let assembly = match engine {
        Engine::Levels => None,
        Engine::Auto => Assembly::new(model, affordable),
        Engine::Joint | Engine::Collapsed => Assembly::new(model, usize::MAX),
    };
    let mut posterior = rough(model);
    let mut mode = position_at_centre(&posterior);
    posterior = recentred(&mut posterior, &mode, assembly.as_ref());
    for max_iterations in ROUNDS {
        if model.prior_only || cancel.load(Ordering::Relaxed) {
            break;
        }
        climb(&mut posterior, &mut mode, max_iterations, TOLERANCE, cancel);
        posterior = recentred(&mut posterior, &mode, assembly.as_ref());
        mode = position_at_centre_with(&posterior, &mode);
    }
    climb(&mut posterior, &mut mode, 300, TOLERANCE, cancel);
    if let Some(assembly) = &assembly {
        posterior = recentred(&mut posterior, &mode, Some(assembly));
        mode = position_at_centre_with(&posterior, &mode);
        let value = posterior.evaluate(&mode, &mut vec![0.0; mode.len()]);
        if engine == Engine::Auto && !value.is_finite() {
            return settle(model, Engine::Levels, cancel);
        }
        posterior.sums = assembly.sums(&posterior).map(Arc::new);
    }
    Settled { posterior, mode }
}

/// The transport whose centre is `position`, joined to the same model.
fn recentred(posterior: &mut Posterior, position: &[f64], assembly: Option<&Assembly>) -> Posterior {
    let mut gradient = vec![0.0; position.len()];
    let value = posterior.evaluate(position, &mut gradient);
    if !value.is_finite() {
        return posterior.clone();
    }
    let transport = match assembly {
        Some(assembly) => Transport::Joint(assembly.transport_at(posterior)),
        None => Transport::Levels(level_transport_at(posterior)),
    };
    Posterior::new(Arc::clone(&posterior.model), Arc::new(transport))
}

/// Zero but for `theta`, which keeps its value.
fn position_at_centre_with(posterior: &Posterior, from: &[f64]) -> Vec<f64> {
    let theta = posterior.model.layout.theta();
    let mut position = vec![0.0; from.len()];
    position[theta.clone()].copy_from_slice(&from[theta]);
    position
}

fn position_at_centre(posterior: &Posterior) -> Vec<f64> {
    let model = &posterior.model;
    let mut position = vec![0.0; model.layout.dim()];
    position[model.layout.theta()].copy_from_slice(&rough_theta(model));
    position
}

/// Coefficients by penalised least squares on the link's scale, effects zero.
fn rough(model: &Arc<Model>) -> Posterior {
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
    let response = d.y.iter().zip(&d.offset);
    match model.likelihood.family() {
        Family::Gaussian => ((2.0 * rough_log_sd(model)).exp().recip(), response.map(|(y, o)| y - o).collect()),
        _ => (1.0, response.map(|(y, o)| (y + 0.5).ln() - o).collect()),
    }
}

/// Log of the response's standard deviation on the linear predictor's scale.
fn rough_log_sd(model: &Model) -> f64 {
    if model.likelihood.family() != Family::Gaussian || model.prior_only {
        return 0.0;
    }
    let (y, n) = (&model.design.y, model.design.n() as f64);
    let mean = y.iter().sum::<f64>() / n;
    let variance = y.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n;
    0.5 * variance.max(1e-12 * (1.0 + mean * mean)).ln()
}

fn rough_theta(model: &Model) -> Vec<f64> {
    let layout = &model.layout;
    let mut theta = vec![0.0; layout.n_theta];
    let log_sd = rough_log_sd(model);
    layout.sds.iter().flat_map(Clone::clone).for_each(|i| theta[i] = log_sd - 1.0);
    let dispersion = layout.dispersion.clone();
    match (model.design.x_disp.ncols(), dispersion.len()) {
        (_, 0) => {}
        (0, _) => theta[dispersion.start] = log_sd,
        (_, p) => {
            // Least-squares coefficients of a constant log dispersion.
            let x = &model.design.x_disp;
            let a = Mat::from_fn(p, p, |i, j| x.column(i).dot(&x.column(j)));
            let b = Mat::from_fn(p, 1, |i, _| log_sd * x.column(i).sum());
            let (solution, _) = solve_and_spread(&a, &b);
            (0..p).for_each(|i| theta[dispersion.start + i] = solution[(i, 0)]);
        }
    }
    for places in &layout.horseshoes {
        theta[places.global] = -1.0;
    }
    theta
}
