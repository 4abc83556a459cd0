//! Normal and uniform numbers from a counter: a draw's noise follows from seed, gene, step and number alone.
//!
//! Philox 4x32 with ten rounds (Salmon, Moraes, Dror and Shaw 2011) and the transform of Box and Muller, for eight draws at
//! once.

use super::lane::Lane;
use crate::elementary::{ln, sin_cos_turns};
use crate::tuning::{LANES, UNIFORMS};
use pulp::{Arch, NullaryFnOnce};

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const INCREMENTS: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: usize = 10;

/// A word of each draw.
type Words = [u32; LANES];

/// The noise of one gene.
#[derive(Debug, Clone, Copy)]
pub struct Noise {
    key: [u32; 2],
    gene: u32,
}

impl Noise {
    /// Of the gene with number `gene`.
    pub fn new(seed: u64, gene: u64) -> Self {
        Self { key: [seed as u32, (seed >> 32) as u32], gene: gene as u32 }
    }

    /// Standard normal numbers of eight draws: `out` has a place for each coordinate.
    pub fn normals(&self, draws: Words, step: u32, out: &mut [Lane]) {
        Arch::new().dispatch(Filling { noise: self, draws, step, out });
    }

    /// Two uniform numbers of each draw, which no number of normals shares.
    pub fn uniforms(&self, draws: Words, step: u32) -> [Lane; 2] {
        let [first, second, ..] = self.words(UNIFORMS, draws, step);
        [first, second].map(|words| Lane(words.map(unit)))
    }

    /// Four random words of each draw, for a block of four coordinates.
    #[inline(always)]
    fn words(&self, block: u32, draws: Words, step: u32) -> [Words; 4] {
        let (mut c, mut key) = ([[block; LANES], draws, [step; LANES], [self.gene; LANES]], self.key);
        for _ in 0..ROUNDS {
            let before = c;
            for s in 0..LANES {
                let first = u64::from(MULTIPLIERS[0]) * u64::from(before[0][s]);
                let second = u64::from(MULTIPLIERS[1]) * u64::from(before[2][s]);
                c[0][s] = (second >> 32) as u32 ^ before[1][s] ^ key[0];
                c[1][s] = second as u32;
                c[2][s] = (first >> 32) as u32 ^ before[3][s] ^ key[1];
                c[3][s] = first as u32;
            }
            key = [key[0].wrapping_add(INCREMENTS[0]), key[1].wrapping_add(INCREMENTS[1])];
        }
        c
    }
}

struct Filling<'a> {
    noise: &'a Noise,
    draws: Words,
    step: u32,
    out: &'a mut [Lane],
}

impl NullaryFnOnce for Filling<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for (block, out) in self.out.chunks_mut(4).enumerate() {
            let words = self.noise.words(block as u32, self.draws, self.step);
            for (pair, out) in words.chunks_exact(2).zip(out.chunks_mut(2)) {
                let (cos, sin) = normal_pair(&pair[0], &pair[1]);
                out[0] = cos;
                if let Some(out) = out.get_mut(1) {
                    *out = sin;
                }
            }
        }
    }
}

/// Two normal numbers of each draw from two words.
#[inline(always)]
fn normal_pair(radii: &Words, angles: &Words) -> (Lane, Lane) {
    let (mut cosines, mut sines) = ([0.0; LANES], [0.0; LANES]);
    for s in 0..LANES {
        let radius = (-2.0 * ln(unit(radii[s]))).sqrt();
        let (sin, cos) = sin_cos_turns(unit(angles[s]));
        (cosines[s], sines[s]) = (radius * cos, radius * sin);
    }
    (Lane(cosines), Lane(sines))
}

/// Between 0 and 1.
#[inline(always)]
fn unit(word: u32) -> f64 {
    (f64::from(word) + 0.5) / 4_294_967_296.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tuning::KEPT;

    /// Known answers of the generator's authors (Random123's `kat_vectors`): zeros, ones, digits of pi.
    #[test]
    fn words_are_those_of_philox() {
        let of = |c: [u32; 4], key| Noise { key, gene: c[3] }.words(c[0], [c[1]; LANES], c[2]).map(|w| w[5]);
        assert_eq!(of([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(of([u32::MAX; 4], [u32::MAX; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        let pi = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
        assert_eq!(of(pi, [0xa409_3822, 0x299f_31d0]), [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
    }

    #[test]
    fn numbers_are_standard_normal() {
        let (noise, mut out, mut x) = (Noise::new(3, 7), [Lane::ZERO; 7], vec![]);
        for first in (0..5000).step_by(LANES) {
            noise.normals(std::array::from_fn(|s| first + s as u32), KEPT, &mut out);
            x.extend(out.iter().flat_map(|lane| lane.0));
        }
        let moment = |k: i32| x.iter().map(|z| z.powi(k)).sum::<f64>() / x.len() as f64;
        // Standard errors 0.005, 0.008, 0.021, 0.052.
        assert!(moment(1).abs() < 0.02 && (moment(2) - 1.0).abs() < 0.03, "{} {}", moment(1), moment(2));
        assert!(moment(3).abs() < 0.08 && (moment(4) - 3.0).abs() < 0.2, "{} {}", moment(3), moment(4));
    }
}
