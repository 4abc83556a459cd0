//! Genes with random arrays: nothing that a fit would give, all that a kernel must bear.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use twill::device::pack::{FrameArrays, GeneArrays};

/// Shape of a frame: coefficients, blocks, effects of a block, effects of the core, leaves.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub p: usize,
    pub n_blocks: usize,
    pub b: usize,
    pub core_effects: usize,
    pub n_leaves: usize,
    pub has_shape: bool,
}

pub fn frame(size: Size, seed: u64) -> FrameArrays {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let Size { p, n_blocks, b, core_effects, n_leaves, has_shape } = size;
    let mut numbers = |n: usize| (0..n).map(|_| rng.random_range(-1.0..1.0)).collect::<Vec<f64>>();
    let c = core_effects + p;
    let in_blocks = (0..n_blocks).flat_map(|_| (0..b).map(Some));
    let in_core = (0..core_effects).map(|_| Some(b));
    FrameArrays {
        p,
        n_sd: b * usize::from(n_blocks > 0) + usize::from(core_effects > 0),
        has_shape,
        n_blocks,
        b,
        c,
        sd_of: in_blocks.chain(in_core).chain((0..p).map(|_| None)).collect(),
        block: (0..n_leaves).map(|leaf| if n_blocks == 0 { 0 } else { leaf % n_blocks }).collect(),
        z: numbers(n_leaves * b),
        x: numbers(n_leaves * c),
    }
}

/// An information matrix as data would give it, in the parts of an arrow.
fn information(frame: &FrameArrays, weights: &[f64]) -> [Vec<f64>; 3] {
    let FrameArrays { n_blocks, b, c, z, x, block, .. } = frame;
    let mut parts = [vec![0.0; n_blocks * b * b], vec![0.0; n_blocks * c * b], vec![0.0; c * c]];
    for (leaf, w) in weights.iter().enumerate() {
        let (z, x, g) = (&z[leaf * b..(leaf + 1) * b], &x[leaf * c..(leaf + 1) * c], block[leaf]);
        for j in 0..*b {
            (0..*b).for_each(|i| parts[0][(g * b + i) * b + j] += w * z[i] * z[j]);
            (0..*c).for_each(|i| parts[1][(g * c + i) * b + j] += w * x[i] * z[j]);
        }
        (0..*c).for_each(|i| (0..*c).for_each(|j| parts[2][i * c + j] += w * x[i] * x[j]));
    }
    parts
}

/// Priors of all kinds in turn, as `lanes/arrays.rs` gives them, with constants that matter to nobody.
fn priors(frame: &FrameArrays) -> Vec<[f64; 5]> {
    let anywhere = [[0.0; 5], [1.0, 0.2, 2.0, 0.0, -1.0], [2.0, 3.0, 0.1, 1.5, 0.5], [7.0, 0.3, 1.0, 0.0, 0.0]];
    let positive = [
        [2.0, 3.0, 0.0, 1.0, 0.1],
        [8.0, 0.5, 3.0, 0.0, 0.0],
        [3.0, 2.0, 0.5, 0.0, 0.0],
        [5.0, 1.0, 1.0, 0.0, 0.0],
        [4.0, 2.0, 1.0, 0.0, 0.0],
    ];
    let of = |all: &[[f64; 5]], n: usize| all.iter().cycle().take(n).copied().collect::<Vec<_>>();
    let mut out = of(&anywhere, frame.p);
    out.extend(of(&positive, frame.n_sd));
    out.extend(of(&[[5.0, 1.0, 1.0, 0.0, -0.5]], usize::from(frame.has_shape)));
    out
}

pub fn gene(frame: &FrameArrays, seed: u64) -> GeneArrays {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut number = move |low: f64, high: f64| rng.random_range(low..high);
    let (l, p, c, h) = (frame.n_leaves(), frame.p, frame.c, frame.n_scales());
    let per_leaf: Vec<usize> = (0..l).map(|leaf| leaf % 4).collect();
    let starts: Vec<usize> = std::iter::once(0)
        .chain(per_leaf.iter().scan(0, |at, n| {
            *at += n;
            Some(*at)
        }))
        .collect();
    let n_rows = starts[l];
    let weights: Vec<f64> = (0..l).map(|_| number(0.5, 30.0)).collect();
    let core_effects = c - p;
    let diagonal = |i: usize, j: usize| f64::from(u8::from(i == j)) * if i < core_effects { 1.0 } else { 0.3 };
    GeneArrays {
        constant: -3.0,
        excess: if frame.has_shape { (number(0.0, 1.0), 0.4) } else { (0.0, 0.0) },
        information: information(frame, &weights),
        pull: (0..frame.n()).map(|_| number(-3.0, 3.0)).collect(),
        core_prior: [
            (0..c * c).map(|e| diagonal(e / c, e % c)).collect(),
            (0..c).map(|e| if e < core_effects { 0.0 } else { 0.2 }).collect(),
        ],
        directions: (0..p * p).map(|e| if e / p == e % p { 1.0 } else { 0.1 }).collect(),
        bends: (0..h).map(|k| [number(-0.5, 0.5), 0.4, 0.3, [0.0, 0.2, -0.3][k % 3]]).collect(),
        above: (0..9).map(|j| 12.0 - f64::from(j)).collect(),
        large: [vec![3.0, 40.0, 1200.0], vec![1.0, 2.0, 1.0]],
        priors: priors(frame),
        starts,
        rows: [
            (0..n_rows).map(|_| number(-1.0, 2.0)).collect(),
            (0..n_rows).map(|r| if r % 3 == 0 { 0.0 } else { number(0.5, 20.0) }).collect(),
            (0..n_rows).map(|r| if r % 5 == 0 { 0.0 } else { number(0.0, 40.0) }).collect(),
        ],
    }
}
