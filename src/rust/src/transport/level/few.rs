//! Small vectors and triangles of a few levels, one level per lane.

use crate::simd::V;
use pulp::Simd;

/// A few levels: where they are in a table. (Loops, not closures: those would not be compiled for the
/// machine's vectors.)
#[derive(Clone, Copy)]
pub struct Few<S: Simd> {
    pub simd: S,
    pub at: usize,
    pub padded: usize,
}

pub type Vector<S, const Q: usize> = [V<S>; Q];
pub type Matrix<S, const Q: usize> = [[V<S>; Q]; Q];

impl<S: Simd> Few<S> {
    #[inline(always)]
    pub fn get(self, table: &[f64], entry: usize) -> V<S> {
        V::load(self.simd, table, entry * self.padded + self.at)
    }

    #[inline(always)]
    pub fn put(self, table: &mut [f64], entry: usize, x: V<S>) {
        x.store(table, entry * self.padded + self.at);
    }

    #[inline(always)]
    pub fn zero(self) -> V<S> {
        V::splat(self.simd, 0.0)
    }

    /// Row `i` of a table of rows.
    #[inline(always)]
    pub fn row<const Q: usize>(self, table: &[f64], i: usize) -> Vector<S, Q> {
        let mut out = [self.zero(); Q];
        for c in 0..Q {
            out[c] = self.get(table, i * Q + c);
        }
        out
    }

    #[inline(always)]
    pub fn put_row<const Q: usize>(self, table: &mut [f64], i: usize, x: &Vector<S, Q>) {
        for c in 0..Q {
            self.put(table, i * Q + c, x[c]);
        }
    }

    /// A symmetric matrix of which the table has the lower half.
    #[inline(always)]
    pub fn symmetric<const Q: usize>(self, table: &[f64]) -> Matrix<S, Q> {
        let mut out = [[self.zero(); Q]; Q];
        for a in 0..Q {
            for b in 0..=a {
                out[a][b] = self.get(table, a * Q + b);
                out[b][a] = out[a][b];
            }
        }
        out
    }

    #[inline(always)]
    pub fn dot<const Q: usize>(self, x: &Vector<S, Q>, y: &Vector<S, Q>) -> V<S> {
        let mut sum = x[0] * y[0];
        for c in 1..Q {
            sum = sum + x[c] * y[c];
        }
        sum
    }

    /// `L' x` times `k`, for a lower `L` that all levels share.
    #[inline(always)]
    pub fn transposed_times<const Q: usize>(self, l: &[f64], k: f64, x: &Vector<S, Q>) -> Vector<S, Q> {
        let mut out = *x;
        for c in 0..Q {
            out[c] = x[c] * (k * l[c * Q + c]);
            for m in c + 1..Q {
                out[c] = out[c] + x[m] * (k * l[m * Q + c]);
            }
        }
        out
    }
}

/// `x <- R^-1 x`; the diagonal of `r` holds its inverse.
#[inline(always)]
pub fn solve<S: Simd, const Q: usize>(r: &Matrix<S, Q>, x: &mut Vector<S, Q>) {
    for a in 0..Q {
        for m in 0..a {
            x[a] = x[a] - r[a][m] * x[m];
        }
        x[a] = x[a] * r[a][a];
    }
}

/// `x <- R^-T x`.
#[inline(always)]
pub fn solve_transposed<S: Simd, const Q: usize>(r: &Matrix<S, Q>, x: &mut Vector<S, Q>) {
    for a in (0..Q).rev() {
        for m in a + 1..Q {
            x[a] = x[a] - r[m][a] * x[m];
        }
        x[a] = x[a] * r[a][a];
    }
}

#[inline(always)]
pub fn transpose<S: Simd, const Q: usize>(x: &Matrix<S, Q>) -> Matrix<S, Q> {
    let mut out = *x;
    for a in 0..Q {
        for b in 0..Q {
            out[a][b] = x[b][a];
        }
    }
    out
}

/// `out <- out + x y'`.
#[inline(always)]
pub fn add_outer<S: Simd, const Q: usize>(x: &Vector<S, Q>, y: &Vector<S, Q>, out: &mut Matrix<S, Q>) {
    for a in 0..Q {
        for b in 0..Q {
            out[a][b] = out[a][b] + x[a] * y[b];
        }
    }
}

/// `out <- out - x y'`.
#[inline(always)]
pub fn subtract_outer<S: Simd, const Q: usize>(x: &Vector<S, Q>, y: &Vector<S, Q>, out: &mut Matrix<S, Q>) {
    for a in 0..Q {
        for b in 0..Q {
            out[a][b] = out[a][b] - x[a] * y[b];
        }
    }
}
