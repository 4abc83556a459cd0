//! Log determinants of sparse matrices.

use super::cholesky::{Factor, Work};
use super::order::least_degree;
use super::pattern::Pattern;

/// Share of a diagonal entry below which what elimination leaves of it is rounding: the matrix is singular.
const SMALLEST_SHARE: f64 = 1e-12;

/// Of a symmetric matrix of `n` rows from entries of its lower half; `None` if it is not positive definite, to rounding.
pub fn log_determinant(n: usize, entries: &[(u32, u32, f64)]) -> Option<f64> {
    let order = least_degree(n, entries.iter().map(|&(i, j, _)| (i as usize, j as usize)));
    let mut at = vec![0; n];
    order.into_iter().zip(0u32..).for_each(|(j, new)| at[j] = new);
    let entries = entries.iter().map(|&(i, j, x)| {
        let (i, j) = (at[i as usize], at[j as usize]);
        (i.max(j), i.min(j), x)
    });
    let mut columns = vec![vec![]; n];
    entries.clone().filter(|(i, j, _)| i != j).for_each(|(i, j, _)| columns[j as usize].push(i));
    let pattern = Pattern::new(columns, usize::MAX, None)?;
    let (mut factor, mut work) = (Factor::<f64>::new(&pattern), Work::new(&pattern));
    let n_lead = pattern.n_lead();
    let mut diagonal = vec![0.0; n];
    for (i, j, x) in entries {
        if i == j {
            diagonal[i as usize] += x;
        }
        let place = pattern.place(i, j);
        *if place < n_lead { &mut factor.values.lead[place] } else { &mut factor.values.core[place - n_lead] } += x;
    }
    pattern.factor(&mut factor, &mut work);
    let left = |i: usize| {
        let place = pattern.place(i as u32, i as u32);
        let root = if place < n_lead { factor.values.lead[place] } else { factor.values.core[place - n_lead] };
        root * root
    };
    if (0..n).any(|i| left(i) < SMALLEST_SHARE * diagonal[i]) {
        return None;
    }
    factor.is_finite().then(|| -2.0 * factor.minus_log_det()).filter(|x| x.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_chain_it_is_that_of_its_recursion() {
        // Tridiagonal with 2.5 and -1: d_k = 2.5 d_(k-1) - d_(k-2).
        let n = 12;
        let entries: Vec<_> = (0..n)
            .flat_map(|i| [(i, i, 2.5), (i, i.max(1) - 1, -1.0)])
            .filter(|&(i, j, x)| i != j || x > 0.0)
            .collect();
        let (mut before, mut d) = (1.0, 2.5);
        for _ in 1..n {
            (before, d) = (d, 2.5 * d - before);
        }
        let found = log_determinant(n as usize, &entries).unwrap();
        assert!((found - f64::ln(d)).abs() < 1e-12, "{found}");
        assert_eq!(log_determinant(2, &[(0, 0, 1.0), (1, 0, 2.0), (1, 1, 1.0)]), None);
    }
}
