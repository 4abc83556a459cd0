//! What a device is to the rest of the package: memory, transfers and launches of kernels by name.
//!
//! CUDA's is `cuda::Card`. Tests run the same kernels and the same callers on one that is the CPU
//! (`tests/common/emulator.rs`), so that only the calls of the driver need a card to be tested.

use super::error::Result;
use super::source::Precision;
use std::sync::Arc;

/// Memory on a device; given back when dropped.
pub struct Buffer {
    address: u64,
    bytes: usize,
    give_back: Arc<dyn Fn(u64) + Send + Sync>,
}

impl Buffer {
    /// Memory at an address of the device, which `give_back` gets at the end.
    pub fn new(address: u64, bytes: usize, give_back: Arc<dyn Fn(u64) + Send + Sync>) -> Self {
        Self { address, bytes, give_back }
    }

    /// Where it is.
    pub fn address(&self) -> u64 {
        self.address
    }

    /// How long it is.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        (self.give_back)(self.address);
    }
}

impl std::fmt::Debug for Buffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Buffer({} bytes)", self.bytes)
    }
}

/// One argument of a kernel.
#[derive(Debug, Clone, Copy)]
pub enum Argument<'a> {
    /// A pointer to memory.
    Pointer(&'a Buffer),
    /// `int`.
    Int(i32),
    /// `unsigned long long`.
    Long(u64),
    /// `double`.
    Real(f64),
}

impl Argument<'_> {
    /// The bytes that the kernel sees, in the first of eight.
    pub fn bits(&self) -> u64 {
        match *self {
            Self::Pointer(buffer) => buffer.address(),
            Self::Int(value) => u64::from(value as u32),
            Self::Long(value) => value,
            Self::Real(value) => value.to_bits(),
        }
    }
}

/// Blocks, threads of a block, and bytes of memory that a block's threads share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaunchShape {
    /// Blocks in both directions of the grid.
    pub blocks: (u32, u32),
    /// Threads per block.
    pub threads: u32,
    /// Shared memory.
    pub shared_bytes: u32,
}

/// A device.
pub trait Machine: Send + Sync {
    /// What it calls itself.
    fn name(&self) -> String;

    /// Free memory in bytes.
    ///
    /// # Errors
    /// A device that does not answer.
    fn free_bytes(&self) -> Result<usize>;

    /// Shared memory that one block may have, in bytes.
    fn shared_bytes(&self) -> usize;

    /// Memory filled with zeros.
    ///
    /// # Errors
    /// [`super::error::FailureKind::OutOfMemory`], and a device that does not answer.
    fn zeros(&self, bytes: usize) -> Result<Buffer>;

    /// Copies to the device, from the start of the buffer. Longer than the buffer is a panic.
    ///
    /// # Errors
    /// A device that does not answer.
    fn write(&self, buffer: &Buffer, bytes: &[u8]) -> Result<()>;

    /// Copies from the device what earlier launches left there.
    ///
    /// # Errors
    /// A device that does not answer; what went wrong in a kernel shows here.
    fn read(&self, buffer: &Buffer, bytes: &mut [u8]) -> Result<()>;

    /// Starts a kernel; it runs after those started before.
    ///
    /// # Errors
    /// A kernel that does not exist or compile, or a shape that the device cannot run.
    fn launch(&self, kernel: &str, precision: Precision, shape: LaunchShape, arguments: &[Argument]) -> Result<()>;

    /// Waits until all kernels are done.
    ///
    /// # Errors
    /// What went wrong in them.
    fn finish(&self) -> Result<()>;
}

/// Bytes of numbers in the precision of the kernels.
pub fn real_bytes(values: &[f64], precision: Precision) -> Vec<u8> {
    match precision {
        Precision::Single => values.iter().flat_map(|&v| (v as f32).to_le_bytes()).collect(),
        Precision::Double => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
    }
}

/// Bytes of indices.
pub fn index_bytes(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// Memory with these bytes.
///
/// # Errors
/// As [`Machine::zeros`].
pub fn upload(machine: &dyn Machine, bytes: &[u8]) -> Result<Buffer> {
    // CUDA has no empty memory.
    let buffer = machine.zeros(bytes.len().max(1))?;
    machine.write(&buffer, bytes)?;
    Ok(buffer)
}

/// Bytes in groups of `N`; what is left at the end is not given.
pub fn chunks<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> {
    bytes.chunks_exact(N).map(|chunk| chunk.try_into().expect("a chunk has N bytes"))
}

/// The first `n` numbers of a buffer.
///
/// # Errors
/// As [`Machine::read`].
pub fn download(machine: &dyn Machine, buffer: &Buffer, n: usize, precision: Precision) -> Result<Vec<f64>> {
    let mut bytes = vec![0; n * precision.bytes()];
    machine.read(buffer, &mut bytes)?;
    Ok(match precision {
        Precision::Single => chunks(&bytes).map(|b| f64::from(f32::from_le_bytes(b))).collect(),
        Precision::Double => chunks(&bytes).map(f64::from_le_bytes).collect(),
    })
}
