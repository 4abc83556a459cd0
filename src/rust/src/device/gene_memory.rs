//! What genes take of a device's memory: their arrays, and what a block of threads works with.

use super::error::Result;
use super::machine::{Argument, Buffer, LaunchShape, Machine, chunks, index_bytes, real_bytes, upload};
use super::pack::{FrameArrays, GeneArrays, Packed};
use super::source::Precision;
use crate::tuning::{GUIDE_HEAD, LANES, MAX_PARTS, PRIOR_SIZE};

/// Kept free of a block's shared memory for the kernels' own.
const OWN_SHARED: usize = 2048;

/// How many numbers the kernels need.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    /// For a block of threads in steps.
    pub steps: usize,
    /// For one on the way to a start.
    pub start: usize,
    /// For one in walks.
    pub walks: usize,
    /// For a gene's record.
    pub record: usize,
    /// For a guide.
    pub guide: usize,
    /// For eight chains.
    pub walk: usize,
}

impl Sizes {
    /// As the kernels count them.
    pub(super) fn of(machine: &dyn Machine, precision: Precision, arrays: &[Buffer]) -> Result<Self> {
        let out = machine.zeros(48)?;
        let arguments = [&arrays[0], &arrays[1], &out].map(Argument::Pointer);
        let shape = LaunchShape { blocks: (1, 1), threads: 32, shared_bytes: 0 };
        machine.launch("twill_sizes", precision, shape, &arguments)?;
        let mut bytes = [0; 48];
        machine.read(&out, &mut bytes)?;
        let mut words = chunks(&bytes).map(|b| u64::from_le_bytes(b) as usize);
        let [steps, start, walks, record, guide, walk] =
            std::array::from_fn(|_| words.next().expect("there are six words"));
        Ok(Self { steps, start, walks, record, guide, walk })
    }

    /// The most that a block works with outside of shared memory; `None` if that always suffices.
    pub(super) fn elsewhere(&self, machine: &dyn Machine) -> Option<usize> {
        [self.steps, self.start, self.walks].into_iter().filter(|&work| !is_shared(machine, work)).max()
    }
}

/// Whether a block's shared memory holds these numbers.
pub(super) fn is_shared(machine: &dyn Machine, work: usize) -> bool {
    8 * work + OWN_SHARED <= machine.shared_bytes()
}

/// Bytes of the device that a gene needs, with its `n_draws` draws, as many log ratios or other numbers of guides and
/// chains, and what a block of threads works with where shared memory is too small: a number per leaf and position is most
/// of it.
pub fn bytes_of(frame: &FrameArrays, gene: &GeneArrays, max_steps: usize, n_draws: usize) -> usize {
    let (n, d, priors) = (frame.n(), frame.dim(), gene.priors.len());
    let record = n * n + 2 * frame.c * frame.c + frame.p * frame.p + 3 * n + PRIOR_SIZE * priors + 64;
    let guide = 3 * (d + d * (d + 1) / 2) + GUIDE_HEAD;
    let draws = n_draws * (d + 1) + max_steps + 4 * LANES * d;
    let work = (LANES + 3) * frame.n_leaves() + 2 * d * d + LANES * MAX_PARTS * (frame.c + 2);
    8 * (record + guide + draws + work + 3 * gene.rows[0].len() + 2 * gene.large[0].len() + gene.starts.len())
}

/// In the order of the kernels' parameters.
pub(super) fn upload_all(
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
