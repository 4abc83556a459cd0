//! Chains of one gene, one after the other: of one length or by NUTS, the first tuned and the others as it is.

use super::record::Recorder;
use super::task::Task;
use crate::adapt::{Stage, schedule};
use crate::draws::Draw;
use crate::error::{Error, Result};
use crate::hmc::chain::Chain;
use crate::hmc::fixed::Walk;
use crate::hmc::{Sampler, Steps};
use crate::run::start;
use crate::spec::InitSpec;
use crate::whiten::Whitened;
use rand_chacha::ChaCha8Rng;

/// Shorter warm-ups adapt the step size alone: a metric from so few positions is worse than what the whitening
/// left (pseudobulk, 100 iterations: half of the effective draws per gradient, and divergences).
pub const METRIC_WARMUP: usize = 150;
/// Chains after the first, tuned as it is, forget their start in this part of its warm-up.
const LATER_WARMUP: usize = 4;

/// How long and how carefully a try samples.
pub struct Try {
    pub number: u64,
    pub by_nuts: bool,
    pub warmup: usize,
    /// Keep each so many.
    pub thin: usize,
    pub adapt_delta: f64,
}

/// What a gene's first chain adapts for all of them.
struct Tuning {
    step_size: f64,
    inverse_mass: Vec<f64>,
}

/// What a try's chains report.
#[derive(Default)]
pub struct Counts {
    pub divergent: usize,
    pub n_gradients: usize,
}

impl Task<'_> {
    /// Trajectories of one length, as whitened coordinates allow for nearly all genes. The first chain finds the number
    /// of steps for all.
    pub(super) fn walks<D: Draw + Clone>(
        &self, target: &Whitened<D>, how: &Try, recorder: &mut Recorder,
    ) -> Result<Counts> {
        let (mut counts, mut rung) = (Counts::default(), None);
        for c in 0..self.settings.chains {
            self.walk(target.clone(), how, c, &mut rung, recorder, &mut counts)?;
        }
        Ok(counts)
    }

    fn walk<D: Draw>(
        &self, mut target: Whitened<D>, how: &Try, c: usize, rung: &mut Option<usize>, recorder: &mut Recorder,
        counts: &mut Counts,
    ) -> Result<()> {
        let mut rng = self.rng(how.number, c);
        let start = start(&mut target, &InitSpec::Mode, &mut rng)?;
        let mut walk = Walk::new(target, start, rung.unwrap_or(0), self.cancel);
        let adapted = if rung.is_none() { how.warmup } else { 0 };
        walk.adapt(adapted, how.adapt_delta, &mut rng, |_, t, _| {
            counts.n_gradients += t.n_leapfrog;
            true
        });
        let forgotten = if rung.is_none() { 0 } else { how.warmup.div_ceil(LATER_WARMUP) };
        (0..forgotten).for_each(|_| _ = walk.step(&mut rng, &mut counts.n_gradients));
        *rung = Some(walk.rung());
        self.keep(&mut walk, how, c, &mut rng, recorder, counts)
    }

    pub(super) fn chains<D: Draw + Clone>(
        &self, target: &Whitened<D>, how: &Try, recorder: &mut Recorder,
    ) -> Result<Counts> {
        let (mut counts, mut tuning) = (Counts::default(), None);
        for c in 0..self.settings.chains {
            self.chain(target.clone(), how, c, &mut tuning, recorder, &mut counts)?;
        }
        Ok(counts)
    }

    fn chain<D: Draw>(
        &self, mut target: Whitened<D>, how: &Try, c: usize, tuning: &mut Option<Tuning>, recorder: &mut Recorder,
        counts: &mut Counts,
    ) -> Result<()> {
        let mut rng = self.rng(how.number, c);
        let start = start(&mut target, &InitSpec::Mode, &mut rng)?;
        let mut chain = Chain::new(target, start, self.settings.max_treedepth, self.cancel);
        self.warm_up(&mut chain, how, tuning, &mut rng, counts);
        self.keep(&mut chain, how, c, &mut rng, recorder, counts)
    }

    /// The draws after warm-up.
    fn keep<D: Draw, S: Sampler<Target = Whitened<D>>>(
        &self, sampler: &mut S, how: &Try, c: usize, rng: &mut ChaCha8Rng, recorder: &mut Recorder, counts: &mut Counts,
    ) -> Result<()> {
        let n_kept = self.settings.n_kept();
        for i in 0..n_kept * how.thin {
            let t = sampler.step(rng, &mut counts.n_gradients);
            if self.is_cancelled() {
                return Err(Error::Interrupt);
            }
            counts.divergent += usize::from(t.divergent);
            if i % how.thin != 0 {
                continue;
            }
            let place = c * n_kept + i / how.thin;
            if how.thin == 1 && i > 0 && !D::IS_PARTIAL && !sampler.has_moved() {
                recorder.repeat(place);
                continue;
            }
            let density = sampler.current(&mut counts.n_gradients);
            density.complete(rng);
            recorder.push(density.posterior(), place);
        }
        Ok(())
    }

    /// The first chain adapts; the others take that over and only forget their start.
    fn warm_up<D: Draw>(
        &self, chain: &mut Chain<Whitened<D>>, how: &Try, tuning: &mut Option<Tuning>, rng: &mut ChaCha8Rng,
        counts: &mut Counts,
    ) {
        if let Some(tuning) = tuning {
            chain.tune_as(tuning.step_size, &tuning.inverse_mass);
            for _ in 0..how.warmup.div_ceil(LATER_WARMUP) {
                chain.step(rng, &mut counts.n_gradients);
            }
            return;
        }
        let stages = if how.warmup < METRIC_WARMUP { vec![Stage::StepSize; how.warmup] } else { schedule(how.warmup) };
        chain.adapt(&stages, how.adapt_delta, rng, |_, t, _| {
            counts.n_gradients += t.n_leapfrog + 1;
            !self.is_cancelled()
        });
        *tuning = Some(Tuning { step_size: chain.step_size(), inverse_mass: chain.inverse_mass().to_vec() });
    }
}
