//! Many genes on a device: their arrays stay there, and what travels is positions, bounds and draws.

use super::error::{DeviceError, FailureKind, Result};
use super::gene_memory::{Sizes, is_shared, upload_all};
use super::machine::{Argument, Buffer, LaunchShape, Machine, download, index_bytes, real_bytes, upload};
use super::pack::{FrameArrays, GeneArrays, Packed};
use super::source::Precision;
use crate::tuning::{GUIDE_HEAD, LANES};

/// Threads of a block, at least and at most.
const THREADS: (usize, usize) = (64, 256);
/// Blocks that work in the card's memory at a time, where shared memory is too small.
const BLOCKS_ELSEWHERE: usize = 1024;

/// Constants of the ascent, see `kernels/guide.cuh`.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Steps of a window.
    pub window: usize,
    /// Steps after the search, at least.
    pub polish_steps: usize,
    /// Steps at most.
    pub max_steps: usize,
    /// Length of the steps of the search; those after it begin with it.
    pub rate: f64,
    /// Nats that may be left to gain after the search.
    pub search_gain: f64,
    /// And at the end.
    pub polish_gain: f64,
    /// Bounds of a path gradient (times the root of the dimension), of the mean's step and of the root's.
    pub bounds: [f64; 3],
}

/// Where a gene's guide is.
#[derive(Debug, Clone, PartialEq)]
pub struct GuideArrays {
    /// Steps taken.
    pub steps: usize,
    /// Whether the stopping rule was met.
    pub converged: bool,
    /// `[d]`.
    pub mean: Vec<f64>,
    /// Lower triangle of the root, row by row.
    pub root: Vec<f64>,
    /// Estimate of the ELBO at each step.
    pub elbo: Vec<f64>,
    /// Whether there is a guide: none where the way to its start met no finite density.
    pub has_start: bool,
    /// Evaluations of the target on that way.
    pub n_evaluations: usize,
}

/// Draws of the guides of all genes.
#[derive(Debug)]
pub struct Draws {
    /// `[genes, n_values, n + n_scales]`: effects and coefficients, standard deviations, shape.
    pub values: Vec<f64>,
    /// `[genes, n_draws]`: log p - log q.
    pub log_ratios: Vec<f64>,
}

/// Genes whose arrays are on a device.
pub struct Genes<'a> {
    pub(super) machine: &'a dyn Machine,
    precision: Precision,
    pub(super) n_genes: usize,
    pub(super) dim: usize,
    threads: usize,
    arrays: Vec<Buffer>,
    pub(super) numbers: Buffer,
    pub(super) guides: Buffer,
    pub(super) sizes: Sizes,
    /// Blocks of threads at a time, where they work in the card's memory.
    blocks_elsewhere: usize,
    /// Where they do.
    elsewhere: Option<Buffer>,
}

impl<'a> Genes<'a> {
    /// Puts genes on a device; `numbers` choose their noise.
    ///
    /// # Errors
    /// [`FailureKind::OutOfMemory`], and a device that does not answer.
    pub fn new(
        machine: &'a dyn Machine, precision: Precision, frame: &FrameArrays, genes: &[&GeneArrays], numbers: &[u32],
    ) -> Result<Self> {
        let packed = Packed::new(genes.iter().copied());
        let arrays = upload_all(machine, precision, frame, &packed)?;
        let sizes = Sizes::of(machine, precision, &arrays)?;
        if sizes.record * genes.len() != packed.records.len() {
            return Err(DeviceError::new(FailureKind::Internal, "the arrays of the genes do not fit the kernels"));
        }
        let blocks_elsewhere = genes.len().min(BLOCKS_ELSEWHERE);
        let elsewhere = sizes.elsewhere(machine).map(|most| machine.zeros(8 * most * blocks_elsewhere)).transpose()?;
        let threads = (LANES * frame.n_leaves()).next_multiple_of(32).clamp(THREADS.0, THREADS.1);
        let (n_genes, numbers) = (genes.len(), upload(machine, &index_bytes(numbers))?);
        let guides = machine.zeros(8 * sizes.guide * n_genes)?;
        let dim = frame.dim();
        Ok(Self {
            machine,
            precision,
            n_genes,
            dim,
            threads,
            arrays,
            numbers,
            guides,
            sizes,
            blocks_elsewhere,
            elsewhere,
        })
    }

    /// Another number of threads per block (a multiple of 32), and fewer blocks where they work in the card's memory;
    /// for tests.
    pub fn with_shape(mut self, threads: usize, blocks: usize) -> Self {
        (self.threads, self.blocks_elsewhere) = (threads, blocks.min(self.blocks_elsewhere));
        self
    }

    /// Log densities `[genes, LANES]` and gradients `[genes, d, LANES]` at positions `[genes, d, LANES]`.
    ///
    /// # Errors
    /// A device that does not answer.
    pub fn target(&self, positions: &[f64]) -> Result<(Vec<f64>, Vec<f64>)> {
        let (n, double) = (self.n_genes * LANES, Precision::Double);
        let positions = upload(self.machine, &real_bytes(positions, double))?;
        let (values, gradients) = (self.machine.zeros(8 * n)?, self.machine.zeros(8 * n * self.dim)?);
        let pointers = [&positions, &values, &gradients].map(Argument::Pointer);
        self.launch("twill_target", self.n_genes, self.sizes.steps, &pointers)?;
        let values = download(self.machine, &values, n, double)?;
        Ok((values, download(self.machine, &gradients, n * self.dim, double)?))
    }

    /// Centres the maps of all genes at their modes and sets their guides: normal approximations there.
    ///
    /// # Errors
    /// A device that does not answer.
    pub fn start(&self) -> Result<()> {
        self.launch("twill_start", self.n_genes, self.sizes.start, &[Argument::Pointer(&self.guides)])
    }

    /// Sets the guides: means `[genes, d]` and roots, lower triangles row by row, `[genes, d (d + 1) / 2]`.
    ///
    /// # Errors
    /// A device that does not answer.
    pub fn set_guides(&mut self, means: &[f64], roots: &[f64]) -> Result<()> {
        let (d, lower) = (self.dim, self.dim * (self.dim + 1) / 2);
        let mut all = Vec::with_capacity(self.sizes.guide * self.n_genes);
        for (mean, root) in means.chunks_exact(d).zip(roots.chunks_exact(lower)) {
            all.extend([0.0; GUIDE_HEAD]);
            all.extend(mean.iter().chain(root));
            all.extend(std::iter::repeat_n(0.0, self.sizes.guide - GUIDE_HEAD - d - lower));
        }
        self.machine.write(&self.guides, &real_bytes(&all, Precision::Double))
    }

    /// Steps of all genes until their stopping rules are met, `chunk` steps per launch; `goes_on` is asked between.
    ///
    /// # Errors
    /// A device that does not answer.
    pub fn ascend(
        &self, rules: &Rules, seed: u64, chunk: usize, mut goes_on: impl FnMut() -> bool,
    ) -> Result<Vec<GuideArrays>> {
        let constants = upload(self.machine, &real_bytes(&rules.constants(), Precision::Double))?;
        let elbo = self.machine.zeros(8 * self.n_genes * rules.max_steps)?;
        let phases = self.machine.zeros(8 * self.n_genes)?;
        let mut arguments = [&self.guides, &self.numbers, &constants, &elbo, &phases].map(Argument::Pointer).to_vec();
        arguments.extend([Argument::Long(seed), Argument::Int(chunk as i32)]);
        for _ in 0..rules.max_steps.div_ceil(chunk) {
            self.launch("twill_svi", self.n_genes, self.sizes.steps, &arguments)?;
            let phases = download(self.machine, &phases, self.n_genes, Precision::Double)?;
            if phases.iter().all(|&phase| phase >= CONVERGED) || !goes_on() {
                break;
            }
        }
        self.guides(&elbo, rules.max_steps)
    }

    /// `n_draws` draws of each guide: log ratios of all, values of the first `n_values`.
    ///
    /// # Errors
    /// A device that does not answer.
    pub fn draws(&self, seed: u64, n_draws: usize, n_values: usize) -> Result<Draws> {
        let (n, double) = (self.n_genes, Precision::Double);
        let values = self.machine.zeros((8 * n * n_values * self.dim).max(1))?;
        let ratios = self.machine.zeros(8 * n * n_draws)?;
        let mut arguments = [&self.guides, &self.numbers].map(Argument::Pointer).to_vec();
        arguments.extend([Argument::Long(seed), Argument::Int(n_draws as i32), Argument::Int(n_values as i32)]);
        arguments.extend([&values, &ratios].map(Argument::Pointer));
        self.launch("twill_draws", n * n_draws.div_ceil(LANES), self.sizes.steps, &arguments)?;
        let values = download(self.machine, &values, n * n_values * self.dim, double)?;
        Ok(Draws { values, log_ratios: download(self.machine, &ratios, n * n_draws, double)? })
    }

    /// Starts a kernel on `items`, whose blocks work with so many numbers.
    pub(super) fn launch(&self, kernel: &str, items: usize, work: usize, own: &[Argument]) -> Result<()> {
        let mut arguments: Vec<Argument> = self.arrays.iter().map(Argument::Pointer).collect();
        arguments.extend(own);
        arguments.push(Argument::Int(self.n_genes as i32));
        let elsewhere = self.elsewhere.as_ref().filter(|_| !is_shared(self.machine, work));
        arguments.push(elsewhere.map_or(Argument::Long(0), Argument::Pointer));
        arguments.push(Argument::Long(work as u64));
        let shared_bytes = if elsewhere.is_some() { 0 } else { 8 * work as u32 };
        let blocks = if elsewhere.is_some() { items.min(self.blocks_elsewhere) } else { items };
        let shape = LaunchShape { blocks: (blocks as u32, 1), threads: self.threads as u32, shared_bytes };
        self.machine.launch(kernel, self.precision, shape, &arguments)
    }

    fn guides(&self, elbo: &Buffer, max_steps: usize) -> Result<Vec<GuideArrays>> {
        let (d, lower) = (self.dim, self.dim * (self.dim + 1) / 2);
        let elbo = download(self.machine, elbo, self.n_genes * max_steps, Precision::Double)?;
        let guides = download(self.machine, &self.guides, self.sizes.guide * self.n_genes, Precision::Double)?;
        let one = |(guide, elbo): (&[f64], &[f64])| GuideArrays {
            steps: guide[0] as usize,
            converged: guide[1] == CONVERGED,
            mean: guide[GUIDE_HEAD..GUIDE_HEAD + d].to_vec(),
            root: guide[GUIDE_HEAD + d..GUIDE_HEAD + d + lower].to_vec(),
            elbo: elbo[..guide[0] as usize].to_vec(),
            has_start: guide[1] != FAILED,
            n_evaluations: guide[3] as usize,
        };
        Ok(guides.chunks_exact(self.sizes.guide).zip(elbo.chunks_exact(max_steps)).map(one).collect())
    }
}

/// Phase of a guide whose stopping rule was met, and of one without a start.
const CONVERGED: f64 = 2.0;
const FAILED: f64 = 4.0;

impl Rules {
    fn constants(&self) -> [f64; 10] {
        let [path, mean, root] = self.bounds;
        let counts = [self.window, self.polish_steps, self.max_steps].map(|n| n as f64);
        let [window, polish, max] = counts;
        [window, polish, max, self.rate, 1.0 / self.rate, self.search_gain, self.polish_gain, path, mean, root]
    }
}
