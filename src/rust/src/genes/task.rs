//! One gene's part of a run: what it reads, and its streams of random numbers.

use super::blueprint::Blueprint;
use super::found::Found;
use super::input::{GeneSet, GeneSettings};
use crate::natural::noise::Noise;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::sync::atomic::{AtomicBool, Ordering};

/// Bits of a stream that belong to tries and chains of one gene.
const STREAM_BITS: u32 = 12;

/// One gene's task.
pub struct Task<'a> {
    /// What genes share.
    pub blueprint: &'a Blueprint,
    /// All genes.
    pub set: &'a GeneSet,
    /// Which of them.
    pub gene: usize,
    /// How.
    pub settings: &'a GeneSettings,
    /// What a device has found for it.
    pub found: Option<&'a Found>,
    /// Read before every gradient.
    pub cancel: &'a AtomicBool,
}

impl Task<'_> {
    pub(super) fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    /// Noise of all that runs in lanes.
    pub(super) fn noise(&self) -> Noise {
        Noise::new(self.settings.seed, self.set.index[self.gene])
    }

    /// Stream of one chain of one try of this gene.
    pub(super) fn rng(&self, attempt: u64, chain: usize) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.settings.seed);
        rng.set_stream((self.set.index[self.gene] << STREAM_BITS) + (attempt << (STREAM_BITS - 2)) + chain as u64 + 1);
        rng
    }
}
