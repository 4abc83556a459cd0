//! What can go wrong with a GPU, and what to do about it.

use crate::error::Error;
use std::fmt;

/// Result with a [`DeviceError`].
pub type Result<T> = std::result::Result<T, DeviceError>;

/// Kinds that differ in their way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// This build has no support of GPUs.
    NotBuilt,
    /// NVIDIA's driver is not on this machine.
    NoDriver,
    /// There is a driver and no GPU that this process may see.
    NoGpu,
    /// The driver cannot run the kernels.
    OldDriver,
    /// The GPU is of a generation before [`super::source::OLDEST`].
    OldGpu,
    /// Another process has the GPU for itself.
    Busy,
    /// This process was forked from one that used the GPU.
    Forked,
    /// The GPU's memory is full.
    OutOfMemory,
    /// The GPU stopped answering.
    Lost,
    /// A model that has nothing to do on a GPU.
    Unsuitable,
    /// A kernel did not compile.
    Compile,
    /// Anything else: a bug.
    Internal,
}

/// Why a GPU cannot be used, or no longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceError {
    /// What kind of failure.
    pub kind: FailureKind,
    /// What was seen.
    pub why: String,
}

impl FailureKind {
    /// What the user can do.
    pub fn way_out(self) -> &'static str {
        match self {
            Self::NotBuilt => "Install twill without TWILL_CUDA=false, or use device = \"cpu\".",
            Self::NoDriver => "Install NVIDIA's driver if this machine has a GPU, or use device = \"cpu\".",
            Self::NoGpu => {
                "Look at CUDA_VISIBLE_DEVICES and, in a container, whether it was given the GPU; or use device = \"cpu\"."
            }
            Self::OldDriver => "Update NVIDIA's driver to version 525 or newer, or use device = \"cpu\".",
            Self::OldGpu => "GPUs from Turing (2018) on can be used; use device = \"cpu\".",
            Self::Busy => "Wait for the process that has the GPU (nvidia-smi shows it), or use device = \"cpu\".",
            Self::Forked => "Use threads (cores = ) or, for BPPARAM, SnowParam() in the place of MulticoreParam().",
            Self::OutOfMemory => {
                "Other processes may use the GPU (nvidia-smi shows them), or use device = \"cpu\". Of genes, a smaller \
                 block_size needs less memory, and finished blocks in the folder serve on any device."
            }
            Self::Lost => {
                "The same call with device = \"cpu\" works, and goes on from the finished blocks of genes in a folder. The GPU \
                 can be used again in a new R session."
            }
            Self::Unsuitable => "Use device = \"cpu\", or \"auto\", which does so where a GPU has nothing to do.",
            Self::Compile | Self::Internal => {
                "This is a bug: please report it. device = \"cpu\" works without the GPU."
            }
        }
    }

    /// Whether the kernels might still run if they came in another form.
    pub fn is_about_the_image(self) -> bool {
        matches!(self, Self::Compile | Self::OldDriver)
    }
}

impl DeviceError {
    /// A failure of this kind.
    pub fn new(kind: FailureKind, why: impl Into<String>) -> Self {
        Self { kind, why: why.into() }
    }
}

impl fmt::Display for DeviceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.why, self.kind.way_out())
    }
}

impl std::error::Error for DeviceError {}

impl From<DeviceError> for Error {
    fn from(error: DeviceError) -> Self {
        Error::Device(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_to_do() {
        let error = Error::from(DeviceError::new(FailureKind::OutOfMemory, "no room for 3 bytes"));
        assert_eq!(error.kind(), "device");
        let text = error.to_string();
        assert!(text.starts_with("no room for 3 bytes\n") && text.contains("block_size"), "{text}");
    }
}
