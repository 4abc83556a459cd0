//! A collapsed model by blocks has the density of the joint transport, and draws that are what their log density says.

mod common;

use common::{Shape, by_rows, model, spec};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use twill::collapse::Collapsed;
use twill::collapse::blocks::Blocked;
use twill::collapse::many::{Drawer, FactorFrame};
use twill::density::{LogDensity, Model, Posterior};
use twill::design::{Design, RawArrays, RawTerm};
use twill::draws::Draw;
use twill::settle::assembly::Assembly;
use twill::settle::{rough_by_rows, settle};
use twill::spec::{Engine, Family};

fn shapes() -> impl Strategy<Value = Shape> {
    let term = (1..9usize, 1..4usize, any::<bool>());
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (1..4usize, prop::collection::vec(term, 1..4), flags).prop_map(|(p, terms, (centred, se, by, shrunken))| Shape {
        centred,
        se,
        by,
        horseshoe_b: shrunken,
        ..Shape::plain(Family::Gaussian, 120, p, &terms)
    })
}

fn random_position(dim: usize, seed: u64) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..dim).map(|_| 1.6 * rng.random::<f64>() - 0.8).collect()
}

/// `None` where residual variances are known and sampled at once, which nobody integrates over.
fn both(model: &Arc<Model>) -> Option<(Collapsed, Blocked)> {
    let settled = settle(model, Engine::Joint, &AtomicBool::new(false));
    let blocked = Blocked::new(rough_by_rows(model), &settled.assembly, usize::MAX, &Arc::default());
    Collapsed::new(settled.posterior).zip(blocked)
}

fn check(model: &Arc<Model>, seed: u64) {
    let Some((mut collapsed, mut blocked)) = both(model) else { return };
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for at in 0..3 {
        let theta = random_position(blocked.dim(), seed + at);
        let (expected, found) = (collapsed.value(&theta), blocked.value(&theta));
        assert!((found - expected).abs() < 1e-8 * (1.0 + expected.abs()), "{found} {expected}");
        assert_eq!(blocked.log_constant(), collapsed.log_constant());
        blocked.complete(&mut rng);
        let (draw, lp) = (blocked.posterior(), by_rows(blocked.posterior(), model, &theta));
        assert!((draw.lp - lp).abs() < 1e-8 * (1.0 + lp.abs()), "{} {lp}", draw.lp);
        let mut slopes = vec![0.0; draw.beta.len()];
        let lprior = model.coefficient_prior(&draw.beta, &mut slopes) + draw.scales.lprior;
        assert!((draw.lprior - lprior).abs() < 1e-9 * (1.0 + lprior.abs()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn blocks_have_the_density_of_the_joint_transport(shape in shapes(), seed in 0..1000u64) {
        check(&Arc::new(model(&shape, seed)), seed);
    }
}

/// All rows have one predictor and are merged: what is left of their responses is around the row that stands for them.
#[test]
fn rows_that_are_one_have_their_spread() {
    let shape = Shape { centred: false, ..Shape::plain(Family::Gaussian, 120, 1, &[(1, 1, false)]) };
    let model = Arc::new(model(&shape, 0));
    assert_eq!(model.design.n(), 1);
    check(&model, 0);
}

/// Rows of a screen: guides in genes with a slope on what gene and line have in common, and lines; with effects of each gene in each line
/// if that is asked for. Some guides are missing in some lines, unless all are there.
fn screen(n_genes: usize, n_lines: usize, is_complete: bool, has_pairs: bool) -> (RawArrays, Shape) {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut normal = move || (0..4).map(|_| rng.random::<f64>()).sum::<f64>() - 2.0;
    let pairs: Vec<f64> = (0..n_genes * n_lines).map(|_| normal()).collect();
    let cell = |row: usize| (row / n_lines, row % n_lines);
    let rows: Vec<_> = (0..4 * n_genes * n_lines).map(cell).filter(|(g, l)| is_complete || (g + l) % 3 > 0).collect();
    let rna: Vec<f64> = rows.iter().map(|(guide, line)| pairs[guide / 4 * n_lines + line]).collect();
    let (n, ones) = (rows.len(), vec![1.0; rows.len()]);
    let slopes = [ones.clone(), rna.clone()].concat();
    let codes = |of: &dyn Fn(usize, usize) -> usize| rows.iter().map(|&(g, l)| of(g, l) as i32).collect();
    let term = |codes, z| RawTerm { codes, z, precision: None };
    let mut raw = RawArrays {
        y: (0..n).map(|_| normal()).collect(),
        offset: vec![0.0; n].into(),
        weights: ones.clone().into(),
        se: vec![].into(),
        x: slopes.clone().into(),
        x_disp: vec![].into(),
        terms: vec![
            term(codes(&|guide, _| guide / 4), slopes.into()),
            term(codes(&|guide, _| guide), ones.clone().into()),
            term(codes(&|_, line| line), ones.clone().into()),
        ],
    };
    let mut terms = vec![(n_genes, 2, true), (4 * n_genes, 1, false), (n_lines, 1, false)];
    if has_pairs {
        raw.terms.push(term(codes(&|guide, line| guide / 4 * n_lines + line), ones.into()));
        terms.push((n_genes * n_lines, 1, false));
    }
    (raw, Shape::plain(Family::Gaussian, n, 2, &terms))
}

#[test]
fn guides_of_a_gene_in_the_same_lines_are_few_vectors() {
    let n_products = [true, false].map(|is_complete| {
        // As many lines as keep guides from being integrated out before.
        let (raw, shape) = screen(12, 30, is_complete, false);
        let spec = spec(&shape);
        let model = Arc::new(Model::new(Design::new(raw, &spec).unwrap(), &spec).unwrap());
        check(&model, 5);
        Blocked::new(rough_by_rows(&model), &Assembly::new(&model), usize::MAX, &Arc::default()).unwrap().n_products()
    });
    assert!(n_products[0] * 2 < n_products[1], "{n_products:?}");
}

/// Two slopes on predictors that are zero in all rows of the last level: a block that says nothing of the core, after those that do.
#[test]
fn a_block_without_vectors_may_be_the_last() {
    let (mut raw, shape) = screen(6, 5, true, false);
    let (lines, genes) = (raw.terms.remove(2), raw.terms.remove(0));
    let of_rows = genes.codes.iter().cycle().zip(genes.z.iter());
    let z = of_rows.map(|(gene, z)| if *gene == 5 { 0.0 } else { *z }).collect();
    let terms = vec![RawTerm { z, ..genes }, lines];
    let shape = Shape { centred: false, p: 1, terms: vec![(6, 2, true), (5, 1, false)], ..shape };
    let model = model_of((RawArrays { x: raw.x[..raw.y.len()].to_vec().into(), terms, ..raw }, shape));
    check(&model, 6);
    check_many(&model, 6);
}

/// 300 vectors, which are more than a panel of 256 holds, and the rest does not fill one.
#[test]
fn vectors_go_by_panels() {
    let (mut raw, shape) = screen(150, 5, true, false);
    raw.terms.remove(1);
    let model = model_of((raw, Shape { terms: vec![(150, 2, true), (5, 1, false)], ..shape }));
    check(&model, 8);
}

fn model_of((raw, shape): (RawArrays, Shape)) -> Arc<Model> {
    let spec = spec(&shape);
    Arc::new(Model::new(Design::new(raw, &spec).unwrap(), &spec).unwrap())
}

fn n_before(model: &Arc<Model>) -> usize {
    Blocked::new(rough_by_rows(model), &Assembly::new(model), usize::MAX, &Arc::default()).unwrap().n_before()
}

/// An effect of each gene in each line goes first, level by level, as many guides as there are.
#[test]
fn effects_of_pairs_are_integrated_out_before() {
    for is_complete in [true, false] {
        let model = model_of(screen(12, 9, is_complete, true));
        assert_eq!(n_before(&model), 12 * 9);
        check(&model, 3);
        check_many(&model, 4);
    }
}

/// Subjects crossed with items, an effect of each subject with each item seen once to four times, and days of which each has some of all:
/// what is integrated out makes columns of the core meet that no row has together.
fn subjects(seed: u64, weights: &[f64], by: bool) -> (RawArrays, Shape) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (n_subjects, n_items) = (8, 30);
    let mut rows = vec![];
    for pair in 0..n_subjects * n_items {
        (0..rng.random_range(1..=4))
            .for_each(|_| rows.push((pair / n_items, pair % n_items, rng.random_range(0..3usize))));
    }
    let n = rows.len();
    let mut numbers = |n: usize| (0..n).map(|_| 2.0 * rng.random::<f64>() - 1.0).collect::<Vec<f64>>();
    let (y, x, ones) = (numbers(n), numbers(n), vec![1.0; n]);
    let slopes = [ones.clone(), x.clone()].concat();
    let codes = |of: &dyn Fn(&(usize, usize, usize)) -> usize| rows.iter().map(|r| of(r) as i32).collect::<Vec<i32>>();
    let term = |codes, z| RawTerm { codes, z, precision: None };
    let pair = codes(&|r| r.0 * n_items + r.1);
    let raw = RawArrays {
        y: y.into(),
        offset: vec![0.0; n].into(),
        weights: pair.iter().map(|&p| weights[p as usize % weights.len()]).collect(),
        se: vec![].into(),
        x: slopes.clone().into(),
        x_disp: vec![].into(),
        terms: vec![
            term(pair, ones.clone().into()),
            term(codes(&|r| r.0), slopes.into()),
            term(codes(&|r| r.1), ones.clone().into()),
            term(codes(&|r| r.2), ones.into()),
        ],
    };
    let terms = [(n_subjects * n_items, 1, false), (n_subjects, 2, true), (n_items, 1, false), (3, 1, false)];
    (raw, Shape { by, ..Shape::plain(Family::Gaussian, n, 2, &terms) })
}

#[test]
fn what_is_integrated_out_joins_what_it_meets() {
    for (seed, weights, by) in [(1, &[1.0][..], false), (2, &[1.0, 0.5], false), (3, &[1.0], true)] {
        let model = model_of(subjects(seed, weights, by));
        assert_eq!(n_before(&model), 240, "{seed}");
        check(&model, seed);
        check_many(&model, seed);
    }
}

/// With a weight of its own in each pair, levels have nothing to share.
#[test]
fn levels_of_many_weights_stay_where_they_are() {
    let weights: Vec<f64> = (0..97).map(|i| 1.0 + 0.01 * f64::from(i)).collect();
    let model = model_of(subjects(4, &weights, false));
    assert_eq!(n_before(&model), 0);
    check(&model, 4);
}

/// Means, and means of squares and products of neighbours, of effects and coefficients over draws, with their Monte Carlo errors.
fn moments(draws: &[Vec<f64>]) -> Vec<[f64; 2]> {
    let n = draws.len() as f64;
    let of = |f: &dyn Fn(&[f64]) -> f64| {
        let values: Vec<f64> = draws.iter().map(|d| f(d)).collect();
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
        [mean, variance / n]
    };
    let one = |i: usize| of(&|d| d[i]);
    let two = |(i, j): (usize, usize)| of(&|d| d[i] * d[j]);
    let dim = draws[0].len();
    (0..dim).map(one).chain((0..dim).flat_map(|i| [(i, i), (i, (i + 1) % dim)]).map(two)).collect()
}

fn parameters(draw: &Posterior) -> Vec<f64> {
    draw.mapped.swept.iter().chain(&draw.mapped.effects).copied().collect()
}

/// Draws with the factor of a frame, one position beside another, are those by the factor of their own.
fn check_many(model: &Arc<Model>, seed: u64) {
    let Some(mut blocked) = Blocked::new(rough_by_rows(model), &Assembly::new(model), usize::MAX, &Arc::default())
    else {
        return;
    };
    let [at_frame, theta, other] = [0, 1, 2]
        .map(|at| random_position(blocked.dim(), seed + at).into_iter().map(|x| 0.5 * x).collect::<Vec<f64>>());
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    blocked.value(&theta);
    let draw = |_| {
        blocked.complete(&mut rng);
        parameters(blocked.posterior())
    };
    let expected: Vec<Vec<f64>> = (0..3000).map(draw).collect();
    blocked.value(&at_frame);
    let frame = FactorFrame::new(blocked);
    let (mut drawer, mut found, mut at) = (Drawer::new(&frame), vec![], 0);
    for _ in 0..1000 {
        let positions = [&theta, &other, &theta, &theta].map(Vec::clone);
        let is_drawn = drawer.draw(&positions, &mut rng, |draw| {
            if at % 4 != 1 {
                found.push(parameters(draw));
            }
            if at < 8 {
                let lp = by_rows(draw, model, &positions[at % 4]);
                assert!((draw.lp - lp).abs() < 1e-7 * (1.0 + lp.abs()), "{} {lp}", draw.lp);
            }
            at += 1;
        });
        assert!(is_drawn);
    }
    for ([a, v], [b, w]) in moments(&expected).into_iter().zip(moments(&found)) {
        assert!((a - b).abs() < 4.9 * (v + w).sqrt() + 1e-9, "{a} {b} {}", (v + w).sqrt());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(25))]

    #[test]
    fn draws_by_the_factor_of_a_frame_are_those_by_their_own(shape in shapes(), seed in 0..1000u64) {
        check_many(&Arc::new(model(&shape, seed)), seed);
    }
}

/// Rows are looked through after a cancel no further than a part of them; the job then ends as one that was interrupted.
#[test]
fn sums_are_left_after_a_cancel() {
    let model = model_of(screen(30, 8, true, false));
    let assembly = Assembly::new(&model);
    let cancelled = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let left = |job: &(dyn Fn() + Sync)| {
        twill::run::on_workers(
            1,
            1,
            |_| true,
            |_| {
                job();
                Ok(())
            },
        )
    };
    let is_interrupt = |result: twill::error::Result<()>| matches!(result, Err(twill::error::Error::Interrupt));
    assert!(is_interrupt(left(&|| drop(Assembly::unless(&model, &cancelled)))));
    assert!(is_interrupt(left(&|| drop(assembly.all_sums(&rough_by_rows(&model), &cancelled)))));
    assert!(is_interrupt(left(&|| drop(Blocked::new(rough_by_rows(&model), &assembly, usize::MAX, &cancelled)))));
    assert!(left(&|| drop(Assembly::unless(&model, &Arc::default()))).is_ok());
}
