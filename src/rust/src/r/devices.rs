//! The boundary with R for devices beside the CPU.

use super::{guarded, text};
use crate::device::report;
use extendr_api::prelude::*;

/// All devices, one element per column.
/// @noRd
#[extendr]
fn engine_devices() -> Robj {
    guarded(|| {
        let all = report::devices();
        Ok(list!(
            device = all.iter().map(|d| d.device).collect::<Vec<_>>(),
            name = all.iter().map(|d| d.name.replace('\0', "")).collect::<Vec<_>>(),
            usable = all.iter().map(|d| d.usable).collect::<Vec<_>>(),
            memory = all.iter().map(|d| d.memory as f64).collect::<Vec<_>>(),
            detail = all.iter().map(|d| d.detail.replace('\0', "")).collect::<Vec<_>>()
        )
        .into())
    })
}

/// Whether the device of this name can be used: an error if not.
/// @noRd
#[extendr]
fn engine_check_device(device: Robj) -> Robj {
    guarded(|| {
        if text("device", &device)? == "cuda" {
            report::check(0)?;
        }
        Ok(r!(true))
    })
}

extendr_module! {
    mod devices;
    fn engine_devices;
    fn engine_check_device;
}
