//! Devices beside the CPU. The CPU's code is the definition; a device computes the same for many genes at once.
//!
//! ```text
//! kernels/   the source, CUDA C that is also C++        source   how it is compiled
//! machine    what a device can do                       cuda     NVIDIA's GPUs (feature `cuda`)
//! genes      blocks of genes on any machine             walks    their chains
//! rows       rows of one model                          report   what is there, and why not
//! ```

pub mod cache;
#[cfg(feature = "cuda")]
#[allow(unsafe_code)]
pub mod cuda;
pub mod error;
pub mod gene_memory;
pub mod genes;
pub mod machine;
pub mod pack;
pub mod report;
pub mod row_arrays;
mod row_plan;
pub mod rows;
pub mod source;
pub mod walks;

use machine::Machine;
use std::sync::Arc;

/// The first GPU. `cache` is a folder for compiled kernels, or empty.
///
/// # Errors
/// Why there is none.
pub fn open(cache: &str) -> error::Result<Arc<dyn Machine>> {
    #[cfg(feature = "cuda")]
    {
        Ok(cuda::open(0, cache)?)
    }
    #[cfg(not(feature = "cuda"))]
    {
        let _ = cache;
        Err(report::not_built())
    }
}
