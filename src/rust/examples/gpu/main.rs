//! GPUs without R: what is there, whether the kernels compile, tests on a card and their speed. Needs a driver alone.
//!
//! ```text
//! gpu devices                what can be used
//! gpu compile ARCH...        every kernel by NVRTC, in both precisions; no GPU is needed
//! gpu ptx FILE               the PTX of this package, by NVRTC 12.0
//! gpu test [--small]         every case on the card against the CPU
//! gpu bench [--small]        time per step, against the card's memory and against this CPU
//! gpu bench-cpu [--small]    what of it needs no card
//! ```

#[path = "../../tests/common/mod.rs"]
mod common;
mod data;
mod rows_speed;
mod speed;

use common::{gene_checks, row_checks};
use std::process::ExitCode;
use twill::device::cache::Cache;
use twill::device::cuda::{Card, nvrtc};
use twill::device::error::FailureKind;
use twill::device::machine::Machine;
use twill::device::report;
use twill::device::source::{Precision, ptx_heading};

/// The architecture of the PTX in the package.
const PTX_ARCHITECTURE: &str = "compute_75";
const USAGE: &str = "gpu devices | compile ARCH... | ptx FILE | test [--small] | bench [--small] | bench-cpu [--small]";

type Outcome = Result<(), String>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let is_small = words.contains(&"--small");
    let done = match &words[..] {
        ["devices"] => devices(),
        ["compile", architectures @ ..] => architectures.iter().try_for_each(|a| compile(a)),
        ["ptx", file] => ptx(file),
        ["test", ..] => test(if is_small { 3 } else { 200 }),
        ["bench-cpu", ..] => speed::cpu(is_small),
        ["bench", ..] => open().and_then(|card| speed::all(&card, is_small)),
        _ => Err(USAGE.into()),
    };
    done.map_or_else(
        |why| {
            eprintln!("{why}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

fn devices() -> Outcome {
    for d in report::devices() {
        println!("{} {} {}\n  {}", d.device, if d.usable { "usable" } else { "not usable" }, d.name, d.detail);
    }
    Ok(())
}

fn compile(architecture: &str) -> Outcome {
    let (major, minor) = nvrtc::version().ok_or("NVRTC is not installed")?;
    for precision in Precision::ALL {
        let code = nvrtc::compile(architecture, precision).map_err(|e| e.to_string())?;
        println!("ok NVRTC {major}.{minor} {architecture} {}: {} bytes", precision.c_type(), code.len());
    }
    Ok(())
}

fn ptx(file: &str) -> Outcome {
    let version = nvrtc::version().ok_or("NVRTC is not installed")?;
    if version != (12, 0) {
        return Err(format!("NVRTC 12.0 is needed, so that old drivers read its PTX; this is {version:?}"));
    }
    let code = nvrtc::compile(PTX_ARCHITECTURE, Precision::Single).map_err(|e| e.to_string())?;
    let text = String::from_utf8_lossy(&code);
    let text = text.trim_end_matches('\0').trim_end();
    std::fs::write(file, format!("{}\n{text}\n", ptx_heading())).map_err(|e| e.to_string())
}

fn open() -> Result<Card, String> {
    Card::new(0, Cache::default()).map_err(|e| e.to_string())
}

/// All checks with the kernels as they come, and those in single precision with the PTX of this package.
fn test(n_genes: usize) -> Outcome {
    let card = open()?;
    println!("{}, kernels as for this card", card.name());
    let mut lines = vec![memory(&card)];
    if nvrtc::version().is_some() {
        lines.extend(gene_checks::all(&card, n_genes, &Precision::ALL));
        lines.extend(row_checks::all(&card, &Precision::ALL));
    } else {
        println!("skipped: double precision, NVRTC is not installed");
    }
    let card = open()?.with_ptx();
    lines.extend(gene_checks::all(&card, n_genes, &[Precision::Single]));
    lines.extend(row_checks::all(&card, &[Precision::Single]));
    report_lines(&lines)
}

fn report_lines(lines: &[Result<String, String>]) -> Outcome {
    for line in lines {
        match line {
            Ok(line) => println!("ok      {line}"),
            Err(line) => println!("FAILED  {line}"),
        }
    }
    let failed = lines.iter().filter(|line| line.is_err()).count();
    println!("{} passed, {failed} failed", lines.len() - failed);
    if failed == 0 { Ok(()) } else { Err("the GPU and the CPU disagree".into()) }
}

/// Memory that is not there is an error with its way out, and the card works on.
fn memory(card: &Card) -> Result<String, String> {
    let free = card.free_bytes().map_err(|e| e.to_string())?;
    match card.zeros(free.saturating_mul(4)) {
        Err(error) if error.kind == FailureKind::OutOfMemory => card
            .zeros(1 << 20)
            .map(|_| "too much memory is refused, and less is given".into())
            .map_err(|e| e.to_string()),
        Err(error) => Err(format!("too much memory: {error}")),
        Ok(_) => Err("four times the free memory was given".into()),
    }
}
