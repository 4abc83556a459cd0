//! Correlated effects of the joint map, level by level: products with a term's `L`, and what is kept of its derivative. Loops, not
//! closures: those would not be compiled for the machine's vectors.

use super::scheme::{CorrelatedLevel, CorrelatedTerm};
use crate::number::Real;

/// Calls a loop compiled for two or three effects of a level, or for any number.
macro_rules! with_q {
    ($q:expr, $call:ident($($argument:expr),* $(,)?)) => {
        match $q {
            2 => $call::<X, 2>($($argument),*),
            3 => $call::<X, 3>($($argument),*),
            _ => $call::<X, 0>($($argument),*),
        }
    };
}

/// From `k A` and `k h` to `k L'AL` and `k L'h`, in the columns and rows of correlated effects of one part.
#[inline(always)]
pub fn correlate<X: Real>(
    terms: &[CorrelatedTerm], (levels, rows): (&[CorrelatedLevel], &[(usize, usize)]), scales: &[X::Sum], e: &mut [X],
    pull: &mut [X],
) {
    for level in levels {
        with_q!(terms[level.term].q, correlate_level(&terms[level.term], level, scales, e, pull));
    }
    for (start, term) in rows {
        with_q!(terms[*term].q, transposed_times(&terms[*term], scales, &mut e[*start..]));
    }
}

/// `b = L w` of correlated effects of one part.
#[inline(always)]
pub fn scale_correlated<X: Real>(
    terms: &[CorrelatedTerm], levels: &[CorrelatedLevel], scales: &[X::Sum], w: &[X], b: &mut [X],
) {
    for level in levels {
        with_q!(terms[level.term].q, times(&terms[level.term], scales, &w[level.column..], &mut b[level.column..]));
    }
}

/// `d <- L'd` of correlated effects, and what that adds to `K` below its diagonal.
#[inline(always)]
pub fn unscale_correlated<X: Real>(
    terms: &[CorrelatedTerm], levels: &[CorrelatedLevel], scales: &[X::Sum], w: &[X], d: &mut [X], k: &mut [X],
) {
    for level in levels {
        let (term, d) = (&terms[level.term], &mut d[level.column..]);
        with_q!(term.q, transposed_times(term, scales, d));
        with_q!(term.q, add_outer(term, d, &w[level.column..], k));
    }
}

/// Adds to `K` below its diagonal, from the entries `E` with their derivatives and from the right-hand side with its.
#[inline(always)]
pub fn add_correlated<X: Real>(
    terms: &[CorrelatedTerm], (levels, rows): (&[CorrelatedLevel], &[(usize, usize)]), (e, d): (&[X], &[X]),
    (pull, d_pull): (&[X], &[X]), k: &mut [X],
) {
    for level in levels {
        let term = &terms[level.term];
        with_q!(term.q, add_outer(term, &pull[level.column..], &d_pull[level.column..], k));
        with_q!(term.q, add_level(term, level, e, d, k));
    }
    for (start, term) in rows {
        with_q!(terms[*term].q, add_outer(&terms[*term], &e[*start..], &d[*start..], k));
    }
}

/// Effects of a level, as the compiler knows them or not.
#[inline(always)]
fn effects<const Q: usize>(term: &CorrelatedTerm) -> usize {
    if Q == 0 { term.q } else { Q }
}

/// `x <- L'x` for the effects of a level.
#[inline(always)]
fn transposed_times<X: Real, const Q: usize>(term: &CorrelatedTerm, scales: &[X::Sum], x: &mut [X]) {
    let q = effects::<Q>(term);
    let (l, x) = (&scales[term.first..term.first + q * q], &mut x[..q]);
    for c in 0..q {
        let mut sum = X::lift(l[c * q + c]) * x[c];
        for m in c + 1..q {
            sum += X::lift(l[m * q + c]) * x[m];
        }
        x[c] = sum;
    }
}

/// `out <- L x`.
#[inline(always)]
fn times<X: Real, const Q: usize>(term: &CorrelatedTerm, scales: &[X::Sum], x: &[X], out: &mut [X]) {
    let q = effects::<Q>(term);
    let (l, x, out) = (&scales[term.first..term.first + q * q], &x[..q], &mut out[..q]);
    for c in 0..q {
        let mut sum = X::lift(l[c * q]) * x[0];
        for m in 1..=c {
            sum += X::lift(l[c * q + m]) * x[m];
        }
        out[c] = sum;
    }
}

/// `K += x y'` below the diagonal.
#[inline(always)]
fn add_outer<X: Real, const Q: usize>(term: &CorrelatedTerm, x: &[X], y: &[X], k: &mut [X]) {
    let q = effects::<Q>(term);
    let (k, x, y) = (&mut k[term.first..term.first + q * q], &x[..q], &y[..q]);
    for r in 1..q {
        for s in 0..r {
            k[r * q + s] += x[r] * y[s];
        }
    }
}

/// Of a level's columns: the rows below from the first column on, as each needs only itself and later ones; then its own.
#[inline(always)]
fn correlate_level<X: Real, const Q: usize>(
    term: &CorrelatedTerm, level: &CorrelatedLevel, scales: &[X::Sum], e: &mut [X], pull: &mut [X],
) {
    let (q, n) = (effects::<Q>(term), level.n_rows);
    transposed_times::<X, Q>(term, scales, &mut pull[level.column..]);
    let (l, e) = (&scales[term.first..term.first + q * q], &mut e[level.start..]);
    for c in 0..q {
        let (head, after) = e.split_at_mut(below(c, q, n) + n);
        let column = &mut head[below(c, q, n)..];
        let own = X::lift(l[c * q + c]);
        for x in column.iter_mut() {
            *x *= own;
        }
        for m in c + 1..q {
            let l = X::lift(l[m * q + c]);
            for (x, y) in column.iter_mut().zip(&after[below(m, q, n) - below(c, q, n) - n..]) {
                *x += l * *y;
            }
        }
    }
    // Of the lower half entry by entry from the first on: those that one needs come later, or are itself.
    for c in 0..q {
        for r in c..q {
            let mut sum = X::ZERO;
            for m in c..q {
                let mut inner = X::lift(l[r * q + r]) * e[place(r, m, q, n)];
                for s in r + 1..q {
                    inner += X::lift(l[s * q + r]) * e[place(s, m, q, n)];
                }
                sum += X::lift(l[m * q + c]) * inner;
            }
            e[place(r, c, q, n)] = sum;
        }
    }
}

/// What a level's columns add to `K`.
#[inline(always)]
fn add_level<X: Real, const Q: usize>(term: &CorrelatedTerm, level: &CorrelatedLevel, e: &[X], d: &[X], k: &mut [X]) {
    let (q, n) = (effects::<Q>(term), level.n_rows);
    let (e, d, k) = (&e[level.start..], &d[level.start..], &mut k[term.first..term.first + q * q]);
    for r in 1..q {
        for s in 0..r {
            let mut sum = X::ZERO;
            for (e, d) in e[below(r, q, n)..][..n].iter().zip(&d[below(s, q, n)..][..n]) {
                sum += *e * *d;
            }
            // An entry below the diagonal stands for both.
            for m in 0..q {
                let x = e[place(r, m, q, n)] * d[place(m, s, q, n)];
                sum += if m == s { x * 2.0 } else { x };
            }
            k[r * q + s] += sum;
        }
    }
}

/// Entry of a level's own rows and columns among those of its columns, each with `n` rows below.
#[inline(always)]
fn place(row: usize, column: usize, q: usize, n: usize) -> usize {
    let (i, j) = if row > column { (row, column) } else { (column, row) };
    below(j, q, n) + i - q
}

/// Entry of the first row below in column `c`.
#[inline(always)]
fn below(c: usize, q: usize, n: usize) -> usize {
    q + c * (q + n) - c * (c + 1) / 2
}
