//! Draws of one gene by eight chains in lockstep ([`crate::lanes::walks`]), which make up the chains that were asked for as
//! [`crate::lanes::plan`] says.

use super::found::{Chains, Found};
use super::input::{GeneMethod, GeneSettings};
use super::record::{Recorder, Report};
use super::task::Task;
use crate::density::Model;
use crate::device::walks::WalkPlan;
use crate::diagnostics::Diagnostics;
use crate::error::{Error, Result};
use crate::lanes::frame::Frame;
use crate::lanes::target::Target;
use crate::lanes::walks::Walks;
use crate::lanes::{Started, started};
use crate::natural::guide::Guide;
use crate::natural::noise::Noise;
use crate::natural::steps::{Ascent, ascend};
use crate::tuning::{LANES, MIN_ACCEPTED};

/// Steps of the guide in whose frame the lanes move: after these it is near enough, and most of it was known at its start.
pub(super) const ASCENT: Ascent = Ascent { max_steps: 16, polish: 16, tolerance: 0.0 };
/// Parameters at most: with more, these few steps add more noise to the guide than they take away, and rows are many enough to
/// fill vectors by themselves.
const MAX_DIM: usize = 40;

impl WalkPlan {
    /// As a fit asks for.
    pub(super) fn of(settings: &GeneSettings) -> Self {
        let plan = Self::new(settings.chains, settings.n_kept());
        let warmup = plan.warmup.max(settings.warmup.div_ceil(plan.lanes));
        // Smaller errors of energy are cheap here, and make draws more negatively correlated.
        let target = 0.5 * (1.0 + settings.adapt_delta);
        Self { thin: settings.thin, warmup, target, ..plan }
    }
}

/// Whether lanes are for models of this size.
pub(super) fn covers(frame: &Frame) -> bool {
    frame.dim() <= MAX_DIM
}

/// Where guide and chains of a gene start, found once.
pub(super) struct Start<'a> {
    frame: Option<&'a Frame>,
    model: &'a Model,
    found: Option<Option<Started<'a>>>,
}

impl<'a> Start<'a> {
    /// `None` where there is no start. Its gradients are counted by the first who asks.
    pub fn of(&mut self) -> Result<Option<Started<'a>>> {
        let Some(frame) = self.frame else { return Ok(None) };
        let found = match &mut self.found {
            Some(found) => found,
            none => none.insert(started(frame, self.model)?),
        };
        let own = found.clone();
        found.iter_mut().for_each(|start| start.target.n_evaluations = 0);
        Ok(own)
    }
}

/// What lanes have found.
#[derive(Debug)]
pub enum Outcome {
    /// All that was asked for.
    Enough(Report),
    /// Less.
    Poor(Less),
}

/// What was found but does not suffice.
#[derive(Debug, Default)]
pub struct Less {
    /// An approximation that asks for draws.
    pub approximate: Option<Report>,
    /// Draws that ask for longer runs.
    pub walked: Option<Report>,
}

impl Task<'_> {
    /// What can be done in lanes: a guide, draws, or draws where the guide is too far.
    pub(super) fn in_lanes(
        &self, model: &Model, recorder: &mut Recorder, diagnostics: &mut Diagnostics,
    ) -> Result<Outcome> {
        let mut start = Start { frame: self.blueprint.frame.as_ref(), model, found: None };
        let approximate = match self.settings.method {
            GeneMethod::Hmc => None,
            GeneMethod::Svi => self.guided_in_lanes(&mut start, recorder)?,
            _ => return Ok(Outcome::Poor(Less::default())),
        };
        let approximate = match approximate {
            Some(guided) if !self.is_refined(&guided) => return Ok(Outcome::Enough(guided)),
            other => other,
        };
        let walked = self.walk_in_lanes(&mut start, recorder, diagnostics)?;
        let suffices = |walked: &Report| !self.settings.retry || !walked.is_poor(self.settings.n_saved());
        Ok(match (walked, approximate) {
            (Some(walked), None) if suffices(&walked) => Outcome::Enough(walked),
            (Some(walked), Some(guided)) if suffices(&walked) => Outcome::Enough(walked.refines(guided)),
            (walked, approximate) => Outcome::Poor(Less { approximate, walked }),
        })
    }

    /// Draws in lanes. `None` where the model needs more than lanes have, or they do not move.
    pub(super) fn walk_in_lanes(
        &self, start: &mut Start, recorder: &mut Recorder, diagnostics: &mut Diagnostics,
    ) -> Result<Option<Report>> {
        let Some(frame) = self.blueprint.frame.as_ref().filter(|frame| covers(frame)) else { return Ok(None) };
        if let Some(Found::Walks(chains)) = self.found {
            return Ok(Some(self.recorded(frame, chains, recorder, diagnostics)));
        }
        let (noise, Some(Started { mut target, guide })) = (self.noise(), start.of()?) else { return Ok(None) };
        let guide = ascend(&mut target, guide, ASCENT, &noise).guide;
        let (plan, mut report) = (WalkPlan::of(self.settings), Report { khat: f64::NAN, ..Report::default() });
        recorder.restart();
        for first in plan.firsts() {
            if !self.walk_eight(&target, &guide, noise, first, recorder, &mut report)? {
                return Ok(None);
            }
        }
        (report.rhat, report.ess) = recorder.draws().map(|x| diagnostics.of(x)).unzip();
        Ok(Some(report))
    }

    /// What a device has found.
    fn recorded(
        &self, frame: &Frame, chains: &Chains, recorder: &mut Recorder, diagnostics: &mut Diagnostics,
    ) -> Report {
        let (mut draw, dim) = (vec![0.0; frame.dim()], frame.dim());
        recorder.restart();
        for (i, values) in chains.values.chunks_exact(dim).enumerate() {
            frame.from_device(values, &mut draw);
            recorder.push_values(&draw, i);
        }
        let (rhat, ess) = recorder.draws().map(|x| diagnostics.of(x)).unzip();
        let Chains { divergent, n_gradients, .. } = *chains;
        Report { khat: f64::NAN, divergent, n_gradients, rhat, ess, ..Report::default() }
    }

    /// The lanes from number `first` on. Whether they move.
    fn walk_eight(
        &self, target: &Target, guide: &Guide, noise: Noise, first: usize, recorder: &mut Recorder, report: &mut Report,
    ) -> Result<bool> {
        let plan = WalkPlan::of(self.settings);
        let Some(mut walks) = Walks::new(target.clone(), guide.clone(), noise, first) else { return Ok(false) };
        let accepted = walks.adapt(plan.warmup, plan.target);
        if accepted < MIN_ACCEPTED {
            return Ok(false);
        }
        for i in 0..plan.each * plan.thin {
            self.keep_eight(&mut walks, &plan, [first, i], recorder, report)?;
        }
        report.n_gradients += walks.n_gradients() - if first > 0 { LANES * target.n_evaluations } else { 0 };
        Ok(true)
    }

    /// Iteration `i` after warm-up.
    fn keep_eight(
        &self, walks: &mut Walks, plan: &WalkPlan, [first, i]: [usize; 2], recorder: &mut Recorder, report: &mut Report,
    ) -> Result<()> {
        let moved = walks.step();
        if self.is_cancelled() {
            return Err(Error::Interrupt);
        }
        for lane in 0..LANES {
            let Some(place) = plan.place(first + lane, i / plan.thin) else { continue };
            report.divergent += usize::from(moved.divergent[lane]);
            if i % plan.thin == 0 {
                recorder.push_values(walks.values(lane), place);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One lane of eight that stays two standard deviations away; of a single chain, which has two halves only, more.
    #[test]
    fn r_hat_sees_a_lane_that_is_elsewhere() {
        for (chains, shift) in [(1, 4.0), (2, 2.0), (4, 2.0)] {
            let (plan, mut draws) = (WalkPlan::new(chains, 300 / chains), vec![0.0; 300]);
            let rhat = |draws: &[f64]| Diagnostics::new(chains, 300 / chains).of(draws).0;
            draws.iter_mut().enumerate().for_each(|(i, x)| *x = (i as f64 * 0.618_034).fract() * 3.5);
            assert!(rhat(&draws) < 1.02, "{}", rhat(&draws));
            (0..plan.each).filter_map(|i| plan.place(2, i)).for_each(|place| draws[place] += shift);
            assert!(rhat(&draws) > 1.05, "{chains}: {}", rhat(&draws));
        }
    }
}
