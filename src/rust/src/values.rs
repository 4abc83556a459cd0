//! Values of a density at many positions, on threads; its mode by them.

pub mod mode;

use crate::density::LogDensity;
use rayon::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};

/// Values at positions, in their order whatever the number of threads; after a cancel fewer.
pub fn values<D: LogDensity + Clone + Send + Sync>(
    target: &D, positions: &[Vec<f64>], threads: usize, cancel: &AtomicBool,
) -> Vec<f64> {
    let of_thread = |positions: &[Vec<f64>]| {
        let mut target = target.clone();
        let going = positions.iter().take_while(|_| !cancel.load(Ordering::Relaxed));
        going.map(|x| target.value(x)).collect::<Vec<_>>()
    };
    positions.par_chunks(positions.len().div_ceil(threads).max(1)).flat_map_iter(of_thread).collect()
}
