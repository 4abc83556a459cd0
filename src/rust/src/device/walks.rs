//! Chains of many genes on a device, in the frames of their guides.

use super::error::Result;
use super::genes::Genes;
use super::machine::{Argument, download, real_bytes, upload};
use super::source::Precision;

/// How lanes make up chains (`genes/walks.rs`), and how long they go.
#[derive(Debug, Clone, Copy)]
pub struct WalkPlan {
    /// Chains asked for.
    pub chains: usize,
    /// Draws kept of each chain.
    pub n_kept: usize,
    /// Lanes per chain.
    pub lanes: usize,
    /// Draws kept of each lane.
    pub each: usize,
    /// Each so many iterations one is kept.
    pub thin: usize,
    /// Iterations of warm-up.
    pub warmup: usize,
    /// Walks of a gene: eight lanes each.
    pub walks: usize,
    /// Numbers between their first lanes.
    pub apart: usize,
    /// Acceptance aimed at.
    pub target: f64,
    /// Bound of a path gradient, times the root of the dimension.
    pub longest: f64,
}

/// Chains of all genes.
#[derive(Debug)]
pub struct Walked {
    /// `[genes, chains * n_kept, n + n_scales]`: effects and coefficients, standard deviations, shape.
    pub values: Vec<f64>,
    /// Per gene, whether all its lanes found a start and moved.
    pub has_moved: Vec<bool>,
    /// Per gene, divergences.
    pub divergent: Vec<usize>,
    /// Per gene, evaluations of the target.
    pub n_evaluations: Vec<usize>,
}

/// Phase of a walk that is done: smaller where it goes on, larger where it is stuck.
const DONE: f64 = 2.0;
/// Where a walk keeps its phase, divergences and evaluations.
const NUMBERS: [usize; 3] = [0, 6, 7];

impl WalkPlan {
    fn constants(&self) -> [f64; 10] {
        let counts = [self.chains, self.n_kept, self.lanes, self.each, self.thin, self.warmup, self.walks, self.apart];
        let [chains, kept, lanes, each, thin, warmup, walks, apart] = counts.map(|n| n as f64);
        [chains, kept, lanes, each, thin, warmup, walks, apart, self.target, self.longest]
    }
}

impl Genes<'_> {
    /// Chains of all genes that have a guide, `chunk` iterations per launch; `goes_on` is asked between.
    ///
    /// # Errors
    /// A device that does not answer.
    pub fn walk(&self, plan: &WalkPlan, seed: u64, chunk: usize, mut goes_on: impl FnMut() -> bool) -> Result<Walked> {
        let (n, double) = (self.n_genes * plan.walks, Precision::Double);
        let n_values = self.n_genes * plan.chains * plan.n_kept * self.dim;
        let constants = upload(self.machine, &real_bytes(&plan.constants(), double))?;
        let [walks, values, phases] =
            [n * self.sizes.walk, n_values, n].map(|numbers| self.machine.zeros((8 * numbers).max(1)));
        let (walks, values, phases) = (walks?, values?, phases?);
        let mut arguments =
            [&self.guides, &self.numbers, &constants, &walks, &values, &phases].map(Argument::Pointer).to_vec();
        arguments.extend([Argument::Long(seed), Argument::Int(chunk as i32)]);
        for _ in 0..(plan.warmup + plan.each * plan.thin).div_ceil(chunk) {
            self.launch("twill_walks", n, self.sizes.walks, &arguments)?;
            let phases = download(self.machine, &phases, n, double)?;
            if phases.iter().all(|&phase| phase >= DONE) || !goes_on() {
                break;
            }
        }
        let heads = download(self.machine, &walks, n * self.sizes.walk, double)?;
        let values = download(self.machine, &values, n_values, double)?;
        Ok(Walked::new(values, &heads, self.sizes.walk, plan.walks))
    }
}

impl Walked {
    fn new(values: Vec<f64>, heads: &[f64], size: usize, walks: usize) -> Self {
        let [phase, divergent, evaluations] = NUMBERS;
        let genes = || heads.chunks_exact(size * walks);
        let sums =
            |place: usize| genes().map(|g| g.chunks_exact(size).map(|walk| walk[place] as usize).sum()).collect();
        Self {
            values,
            has_moved: genes().map(|g| g.chunks_exact(size).all(|walk| walk[phase] == DONE)).collect(),
            divergent: sums(divergent),
            n_evaluations: sums(evaluations),
        }
    }
}
