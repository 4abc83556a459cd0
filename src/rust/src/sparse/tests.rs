//! The factor, its solves and its derivative against dense ones and differences.

use super::*;

/// Sizes 5 (no tail) and 30: `every`-th row of the tail in each column before it.
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
    let pattern = Pattern::new(columns.clone(), usize::MAX).unwrap();
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

#[test]
fn factor_agrees_with_the_dense_one() {
    for (p, mut values) in arrows() {
        let m = dense(&p, &values, true);
        p.factor(&mut values, &mut Work::default());
        let l = dense(&p, &values, false);
        let back = &l * l.transpose();
        let dim = p.dim();
        assert!((0..dim).all(|i| (0..dim).all(|j| (back[(i, j)] - m[(i, j)]).abs() < 1e-12)));
    }
}

#[test]
fn solves_invert_the_factor() {
    for (p, mut values) in arrows() {
        p.factor(&mut values, &mut Work::default());
        let l = dense(&p, &values, false);
        let b: Vec<f64> = (0..p.dim()).map(|i| (i as f64 * 1.3).cos()).collect();
        let (mut x, mut y) = (b.clone(), b.clone());
        p.solve(&values, &mut x);
        p.solve_transposed(&values, &mut y);
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
            let mut v = values.to_vec();
            p.factor(&mut v, &mut Work::default());
            v.iter().zip(&weights).map(|(a, b)| a * b).sum::<f64>()
        };
        let (mut factor, mut d) = (values.clone(), weights.clone());
        p.factor(&mut factor, &mut Work::default());
        p.factor_adjoint(&factor, &mut d, &mut Work::default());
        for at in 0..values.len() {
            let (mut up, mut down) = (values.clone(), values.clone());
            up[at] += 1e-6;
            down[at] -= 1e-6;
            let slope = (f(&up) - f(&down)) / 2e-6;
            assert!((d[at] - slope).abs() < 1e-7 * (1.0 + slope.abs()), "{at}: {} {slope}", d[at]);
        }
    }
}
