//! The kernels of devices on the CPU: gradients by differences, and the same results however threads run.

#[path = "common/emulator.rs"]
mod emulator;
#[path = "common/random_genes.rs"]
mod random_genes;

use emulator::Emulator;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use random_genes::{Size, frame, gene};
use twill::device::genes::{Genes, Rules};
use twill::device::machine::Machine;
use twill::device::pack::{FrameArrays, GeneArrays};
use twill::device::source::Precision;
use twill::tuning::LANES;

/// Shapes with and without blocks, effects of the core and a shape; the first is that of a gene of seven donors.
const SIZES: [Size; 5] = [
    Size { p: 2, n_blocks: 7, b: 2, core_effects: 0, n_leaves: 14, has_shape: true },
    Size { p: 3, n_blocks: 3, b: 1, core_effects: 4, n_leaves: 11, has_shape: true },
    Size { p: 1, n_blocks: 5, b: 3, core_effects: 2, n_leaves: 40, has_shape: false },
    Size { p: 4, n_blocks: 0, b: 0, core_effects: 0, n_leaves: 6, has_shape: true },
    Size { p: 2, n_blocks: 2, b: 1, core_effects: 0, n_leaves: 2, has_shape: false },
];

fn random_set(size: Size) -> (FrameArrays, Vec<GeneArrays>) {
    let frame = frame(size, 1);
    let genes = (0..3).map(|g| gene(&frame, 10 + g)).collect();
    (frame, genes)
}

fn upload<'a>(machine: &'a dyn Machine, precision: Precision, set: &(FrameArrays, Vec<GeneArrays>)) -> Genes<'a> {
    Genes::new(machine, precision, &set.0, &set.1.iter().collect::<Vec<_>>(), &[4, 5, 6]).unwrap()
}

fn positions(n: usize) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    (0..n).map(|_| rng.random_range(-1.0..1.0)).collect()
}

/// Each lane of each gene, in every coordinate.
#[test]
fn gradients_agree_with_differences() {
    let Some(mut machine) = Emulator::new() else { return };
    for (order, size) in (0..).zip(SIZES) {
        machine.order = order % 3;
        let set = random_set(size);
        let (genes, d, h) = (upload(&machine, Precision::Double, &set), set.0.dim(), 1e-5);
        let y = positions(3 * d * LANES);
        let (_, gradient) = genes.target(&y).unwrap();
        for i in 0..d {
            let moved = |step: f64| {
                let mut y = y.clone();
                y.chunks_exact_mut(LANES)
                    .skip(i)
                    .step_by(d)
                    .for_each(|lanes| lanes.iter_mut().for_each(|v| *v += step));
                genes.target(&y).unwrap().0
            };
            let (up, down) = (moved(h), moved(-h));
            for (at, (up, down)) in up.iter().zip(&down).enumerate() {
                let found = gradient[(at / LANES * d + i) * LANES + at % LANES];
                let expected = (up - down) / (2.0 * h);
                assert!((found - expected).abs() < 1e-6 * (1.0 + expected.abs()), "{size:?} {i} {found} {expected}");
            }
        }
    }
}

/// Order of the threads, their number, whether memory is shared, and steps per launch.
const WAYS: [(u32, usize, bool, usize); 5] =
    [(0, 64, true, 20), (1, 64, true, 3), (2, 64, false, 8), (2, 32, true, 20), (1, 96, false, 20)];

/// Numbers of the guides, draws and log ratios of a short run.
fn run(machine: &mut Emulator, set: &(FrameArrays, Vec<GeneArrays>), way: (u32, usize, bool, usize)) -> Vec<f64> {
    let (order, threads, shared, chunk) = way;
    (machine.order, machine.shared_bytes) = (order, if shared { 1 << 20 } else { 0 });
    let mut genes = upload(machine, Precision::Single, set).with_shape(threads, 2);
    let d = set.0.dim();
    let root: Vec<f64> = (0..d).flat_map(|i| (0..=i).map(move |j| if i == j { 0.3 } else { 0.01 })).collect();
    genes.set_guides(&vec![0.1; 3 * d], &root.repeat(3)).unwrap();
    let (window, polish_steps, max_steps, bounds) = (4, 4, 13, [10.0, 1.0, 0.8]);
    let rules = Rules { window, polish_steps, max_steps, rate: 0.3, search_gain: 0.5, polish_gain: 0.1, bounds };
    let mut guides = genes.ascend(&rules, 77, chunk, || true).unwrap();
    assert!(guides.iter().all(|g| g.steps > 4 && g.steps == g.elbo.len()));
    // Counts without exposure, as random arrays have them, leave a Poisson density without a bound.
    if set.0.has_shape {
        genes.set_guides(&vec![0.0; 3 * d], &vec![0.0; 3 * root.len()]).unwrap();
        genes.start().unwrap();
        guides.extend(genes.ascend(&rules, 77, chunk, || true).unwrap());
        assert!(guides.iter().all(|g| g.has_start));
    }
    let numbers = guides.into_iter().flat_map(|g| [g.mean, g.root, g.elbo].concat());
    let draws = genes.draws(77, 21, 13).unwrap();
    numbers.chain(draws.values).chain(draws.log_ratios).collect()
}

/// No thread reads what another has not finished: not a bit changes with the order in which threads run, with the memory
/// and with the launches. Other numbers of threads have other partial sums.
#[test]
fn results_do_not_depend_on_how_threads_run() {
    let Some(mut machine) = Emulator::new() else { return };
    for size in [SIZES[0], SIZES[2]] {
        let set = random_set(size);
        let runs = WAYS.map(|way| run(&mut machine, &set, way));
        assert!(runs[0].iter().all(|x| x.is_finite()));
        for (way, numbers) in WAYS.iter().zip(&runs) {
            let worst = numbers.iter().zip(&runs[0]).map(|(a, b)| (a - b).abs() / (1.0 + b.abs())).fold(0.0, f64::max);
            assert!(worst <= if way.1 == 64 { 0.0 } else { 1e-8 }, "{size:?}, {way:?}: {worst}");
        }
    }
}
