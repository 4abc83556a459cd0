//! Cholesky factor on a pattern, its triangular solves, and the derivative of a function of the factor with respect to the matrix.
//!
//! Left-looking by columns (Davis 2006, section 4.8); the derivative runs the same loops backwards (Smith 1995; Murray 2016,
//! section 4). What the levels subtract from the core is summed over levels first, and totalled once. A matrix that is not positive
//! definite leaves values that are not numbers. Loops, not closures: those would not be compiled for the machine's vectors.

use super::pattern::Pattern;
use super::trailing::TrailingWork;
use crate::number::{Parts, Real};

/// A lower factor `R` on a pattern, with the inverses of its diagonal.
#[derive(Debug, Clone, Default)]
pub struct Factor<T: Real> {
    /// Entries.
    pub values: Parts<T>,
    /// Inverses of the diagonal.
    pub inverse: Parts<T>,
}

/// Memory of factorisations and solves.
#[derive(Debug, Clone, Default)]
pub struct Work<T: Real> {
    /// A column by its rows.
    rows: Vec<T>,
    /// What the levels subtract from the core, and from a right-hand side of it.
    update: Vec<T>,
    sums: Vec<T>,
    trailing: TrailingWork,
}

impl<T: Real> Factor<T> {
    /// Memory for a pattern.
    pub fn new(pattern: &Pattern) -> Self {
        let (lead, n) = (pattern.n_lead(), pattern.n_entries());
        Self { values: Parts::zeros(lead, n - lead), inverse: Parts::zeros(pattern.core, pattern.n_core()) }
    }

    /// `-log |R|`.
    #[inline(always)]
    pub fn minus_log_det(&self) -> T::Sum {
        log_product(&self.inverse.lead).total() + log_product(&self.inverse.core)
    }
}

impl Factor<f64> {
    /// Whether the matrix was positive definite.
    pub fn is_finite(&self) -> bool {
        self.values.lead.iter().chain(&self.values.core).all(|x| x.is_finite())
    }
}

/// Sum of logs, eight at a time of their product.
#[inline(always)]
fn log_product<T: Real>(values: &[T]) -> T {
    let (mut product, mut sum) = (T::splat(1.0), T::ZERO);
    for (i, x) in values.iter().enumerate() {
        product *= *x;
        if i % 8 == 7 || i + 1 == values.len() {
            sum += product.ln();
            product = T::splat(1.0);
        }
    }
    sum
}

impl<T: Real> Work<T> {
    /// Memory for a pattern.
    pub fn new(pattern: &Pattern) -> Self {
        let n_core = pattern.n_entries() - pattern.n_lead();
        let zeros = |n: usize| vec![T::ZERO; n];
        Self {
            rows: zeros(pattern.dim()),
            update: zeros(n_core),
            sums: zeros(pattern.n_core()),
            trailing: TrailingWork::default(),
        }
    }
}

impl Pattern {
    /// Overwrites the lower matrix in the values of `factor` with its Cholesky factor.
    #[inline(always)]
    pub fn factor<T: Real>(&self, factor: &mut Factor<T>, work: &mut Work<T>) {
        let (values, rows) = (&mut factor.values.lead, &mut work.rows);
        for j in 0..self.core {
            let (start, end) = (self.starts[j], self.starts[j + 1]);
            if !self.reaching(j).is_empty() {
                self.subtract_reaching(j, values, rows);
            }
            let column = &mut values[start..end];
            let root = column[0].sqrt();
            let inverse = root.recip();
            factor.inverse.lead[j] = inverse;
            column[0] = root;
            for v in &mut column[1..] {
                *v *= inverse;
            }
        }
        self.factor_core(factor, work);
    }

    /// What the columns before `j` subtract from it.
    #[inline(always)]
    fn subtract_reaching<T: Real>(&self, j: usize, values: &mut [T], rows: &mut [T]) {
        let own = self.starts[j]..self.starts[j + 1];
        for (i, v) in self.rows[own.clone()].iter().zip(&values[own.clone()]) {
            rows[*i as usize] = *v;
        }
        for &(place, k) in self.reaching(j) {
            let (place, end) = (place as usize, self.starts[k as usize + 1]);
            let pivot = values[place];
            for (i, v) in self.rows[place..end].iter().zip(&values[place..end]) {
                rows[*i as usize] -= pivot * *v;
            }
        }
        for (v, i) in values[own.clone()].iter_mut().zip(&self.rows[own]) {
            *v = rows[*i as usize];
        }
    }

    #[inline(always)]
    fn factor_core<T: Real>(&self, factor: &mut Factor<T>, work: &mut Work<T>) {
        let Factor { values, inverse } = factor;
        if self.trailing.is_large() {
            if let (Some(lead), Some(core)) = (T::single(&values.lead), T::Sum::single_mut(&mut values.core)) {
                self.trailing.factor((self.core, &self.rows), lead, core, &mut work.trailing);
                for j in 0..self.n_core() {
                    inverse.core[j] = values.core[self.core_start(j)].recip();
                }
                return;
            }
        }
        let (lead, core, update) = (&values.lead, &mut values.core, &mut work.update);
        update.fill(T::ZERO);
        for j in 0..self.core {
            let own = self.in_core(j);
            for a in own.clone() {
                let (x, row) = (lead[a], self.rows[a] as usize - self.core);
                let first = self.core_start(row);
                let update = &mut update[first..];
                for (i, v) in self.rows[a..own.end].iter().zip(&lead[a..own.end]) {
                    update[*i as usize - self.core - row] += x * *v;
                }
            }
        }
        for (c, u) in core.iter_mut().zip(update.iter()) {
            *c -= u.total();
        }
        self.factor_full(core, &mut inverse.core);
    }

    /// Of the core alone, column by column.
    #[inline(always)]
    fn factor_full<S: Real>(&self, core: &mut [S], inverse: &mut [S]) {
        let n = self.n_core();
        for j in 0..n {
            let (own, rest) = core[self.core_start(j)..].split_at_mut(n - j);
            let root = own[0].sqrt();
            inverse[j] = root.recip();
            own[0] = root;
            for x in &mut own[1..] {
                *x *= inverse[j];
            }
            let mut first = 0;
            for k in 1..n - j {
                let pivot = own[k];
                for (x, v) in rest[first..first + n - j - k].iter_mut().zip(&own[k..]) {
                    *x -= pivot * *v;
                }
                first += n - j - k;
            }
        }
    }

    /// From `d`, derivatives in the entries of the factor, to derivatives in the lower entries of the matrix (overwriting `d`).
    #[inline(always)]
    pub fn factor_adjoint<T: Real>(&self, factor: &Factor<T>, d: &mut Parts<T>, work: &mut Work<T>) {
        self.core_adjoint(factor, d, work);
        let (values, d, rows) = (&factor.values.lead, &mut d.lead, &mut work.rows);
        for j in (0..self.core).rev() {
            let (start, end, inverse) = (self.starts[j], self.starts[j + 1], factor.inverse.lead[j]);
            let (mut d_root, below) = (d[start], start + 1..end);
            for (d, v) in d[below.clone()].iter_mut().zip(&values[below]) {
                *d *= inverse;
                d_root -= *d * *v;
            }
            d[start] = d_root * inverse * 0.5;
            if self.reaching(j).is_empty() {
                continue;
            }
            for (i, d) in self.rows[start..end].iter().zip(&d[start..end]) {
                rows[*i as usize] = *d;
            }
            for &(place, k) in self.reaching(j) {
                let (place, end) = (place as usize, self.starts[k as usize + 1]);
                let (pivot, mut d_pivot) = (values[place], T::ZERO);
                for ((d, v), i) in d[place..end].iter_mut().zip(&values[place..end]).zip(&self.rows[place..end]) {
                    let w = rows[*i as usize];
                    d_pivot += w * *v;
                    *d -= w * pivot;
                }
                d[place] -= d_pivot;
            }
        }
    }

    /// Of the core, and of what the levels subtracted from it.
    #[inline(always)]
    fn core_adjoint<T: Real>(&self, factor: &Factor<T>, d: &mut Parts<T>, work: &mut Work<T>) {
        if self.trailing.is_large() {
            let values = (T::single(&factor.values.lead), T::Sum::single(&factor.values.core));
            let slopes = (T::single_mut(&mut d.lead), T::Sum::single_mut(&mut d.core));
            if let ((Some(lead), Some(core)), (Some(d_lead), Some(d_core))) = (values, slopes) {
                let place = (self.core, &self.rows[..]);
                self.trailing.factor_adjoint(place, (lead, core), (d_lead, d_core), &mut work.trailing);
                return;
            }
        }
        self.full_adjoint(&factor.values.core, &factor.inverse.core, &mut d.core);
        let (lead, d_lead, update) = (&factor.values.lead, &mut d.lead, &mut work.update);
        for (u, z) in update.iter_mut().zip(&d.core) {
            *u = T::lift(*z);
        }
        // On the diagonal an entry is subtracted from itself twice.
        for j in 0..self.n_core() {
            let at = self.core_start(j);
            update[at] = update[at] * 2.0;
        }
        for j in 0..self.core {
            let own = self.in_core(j);
            for a in own.clone() {
                let (x, row) = (lead[a], self.rows[a] as usize - self.core);
                let first = self.core_start(row);
                let (z, after) = (&update[first..], a + 1..own.end);
                let mut sum = z[0] * x;
                let others = d_lead[after.clone()].iter_mut().zip(&lead[after.clone()]).zip(&self.rows[after]);
                for ((d, v), i) in others {
                    let z = z[*i as usize - self.core - row];
                    sum += z * *v;
                    *d -= z * x;
                }
                d_lead[a] -= sum;
            }
        }
    }

    #[inline(always)]
    fn full_adjoint<S: Real>(&self, core: &[S], inverse: &[S], d: &mut [S]) {
        let n = self.n_core();
        for j in (0..n).rev() {
            let at = self.core_start(j);
            let x = &core[at..at + n - j];
            let (own, rest) = d[at..].split_at_mut(n - j);
            let mut first = 0;
            for k in 1..n - j {
                let mut sum = S::ZERO;
                for (i, z) in rest[first..first + n - j - k].iter().enumerate() {
                    sum += *z * x[k + i];
                    own[k + i] -= *z * x[k];
                }
                own[k] -= sum;
                first += n - j - k;
            }
            let mut d_root = own[0];
            for k in 1..n - j {
                let e = own[k] * inverse[j];
                own[k] = e;
                d_root -= e * x[k];
            }
            own[0] = d_root * inverse[j] * 0.5;
        }
    }

    /// `x <- R^-1 x`.
    #[inline(always)]
    pub fn solve<T: Real>(&self, factor: &Factor<T>, x: &mut Parts<T>, work: &mut Work<T>) {
        self.solve_parts(factor, (&mut x.lead, &mut x.core), &mut work.sums);
    }

    /// The same of both parts, with memory for the core's sums.
    #[inline(always)]
    pub fn solve_parts<T: Real>(&self, factor: &Factor<T>, (lead, core): (&mut [T], &mut [T::Sum]), sums: &mut [T]) {
        let values = &factor.values.lead;
        sums.fill(T::ZERO);
        for j in 0..self.core {
            let x = lead[j] * factor.inverse.lead[j];
            lead[j] = x;
            let (below, in_core) = (self.below(j), self.in_core(j));
            for (i, v) in self.rows[below.clone()].iter().zip(&values[below]) {
                lead[*i as usize] -= *v * x;
            }
            for (i, v) in self.rows[in_core.clone()].iter().zip(&values[in_core]) {
                sums[*i as usize - self.core] += *v * x;
            }
        }
        for (x, sum) in core.iter_mut().zip(sums.iter()) {
            *x -= sum.total();
        }
        let n = self.n_core();
        for j in 0..n {
            let at = self.core_start(j);
            let (done, rest) = core[j..].split_at_mut(1);
            done[0] *= factor.inverse.core[j];
            for (x, v) in rest.iter_mut().zip(&factor.values.core[at + 1..at + n - j]) {
                *x -= *v * done[0];
            }
        }
    }

    /// `x <- R^-T x`.
    #[inline(always)]
    pub fn solve_transposed<T: Real>(&self, factor: &Factor<T>, x: &mut Parts<T>) {
        self.solve_transposed_parts(factor, (&mut x.lead, &mut x.core));
    }

    /// The same of both parts.
    #[inline(always)]
    pub fn solve_transposed_parts<T: Real>(&self, factor: &Factor<T>, (lead, core): (&mut [T], &mut [T::Sum])) {
        let n = self.n_core();
        for j in (0..n).rev() {
            let at = self.core_start(j);
            let mut s = core[j];
            for (v, x) in factor.values.core[at + 1..at + n - j].iter().zip(&core[j + 1..]) {
                s -= *v * *x;
            }
            core[j] = s * factor.inverse.core[j];
        }
        let values = &factor.values.lead;
        for j in (0..self.core).rev() {
            let mut s = lead[j];
            let (below, in_core) = (self.below(j), self.in_core(j));
            for (i, v) in self.rows[below.clone()].iter().zip(&values[below]) {
                s -= *v * lead[*i as usize];
            }
            for (i, v) in self.rows[in_core.clone()].iter().zip(&values[in_core]) {
                s -= *v * T::lift(core[*i as usize - self.core]);
            }
            lead[j] = s * factor.inverse.lead[j];
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
