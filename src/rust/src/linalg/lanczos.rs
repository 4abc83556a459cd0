//! Powers of a symmetric positive definite matrix times vectors, by products with it: Lanczos, many vectors at a time.
//!
//! With `V` an orthonormal basis of what products of `M` with `b` span and `T = V'MV`, tridiagonal, `M^p b` is about `|b| V T^p e_1`.
//! A matrix near the identity takes a few products, and power `-1/2` of standard normal numbers is a draw with covariance `M^-1`
//! (Chow and Saad 2014).

use faer::{Mat, Side};

/// Length of what is left of a product, over its own, that is rounding.
const ROUNDING: f64 = 1e-13;

/// What one vector has been through.
#[derive(Default)]
struct Recurrence {
    length: f64,
    diagonal: Vec<f64>,
    below: Vec<f64>,
    /// Of the basis vectors in the result.
    coefficients: Vec<f64>,
    /// How far the last product moved it.
    moved: f64,
    is_done: bool,
}

/// `M^p b` for each row of `b` with its power, `apply` being products with `M`, and how many there were. Rows are vectors, so
/// that what belongs to one place lies together. A result is taken when the next product would change it by less than `tolerance`, at
/// the rate at which the last two did; `None` if it does not come to that in `most` products, or `apply` gives up.
pub fn powers(
    b: &Mat<f64>, powers: &[f64], tolerance: f64, most: usize, mut apply: impl FnMut(&Mat<f64>) -> Option<Mat<f64>>,
) -> Option<(Mat<f64>, usize)> {
    let (n_vectors, n) = (b.nrows(), b.ncols());
    let mut each: Vec<Recurrence> = (0..n_vectors).map(|_| Recurrence::default()).collect();
    let lengths = dots(b, b);
    let mut next = b.clone();
    scale_rows(&mut next, &lengths.iter().map(|l| if *l > 0.0 { l.sqrt().recip() } else { 0.0 }).collect::<Vec<_>>());
    for (own, l) in each.iter_mut().zip(lengths) {
        (own.length, own.is_done) = (l.sqrt(), l == 0.0);
    }
    let mut basis: Vec<Mat<f64>> = vec![];
    while each.iter().any(|own| !own.is_done) {
        if basis.len() == most {
            return None;
        }
        let mut product = apply(&next)?;
        let size = dots(&product, &product);
        let along = dots(&product, &next);
        subtract_rows(&mut product, &next, &along);
        if let Some(last) = basis.last() {
            let before: Vec<f64> = each.iter().map(|own| own.below.last().copied().unwrap_or(0.0)).collect();
            subtract_rows(&mut product, last, &before);
        }
        let left: Vec<f64> = dots(&product, &product).into_iter().map(f64::sqrt).collect();
        for (k, own) in each.iter_mut().enumerate().filter(|(_, own)| !own.is_done) {
            own.diagonal.push(along[k]);
            let is_last = left[k] <= ROUNDING * size[k].sqrt();
            own.is_done = own.advance(powers[k]) < tolerance || is_last;
            own.below.push(if own.is_done { 0.0 } else { left[k] });
        }
        basis.push(next);
        let of = |(own, left): (&Recurrence, &f64)| if own.is_done { 0.0 } else { left.recip() };
        scale_rows(&mut product, &each.iter().zip(&left).map(of).collect::<Vec<_>>());
        next = product;
    }
    let mut out = Mat::<f64>::zeros(n_vectors, n);
    for (at, vectors) in basis.iter().enumerate() {
        let of = |own: &Recurrence| -own.coefficients.get(at).copied().unwrap_or(0.0);
        subtract_rows(&mut out, vectors, &each.iter().map(of).collect::<Vec<_>>());
    }
    Some((out, basis.len()))
}

impl Recurrence {
    /// Coefficients of the result with the last entry of `T`; how far off they are, if what is left falls as it did.
    fn advance(&mut self, power: f64) -> f64 {
        let m = self.diagonal.len();
        let entry = |i: usize, j: usize| match i.abs_diff(j) {
            0 => self.diagonal[i],
            1 => self.below[i.min(j)],
            _ => 0.0,
        };
        let t = Mat::from_fn(m, m, entry);
        let Ok(eigen) = t.self_adjoint_eigen(Side::Lower) else { return f64::INFINITY };
        let (u, s) = (eigen.U(), eigen.S().column_vector());
        let of = |i: usize| self.length * (0..m).map(|k| u[(i, k)] * s[k].powf(power) * u[(0, k)]).sum::<f64>();
        let now: Vec<f64> = (0..m).map(of).collect();
        let last = self.coefficients.iter().chain(std::iter::repeat(&0.0));
        let moved = now.iter().zip(last).map(|(x, y)| (x - y).powi(2)).sum::<f64>().sqrt();
        let share = if m > 1 { (moved / self.moved).min(1.0) } else { 1.0 };
        (self.coefficients, self.moved) = (now, moved);
        // Not a number: no result.
        if moved.is_nan() { f64::INFINITY } else { moved * share }
    }
}

/// Per row, the sum of products of the entries of both.
pub fn dots(a: &Mat<f64>, b: &Mat<f64>) -> Vec<f64> {
    let mut out = vec![0.0; a.nrows()];
    for j in 0..a.ncols() {
        let pairs = a.col_as_slice(j).iter().zip(b.col_as_slice(j));
        out.iter_mut().zip(pairs).for_each(|(out, (x, y))| *out += x * y);
    }
    out
}

/// Multiplies each row by its number.
pub fn scale_rows(x: &mut Mat<f64>, by: &[f64]) {
    (0..x.ncols()).for_each(|j| x.col_as_slice_mut(j).iter_mut().zip(by).for_each(|(x, s)| *x *= s));
}

/// Subtracts from each row its number of times that of `y`.
fn subtract_rows(x: &mut Mat<f64>, y: &Mat<f64>, times: &[f64]) {
    for j in 0..x.ncols() {
        let own = x.col_as_slice_mut(j).iter_mut();
        own.zip(y.col_as_slice(j)).zip(times).for_each(|((x, y), t)| *x -= t * y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Powers of `I + E / 3` by its eigenvalues.
    #[test]
    fn powers_are_those_by_eigenvalues() {
        let n = 40;
        let m = Mat::from_fn(n, n, |i, j| {
            f64::from(u8::from(i == j)) + ((i + j) as f64).sin() / (3.0 * n as f64).sqrt() * 0.3
        });
        let b = Mat::from_fn(4, n, |i, j| if i == 2 { 0.0 } else { ((3 * i + 7 * j) as f64).cos() });
        let by = [-1.0, -0.5, -0.5, 0.5];
        let (found, n_products) = powers(&b, &by, 1e-10, 30, |x| Some(x * &m)).unwrap();
        assert!(n_products < 20);
        let eigen = m.self_adjoint_eigen(Side::Lower).unwrap();
        for (k, p) in by.into_iter().enumerate() {
            let (u, s) = (eigen.U(), eigen.S().column_vector());
            let x = u.transpose() * b.row(k).transpose();
            let expected = u * faer::Col::from_fn(n, |i| s[i].powf(p) * x[i]);
            (0..n).for_each(|j| assert!((found[(k, j)] - expected[j]).abs() < 1e-9, "{k} {j}"));
        }
    }

    #[test]
    fn there_is_none_that_does_not_converge() {
        let b = Mat::from_fn(1, 30, |_, j| 1.0 + j as f64);
        let spread = |x: &Mat<f64>| Some(Mat::from_fn(1, 30, |_, j| x[(0, j)] * 10.0_f64.powi(j as i32 % 9)));
        assert!(powers(&b, &[-0.5], 1e-10, 5, spread).is_none());
        let (same, n) = powers(&b, &[-0.5], 1e-10, 5, |x| Some(x.clone())).unwrap();
        assert!(n <= 2 && (0..30).all(|j| (same[(0, j)] - b[(0, j)]).abs() < 1e-12));
    }
}
