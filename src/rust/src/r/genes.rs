//! The boundary with R for many genes under one design.

use super::cells::cell_statistics;
use super::draws::memory;
use super::{as_list, field, guarded, integers, raw_arrays, reals, text, unsigned, watching};
use crate::density::Model;
use crate::design::Design;
use crate::error::{Error, Result};
use crate::genes::blueprint::{Blueprint, Variables};
use crate::genes::input::{GeneSet, GeneSettings, PriorOverride, Responses};
use crate::genes::record::{Report, Slot};
use crate::genes::{GenesOutput, fit};
use crate::lanes::frame::Frame;
use crate::natural::steps::WINDOW;
use crate::spec::{ModelSpec, from_json};
use extendr_api::prelude::*;

/// Fits many genes; `arrays$y` is ignored, `genes` has the responses.
/// @noRd
#[extendr]
fn engine_genes(spec_json: Robj, arrays: Robj, genes: Robj, settings_json: Robj, progress: Robj) -> Robj {
    guarded(|| {
        let spec: ModelSpec = from_json(text("spec_json", &spec_json)?)?;
        let settings: GeneSettings = from_json(text("settings_json", &settings_json)?)?;
        settings.check()?;
        let design = Design::new(raw_arrays(&arrays)?, &spec)?;
        let set = gene_set(&genes, design.n())?;
        let blueprint = Blueprint::new(design, spec, &set)?;
        let mut values = Values::new(&blueprint.variables, set.len(), &settings)?;
        let output = fit(&blueprint, &set, &settings, values.slots(), watching(&progress))?;
        Ok(output_to_r(&output, values, &blueprint.variables))
    })
}

/// Whether models of this design go in lanes, as the guides do that stop by `max_steps` and `tolerance`.
/// @noRd
#[extendr]
fn engine_has_lanes(spec_json: Robj, arrays: Robj) -> Robj {
    guarded(|| {
        let spec: ModelSpec = from_json(text("spec_json", &spec_json)?)?;
        let model = Model::with_rows(Design::new(raw_arrays(&arrays)?, &spec)?, None, &spec)?;
        Ok(r!(Frame::new(&model).is_some()))
    })
}

// Input ---------------------------------------------------------------------------------------------------------------

fn gene_set(genes: &Robj, n: usize) -> Result<GeneSet> {
    let list = as_list("genes", genes)?;
    let index = unsigned("index", &field(&list, "index")?)?;
    let priors = as_list("priors", &field(&list, "priors")?)?;
    Ok(GeneSet {
        n,
        responses: responses(&as_list("counts", &field(&list, "counts")?)?, n)?,
        offset: reals("offset", &field(&list, "offset")?)?,
        weights: reals("weights", &field(&list, "weights")?)?,
        index: index.into_iter().map(u64::from).collect(),
        priors: priors.iter().map(|(_, p)| prior_override(&p)).collect::<Result<_>>()?,
    })
}

fn responses(counts: &List, n: usize) -> Result<Responses> {
    if field(counts, "nodes").is_ok() {
        return Ok(Responses::Cells(Box::new(cell_statistics(counts)?)));
    }
    if let Ok(dense) = field(counts, "dense") {
        return Ok(Responses::Dense(reals("dense", &dense)?));
    }
    let (starts, rows) = (integers("p", &field(counts, "p")?)?, integers("i", &field(counts, "i")?)?);
    Responses::sparse(&starts, &rows, reals("x", &field(counts, "x")?)?, n)
}

fn prior_override(prior: &Robj) -> Result<PriorOverride> {
    let list = as_list("priors", prior)?;
    let argument = integers("arg", &field(&list, "arg")?)?;
    match argument[..] {
        [argument] if argument >= 0 => Ok(PriorOverride {
            name: text("name", &field(&list, "name")?)?.into(),
            argument: argument as usize,
            values: reals("values", &field(&list, "values")?)?,
        }),
        _ => Err(Error::Spec("'arg' must be one integer, not negative".into())),
    }
}

// Output --------------------------------------------------------------------------------------------------------------

/// Draws of all genes, in memory of R so that they are not copied.
struct Values {
    draws: Robj,
    effects: Robj,
    /// Draws, variables, effects, genes.
    shape: [usize; 4],
    keeps_effects: bool,
}

impl Values {
    fn new(variables: &Variables, n_genes: usize, settings: &GeneSettings) -> Result<Self> {
        let (s, v, e) = (settings.n_saved(), variables.names.len(), variables.effect_names.len());
        let kept = if settings.keep_effects { s * e * n_genes } else { 0 };
        Ok(Self {
            draws: missing(s * v * n_genes)?,
            effects: missing(kept)?,
            shape: [s, v, e, n_genes],
            keeps_effects: settings.keep_effects,
        })
    }

    fn slots(&mut self) -> Vec<Slot<'_>> {
        let [s, v, e, n] = self.shape;
        let kept = if self.keeps_effects { s * e } else { 0 };
        let draws = split(self.draws.as_real_slice_mut().unwrap_or_default(), s * v, n);
        let effects = split(self.effects.as_real_slice_mut().unwrap_or_default(), kept, n);
        draws.into_iter().zip(effects).map(|(draws, effects)| Slot { draws, effects }).collect()
    }
}

fn missing(n: usize) -> Result<Robj> {
    let mut values = memory(n)?;
    values.as_real_slice_mut().unwrap_or_default().fill(f64::NAN);
    Ok(values)
}

/// The first `n` pieces of `size` numbers.
fn split(mut values: &mut [f64], size: usize, n: usize) -> Vec<&mut [f64]> {
    let mut out = Vec::with_capacity(n);
    for _ in 0..n {
        let (piece, rest) = values.split_at_mut(size);
        out.push(piece);
        values = rest;
    }
    out
}

fn output_to_r(output: &GenesOutput, values: Values, variables: &Variables) -> Robj {
    let [s, v, e, n] = values.shape;
    let reports = &output.reports;
    let stacked = |f: &dyn Fn(&Report) -> &Vec<f64>, rows: usize| {
        let all: Vec<f64> = reports.iter().flat_map(|r| f(r).iter().copied()).collect();
        with_dim(r!(all), &[rows, n])
    };
    let number = |f: &dyn Fn(&Report) -> f64| reports.iter().map(f).collect::<Vec<f64>>();
    let whole = |f: &dyn Fn(&Report) -> i32| reports.iter().map(f).collect::<Vec<i32>>();
    list!(
        draws = with_dim(values.draws, &[s, v, n]),
        names = variables.names.clone(),
        effects_mean = stacked(&|r| &r.effects_mean, e),
        effects_sd = stacked(&|r| &r.effects_sd, e),
        effect_names = variables.effect_names.clone(),
        effects = if values.keeps_effects { with_dim(values.effects, &[s, e, n]) } else { r!(NULL) },
        rhat = stacked(&|r| &r.rhat, v),
        ess = stacked(&|r| &r.ess, v),
        khat = number(&|r| r.khat),
        elbo = traces(reports),
        divergent = whole(&|r| r.divergent as i32),
        n_gradients = number(&|r| r.n_gradients as f64),
        seconds = number(&|r| r.seconds),
        status = whole(&|r| r.status as i32),
        messages = reports.iter().map(|r| r.message.replace('\0', "")).collect::<Vec<String>>(),
        interrupted = output.interrupted
    )
    .into()
}

/// Sum over genes of the ELBO's estimates, step by step; a gene that has ended stays at the mean of its last steps. NULL
/// without any.
fn traces(reports: &[Report]) -> Robj {
    let n = reports.iter().map(|r| r.elbo.len()).max().unwrap_or(0);
    let mut total = vec![0.0; n];
    for elbo in reports.iter().map(|r| &r.elbo).filter(|elbo| !elbo.is_empty()) {
        let last = &elbo[elbo.len().saturating_sub(WINDOW)..];
        let end = last.iter().sum::<f64>() / last.len() as f64;
        let own = elbo.iter().copied().chain(std::iter::repeat(end));
        total.iter_mut().zip(own).filter(|(_, e)| e.is_finite()).for_each(|(sum, e)| *sum += e);
    }
    if n == 0 { r!(NULL) } else { r!(total) }
}

/// The attribute fits by construction; extendr refuses one that does not.
fn with_dim(mut values: Robj, dim: &[usize]) -> Robj {
    let dim: Vec<i32> = dim.iter().map(|&d| d as i32).collect();
    let _ = values.set_attrib("dim", dim);
    values
}

extendr_module! {
    mod genes;
    fn engine_genes;
    fn engine_has_lanes;
}
