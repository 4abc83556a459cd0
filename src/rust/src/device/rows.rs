//! Rows of one model on a device: log-likelihood and gradient at several positions at once.
//!
//! See `kernels/model.cu`. Rows, codes and columns stay on the device; what travels is parameters up and gradients down.
//! Rows that are more than its memory holds go through it in blocks, anew at each evaluation. Sums run in an order
//! that depends on the data alone.

use super::error::{FailureKind, Result};
use super::machine::{Argument, Buffer, LaunchShape, Machine, download, index_bytes, real_bytes, upload};
use super::row_arrays::RowArrays;
use super::row_plan::RowPlan;
use super::source::Precision;

/// Positions at once, at most.
pub const MAX_LANES: usize = 32;
/// Threads of a block.
pub(super) const THREADS: usize = 256;
/// Share of the free memory that is used.
const SHARE: f64 = 0.8;
/// Blocks of rows have at most so many, and at least so many where memory is short.
const BLOCK_ROWS: [usize; 2] = [1 << 10, 1 << 24];

/// Rows on a device, or in blocks on their way to it.
pub struct Rows<'a> {
    machine: &'a dyn Machine,
    precision: Precision,
    n_parameters: usize,
    blocks: Vec<RowBlock>,
    /// Derivatives of rows in the linear predictor and in the log dispersion; parts of sums; parameters; results.
    work: [Buffer; 5],
    max_lanes: usize,
}

/// Some of the rows.
struct RowBlock {
    plan: RowPlan,
    /// In the order of the kernels' parameters.
    place: BlockPlace,
}

enum BlockPlace {
    There(Vec<Buffer>),
    Here(Vec<Vec<u8>>),
}

impl RowArrays {
    /// Bytes of the device per row, those of the work of `lanes` positions included.
    fn row_bytes(&self, precision: Precision, lanes: usize) -> usize {
        let z: usize = self.terms.iter().map(|t| t.z.len() / self.n().max(1)).sum();
        let [n_x, n_w] = self.n_columns();
        let of_each = [&self.counts, &self.squares, &self.se2].iter().filter(|v| !v.is_empty()).count();
        let derivatives = lanes * (1 + usize::from(n_w > 0));
        precision.bytes() * (3 + of_each + n_x + n_w + z + derivatives) + 8 * self.terms.len()
    }

    /// In the order of the kernels' parameters, and last the rows of each term sorted by level.
    fn bytes(&self, precision: Precision, plan: &RowPlan) -> Vec<Vec<u8>> {
        let rows =
            [&self.offset, &self.totals, &self.weights, &self.counts, &self.squares, &self.se2, &self.x, &self.w];
        let mut out = vec![index_bytes(&plan.header)];
        out.extend(rows.iter().map(|values| real_bytes(values, precision)));
        out.push(self.terms.iter().flat_map(|t| real_bytes(&t.z, precision)).collect());
        out.push(self.terms.iter().flat_map(|t| index_bytes(&t.codes)).collect());
        out.extend([index_bytes(&plan.order), index_bytes(&plan.segments), index_bytes(&plan.places)]);
        out
    }
}

impl<'a> Rows<'a> {
    /// Puts the rows on a device, all if they fit, for up to `max_lanes` positions at once.
    ///
    /// # Errors
    /// Memory that does not suffice for any rows, and a device that does not answer.
    pub fn new(machine: &'a dyn Machine, precision: Precision, arrays: &RowArrays, max_lanes: usize) -> Result<Self> {
        let max_lanes = max_lanes.next_power_of_two().min(MAX_LANES);
        let free = machine.free_bytes()? as f64 * SHARE;
        let fitting = (free / arrays.row_bytes(precision, max_lanes) as f64) as usize;
        let [least, most] = BLOCK_ROWS;
        let mut is_resident = fitting >= arrays.n();
        let mut size = if is_resident { most } else { fitting.clamp(least, most) };
        loop {
            match Self::in_blocks(machine, precision, arrays, max_lanes, size.min(arrays.n()), is_resident) {
                // Another process may have taken some of the memory.
                Err(error) if error.kind == FailureKind::OutOfMemory && size > least => {
                    size = (size.min(arrays.n()) / 2).max(least)
                }
                done => return done,
            }
            is_resident = false;
        }
    }

    /// Blocks of `size` rows, which stay on the device or do not.
    ///
    /// # Errors
    /// As [`Rows::new`].
    pub fn in_blocks(
        machine: &'a dyn Machine, precision: Precision, arrays: &RowArrays, max_lanes: usize, size: usize,
        is_resident: bool,
    ) -> Result<Self> {
        let block = |first: usize| {
            let part = arrays.part(first, arrays.n().min(first + size));
            let plan = RowPlan::new(&part);
            let bytes = part.bytes(precision, &plan);
            let there = || bytes.iter().map(|b| upload(machine, b)).collect::<Result<_>>();
            let place = if is_resident { BlockPlace::There(there()?) } else { BlockPlace::Here(bytes) };
            Ok(RowBlock { plan, place })
        };
        let blocks = (0..arrays.n()).step_by(size).map(block).collect::<Result<Vec<_>>>()?;
        let most = |f: &dyn Fn(&RowPlan) -> usize| blocks.iter().map(|b| f(&b.plan)).max().unwrap_or(0);
        let n = precision.bytes() * max_lanes * most(&|p| p.n);
        let (n_log, parts) = (if arrays.w.is_empty() { 1 } else { n }, 8 * max_lanes * most(&|p| p.n_parts));
        let out = 8 * max_lanes * (1 + arrays.n_parameters());
        let [d_eta, d_log, parts, parameters, out] = [n, n_log, parts, out, out].map(|bytes| machine.zeros(bytes));
        let work = [d_eta?, d_log?, parts?, parameters?, out?];
        let rows = Self { machine, precision, n_parameters: arrays.n_parameters(), blocks, work, max_lanes };
        rows.probe(is_resident)
    }

    /// Blocks that travel need their memory at each evaluation: whether it is there shows now.
    fn probe(self, is_resident: bool) -> Result<Self> {
        if !is_resident {
            self.evaluate(&vec![0.0; self.n_parameters], 1, false)?;
        }
        Ok(self)
    }

    /// Positions at once, at most.
    pub fn max_lanes(&self) -> usize {
        self.max_lanes
    }

    /// Whether all rows stay on the device.
    pub fn is_resident(&self) -> bool {
        self.blocks.iter().all(|b| matches!(b.place, BlockPlace::There(_)))
    }

    /// `[value, derivatives][lanes]` at `parameters`, `[n_parameters][lanes]`: coefficients and effects as differences from
    /// the reference, log dispersions. Without the gradient the values alone. `lanes` is a power of two.
    ///
    /// # Errors
    /// A device that does not answer, or has no memory for a block.
    pub fn evaluate(&self, parameters: &[f64], lanes: usize, with_gradient: bool) -> Result<Vec<f64>> {
        assert!(lanes.is_power_of_two() && lanes <= self.max_lanes && parameters.len() == lanes * self.n_parameters);
        self.machine.write(&self.work[3], &real_bytes(parameters, Precision::Double))?;
        let n_out = if with_gradient { 1 + self.n_parameters } else { 1 };
        let mut sums = vec![0.0; n_out * lanes];
        for block in &self.blocks {
            let call = Call { rows: self, plan: &block.plan, lanes, n_out };
            match &block.place {
                BlockPlace::There(arrays) => call.start(arrays)?,
                BlockPlace::Here(bytes) => {
                    call.start(&bytes.iter().map(|b| upload(self.machine, b)).collect::<Result<Vec<_>>>()?)?
                }
            }
            let own = download(self.machine, &self.work[4], n_out * lanes, Precision::Double)?;
            sums.iter_mut().zip(own).for_each(|(sum, own)| *sum += own);
        }
        Ok(sums)
    }
}

/// One block at some positions.
struct Call<'a> {
    rows: &'a Rows<'a>,
    plan: &'a RowPlan,
    lanes: usize,
    n_out: usize,
}

impl Call<'_> {
    fn start(&self, arrays: &[Buffer]) -> Result<()> {
        let [.., order, segments, places] = arrays else { unreachable!("as many arrays as kernels have") };
        let of_rows: Vec<Argument> = arrays[..arrays.len() - 3].iter().map(Argument::Pointer).collect();
        let [d_eta, d_log, parts, parameters, out] = self.rows.work.each_ref().map(Argument::Pointer);
        let int = |n: usize| Argument::Int(n as i32);
        let (plan, lanes, with_gradient) = (self.plan, int(self.lanes), self.n_out > 1);
        let own = [parameters, d_eta, d_log, parts, lanes, int(plan.chunk), int(with_gradient.into())];
        self.launch("twill_model_rows", plan.n_chunks, &[&of_rows[..], &own].concat())?;
        if with_gradient && plan.n_segments() > 0 {
            let own = [Argument::Pointer(order), Argument::Pointer(segments), d_eta, parts, lanes];
            let own = [&of_rows[..], &own, &[int(plan.n_segments()), int(plan.most_columns)]].concat();
            self.launch("twill_model_levels", plan.n_segments().div_ceil(THREADS / 32), &own)?;
        }
        let own = [Argument::Pointer(places), parts, out, lanes, int(self.n_out)];
        self.launch("twill_model_sums", self.n_out.div_ceil(THREADS / 32), &own)
    }

    fn launch(&self, kernel: &str, blocks: usize, arguments: &[Argument]) -> Result<()> {
        let shared_bytes = (8 * self.lanes * THREADS / 32) as u32;
        let shape = LaunchShape { blocks: (blocks as u32, 1), threads: THREADS as u32, shared_bytes };
        self.rows.machine.launch(kernel, self.rows.precision, shape, arguments)
    }
}
