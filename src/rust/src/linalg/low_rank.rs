//! Rows that are combinations of each other, as products of few vectors.

use crate::kernels::dot;

/// Length of what the others leave of a row, over its own, that is rounding error.
const ROUNDING: f64 = 1e-12;

/// Row-major.
pub fn identity(n: usize) -> Vec<f64> {
    (0..n * n).map(|at| f64::from(u8::from(at / n == at % n))).collect()
}

/// `M'` and `V'` of `n` rows `M V'`, by orthogonalisation, where fewer vectors do.
pub fn low_rank(n: usize, rows: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let length = rows.len() / n;
    if n == 1 || length == 0 {
        return if length == 0 { (vec![], vec![]) } else { (identity(n), rows.to_vec()) };
    }
    let mut basis: Vec<Vec<f64>> = vec![];
    for row in rows.chunks_exact(length) {
        let (size, mut rest) = (dot(row, row).sqrt(), row.to_vec());
        for _ in 0..2 {
            for b in &basis {
                let along = dot(b, &rest);
                rest.iter_mut().zip(b).for_each(|(x, b)| *x -= along * b);
            }
        }
        let left = dot(&rest, &rest).sqrt();
        if left > ROUNDING * size {
            rest.iter_mut().for_each(|x| *x /= left);
            basis.push(rest);
        }
    }
    if basis.len() == n {
        return (identity(n), rows.to_vec());
    }
    let mix = basis.iter().flat_map(|b| rows.chunks_exact(length).map(|row| dot(b, row))).collect();
    (mix, basis.concat())
}
