//! Guides and chains of many genes on a device: arrays are made here, on threads; starts, steps and draws are the device's.

use super::approximate::{ascent_of, draws_of};
use super::blueprint::Blueprint;
use super::found::{Chains, Found, Guided};
use super::input::{GeneMethod, GeneSet, GeneSettings};
use super::walks;
use crate::device::error::{self as device, FailureKind};
use crate::device::gene_memory::bytes_of;
use crate::device::genes::{Draws, Genes, GuideArrays};
use crate::device::machine::Machine;
use crate::device::pack::{FrameArrays, GeneArrays};
use crate::device::source::Precision;
use crate::device::walks::{WalkPlan, Walked};
use crate::error::Result;
use crate::lanes::flat::FlatModel;
use crate::lanes::frame::Frame;
use crate::lanes::target::Target;
use crate::tuning::LANES;
use rayon::prelude::*;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

/// Share of the free memory that is used.
const SHARE: f64 = 0.8;
/// Bytes of this machine that the arrays of a block of genes may take, and about how many a row takes on its way: a card's
/// memory may be larger than the machine's where each cell is a row.
const HOST_BYTES: usize = 4 << 30;
const ROW_BYTES: usize = 100;
/// Steps per launch: between launches an interrupt is seen.
const CHUNK: usize = 32;

/// Whether a device has something to do in fits by this method.
pub fn takes(method: GeneMethod) -> bool {
    matches!(method, GeneMethod::Svi | GeneMethod::Hmc)
}

/// Guides or chains of all genes; `None` for those without a start, or whose chains do not move. Empty where the model needs
/// more than a device has.
///
/// # Errors
/// [`crate::error::Error::Device`] if the device cannot go on. After `cancel` is set, genes are left out.
pub fn found(
    machine: &dyn Machine, blueprint: &Blueprint, set: &GeneSet, settings: &GeneSettings, cancel: &AtomicBool,
) -> Result<Vec<Option<Found>>> {
    let Some(frame) = &blueprint.frame else { return Ok(vec![]) };
    if !frame.is_for_devices() || (settings.method == GeneMethod::Hmc && !walks::covers(frame)) {
        return Ok(vec![]);
    }
    let job = DeviceJob { machine, frame, frame_arrays: frame.arrays(), set, settings, cancel };
    let mut out = vec![None; set.len()];
    let mut first = 0;
    while first < set.len() && !cancel.load(Ordering::Relaxed) {
        // Genes are much alike: the first tells how many fit.
        let genes = first..set.len().min(first + job.block(blueprint, first)?);
        let arrays: Vec<_> = genes.clone().into_par_iter().map(|g| job.arrays(blueprint, g)).collect();
        let known: Vec<_> = genes.clone().zip(arrays).filter_map(|(g, a)| Some((g, a?))).collect();
        job.in_parts(&known, &mut out)?;
        first = genes.end;
    }
    Ok(out)
}

/// What all blocks of genes share.
struct DeviceJob<'a> {
    machine: &'a dyn Machine,
    frame: &'a Frame,
    frame_arrays: FrameArrays,
    set: &'a GeneSet,
    settings: &'a GeneSettings,
    cancel: &'a AtomicBool,
}

impl DeviceJob<'_> {
    /// A gene before its start. What goes wrong is found again, and told, where genes are fitted one by one.
    fn arrays(&self, blueprint: &Blueprint, gene: usize) -> Option<GeneArrays> {
        if self.cancel.load(Ordering::Relaxed) {
            return None;
        }
        let found = catch_unwind(AssertUnwindSafe(|| {
            let model = blueprint.model(self.set, gene).ok()?;
            Some(Target::new(self.frame, FlatModel::new(self.frame, &model).ok()?).arrays())
        }));
        found.ok().flatten()
    }

    /// How many genes the device's memory holds, judged by gene `first` and its successors.
    fn block(&self, blueprint: &Blueprint, first: usize) -> Result<usize> {
        let s = self.settings;
        let flat = |g: usize| FlatModel::new(self.frame, &blueprint.model(self.set, g)?);
        // Of some genes the one with most rows.
        let some = (first..self.set.len()).step_by(self.set.len().div_ceil(16));
        let rows = some.filter_map(|g| flat(g).ok()).map(|gene| gene.offset.len()).max().unwrap_or(1);
        let gene = GeneArrays { rows: [vec![0.0; rows], vec![], vec![]], ..GeneArrays::default() };
        let each = bytes_of(&self.frame_arrays, &gene, s.max_steps, draws_of(s)[0].max(s.n_saved()));
        let free = self.machine.free_bytes()? as f64 * SHARE;
        Ok(((free / each as f64) as usize).min(HOST_BYTES / (ROW_BYTES * rows.max(1))).max(1))
    }

    /// [`Self::run`], in halves where memory does not suffice: another process may have taken some of it.
    fn in_parts(&self, known: &[(usize, GeneArrays)], out: &mut [Option<Found>]) -> device::Result<()> {
        match self.run(known, out) {
            Err(error) if error.kind == FailureKind::OutOfMemory && known.len() > 1 => {
                let (first, second) = known.split_at(known.len() / 2);
                self.in_parts(first, out)?;
                self.in_parts(second, out)
            }
            done => done,
        }
    }

    /// Starts, steps and draws.
    fn run(&self, known: &[(usize, GeneArrays)], out: &mut [Option<Found>]) -> device::Result<()> {
        if known.is_empty() {
            return Ok(());
        }
        let numbers: Vec<u32> = known.iter().map(|(g, _)| self.set.index[*g] as u32).collect();
        let arrays: Vec<&GeneArrays> = known.iter().map(|(_, arrays)| arrays).collect();
        let genes = Genes::new(self.machine, Precision::Single, &self.frame_arrays, &arrays, &numbers)?;
        genes.start()?;
        let found = if self.settings.method == GeneMethod::Hmc { self.walks(&genes)? } else { self.guides(&genes)? };
        known.iter().zip(found).for_each(|((gene, _), found)| out[*gene] = found);
        Ok(())
    }

    fn goes_on(&self) -> bool {
        !self.cancel.load(Ordering::Relaxed)
    }

    /// Guides with their draws; nothing after an interrupt.
    fn guides(&self, genes: &Genes) -> device::Result<Vec<Option<Found>>> {
        let (seed, [n_ratios, n_values]) = (self.settings.seed, draws_of(self.settings));
        let guides = genes.ascend(&ascent_of(self.settings).rules(), seed, CHUNK, || self.goes_on())?;
        if !self.goes_on() {
            return Ok(vec![]);
        }
        let draws = genes.draws(seed, n_ratios, n_values)?;
        let one =
            |(i, guide): (usize, GuideArrays)| guide.has_start.then(|| Found::Guide(self.guided(i, guide, &draws)));
        Ok(guides.into_iter().enumerate().map(one).collect())
    }

    /// Chains in the frames of guides; nothing after an interrupt.
    fn walks(&self, genes: &Genes) -> device::Result<Vec<Option<Found>>> {
        let guides = genes.ascend(&walks::ASCENT.rules(), self.settings.seed, CHUNK, || self.goes_on())?;
        let walked = genes.walk(&WalkPlan::of(self.settings), self.settings.seed, CHUNK / 2, || self.goes_on())?;
        if !self.goes_on() {
            return Ok(vec![]);
        }
        let one = |(i, guide): (usize, GuideArrays)| {
            walked.has_moved[i].then(|| Found::Walks(self.chains(i, &guide, &walked)))
        };
        Ok(guides.into_iter().enumerate().map(one).collect())
    }

    fn chains(&self, i: usize, guide: &GuideArrays, walked: &Walked) -> Chains {
        let size = self.settings.n_saved() * self.frame.dim();
        Chains {
            values: walked.values[i * size..(i + 1) * size].to_vec(),
            divergent: walked.divergent[i],
            n_gradients: LANES * (guide.n_evaluations + guide.steps + walked.n_evaluations[i]),
        }
    }

    fn guided(&self, i: usize, guide: GuideArrays, draws: &Draws) -> Guided {
        let [n_ratios, n_values] = draws_of(self.settings);
        let size = n_values * self.frame.dim();
        let ratio = |r: &f64| if r.is_nan() { f64::NEG_INFINITY } else { *r };
        Guided {
            values: draws.values[i * size..(i + 1) * size].to_vec(),
            ratios: draws.log_ratios[i * n_ratios..(i + 1) * n_ratios].iter().map(ratio).collect(),
            n_gradients: LANES * (guide.n_evaluations + guide.steps) + n_ratios,
            elbo: guide.elbo,
            converged: guide.converged,
        }
    }
}
