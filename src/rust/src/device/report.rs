//! What is there to compute on, and why not.

use super::error::DeviceError;

/// One device, or what stands in the way of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceReport {
    /// `"cpu"` or `"cuda"`.
    pub device: &'static str,
    /// What it calls itself, or empty.
    pub name: String,
    /// Whether it can be used.
    pub usable: bool,
    /// All of its memory in bytes, or 0.
    pub memory: usize,
    /// Compute capability, driver and where the kernels come from; or why it cannot be used, and what to do.
    pub detail: String,
}

/// All devices: the CPU, then GPUs or the reason why there are none.
pub fn devices() -> Vec<DeviceReport> {
    let detail = std::thread::available_parallelism().map_or(String::new(), |n| format!("{n} threads"));
    let cpu = DeviceReport { device: "cpu", name: String::new(), usable: true, memory: 0, detail };
    std::iter::once(cpu).chain(gpus()).collect()
}

/// # Errors
/// Why the GPU `ordinal` cannot be used.
pub fn check(ordinal: i32) -> super::error::Result<()> {
    #[cfg(feature = "cuda")]
    {
        let (_, cards) = super::cuda::cards()?;
        let card = cards.iter().find(|card| card.ordinal == ordinal);
        let none = || DeviceError::new(super::error::FailureKind::NoGpu, format!("There is no GPU number {ordinal}."));
        card.ok_or_else(none)?.check()
    }
    #[cfg(not(feature = "cuda"))]
    {
        let _ = ordinal;
        Err(not_built())
    }
}

/// Why there is none in this build.
#[cfg(not(feature = "cuda"))]
pub fn not_built() -> DeviceError {
    let why =
        "This build of twill has no support of GPUs: it was made with TWILL_CUDA=false, or by a rustc below 1.88.";
    DeviceError::new(super::error::FailureKind::NotBuilt, why)
}

fn missing(error: &DeviceError) -> DeviceReport {
    let detail = error.to_string();
    DeviceReport { device: "cuda", name: String::new(), usable: false, memory: 0, detail }
}

#[cfg(not(feature = "cuda"))]
fn gpus() -> Vec<DeviceReport> {
    vec![missing(&not_built())]
}

#[cfg(feature = "cuda")]
fn gpus() -> Vec<DeviceReport> {
    match super::cuda::cards() {
        Err(error) => vec![missing(&error)],
        Ok((driver, cards)) => cards.iter().map(|card| gpu(driver, card)).collect(),
    }
}

#[cfg(feature = "cuda")]
fn gpu(driver: i32, card: &super::cuda::CardInfo) -> DeviceReport {
    let (major, minor) = card.capability;
    let compiler = super::cuda::nvrtc::version();
    let kernels = compiler.map_or("PTX of this package".into(), |(a, b)| format!("NVRTC {a}.{b}"));
    let what = format!(
        "compute capability {major}.{minor}, {} multiprocessors, driver for CUDA {}, kernels by {kernels}",
        card.processors,
        super::cuda::version_text(driver)
    );
    let checked = card.check();
    let detail = checked.as_ref().map_or_else(ToString::to_string, |()| what);
    DeviceReport { device: "cuda", name: card.name.clone(), usable: checked.is_ok(), memory: card.memory, detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_is_always_there_and_a_missing_gpu_is_explained() {
        let all = devices();
        assert!(all[0].device == "cpu" && all[0].usable);
        assert!(all.len() >= 2);
        for gpu in &all[1..] {
            assert_eq!(gpu.device, "cuda");
            assert!(gpu.usable || gpu.detail.contains("device = \"cpu\""), "{gpu:?}");
        }
        assert_eq!(check(0).is_ok(), all[1].usable);
    }
}
