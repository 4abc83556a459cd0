//! How eight chains in lockstep ([`super::walks`]) make up the chains that were asked for.
//!
//! A chain is the draws of its lanes one after the other: with two chains, the draws of four lanes each. What R-hat and the
//! effective sample size see of a chain, they see of its lanes: one that stays elsewhere, or moves slowly, is a stretch of the
//! chain that does.

use crate::device::walks::WalkPlan;
use crate::natural::guide::LONGEST_PATH;
use crate::tuning::{LANES, MIN_ACCEPTED};

/// Iterations of warm-up at least.
const MIN_WARMUP: usize = 8;

impl WalkPlan {
    /// Every iteration kept, the shortest warm-up.
    pub fn new(chains: usize, n_kept: usize) -> Self {
        let lanes = (LANES / chains).max(1);
        let apart = LANES / lanes * lanes;
        let (each, walks) = (n_kept.div_ceil(lanes), (chains * lanes).div_ceil(apart));
        let (thin, warmup, target, longest) = (1, MIN_WARMUP, MIN_ACCEPTED, LONGEST_PATH);
        Self { chains, n_kept, lanes, each, thin, warmup, walks, apart, target, longest }
    }

    /// Numbers of the first lanes of walks.
    pub fn firsts(&self) -> impl Iterator<Item = usize> {
        (0..self.walks).map(|walk| walk * self.apart)
    }

    /// Number among all draws of draw `i` of a lane; `None` where it is not needed.
    pub fn place(&self, lane: usize, i: usize) -> Option<usize> {
        let (chain, within) = (lane / self.lanes, lane % self.lanes * self.each + i);
        (chain < self.chains && within < self.n_kept).then_some(chain * self.n_kept + within)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_draw_has_one_place() {
        for (chains, n_kept) in [(1, 3), (1, 120), (2, 150), (3, 7), (4, 100), (5, 11), (8, 9), (13, 20)] {
            let plan = WalkPlan::new(chains, n_kept);
            let mut taken = vec![0; chains * n_kept];
            for first in plan.firsts() {
                let lanes = (first..first + plan.apart).flat_map(|l| (0..plan.each).map(move |i| (l, i)));
                lanes.filter_map(|(lane, i)| plan.place(lane, i)).for_each(|place| taken[place] += 1);
            }
            assert!(taken.iter().all(|&n| n == 1), "{chains} {n_kept}: {taken:?}");
        }
    }
}
