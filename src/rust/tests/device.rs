//! The kernels of devices on the CPU: gradients by differences, and the same results however threads run.

mod common {
    pub mod emulator;
    pub mod random_genes;
}

use common::emulator::Emulator;
use common::random_genes::{Size, frame, gene};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use twill::device::cells::{CellArrays, CellGradient, Cells, CountArrays, Nodes};
use twill::device::genes::{Genes, Rules};
use twill::device::machine::Machine;
use twill::device::pack::{FrameArrays, GeneArrays, LANES};
use twill::device::source::Precision;
use twill::kernels::negative_binomial;

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
    Genes::new(machine, precision, &set.0, &set.1, &[4, 5, 6]).unwrap()
}

fn positions(n: usize) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    (0..n).map(|_| rng.random_range(-1.0..1.0)).collect()
}

/// Each lane of each gene, in every coordinate.
#[test]
fn gradients_agree_with_differences() {
    let Some(machine) = Emulator::new() else { return };
    for size in SIZES {
        let set = random_set(size);
        let (genes, d, h) = (upload(&machine, Precision::Double, &set), set.0.dim(), 1e-5);
        let y = positions(3 * d * LANES);
        let (_, gradient) = genes.target(&y).unwrap();
        for i in 0..d {
            let moved = |step: f64| {
                let mut y = y.clone();
                y.chunks_exact_mut(LANES).skip(i).step_by(d).for_each(|lanes| lanes.iter_mut().for_each(|v| *v += step));
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
    let mut genes = upload(machine, Precision::Single, set).with_threads(threads);
    let d = set.0.dim();
    let root: Vec<f64> = (0..d).flat_map(|i| (0..=i).map(move |j| if i == j { 0.3 } else { 0.01 })).collect();
    genes.set_guides(&vec![0.1; 3 * d], &root.repeat(3)).unwrap();
    let (window, polish_steps, max_steps, bounds) = (4, 4, 13, [10.0, 1.0, 0.8]);
    let rules = Rules { window, polish_steps, max_steps, rate: 0.3, search_gain: 0.5, polish_gain: 0.1, bounds };
    let guides = genes.ascend(&rules, 77, chunk, || true).unwrap();
    assert!(guides.iter().all(|g| g.steps > 4 && g.steps == g.elbo.len()));
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

/// 200 cells in two batches and three leaves, two covariates, three genes, one count beyond 16 bits.
struct Experiment {
    cells: CellArrays,
    counts: CountArrays,
    y: Vec<Vec<f64>>,
    parameters: Vec<f64>,
}

/// Leaf of each segment: the second batch begins in the middle of a leaf.
const SEGMENTS: [(u32, usize, usize); 5] = [(0, 0, 50), (1, 50, 90), (1, 90, 120), (2, 120, 190), (0, 190, 200)];

fn experiment() -> Experiment {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let mut numbers = |n: usize| (0..n).map(|_| rng.random_range(-1.0..1.0)).collect::<Vec<f64>>();
    let (offset, covariates) = (numbers(200), numbers(400));
    let leaf_of = |cell: usize| SEGMENTS.iter().find(|s| cell < s.2).unwrap().0;
    let order: Vec<usize> = (0..3).flat_map(|leaf| (0..200).filter(move |&c| leaf_of(c) == leaf)).collect();
    let n_in = |leaf: u32| (0..200).filter(|&c| leaf_of(c) < leaf).count() as u32;
    // Every cell is a node.
    let nodes = Nodes {
        starts: (0..=3).map(n_in).collect(),
        offset: order.iter().map(|&c| offset[c]).collect(),
        mass: vec![1.0; 200],
        covariates: [0, 200].iter().flat_map(|k| order.iter().map(|&c| covariates[k + c]).collect::<Vec<_>>()).collect(),
    };
    let segments = SEGMENTS.iter().map(|s| (s.0, s.1..s.2)).collect();
    let cells = CellArrays { n_leaves: 3, segments, rate: vec![1.0; 5], offset, covariates, n_covariates: 2, nodes };
    let mut y: Vec<Vec<f64>> = (0..3).map(|g| (0..200).map(|c| f64::from(((c * 7 + g) % 11 / 8) as u32)).collect()).collect();
    y[1][77] = 200_000.0;
    let mut counts = CountArrays::default();
    for gene in &y {
        counts.push(&cells, gene.iter().enumerate().filter(|(_, y)| **y > 0.0).map(|(c, y)| (c, *y as u32)));
    }
    Experiment { cells, counts, y, parameters: numbers(3 * 6) }
}

/// The CPU's definition, cell by cell.
fn cell_by_cell(e: &Experiment, gene: usize) -> CellGradient {
    let own = &e.parameters[gene * 6..(gene + 1) * 6];
    let leaf: Vec<usize> = SEGMENTS.iter().flat_map(|s| vec![s.0 as usize; s.2 - s.1]).collect();
    let w = |j: usize, c: usize| e.cells.covariates[j * 200 + c];
    let eta = |c: usize| own[leaf[c]] + e.cells.offset[c] + w(0, c) * own[3] + w(1, c) * own[4] + own[5];
    let eta: Vec<f64> = (0..200).map(eta).collect();
    let mut d_eta = vec![0.0; 200];
    let (value, d_log_phi) = negative_binomial(&e.y[gene], &[1.0; 200], &eta, own[5], &mut d_eta);
    let sum = |f: &dyn Fn(usize) -> f64| (0..200).map(|c| d_eta[c] * f(c)).sum::<f64>();
    CellGradient {
        value,
        d_log_phi,
        d_gamma: (0..2).map(|j| sum(&|c| w(j, c))).collect(),
        d_leaf: (0..3).map(|l| sum(&|c| f64::from(u8::from(leaf[c] == l)))).collect(),
    }
}

fn numbers_of(g: &CellGradient) -> Vec<f64> {
    [&[g.value, g.d_log_phi], &g.d_gamma[..], &g.d_leaf].concat()
}

/// Relative to the largest derivative: a difference of two large sums has the error of the sums.
fn assert_close(found: &CellGradient, expected: &CellGradient, tolerance: f64) {
    let (found, expected) = (numbers_of(found), numbers_of(expected));
    let size = expected.iter().fold(1.0_f64, |m, x| m.max(x.abs()));
    for (f, e) in found.iter().zip(&expected) {
        assert!((f - e).abs() <= tolerance * size, "{found:?} {expected:?}");
    }
}

#[test]
fn sparse_counts_give_the_likelihood_of_all_cells() {
    let Some(machine) = Emulator::new() else { return };
    let e = experiment();
    for (precision, tolerance) in [(Precision::Single, 1e-5), (Precision::Double, 1e-10)] {
        let cells = Cells::new(&machine, precision, &e.cells, &e.counts).unwrap();
        let all = cells.gradient(0..5, &e.parameters).unwrap();
        (0..3).for_each(|gene| assert_close(&all[gene], &cell_by_cell(&e, gene), tolerance));
    }
}

/// Two batches at twice the rate have the mean of the whole: nodes are in both.
#[test]
fn batches_average_to_the_whole() {
    let Some(machine) = Emulator::new() else { return };
    let mut e = experiment();
    let whole = Cells::new(&machine, Precision::Double, &e.cells, &e.counts).unwrap();
    let whole = whole.gradient(0..5, &e.parameters).unwrap();
    e.cells.rate = vec![2.0; 5];
    let cells = Cells::new(&machine, Precision::Double, &e.cells, &e.counts).unwrap();
    let batches = [0..2, 2..5].map(|segments| cells.gradient(segments, &e.parameters).unwrap());
    for gene in 0..3 {
        let means = numbers_of(&batches[0][gene]).into_iter().zip(numbers_of(&batches[1][gene]));
        for ((a, b), whole) in means.zip(numbers_of(&whole[gene])) {
            assert!((0.5 * (a + b) - whole).abs() < 1e-9 * (1.0 + whole.abs()), "{a} {b} {whole}");
        }
    }
}
