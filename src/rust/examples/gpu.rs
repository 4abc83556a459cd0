//! GPUs without R: what is there, whether the kernels compile, tests on a card and their speed.
//!
//! ```text
//! gpu devices                what can be used
//! gpu compile ARCH...        every kernel by NVRTC, in both precisions; no GPU is needed
//! gpu ptx FILE               the PTX of this package, by NVRTC 12.0
//! ```

use std::process::ExitCode;
use twill::device::cuda::nvrtc;
use twill::device::report;
use twill::device::source::{Precision, ptx_heading};

/// The architecture of the PTX in the package.
const PTX_ARCHITECTURE: &str = "compute_75";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match &words[..] {
        ["devices"] => devices(),
        ["compile", architectures @ ..] => architectures.iter().try_for_each(|a| compile(a)),
        ["ptx", file] => ptx(file),
        _ => Err("gpu devices | compile ARCH... | ptx FILE".into()),
    };
    done.map_or_else(
        |why| {
            eprintln!("{why}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

fn devices() -> Result<(), String> {
    for d in report::devices() {
        println!("{} {} {}\n  {}", d.device, if d.usable { "usable" } else { "not usable" }, d.name, d.detail);
    }
    Ok(())
}

fn compile(architecture: &str) -> Result<(), String> {
    let (major, minor) = nvrtc::version().ok_or("NVRTC is not installed")?;
    for precision in Precision::ALL {
        let code = nvrtc::compile(architecture, precision).map_err(|e| e.to_string())?;
        println!("ok NVRTC {major}.{minor} {architecture} {}: {} bytes", precision.c_type(), code.len());
    }
    Ok(())
}

fn ptx(file: &str) -> Result<(), String> {
    let version = nvrtc::version().ok_or("NVRTC is not installed")?;
    if version.0 > 12 || version.1 > 0 {
        return Err(format!("NVRTC 12.0 is needed, so that old drivers read its PTX; this is {version:?}"));
    }
    let code = nvrtc::compile(PTX_ARCHITECTURE, Precision::Single).map_err(|e| e.to_string())?;
    let text = String::from_utf8_lossy(&code);
    let text = text.trim_end_matches('\0').trim_end();
    std::fs::write(file, format!("{}\n{text}\n", ptx_heading())).map_err(|e| e.to_string())
}
