//! Memory that was freed and is kept for later.

use super::guarded;
use extendr_api::prelude::*;

/// Gives the system back what the allocator keeps of freed memory, where it can: R frees large vectors in an order that leaves much of
/// it in pieces.
/// @noRd
#[extendr]
fn engine_release_memory() -> Robj {
    guarded(|| {
        release();
        Ok(r!(true))
    })
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn release() {
    unsafe extern "C" {
        fn malloc_trim(pad: usize) -> i32;
    }
    // SAFETY: glibc's malloc_trim(3) may be called at any time, by any thread.
    unsafe { malloc_trim(0) };
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn release() {}

extendr_module! {
    mod release;
    fn engine_release_memory;
}
