//! Chains of a surrogate: nothing of the density itself is asked for any more. Draws of effects come many at a time, by the factor at the
//! middle of the posterior.

use super::surrogate::{Emulator, Surrogate};
use super::walk::Independent;
use super::{ENGINE, WARM_UP};
use crate::collapse::blocks::Blocked;
use crate::collapse::many::{Drawer, FactorFrame};
use crate::density::LogDensity;
use crate::draws::{ChainDraws, keep_draw, push_draw};
use crate::hmc::Steps;
use crate::hmc::tree::Transition;
use crate::run::checkpoint::Copier;
use crate::run::{Output, Shared};
use crate::spec::Settings;
use crate::whiten::Whitening;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Steps of a chain for an iteration: they cost nothing.
const STEPS: usize = 4;

/// What the chains share.
struct EmulatedRun<'a> {
    surrogate: &'a Surrogate,
    map: &'a Whitening,
    frame: &'a FactorFrame,
    /// Wall time until they begin.
    seconds: f64,
    settings: &'a Settings,
    shared: &'a Shared,
}

/// Chains of a surrogate of `blocked` in whitened coordinates; `None` where draws of effects cannot be had.
pub fn sample(
    mut blocked: Blocked, map: &Whitening, surrogate: &Surrogate, clock: Instant, settings: &Settings, shared: &Shared,
) -> Option<Output> {
    let dim = blocked.dim();
    blocked.value(&natural(&surrogate.emulator, map, &vec![0.0; dim]));
    let frame = FactorFrame::new(blocked);
    let seconds = clock.elapsed().as_secs_f64();
    let run = EmulatedRun { surrogate, map, frame: &frame, seconds, settings, shared };
    shared.advance(settings.chains * settings.warmup);
    let chains = (0..settings.chains).into_par_iter().map(|c| run.chain(c)).collect::<Option<Vec<_>>>()?;
    Some(Output { measured: Some(surrogate.measured), ..Output::of(chains, ENGINE, dim, settings, shared) })
}

/// Scales at a position of the surrogate.
fn natural(emulator: &Emulator, map: &Whitening, x: &[f64]) -> Vec<f64> {
    let (y, mut theta) = (emulator.place(x), vec![0.0; x.len()]);
    map.apply(&y, &mut theta, &mut vec![]);
    theta
}

impl EmulatedRun<'_> {
    /// `None` where draws of effects cannot be had.
    fn chain(&self, c: usize) -> Option<ChainDraws> {
        let (s, clock) = (self.settings, Instant::now());
        let mut rng = ChaCha8Rng::seed_from_u64(s.seed);
        rng.set_stream(c as u64 + 1);
        let mut copier = Copier::new(s, ENGINE, c, 0);
        let (emulator, guide) = (&self.surrogate.emulator, &self.surrogate.guide);
        if let Some(copy) = copier.resume(0, self.shared) {
            rng.set_word_pos(copy.word);
            let state = super::Proposal::from_numbers(copy.place.position, &copy.place.tuning);
            let (mut walk, mut draws) = (Independent::new(emulator, &guide.guide, state), copy.draws);
            return self.sample(&mut walk, copier, &mut rng, &mut draws).then_some(draws);
        }
        let mut walk = Independent::new(emulator, &guide.guide, guide.start(&mut rng));
        let n_gradients = self.surrogate.measured.n_values.div_ceil(s.chains);
        let mut draws = ChainDraws { step_size: 1.0, n_gradients, ..ChainDraws::default() };
        if s.save_warmup {
            let mut values = vec![];
            let positions: Vec<Vec<f64>> = (0..s.warmup).map(|_| self.advance(&mut walk, &mut rng).1).collect();
            let mut drawer = Drawer::new(self.frame);
            for positions in positions.chunks(self.frame.width()) {
                if !drawer.draw(positions, &mut rng, |draw| push_draw(draw, s.save_effects, &mut values)) {
                    return self.shared.cancel.load(Ordering::Relaxed).then_some(draws);
                }
            }
            draws.warmup = values;
        } else {
            (0..WARM_UP.min(s.warmup)).for_each(|_| _ = self.advance(&mut walk, &mut rng));
        }
        draws.seconds[0] = self.seconds + clock.elapsed().as_secs_f64();
        self.sample(&mut walk, copier, &mut rng, &mut draws).then_some(draws)
    }

    /// An iteration: the probability with which its steps were accepted, and the scales.
    fn advance(&self, walk: &mut Independent<Emulator>, rng: &mut ChaCha8Rng) -> (Transition, Vec<f64>) {
        let mut last = walk.step(rng, &mut 0);
        for _ in 1..STEPS {
            let next = walk.step(rng, &mut 0);
            last = Transition { accept_stat: last.accept_stat + next.accept_stat, ..next };
        }
        let report = Transition { accept_stat: last.accept_stat / STEPS as f64, n_leapfrog: 0, ..last };
        (report, natural(&self.surrogate.emulator, self.map, &walk.place().position))
    }

    /// The iterations after warm-up that are left, as many at a time as the frame likes; false where draws cannot be had. Copies are
    /// made in between, so that a run that goes on has the same draws.
    fn sample(
        &self, walk: &mut Independent<Emulator>, mut copier: Copier, rng: &mut ChaCha8Rng, draws: &mut ChainDraws,
    ) -> bool {
        let (s, shared) = (self.settings, self.shared);
        let (n, mut drawer) = (s.iter - s.warmup, Drawer::new(self.frame));
        let mut done = copier.first;
        copier.begin();
        while done < n && !shared.cancel.load(Ordering::Relaxed) {
            let (mut positions, mut reports, first) = (vec![], vec![], done);
            while done < n && positions.len() < self.frame.width() {
                let (report, theta) = self.advance(walk, rng);
                if done % s.thin == 0 {
                    positions.push(theta);
                    reports.push(report);
                }
                done += 1;
            }
            if !drawer.draw(&positions, rng, |draw| keep_draw(draw, s, draws)) {
                return shared.cancel.load(Ordering::Relaxed);
            }
            for report in reports {
                shared.count_kept();
                draws.push_report(&report, 1.0);
            }
            shared.advance(done - first);
            copier.see((done, false), done == n, walk, rng, draws, shared);
        }
        copier.end(draws);
        true
    }
}
