//! The factor, its solves and its derivative against dense ones and differences, over single numbers, draws and levels.

use super::*;
use crate::number::{Draws8, Levels8};

/// Sizes 5 and 30, the latter with a large core: `every`-th row of it in each column before.
fn arrows() -> Vec<(Pattern, Vec<f64>)> {
    let small = vec![vec![2, 4], vec![2, 3], vec![4], vec![4], vec![]];
    let large = |every: usize| -> Vec<Vec<u32>> {
        (0..30u32)
            .map(|j| if j < 10 { (10 + j % 3..30).step_by(every).collect() } else { (j + 1..30).collect() })
            .collect()
    };
    [small, large(1), large(9)].map(with_values).into()
}

fn with_values(columns: Vec<Vec<u32>>) -> (Pattern, Vec<f64>) {
    let dim = columns.len() as u32;
    let pattern = Pattern::new(columns.clone(), usize::MAX, None).unwrap();
    let mut values = vec![0.0; pattern.n_entries()];
    for j in 0..dim {
        values[pattern.place(j, j)] = 3.0 + f64::from(j) + f64::from(dim);
        for &i in &columns[j as usize] {
            values[pattern.place(i, j)] = (0.3 * f64::from(i) - 0.5 * f64::from(j) + 0.2).sin();
        }
    }
    (pattern, values)
}

fn dense(p: &Pattern, values: &[f64], symmetric: bool) -> faer::Mat<f64> {
    let mut m = faer::Mat::zeros(p.dim(), p.dim());
    for j in 0..p.dim() {
        for at in p.starts[j]..p.starts[j + 1] {
            m[(p.rows[at] as usize, j)] = values[at];
            if symmetric {
                m[(j, p.rows[at] as usize)] = values[at];
            }
        }
    }
    m
}

fn parts<T: Real<Sum = T>>(p: &Pattern, values: &[f64]) -> Parts<T> {
    let all: Vec<T> = values.iter().map(|v| T::splat(*v)).collect();
    let (lead, core) = all.split_at(if values.len() == p.dim() { p.core } else { p.n_lead() });
    Parts { lead: lead.to_vec(), core: core.to_vec() }
}

fn flat<T: Real<Sum = T>>(x: &Parts<T>) -> Vec<T> {
    x.lead.iter().chain(&x.core).copied().collect()
}

fn factored<T: Real<Sum = T>>(p: &Pattern, values: &[f64]) -> Factor<T> {
    let mut factor = Factor::new(p);
    factor.values = parts(p, values);
    p.factor(&mut factor, &mut Work::new(p));
    factor
}

#[test]
fn factor_agrees_with_the_dense_one() {
    for (p, values) in arrows() {
        let (m, factor) = (dense(&p, &values, true), factored::<f64>(&p, &values));
        let l = dense(&p, &flat(&factor.values), false);
        let back = &l * l.transpose();
        let dim = p.dim();
        assert!((0..dim).all(|i| (0..dim).all(|j| (back[(i, j)] - m[(i, j)]).abs() < 1e-12)));
        let log_det: f64 = (0..dim).map(|j| l[(j, j)].ln()).sum();
        assert!((factor.minus_log_det() + log_det).abs() < 1e-12);
    }
}

#[test]
fn solves_invert_the_factor() {
    for (p, values) in arrows() {
        let factor = factored::<f64>(&p, &values);
        let l = dense(&p, &flat(&factor.values), false);
        let b: Vec<f64> = (0..p.dim()).map(|i| (i as f64 * 1.3).cos()).collect();
        let (mut x, mut y) = (parts::<f64>(&p, &b), parts::<f64>(&p, &b));
        p.solve(&factor, &mut x, &mut Work::new(&p));
        p.solve_transposed(&factor, &mut y);
        let (x, y) = (flat(&x), flat(&y));
        for i in 0..p.dim() {
            let forward: f64 = (0..p.dim()).map(|j| l[(i, j)] * x[j]).sum();
            let backward: f64 = (0..p.dim()).map(|j| l[(j, i)] * y[j]).sum();
            assert!((forward - b[i]).abs() < 1e-12 && (backward - b[i]).abs() < 1e-12);
        }
    }
}

/// f = sum of weights times entries of the factor.
#[test]
fn adjoint_agrees_with_differences() {
    for (p, values) in arrows() {
        let weights: Vec<f64> = (0..p.n_entries()).map(|i| (i as f64 * 1.7).sin()).collect();
        let f = |values: &[f64]| {
            flat(&factored::<f64>(&p, values).values).iter().zip(&weights).map(|(a, b)| a * b).sum::<f64>()
        };
        let mut d = parts::<f64>(&p, &weights);
        p.factor_adjoint(&factored(&p, &values), &mut d, &mut Work::new(&p));
        let d = flat(&d);
        for at in 0..values.len() {
            let (mut up, mut down) = (values.clone(), values.clone());
            up[at] += 1e-6;
            down[at] -= 1e-6;
            let slope = (f(&up) - f(&down)) / 2e-6;
            assert!((d[at] - slope).abs() < 1e-7 * (1.0 + slope.abs()), "{at}: {} {slope}", d[at]);
        }
    }
}

/// A large core goes to dense routines as single numbers, and not as draws.
#[test]
fn draws_agree_with_single_numbers() {
    for (p, values) in arrows() {
        let weights: Vec<f64> = (0..p.n_entries()).map(|i| (i as f64 * 1.7).sin()).collect();
        let (one, eight) = (factored::<f64>(&p, &values), factored::<Draws8>(&p, &values));
        let (mut d, mut d_eight) = (parts::<f64>(&p, &weights), parts::<Draws8>(&p, &weights));
        p.factor_adjoint(&one, &mut d, &mut Work::new(&p));
        p.factor_adjoint(&eight, &mut d_eight, &mut Work::new(&p));
        let pairs = [(flat(&one.values), flat(&eight.values)), (flat(&d), flat(&d_eight))];
        for (one, eight) in pairs.iter().flat_map(|(a, b)| a.iter().zip(b)) {
            assert!((one - eight.0[3]).abs() < 1e-11, "{one} {eight:?}");
        }
    }
}

/// Eleven levels of two beside a core of three: eight at a time, and one by one.
#[test]
fn levels_agree_with_single_numbers() {
    let (n, q, p) = (11, 2, 3);
    let columns = |n: usize| -> Vec<Vec<u32>> {
        let all = (n * q + p) as u32;
        let below = |j: u32| if j < (n * q) as u32 { j + 1..(j / 2 + 1) * 2 } else { 0..0 };
        (0..all).map(|j| below(j).chain((j + 1).max((n * q) as u32)..all).collect()).collect()
    };
    let single = Pattern::new(columns(n), usize::MAX, Some(p)).unwrap();
    let eight = Pattern::new(columns(n.div_ceil(8)), usize::MAX, Some(p)).unwrap();
    let (mut a, mut b) = (Factor::<f64>::new(&single), Factor::<Levels8>::new(&eight));
    let per_level = single.n_lead() / n;
    for (at, x) in a.values.lead.iter_mut().enumerate() {
        let is_diagonal = single.starts.contains(&at);
        *x = (at as f64 * 0.7).sin() + if is_diagonal { 9.0 } else { 0.0 };
        b.values.lead[at / per_level / 8 * per_level + at % per_level].0[at / per_level % 8] = *x;
    }
    // Levels that are not there.
    for j in 0..eight.core {
        let diagonal = &mut b.values.lead[eight.starts[j]];
        diagonal.0.iter_mut().filter(|x| **x == 0.0).for_each(|x| *x = 1.0);
    }
    for (at, x) in a.values.core.iter_mut().enumerate() {
        *x = if single.starts.contains(&(at + single.n_lead())) { 30.0 } else { at as f64 };
    }
    b.values.core.copy_from_slice(&a.values.core);
    let (mut d_a, mut d_b) = (a.values.clone(), b.values.clone());
    single.factor(&mut a, &mut Work::new(&single));
    eight.factor(&mut b, &mut Work::new(&eight));
    single.factor_adjoint(&a, &mut d_a, &mut Work::new(&single));
    eight.factor_adjoint(&b, &mut d_b, &mut Work::new(&eight));
    assert!((a.minus_log_det() - b.minus_log_det()).abs() < 1e-12);
    for (one, other) in [(&a.values, &b.values), (&d_a, &d_b)] {
        one.core.iter().zip(&other.core).for_each(|(x, y)| assert!((x - y).abs() < 1e-11, "{x} {y}"));
        for (at, x) in one.lead.iter().enumerate() {
            let y = other.lead[at / per_level / 8 * per_level + at % per_level].0[at / per_level % 8];
            assert!((x - y).abs() < 1e-11, "{at}: {x} {y}");
        }
    }
}
