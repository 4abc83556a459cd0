//! Which GPUs there are, and the driver's errors in our words.
//!
//! cudarc panics where a library or a symbol is missing. The library is looked for first; a symbol
//! that an old driver lacks becomes an error in [`guarded`].

use crate::device::error::{DeviceError, FailureKind, Result};
use crate::device::source::{OLDEST, OLDEST_DRIVER};
use cudarc::driver::result::{self, DriverError};
use cudarc::driver::sys::{self, CUdevice_attribute, CUresult};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardInfo {
    /// Its number.
    pub ordinal: i32,
    /// What the driver calls it.
    pub name: String,
    /// Compute capability.
    pub capability: (i32, i32),
    /// All of its memory, in bytes.
    pub memory: usize,
    /// Multiprocessors.
    pub processors: i32,
    /// Shared memory that one block may have, in bytes.
    pub shared_bytes: usize,
}

impl CardInfo {
    /// NVRTC's name of the architecture.
    pub fn architecture(&self) -> String {
        format!("sm_{}{}", self.capability.0, self.capability.1)
    }

    /// # Errors
    /// [`FailureKind::OldGpu`].
    pub fn check(&self) -> Result<()> {
        if self.capability >= OLDEST {
            return Ok(());
        }
        let (major, minor) = self.capability;
        let why = format!("The GPU ({}) has compute capability {major}.{minor}, and 7.5 is needed.", self.name);
        Err(DeviceError::new(FailureKind::OldGpu, why))
    }
}

/// The driver's CUDA version (major * 1000 + minor * 10) and its GPUs.
///
/// # Errors
/// No driver, one that is too old, or no GPU.
pub fn cards() -> Result<(i32, Vec<CardInfo>)> {
    // SAFETY: opens the library, which runs its initialiser and nothing else.
    if !unsafe { sys::is_culib_present() } {
        return Err(DeviceError::new(
            FailureKind::NoDriver,
            "There is no driver of NVIDIA GPUs on this machine (libcuda).",
        ));
    }
    guarded("starting the driver", || {
        result::init()?;
        let mut version = 0;
        // SAFETY: writes one int.
        unsafe { sys::cuDriverGetVersion(&raw mut version) }.result()?;
        let count = result::device::get_count()?;
        Ok((version, (0..count).map(card_info).collect::<std::result::Result<Vec<_>, _>>()?))
    })
    .and_then(check_driver)
}

fn check_driver(found: (i32, Vec<CardInfo>)) -> Result<(i32, Vec<CardInfo>)> {
    if found.0 < OLDEST_DRIVER {
        let why = format!("NVIDIA's driver knows CUDA {}, and 12.0 is needed.", version_text(found.0));
        return Err(DeviceError::new(FailureKind::OldDriver, why));
    }
    if found.1.is_empty() { Err(DeviceError::new(FailureKind::NoGpu, "The driver sees no GPU.")) } else { Ok(found) }
}

/// `12.4` for 12040.
pub fn version_text(version: i32) -> String {
    format!("{}.{}", version / 1000, version % 1000 / 10)
}

fn card_info(ordinal: i32) -> std::result::Result<CardInfo, DriverError> {
    use CUdevice_attribute as A;
    let device = result::device::get(ordinal)?;
    // SAFETY: the device comes from the driver.
    let attribute = |which| unsafe { result::device::get_attribute(device, which) };
    Ok(CardInfo {
        ordinal,
        name: result::device::get_name(device)?,
        capability: (
            attribute(A::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
            attribute(A::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
        ),
        // SAFETY: as above.
        memory: unsafe { result::device::total_mem(device) }?,
        processors: attribute(A::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?,
        shared_bytes: attribute(A::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)? as usize,
    })
}

/// Runs calls of the driver; its errors, and symbols that it lacks, in our words.
pub fn guarded<T>(doing: &str, calls: impl FnOnce() -> std::result::Result<T, DriverError>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(calls)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(DriverError(code))) => Err(translated(code, doing)),
        Err(_) => {
            Err(DeviceError::new(FailureKind::OldDriver, format!("NVIDIA's driver lacks what is needed for {doing}.")))
        }
    }
}

/// A code of the driver in our words.
pub fn translated(code: CUresult, doing: &str) -> DeviceError {
    use CUresult as C;
    let kind = match code {
        C::CUDA_ERROR_OUT_OF_MEMORY => FailureKind::OutOfMemory,
        C::CUDA_ERROR_NO_DEVICE | C::CUDA_ERROR_INVALID_DEVICE => FailureKind::NoGpu,
        C::CUDA_ERROR_STUB_LIBRARY | C::CUDA_ERROR_SYSTEM_NOT_READY => FailureKind::NoDriver,
        C::CUDA_ERROR_DEVICE_UNAVAILABLE => FailureKind::Busy,
        C::CUDA_ERROR_NOT_INITIALIZED => FailureKind::Forked,
        C::CUDA_ERROR_UNSUPPORTED_PTX_VERSION
        | C::CUDA_ERROR_INVALID_IMAGE
        | C::CUDA_ERROR_NO_BINARY_FOR_GPU
        | C::CUDA_ERROR_INVALID_PTX
        | C::CUDA_ERROR_JIT_COMPILER_NOT_FOUND
        | C::CUDA_ERROR_SYSTEM_DRIVER_MISMATCH
        | C::CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE => FailureKind::OldDriver,
        C::CUDA_ERROR_ILLEGAL_ADDRESS
        | C::CUDA_ERROR_LAUNCH_TIMEOUT
        | C::CUDA_ERROR_LAUNCH_FAILED
        | C::CUDA_ERROR_HARDWARE_STACK_ERROR
        | C::CUDA_ERROR_ILLEGAL_INSTRUCTION
        | C::CUDA_ERROR_MISALIGNED_ADDRESS
        | C::CUDA_ERROR_ECC_UNCORRECTABLE
        | C::CUDA_ERROR_CONTEXT_IS_DESTROYED
        | C::CUDA_ERROR_UNKNOWN => FailureKind::Lost,
        _ => FailureKind::Internal,
    };
    let why = match kind {
        FailureKind::OutOfMemory => format!("The GPU's memory is full ({doing})."),
        FailureKind::Busy => "Another process has the GPU for itself.".into(),
        FailureKind::Forked => "A GPU cannot be used in a process that was forked from one that had used it.".into(),
        FailureKind::Lost => format!("The GPU stopped answering while {doing} ({code:?})."),
        _ => format!("The GPU's driver failed while {doing} ({code:?})."),
    };
    DeviceError::new(kind, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_their_way_out() {
        let kind = |code| translated(code, "testing").kind;
        assert_eq!(kind(CUresult::CUDA_ERROR_OUT_OF_MEMORY), FailureKind::OutOfMemory);
        assert_eq!(kind(CUresult::CUDA_ERROR_UNSUPPORTED_PTX_VERSION), FailureKind::OldDriver);
        assert_eq!(kind(CUresult::CUDA_ERROR_LAUNCH_FAILED), FailureKind::Lost);
        assert_eq!(kind(CUresult::CUDA_ERROR_DEVICE_UNAVAILABLE), FailureKind::Busy);
        assert_eq!(kind(CUresult::CUDA_ERROR_INVALID_VALUE), FailureKind::Internal);
    }

    #[test]
    fn a_missing_symbol_is_an_old_driver() {
        let failed = guarded("testing", || -> std::result::Result<(), _> { panic!("Expected symbol in library") });
        assert_eq!(failed.unwrap_err().kind, FailureKind::OldDriver);
    }

    #[test]
    fn old_drivers_and_old_cards_are_refused() {
        assert_eq!(check_driver((11_080, vec![])).unwrap_err().kind, FailureKind::OldDriver);
        assert_eq!(check_driver((12_020, vec![])).unwrap_err().kind, FailureKind::NoGpu);
        let (capability, name) = ((7, 0), "V100".into());
        let card = CardInfo { ordinal: 0, name, capability, memory: 0, processors: 80, shared_bytes: 0 };
        assert_eq!(card.check().unwrap_err().kind, FailureKind::OldGpu);
        assert_eq!(card.architecture(), "sm_70");
    }
}
