//! Copies of running chains on disk: a run that was killed goes on from them, with the draws that it would have made.
//!
//! The file of a chain has lines of text (what it is, the run's key, its seed, its engine), then 64-bit words, little end first: arrays with
//! their lengths, and a checksum. It is written beside and renamed, so that a process that is killed leaves the copy before.
//! A file of another run, or one that is damaged, is as none.

use super::Shared;
use crate::draws::{ChainDraws, EffectDraws};
use crate::hmc::{ChainState, Steps};
use crate::spec::{Checkpoint, Settings};
use rand_chacha::ChaCha8Rng;
use std::fs::{File, create_dir_all, read, rename};
use std::io::{BufWriter, Result, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

const MAGIC: &str = "a chain of twill";
/// FNV-1a of 64 bits, over words (Fowler, Noll and Vo 1991).
const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0100_0000_01b3;

/// A chain after warm-up, as it was.
#[derive(Debug)]
pub struct Copy {
    /// Attempt that it belongs to.
    pub attempt: usize,
    /// Iterations after warm-up.
    pub iteration: usize,
    /// Divergences in these.
    pub divergent: usize,
    /// How far its random numbers are.
    pub word: u128,
    /// Where it is.
    pub place: ChainState,
    /// Its draws.
    pub draws: ChainDraws,
}

/// What makes copies of one chain.
#[derive(Debug)]
pub struct Copier<'a> {
    to: Option<&'a Checkpoint>,
    seed: u64,
    engine: &'static str,
    chain: usize,
    attempt: usize,
    /// Iterations after warm-up that were there at the beginning.
    pub first: usize,
    divergent: usize,
    /// Seconds of sampling before this process, and when sampling began in it.
    before: f64,
    began: Instant,
    last: Instant,
}

/// The attempt that a run goes on with: the last of which there is a copy.
pub fn attempt(settings: &Settings, engine: &'static str) -> usize {
    let attempts =
        (0..settings.chains).filter_map(|c| Copier::new(settings, engine, c, 0).read()).map(|copy| copy.attempt);
    attempts.max().unwrap_or(0).min(settings.adapt_delta.len().saturating_sub(1))
}

impl<'a> Copier<'a> {
    /// Of a chain of an attempt.
    pub fn new(settings: &'a Settings, engine: &'static str, chain: usize, attempt: usize) -> Self {
        let (to, seed, now) = (settings.checkpoint.as_ref(), settings.seed, Instant::now());
        Self { to, seed, engine, chain, attempt, first: 0, divergent: 0, before: 0.0, began: now, last: now }
    }

    /// The copy of the same attempt, with which to go on; `n_before` iterations, its own and its divergences count as done.
    pub fn resume(&mut self, n_before: usize, shared: &Shared) -> Option<Copy> {
        let copy = self.read().filter(|copy| copy.attempt == self.attempt)?;
        (self.first, self.divergent, self.before) = (copy.iteration, copy.divergent, copy.draws.seconds[1]);
        shared.advance(n_before + copy.iteration);
        shared.count_divergent(copy.divergent);
        (0..copy.draws.sampler.len()).for_each(|_| shared.count_kept());
        Some(copy)
    }

    /// Begins to count the time of sampling.
    pub fn begin(&mut self) {
        self.began = Instant::now();
    }

    /// Sees the chain after an iteration, `done` in all, and copies it where that is due: also the last one, where the chain took as
    /// long as from one copy to the next.
    pub fn see<S: Steps>(
        &mut self, (done, diverged): (usize, bool), is_last: bool, chain: &S, rng: &ChaCha8Rng, draws: &mut ChainDraws,
        shared: &Shared,
    ) {
        self.divergent += usize::from(diverged);
        let Some(to) = self.to else { return };
        let since = if is_last { draws.seconds[0] + self.seconds() } else { self.last.elapsed().as_secs_f64() };
        if since >= to.seconds {
            self.copy(done, chain, rng, draws, shared);
        }
    }

    /// Ends the time of sampling.
    pub fn end(&self, draws: &mut ChainDraws) {
        draws.seconds[1] = self.seconds();
    }

    fn seconds(&self) -> f64 {
        self.before + self.began.elapsed().as_secs_f64()
    }

    fn copy<S: Steps>(&mut self, done: usize, chain: &S, rng: &ChaCha8Rng, draws: &mut ChainDraws, shared: &Shared) {
        let Some(to) = self.to else { return };
        draws.seconds[1] = self.seconds();
        let numbers = [self.attempt, done, self.divergent].map(|n| n as u64);
        let written = self.write(to, numbers, rng.get_word_pos(), &chain.place(), draws);
        if written.is_err() {
            shared.count_uncopied();
        }
        self.last = Instant::now();
    }

    fn header(&self, to: &Checkpoint) -> String {
        format!("{MAGIC}\n{}\n{}\n{}\n", to.key, self.seed, self.engine)
    }

    fn path(&self, to: &Checkpoint) -> PathBuf {
        Path::new(&to.folder).join(format!("chain-{}", self.chain + 1))
    }

    fn write(
        &self, to: &Checkpoint, numbers: [u64; 3], word: u128, place: &ChainState, draws: &ChainDraws,
    ) -> Result<()> {
        create_dir_all(&to.folder)?;
        let path = self.path(to);
        let beside = path.with_extension("new");
        let mut file = BufWriter::new(File::create(&beside)?);
        file.write_all(self.header(to).as_bytes())?;
        let mut out = Words { out: file, sum: OFFSET_BASIS };
        out.array(numbers.len() + 2, numbers.into_iter().chain([word as u64, (word >> 64) as u64]))?;
        out.reals(&place.position)?;
        out.reals(&place.tuning)?;
        for values in draws.arrays() {
            out.reals(values)?;
        }
        out.reals(&draws.counts())?;
        let sum = out.sum;
        out.word(sum)?;
        out.out.flush()?;
        rename(beside, path)
    }

    fn read(&self) -> Option<Copy> {
        let to = self.to?;
        let bytes = read(self.path(to)).ok()?;
        let body = bytes.strip_prefix(self.header(to).as_bytes())?;
        let (body, sum) = body.split_at_checked(body.len().checked_sub(8)?)?;
        if words_in(body).fold(OFFSET_BASIS, |sum, word| (sum ^ word).wrapping_mul(PRIME)) != words_in(sum).next()? {
            return None;
        }
        let mut arrays = Unread(body);
        let numbers: [u64; 5] = words_in(arrays.next()?).collect::<Vec<_>>().try_into().ok()?;
        let [attempt, iteration, divergent] = [numbers[0], numbers[1], numbers[2]].map(|n| n as usize);
        let word = u128::from(numbers[3]) | u128::from(numbers[4]) << 64;
        let place = ChainState { position: arrays.reals()?, tuning: arrays.reals()? };
        let draws = ChainDraws::from_arrays(|| arrays.reals())?;
        Some(Copy { attempt, iteration, divergent, word, place, draws })
    }
}

/// The words of whole ones among these bytes.
fn words_in(bytes: &[u8]) -> impl Iterator<Item = u64> + '_ {
    bytes.chunks_exact(8).map(|b| u64::from_le_bytes(b.try_into().unwrap_or_default()))
}

/// Words on their way to a file, and their checksum.
struct Words<W> {
    out: W,
    sum: u64,
}

impl<W: Write> Words<W> {
    fn word(&mut self, word: u64) -> Result<()> {
        self.sum = (self.sum ^ word).wrapping_mul(PRIME);
        self.out.write_all(&word.to_le_bytes())
    }

    fn array(&mut self, n: usize, mut words: impl Iterator<Item = u64>) -> Result<()> {
        self.word(n as u64)?;
        words.try_for_each(|word| self.word(word))
    }

    fn reals(&mut self, values: &[f64]) -> Result<()> {
        self.array(values.len(), values.iter().map(|x| x.to_bits()))
    }
}

/// Arrays that are left to be read.
struct Unread<'a>(&'a [u8]);

impl<'a> Unread<'a> {
    fn next(&mut self) -> Option<&'a [u8]> {
        let (n, rest) = self.0.split_at_checked(8)?;
        let n = usize::try_from(words_in(n).next()?).ok()?;
        let (array, rest) = rest.split_at_checked(n.checked_mul(8)?)?;
        self.0 = rest;
        Some(array)
    }

    fn reals(&mut self) -> Option<Vec<f64>> {
        Some(words_in(self.next()?).map(f64::from_bits).collect())
    }
}

/// In the order of the file.
impl ChainDraws {
    fn arrays(&self) -> [&[f64]; 8] {
        let EffectDraws { mean, squares, values, .. } = &self.effects;
        let rows = self.sampler.as_flattened();
        [&self.values, rows, &self.positions, &self.log_density, &self.warmup, mean, squares, values]
    }

    fn counts(&self) -> [f64; 6] {
        let [n, divergent, gradients] = [self.effects.n, self.warmup_divergent, self.n_gradients].map(|n| n as f64);
        [n, divergent, gradients, self.step_size, self.seconds[0], self.seconds[1]]
    }

    fn from_arrays(mut next: impl FnMut() -> Option<Vec<f64>>) -> Option<Self> {
        let values = next()?;
        let sampler = next()?.chunks_exact(6).map(|row| row.try_into().unwrap_or_default()).collect();
        let (positions, log_density, warmup) = (next()?, next()?, next()?);
        let (mean, squares, kept) = (next()?, next()?, next()?);
        let &[n, divergent, gradients, step_size, warm, sampling] = &next()?[..] else { return None };
        let [n, warmup_divergent, n_gradients] = [n, divergent, gradients].map(|x| x as usize);
        let effects = EffectDraws::of(n, mean, squares, kept);
        let seconds = [warm, sampling];
        Some(Self {
            values,
            sampler,
            positions,
            log_density,
            effects,
            warmup,
            warmup_divergent,
            n_gradients,
            step_size,
            seconds,
        })
    }
}
