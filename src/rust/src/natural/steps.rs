//! Ascent of the ELBO by natural gradients, with a stopping rule that is a test.
//!
//! A window is [`WINDOW`] steps. With `a` and `b` the mean directions over its halves, which have independent noise,
//! [`Direction::gain`] of both estimates without bias how much of the ELBO, in nats, there is still to gain. The search
//! goes on with long steps until that is small; then steps fall as `1 / t`, which averages the directions of all further
//! draws, until what is left to gain is negligible.

use super::guide::{Direction, Guide, LONGEST_MEAN, LONGEST_PATH, LONGEST_ROOT};
use super::lane::Lane;
use super::noise::Noise;
use crate::device::genes::Rules;
use crate::tuning::LANES;

/// Steps of a window.
pub const WINDOW: usize = 8;
/// Length of the steps of the search.
const SEARCH_RATE: f64 = 0.3;
/// Nats that may be left to gain after the search, and at the end.
const SEARCH_GAIN: f64 = 0.05;
/// Pairs of draws with opposite noise in a step.
const PAIRS: usize = LANES / 2;

/// Settings of the ascent.
#[derive(Debug, Clone, Copy)]
pub struct Ascent {
    /// Steps at most.
    pub max_steps: usize,
    /// Steps after the search at least.
    pub polish: usize,
    /// Nats that may be left to gain.
    pub tolerance: f64,
}

impl Ascent {
    /// For a device.
    pub fn rules(&self) -> Rules {
        Rules {
            window: WINDOW,
            polish_steps: self.polish,
            max_steps: self.max_steps,
            rate: SEARCH_RATE,
            search_gain: SEARCH_GAIN,
            polish_gain: self.tolerance,
            bounds: [LONGEST_PATH, LONGEST_MEAN, LONGEST_ROOT],
        }
    }
}

/// A fitted guide.
#[derive(Debug, Clone)]
pub struct Fitted {
    /// The guide.
    pub guide: Guide,
    /// Estimate of the ELBO at each step.
    pub elbo: Vec<f64>,
    /// Whether the stopping rule was met.
    pub converged: bool,
}

/// Log densities at eight positions at once.
pub trait InLanes {
    /// Values at positions, a coordinate a lane; the gradients are left in [`Self::gradients`].
    fn evaluate_eight(&mut self, y: &[Lane]) -> Lane;
    /// Gradients at the last positions.
    fn gradients(&self) -> &[Lane];
}

/// Fits `guide` to `target`.
pub fn ascend<T: InLanes>(target: &mut T, guide: Guide, ascent: Ascent, noise: &Noise) -> Fitted {
    ascend_while(target, guide, ascent, noise, || true)
}

/// As [`ascend`], while `go_on` says so before a step.
pub fn ascend_while<T: InLanes>(
    target: &mut T, guide: Guide, ascent: Ascent, noise: &Noise, mut go_on: impl FnMut() -> bool,
) -> Fitted {
    let mut climb = Climb::new(guide, ascent.max_steps);
    let mut polished = None;
    for step in 0..ascent.max_steps {
        if !go_on() {
            break;
        }
        climb.estimate(target, noise, step);
        let rate = polished.map_or(SEARCH_RATE, |start| 1.0 / ((step - start) as f64 + 1.0 / SEARCH_RATE));
        climb.fitted.guide.step(&climb.direction, rate, &mut climb.work);
        if (step + 1) % WINDOW != 0 {
            continue;
        }
        let gain = climb.end_of_window();
        let is_long = polished.is_some_and(|start| step + 1 >= start + ascent.polish);
        if is_long && gain < ascent.tolerance {
            climb.fitted.converged = true;
            break;
        }
        if polished.is_none() && gain < SEARCH_GAIN {
            polished = Some(step + 1);
        }
    }
    climb.fitted
}

/// A guide on its way, with memory for a step.
struct Climb {
    fitted: Fitted,
    direction: Direction,
    /// Sums over the halves of a window.
    halves: [Direction; 2],
    epsilon: Vec<Lane>,
    y: Vec<Lane>,
    r: Vec<Lane>,
    work: Vec<f64>,
}

impl Climb {
    fn new(guide: Guide, max_steps: usize) -> Self {
        let d = guide.dim();
        let (lanes, direction) = (vec![Lane::ZERO; d], Direction::new(d));
        Self {
            fitted: Fitted { guide, elbo: Vec::with_capacity(max_steps), converged: false },
            halves: [direction.clone(), direction.clone()],
            direction,
            epsilon: lanes.clone(),
            y: lanes.clone(),
            r: lanes,
            work: vec![0.0; d],
        }
    }

    /// ELBO and direction from eight draws, in pairs of opposite noise.
    fn estimate<T: InLanes>(&mut self, target: &mut T, noise: &Noise, step: usize) {
        let guide = &self.fitted.guide;
        noise.normals(std::array::from_fn(|s| (s % PAIRS) as u32), step as u32, &mut self.epsilon);
        self.epsilon.iter_mut().for_each(|e| e.0[PAIRS..].iter_mut().for_each(|e| *e = -*e));
        guide.place(&self.epsilon, &mut self.y);
        let value = target.evaluate_eight(&self.y) + guide.surprise(&self.epsilon);
        let is_finite = value.0.map(f64::is_finite);
        let n = is_finite.iter().filter(|&&finite| finite).count();
        let sum: f64 = value.0.iter().filter(|v| v.is_finite()).sum();
        self.fitted.elbo.push(if n == 0 { f64::NEG_INFINITY } else { sum / n as f64 });
        guide.path(&self.epsilon, target.gradients(), &is_finite, &mut self.r);
        self.direction.estimate(&self.epsilon, &self.r);
        self.halves[step % WINDOW / (WINDOW / 2)].add(&self.direction);
    }

    /// What is left to gain; begins a new window.
    fn end_of_window(&mut self) -> f64 {
        let half = (WINDOW / 2) as f64;
        let gain = self.halves[0].gain(&self.halves[1]) / (half * half);
        self.halves.iter_mut().for_each(Direction::clear);
        gain
    }
}
