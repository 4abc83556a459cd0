//! NVIDIA's run-time compiler, where it is installed: kernels in the machine code of one architecture.

use crate::device::error::{DeviceError, FailureKind, Result};
use crate::device::source::{Precision, options, text};
use cudarc::nvrtc::result::{self, NvrtcError};
use cudarc::nvrtc::sys;
use std::ffi::CString;

/// Major and minor version of the compiler, if there is one.
pub fn version() -> Option<(i32, i32)> {
    // SAFETY: opens the library, which runs its initialiser and nothing else.
    if !unsafe { sys::is_culib_present() } {
        return None;
    }
    let (mut major, mut minor) = (0, 0);
    // SAFETY: writes two ints.
    let code = unsafe { sys::nvrtcVersion(&raw mut major, &raw mut minor) };
    code.result().ok().map(|()| (major, minor))
}

/// What the compiler makes: PTX for `compute_NN`, machine code for `sm_NN`.
///
/// # Errors
/// [`FailureKind::Compile`] with the compiler's messages.
pub fn compile(architecture: &str, precision: Precision) -> Result<Vec<u8>> {
    let source = CString::new(text()).map_err(|_| failed("the source has a zero byte"))?;
    let program = result::create_program(&source, Some(c"twill.cu")).map_err(|e| failed(&e.to_string()))?;
    // SAFETY: the program is alive until it is destroyed, below.
    let compiled = unsafe { result::compile_program(program, &options(architecture, precision)) };
    let out = match compiled {
        Ok(()) => output(program, architecture.starts_with("sm_")).map_err(|e| failed(&e.to_string())),
        Err(_) => Err(failed(&log(program))),
    };
    // SAFETY: not used again.
    unsafe { result::destroy_program(program) }.map_err(|e| failed(&e.to_string()))?;
    out
}

fn output(program: sys::nvrtcProgram, is_machine_code: bool) -> std::result::Result<Vec<u8>, NvrtcError> {
    if !is_machine_code {
        // SAFETY: the program is compiled. The text ends in a zero.
        let ptx = unsafe { result::get_ptx(program) }?;
        return Ok(ptx.into_iter().map(|c| c as u8).collect());
    }
    let mut size = 0;
    // SAFETY: the program is compiled; the buffer has the size that it asked for.
    unsafe {
        sys::nvrtcGetCUBINSize(program, &raw mut size).result()?;
        let mut bytes = vec![0u8; size];
        sys::nvrtcGetCUBIN(program, bytes.as_mut_ptr().cast()).result()?;
        Ok(bytes)
    }
}

fn log(program: sys::nvrtcProgram) -> String {
    // SAFETY: the program exists.
    let log = unsafe { result::get_program_log(program) }.unwrap_or_default();
    let bytes: Vec<u8> = log.into_iter().map(|c| c as u8).collect();
    String::from_utf8_lossy(&bytes).trim_end_matches('\0').to_string()
}

fn failed(why: &str) -> DeviceError {
    DeviceError::new(FailureKind::Compile, format!("NVRTC cannot compile the kernels: {why}"))
}
