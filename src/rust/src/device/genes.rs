//! Many genes on a device: their arrays stay there, and what travels is positions, bounds and draws.

use super::error::{DeviceError, Kind, Result};
use super::machine::{Argument, Buffer, Machine, Shape, download, index_bytes, real_bytes, upload};
use super::pack::{FrameArrays, GeneArrays, LANES, Packed};
use super::source::Precision;

/// Threads of a block, at least and at most.
const THREADS: (usize, usize) = (64, 256);
/// Blocks that work in the card's memory at a time, where shared memory is too small.
const BLOCKS_ELSEWHERE: usize = 1024;
/// Kept free of a block's shared memory for the kernels' own.
const OWN_SHARED: usize = 2048;

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
    machine: &'a dyn Machine,
    precision: Precision,
    n_genes: usize,
    dim: usize,
    n_values: usize,
    threads: usize,
    arrays: Vec<Buffer>,
    numbers: Buffer,
    guides: Buffer,
    guide_size: usize,
    /// Blocks of threads at a time, where they work in the card's memory.
    blocks_elsewhere: usize,
    /// Numbers that a block of threads works with in steps and on the way to a start, and where if not in shared memory.
    work: [usize; 2],
    elsewhere: Option<Buffer>,
}

/// Bytes of the device that a gene needs, with its draws and bounds, and what a block of threads works with where shared
/// memory is too small: three numbers per leaf and position are most of it.
pub fn bytes_of(frame: &FrameArrays, gene: &GeneArrays, max_steps: usize, n_draws: usize) -> usize {
    let (n, d, priors) = (frame.n(), frame.dim(), gene.priors.len());
    let record = n * n + 2 * frame.c * frame.c + frame.p * frame.p + 3 * n + 5 * priors + 64;
    let guide = 3 * (d + d * (d + 1) / 2) + HEAD;
    let draws = n_draws * (d + 1) + max_steps;
    let work = 3 * (LANES + 1) * frame.n_leaves() + 2 * d * d;
    8 * (record + guide + draws + work + 3 * gene.rows[0].len() + 2 * gene.large[0].len() + gene.starts.len())
}

impl<'a> Genes<'a> {
    /// Puts genes on a device; `numbers` choose their noise.
    ///
    /// # Errors
    /// [`Kind::OutOfMemory`], and a device that does not answer.
    pub fn new(
        machine: &'a dyn Machine, precision: Precision, frame: &FrameArrays, genes: &[&GeneArrays], numbers: &[u32],
    ) -> Result<Self> {
        let packed = Packed::new(genes.iter().copied());
        let arrays = upload_all(machine, precision, frame, &packed)?;
        let [steps, start, record_size, guide_size] = sizes(machine, precision, &arrays)?;
        let work = [steps, start];
        if record_size * genes.len() != packed.records.len() {
            return Err(DeviceError::new(Kind::Internal, "the arrays of the genes do not fit the kernels"));
        }
        let most = work.into_iter().filter(|&work| !is_shared(machine, work)).max();
        let blocks_elsewhere = genes.len().min(BLOCKS_ELSEWHERE);
        let elsewhere = most.map(|most| machine.zeros(8 * most * blocks_elsewhere)).transpose()?;
        let (dim, n_values) = (frame.dim(), frame.dim());
        let threads = (LANES * frame.n_leaves()).next_multiple_of(32).clamp(THREADS.0, THREADS.1);
        let (n_genes, numbers) = (genes.len(), upload(machine, &index_bytes(numbers))?);
        let guides = machine.zeros(8 * guide_size * n_genes)?;
        Ok(Self {
            machine,
            precision,
            n_genes,
            dim,
            n_values,
            threads,
            arrays,
            numbers,
            guides,
            guide_size,
            blocks_elsewhere,
            work,
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
        self.launch("twill_target", self.n_genes, self.work[0], &pointers)?;
        let values = download(self.machine, &values, n, double)?;
        Ok((values, download(self.machine, &gradients, n * self.dim, double)?))
    }

    /// Centres the maps of all genes at their modes and sets their guides: normal approximations there.
    ///
    /// # Errors
    /// A device that does not answer.
    pub fn start(&self) -> Result<()> {
        self.launch("twill_start", self.n_genes, self.work[1], &[Argument::Pointer(&self.guides)])
    }

    /// Sets the guides: means `[genes, d]` and roots, lower triangles row by row, `[genes, d (d + 1) / 2]`.
    ///
    /// # Errors
    /// A device that does not answer.
    pub fn set_guides(&mut self, means: &[f64], roots: &[f64]) -> Result<()> {
        let (d, lower) = (self.dim, self.dim * (self.dim + 1) / 2);
        let mut all = Vec::with_capacity(self.guide_size * self.n_genes);
        for (mean, root) in means.chunks_exact(d).zip(roots.chunks_exact(lower)) {
            all.extend([0.0; HEAD]);
            all.extend(mean.iter().chain(root));
            all.extend(std::iter::repeat_n(0.0, self.guide_size - HEAD - d - lower));
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
            self.launch("twill_svi", self.n_genes, self.work[0], &arguments)?;
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
        let values = self.machine.zeros((8 * n * n_values * self.n_values).max(1))?;
        let ratios = self.machine.zeros(8 * n * n_draws)?;
        let mut arguments = [&self.guides, &self.numbers].map(Argument::Pointer).to_vec();
        arguments.extend([Argument::Long(seed), Argument::Int(n_draws as i32), Argument::Int(n_values as i32)]);
        arguments.extend([&values, &ratios].map(Argument::Pointer));
        self.launch("twill_draws", n * n_draws.div_ceil(LANES), self.work[0], &arguments)?;
        let values = download(self.machine, &values, n * n_values * self.n_values, double)?;
        Ok(Draws { values, log_ratios: download(self.machine, &ratios, n * n_draws, double)? })
    }

    fn launch(&self, kernel: &str, items: usize, work: usize, own: &[Argument]) -> Result<()> {
        let mut arguments: Vec<Argument> = self.arrays.iter().map(Argument::Pointer).collect();
        arguments.extend(own);
        arguments.push(Argument::Int(self.n_genes as i32));
        let elsewhere = self.elsewhere.as_ref().filter(|_| !is_shared(self.machine, work));
        arguments.push(elsewhere.map_or(Argument::Long(0), Argument::Pointer));
        arguments.push(Argument::Long(work as u64));
        let shared_bytes = if elsewhere.is_some() { 0 } else { 8 * work as u32 };
        let blocks = if elsewhere.is_some() { items.min(self.blocks_elsewhere) } else { items };
        let shape = Shape { blocks: (blocks as u32, 1), threads: self.threads as u32, shared_bytes };
        self.machine.launch(kernel, self.precision, shape, &arguments)
    }

    fn guides(&self, elbo: &Buffer, max_steps: usize) -> Result<Vec<GuideArrays>> {
        let (d, lower) = (self.dim, self.dim * (self.dim + 1) / 2);
        let elbo = download(self.machine, elbo, self.n_genes * max_steps, Precision::Double)?;
        let guides = download(self.machine, &self.guides, self.guide_size * self.n_genes, Precision::Double)?;
        let one = |(guide, elbo): (&[f64], &[f64])| GuideArrays {
            steps: guide[0] as usize,
            converged: guide[1] == CONVERGED,
            mean: guide[HEAD..HEAD + d].to_vec(),
            root: guide[HEAD + d..HEAD + d + lower].to_vec(),
            elbo: elbo[..guide[0] as usize].to_vec(),
            has_start: guide[1] != FAILED,
            n_evaluations: guide[3] as usize,
        };
        Ok(guides.chunks_exact(self.guide_size).zip(elbo.chunks_exact(max_steps)).map(one).collect())
    }
}

/// Numbers at the head of a guide: steps, phase, step of the second phase, evaluations on the way to the start.
const HEAD: usize = 4;
/// Phase of a guide whose stopping rule was met, and of one without a start.
const CONVERGED: f64 = 2.0;
const FAILED: f64 = 4.0;

/// Whether a block's shared memory holds these numbers.
fn is_shared(machine: &dyn Machine, work: usize) -> bool {
    8 * work + OWN_SHARED <= machine.shared_bytes()
}

impl Rules {
    fn constants(&self) -> [f64; 10] {
        let [path, mean, root] = self.bounds;
        let counts = [self.window, self.polish_steps, self.max_steps].map(|n| n as f64);
        let [window, polish, max] = counts;
        [window, polish, max, self.rate, 1.0 / self.rate, self.search_gain, self.polish_gain, path, mean, root]
    }
}

/// In the order of the kernels' parameters.
fn upload_all(
    machine: &dyn Machine, precision: Precision, frame: &FrameArrays, packed: &Packed,
) -> Result<Vec<Buffer>> {
    let double = |values: &[f64]| real_bytes(values, Precision::Double);
    let mut arrays = vec![index_bytes(&frame.ints()), double(&frame.reals()), double(&packed.records)];
    arrays.push(index_bytes(&packed.row_start));
    arrays.extend(packed.rows.iter().map(|values| real_bytes(values, precision)));
    arrays.push(index_bytes(&packed.large_start));
    arrays.extend(packed.large.iter().map(|values| double(values)));
    arrays.iter().map(|bytes| upload(machine, bytes)).collect()
}

/// Numbers that a block of threads works with in steps and on the way to a start, of a record, and of a guide.
fn sizes(machine: &dyn Machine, precision: Precision, arrays: &[Buffer]) -> Result<[usize; 4]> {
    let out = machine.zeros(32)?;
    let arguments = [&arrays[0], &arrays[1], &out].map(Argument::Pointer);
    let shape = Shape { blocks: (1, 1), threads: 32, shared_bytes: 0 };
    machine.launch("twill_sizes", precision, shape, &arguments)?;
    let mut bytes = [0; 32];
    machine.read(&out, &mut bytes)?;
    let words = bytes.as_chunks().0;
    Ok([0, 1, 2, 3].map(|i| u64::from_le_bytes(words[i]) as usize))
}
