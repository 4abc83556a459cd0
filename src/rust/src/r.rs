//! The boundary with R: converts arguments, runs the core on other threads, converts results.
//!
//! Nothing here raises an R error: each function returns `list(ok, err, kind)` and R raises the
//! condition. extendr would pass an error's text to `Rf_error` as a format string, so a message
//! with `%` in it could end the session.

mod cells;
mod devices;
mod diagnostics;
mod draws;
mod genes;
mod input;
mod locks;
mod release;

use crate::approximate::{Approximation, approximate};
use crate::density::{LogDensity, Model, Posterior};
use crate::design::{Design, LevelPrecision};
use crate::draws::{ChainDraws, SAMPLER_NAMES};
use crate::error::{Error, Result, panic_text};
use crate::evidence::bridge;
use crate::layout::{Layout, draw_names};
use crate::linalg::log_det::log_determinant;
use crate::run::{Output, Progress, worth_keeping};
use crate::sample;
use crate::spec::{ApproximationSettings, DispersionSpec, ModelSpec, Settings, from_json};
use crate::transport::Transport;
use draws::{array, draws_array};
use extendr_api::prelude::*;
use input::{
    as_list, at_least_one, errors, field, integers, latents, raw_arrays, real, reals, squares, text, unsigned,
};
use std::os::raw::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

// "-unwind": R leaves `check_interrupt` by a jump, which a plain "C" function must not be left by.
unsafe extern "C-unwind" {
    fn R_CheckUserInterrupt();
    fn R_ToplevelExec(f: extern "C-unwind" fn(*mut c_void), data: *mut c_void) -> i32;
}

extern "C-unwind" fn check_interrupt(_: *mut c_void) {
    // SAFETY: called by R_ToplevelExec on R's main thread; its longjmp ends there and crosses no Rust frame.
    unsafe { R_CheckUserInterrupt() }
}

/// Whether the user has pressed Ctrl-C.
fn is_interrupted() -> bool {
    // SAFETY: only the main thread gets here; see `check_interrupt`.
    unsafe { R_ToplevelExec(check_interrupt, std::ptr::null_mut()) == 0 }
}

/// Runs `body` and wraps value, error or panic as `list(ok, err, kind)`.
fn guarded(body: impl FnOnce() -> Result<Robj>) -> Robj {
    let (ok, err, kind) = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(value)) => (value, r!(NULL), r!(NULL)),
        Ok(Err(error)) => (r!(NULL), r!(error.to_string().replace('\0', "")), r!(error.kind())),
        Err(panic) => (r!(NULL), r!(panic_text(panic.as_ref())), r!("panic")),
    };
    list!(ok = ok, err = err, kind = kind).into()
}

/// Samples a model.
/// @noRd
#[extendr]
fn engine_sample(spec_json: Robj, arrays: Robj, settings_json: Robj, progress: Robj) -> Robj {
    guarded(|| {
        let (spec, model) = model(&spec_json, &arrays)?;
        let settings: Settings = from_json(text("settings_json", &settings_json)?)?;
        let n_rows = model.design.n();
        let output = sample::sample(model, &settings, watching(&progress))?;
        output_to_r(&output, &spec, &settings, n_rows)
    })
}

/// Approximates a posterior.
/// @noRd
#[extendr]
fn engine_approximate(spec_json: Robj, arrays: Robj, settings_json: Robj, progress: Robj) -> Robj {
    guarded(|| {
        let (spec, model) = model(&spec_json, &arrays)?;
        let settings: ApproximationSettings = from_json(text("settings_json", &settings_json)?)?;
        let output = approximate(model, &settings, watching(&progress))?;
        approximation_to_r(&output, &spec, &settings)
    })
}

/// Runs the chains of a fit again and compares their posterior with a normal distribution: log densities of both at draws of
/// both.
/// @noRd
#[extendr]
fn engine_bridge(spec_json: Robj, arrays: Robj, settings_json: Robj, progress: Robj) -> Robj {
    guarded(|| {
        let (_, model) = model(&spec_json, &arrays)?;
        let settings: Settings = from_json(text("settings_json", &settings_json)?)?;
        let output = bridge(model, &settings, watching(&progress))?;
        let part = |pairs: &[[f64; 2]], which: usize| pairs.iter().map(|pair| pair[which]).collect::<Vec<f64>>();
        Ok(list!(
            q11 = part(&output.at_posterior, 0),
            q12 = part(&output.at_posterior, 1),
            q21 = part(&output.at_normal, 0),
            q22 = part(&output.at_normal, 1),
            chains = output.n_chains as i32,
            interrupted = output.interrupted
        )
        .into())
    })
}

/// Log determinant of a symmetric matrix of `n` rows from entries of its lower half, from 0; not a number if it is not positive
/// definite.
/// @noRd
#[extendr]
fn engine_log_determinant(n: Robj, rows: Robj, columns: Robj, values: Robj) -> Robj {
    guarded(|| {
        let n = at_least_one("n", &n)?;
        let (rows, columns, values) =
            (integers("rows", &rows)?, integers("columns", &columns)?, reals("values", &values)?);
        let entries = LevelPrecision::new(n, &rows, &columns, &values, 0.0).map(|p| p.entries);
        Ok(entries.ok().and_then(|entries| log_determinant(n, &entries)).unwrap_or(f64::NAN).into())
    })
}

/// Log density and gradient at a position in non-centred coordinates: coefficients, standardised
/// effects, then log sds, partial correlations (atanh), log dispersion and horseshoe logs.
/// @noRd
#[extendr]
fn engine_log_density(spec_json: Robj, arrays: Robj, position: Robj) -> Robj {
    guarded(|| {
        let mut spec: ModelSpec = from_json(text("spec_json", &spec_json)?)?;
        spec.dispersion.iter_mut().for_each(DispersionSpec::forget_units);
        let (spec, model) = model_of(spec, &arrays)?;
        let p = model.layout.swept.len();
        let map = Transport::identity(&model.layout, vec![0.0; p], &vec![1.0; p]);
        let mut posterior = Posterior::new(Arc::new(model), Arc::new(map));
        let position = reals("position", &position)?;
        if position.len() != posterior.dim() {
            let message = format!("'position' has {} values where {} are needed", position.len(), posterior.dim());
            return Err(Error::Spec(message));
        }
        let mut gradient = vec![0.0; position.len()];
        let log_density = posterior.evaluate(&position, &mut gradient);
        Ok(list!(log_density = log_density, gradient = gradient, names = position_names(&spec)).into())
    })
}

fn model(spec_json: &Robj, arrays: &Robj) -> Result<(ModelSpec, Model)> {
    model_of(from_json(text("spec_json", spec_json)?)?, arrays)
}

fn model_of(spec: ModelSpec, arrays: &Robj) -> Result<(ModelSpec, Model)> {
    let mut design = Design::new(raw_arrays(arrays)?, &spec)?;
    if let Some(errors) = errors(arrays)? {
        design = design.with_errors(errors, spec.family)?;
    }
    let design = design.with_squares(squares(arrays)?, spec.family)?.with_latents(latents(arrays)?, &spec)?;
    // Of many rows either step takes seconds.
    if is_interrupted() {
        return Err(Error::Interrupt);
    }
    let model = Model::new(design, &spec)?;
    Ok((spec, model))
}

/// What a run asks about ten times a second: shows the progress, and says whether to go on.
fn watching(progress: &Robj) -> impl FnMut(Progress) -> bool {
    let report = progress.as_function();
    move |p| {
        if let Some(f) = &report {
            // An error in the display must not stop the run; R has printed it.
            let _ =
                f.call(pairlist!(p.done as f64, p.total as f64, p.divergent as f64, p.restarts as f64, p.kept as f64));
        }
        !is_interrupted()
    }
}

fn position_names(spec: &ModelSpec) -> Vec<String> {
    let layout = Layout::new(spec);
    let mut names: Vec<String> = layout.swept.iter().map(|&j| spec.coefficients[j].name.clone()).collect();
    names.extend((0..layout.n_effects).map(|u| format!("s[{}]", u + 1)));
    names.extend((0..layout.n_theta).map(|t| format!("theta[{}]", t + 1)));
    names
}

fn output_to_r(output: &Output, spec: &ModelSpec, settings: &Settings, n_rows: usize) -> Result<Robj> {
    let n_done: Vec<usize> = output.chains.iter().map(|c| c.sampler.len()).collect();
    let kept = worth_keeping(&n_done).ok_or(Error::Interrupt)?;
    let chains: Vec<&ChainDraws> = kept.chains.iter().map(|&c| &output.chains[c]).collect();
    let of_chains = |values: fn(&ChainDraws) -> &[f64]| chains.iter().map(|c| values(c)).collect::<Vec<_>>();
    let names = draw_names(spec, settings.save_effects);
    let sampler_names: Vec<String> = SAMPLER_NAMES.iter().map(|s| (*s).into()).collect();
    let warmup =
        if settings.save_warmup { draws_array(&of_chains(|c| &c.warmup), &names, settings.warmup)? } else { r!(NULL) };
    Ok(list!(
        draws = draws_array(&of_chains(|c| &c.values), &names, kept.draws)?,
        warmup_draws = warmup,
        sampler = array(&of_chains(|c| c.sampler.as_flattened()), &sampler_names, kept.draws)?,
        partial = kept.draws < settings.n_kept() || chains.len() < n_done.len(),
        effects = effects(&chains, spec, settings, kept.draws)?,
        info = info(output, n_rows)
    )
    .into())
}

/// What is kept of group effects: moments by chain, and some draws; `NULL` where that is not asked for.
fn effects(chains: &[&ChainDraws], spec: &ModelSpec, settings: &Settings, n_draws: usize) -> Result<Robj> {
    let Some(stride) = settings.effect_stride() else { return Ok(r!(NULL)) };
    let n_others = draw_names(spec, false).len() - 2;
    let mut names = draw_names(spec, true).split_off(n_others);
    names.truncate(names.len() - 2);
    let values: Vec<&[f64]> = chains.iter().map(|c| &c.effects.values[..]).collect();
    let moments = |of: fn(&ChainDraws) -> &[f64]| chains.iter().flat_map(|c| of(c).to_vec()).collect::<Vec<f64>>();
    Ok(list!(
        draws = draws_array(&values, &names, n_draws.div_ceil(stride))?,
        stride = stride as i32,
        n = chains.iter().map(|c| c.effects.n as f64).collect::<Vec<_>>(),
        mean = moments(|c| &c.effects.mean),
        squares = moments(|c| &c.effects.squares)
    )
    .into())
}

fn approximation_to_r(output: &Approximation, spec: &ModelSpec, settings: &ApproximationSettings) -> Result<Robj> {
    let names = draw_names(spec, settings.save_effects);
    let draws = draws_array(&[&output.values], &names, output.values.len() / names.len())?;
    let info = serde_json::json!({
        "engine": output.engine,
        "dim": output.dim,
        "converged": output.converged,
        "optimiser": output.optimiser,
        "rows": output.rows,
        "uses_rows": output.uses_rows,
        "device": output.device,
        "note": output.note,
        "evidence_noise": output.evidence_noise,
    });
    Ok(list!(
        draws = draws,
        log_ratios = output.log_ratios.clone(),
        elbo = output.elbo.clone(),
        block_khat = output.blocks.iter().map(|(_, khat)| *khat).collect::<Vec<f64>>(),
        block_levels = output.blocks.iter().map(|&((k, level), _)| level_name(spec, k, level)).collect::<Vec<_>>(),
        interrupted = output.interrupted,
        info = info.to_string()
    )
    .into())
}

fn level_name(spec: &ModelSpec, k: usize, level: usize) -> String {
    format!("{}[{}]", spec.terms[k].group, spec.terms[k].levels[level])
}

/// `rows`: those that the likelihood was evaluated on, after compression.
fn info(output: &Output, n_rows: usize) -> String {
    let per_chain = |f: &dyn Fn(&ChainDraws) -> f64| output.chains.iter().map(f).collect::<Vec<_>>();
    serde_json::json!({
        "engine": output.engine,
        "dim": output.dim,
        "rows": n_rows,
        "adapt_delta": output.adapt_delta,
        "uncopied": output.uncopied,
        "surrogate": output.measured.map(|m| serde_json::json!({
            "degree": m.degree, "values": m.n_values, "checks": m.n_checks, "largest_error": m.largest, "typical_error": m.typical,
        })),
        "predicted": output.predicted.map(|p| serde_json::json!({ "guided": p.guided, "levels": p.levels })),
        "step_size": per_chain(&|c| c.step_size),
        "warmup_divergent": per_chain(&|c| c.warmup_divergent as f64),
        "n_gradients": per_chain(&|c| c.n_gradients as f64),
        "seconds_warmup": per_chain(&|c| c.seconds[0]),
        "seconds_sampling": per_chain(&|c| c.seconds[1]),
    })
    .to_string()
}

extendr_module! {
    mod twill;
    fn engine_sample;
    fn engine_approximate;
    fn engine_bridge;
    fn engine_log_determinant;
    fn engine_log_density;
    use cells;
    use devices;
    use diagnostics;
    use genes;
    use locks;
    use release;
}
