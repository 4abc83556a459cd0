//! Formulas of a level of [`super::lanes`], for as many levels at a time as the machine has lanes.
//!
//! Derivative of a Cholesky factor `R` with adjoint `D`: with `M` the lower half of `R' D` and half
//! of its diagonal, the adjoint of the matrix is `R^-T (M + M') R^-1 / 2`.

mod few;

use super::lanes::{Lanes, Levels};
use crate::simd::{Sum, V};
use few::{Few, Matrix, Vector, add_outer, solve, solve_transposed, subtract_outer, transpose};
use pulp::{Simd, WithSimd};

/// Sums over the levels, and values of the swept coefficients that the levels need.
#[derive(Debug, Clone, Default)]
pub struct Swept {
    /// `sum Y Y'` lower, `[p, p]`; or `sum K`, `[q, q]`.
    pub square: Vec<Sum>,
    /// `sum Y x`; or the derivative in `log k`.
    pub vector: Vec<Sum>,
}

impl Swept {
    /// `n` squared and `n` sums of nothing.
    pub fn clear(&mut self, n: usize) {
        for (sums, n) in [(&mut self.square, n * n), (&mut self.vector, n)] {
            sums.clear();
            sums.resize(n, Sum::ZERO);
        }
    }
}

/// Factors, and sums `Y Y'` and `Y t`.
pub struct Factor<'a, const Q: usize> {
    pub map: &'a Lanes,
    pub l: &'a [f64],
    pub k: f64,
    pub at: &'a mut Levels,
    pub sums: &'a mut Swept,
}

impl<const Q: usize> WithSimd for Factor<'_, Q> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { map, l, k, at, sums } = self;
        for first in (0..map.padded).step_by(V::<S>::WIDTH) {
            let few = Few { simd, at: first, padded: map.padded };
            let root = factor::<S, Q>(few, map, l, k, at);
            let mut t = few.transposed_times::<Q>(l, k, &few.row(&map.pull, 0));
            few.put_row(&mut at.v, 0, &t);
            solve(&root, &mut t);
            few.put_row(&mut at.t, 0, &t);
            for i in 0..map.p {
                let mut y = few.transposed_times::<Q>(l, k, &few.row(&map.cross, i));
                few.put_row(&mut at.cross, i, &y);
                solve(&root, &mut y);
                few.put_row(&mut at.y, i, &y);
                sums.vector[i].add(few.dot(&y, &t), first);
                for j in 0..=i {
                    sums.square[i * map.p + j].add(few.dot(&y, &few.row::<Q>(&at.y, j)), first);
                }
            }
        }
    }
}

/// `k L' A L` and the factor of one more than that.
#[inline(always)]
fn factor<S: Simd, const Q: usize>(few: Few<S>, map: &Lanes, l: &[f64], k: f64, at: &mut Levels) -> Matrix<S, Q> {
    let mut product = few.symmetric::<Q>(&map.information);
    for r in 0..Q {
        product[r] = few.transposed_times(l, 1.0, &product[r]);
    }
    let product = transpose(&product);
    let mut root = [[few.zero(); Q]; Q];
    for j in 0..Q {
        let column = few.transposed_times(l, k, &product[j]);
        for i in j..Q {
            few.put(&mut at.block, i * Q + j, column[i]);
            let mut x = if i == j { column[i] + V::splat(few.simd, 1.0) } else { column[i] };
            for m in 0..j {
                x = x - root[i][m] * root[j][m];
            }
            if i == j {
                let diagonal = x.sqrt();
                few.put(&mut at.diagonal, i, diagonal);
                x = diagonal.recip();
            } else {
                x = x * root[j][j];
            }
            root[i][j] = x;
            few.put(&mut at.root, i * Q + j, x);
        }
    }
    root
}

/// Effects, given the swept coefficients `w`.
pub struct Solve<'a, const Q: usize> {
    pub map: &'a Lanes,
    pub l: &'a [f64],
    pub w: &'a [f64],
    pub at: &'a mut Levels,
}

impl<const Q: usize> WithSimd for Solve<'_, Q> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { map, l, w: swept, at } = self;
        for first in (0..map.padded).step_by(V::<S>::WIDTH) {
            let few = Few { simd, at: first, padded: map.padded };
            let (t, mut u) = (few.row::<Q>(&at.t, 0), few.row::<Q>(&at.u, 0));
            for c in 0..Q {
                u[c] = t[c] + u[c];
            }
            few.put_row(&mut at.u, 0, &u);
            let mut w = u;
            subtract_rows(few, map.p, &at.y, swept, &mut w);
            solve_transposed(&few.symmetric(&at.root), &mut w);
            few.put_row(&mut at.w, 0, &w);
            for c in 0..Q {
                let mut effect = w[c] * l[c * Q + c];
                for m in 0..c {
                    effect = effect + w[m] * l[c * Q + m];
                }
                few.put(&mut at.b, c, effect);
            }
        }
    }
}

/// `x <- x - Y' w`.
#[inline(always)]
fn subtract_rows<S: Simd, const Q: usize>(few: Few<S>, p: usize, y: &[f64], w: &[f64], x: &mut Vector<S, Q>) {
    for i in 0..p {
        let y = few.row::<Q>(y, i);
        for c in 0..Q {
            x[c] = x[c] - y[c] * w[i];
        }
    }
}

/// Derivatives in `u`, and sums `Y du`.
pub struct Gather<'a, const Q: usize> {
    pub map: &'a Lanes,
    pub l: &'a [f64],
    pub at: &'a mut Levels,
    pub sums: &'a mut Swept,
}

impl<const Q: usize> WithSimd for Gather<'_, Q> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { map, l, at, sums } = self;
        for first in (0..map.padded).step_by(V::<S>::WIDTH) {
            let few = Few { simd, at: first, padded: map.padded };
            let d = few.transposed_times::<Q>(l, 1.0, &few.row(&at.d, 0));
            few.put_row(&mut at.d, 0, &d);
            let (w, mut du) = (few.row::<Q>(&at.w, 0), d);
            for c in 0..Q {
                du[c] = d[c] - w[c];
            }
            solve(&few.symmetric(&at.root), &mut du);
            few.put_row(&mut at.du, 0, &du);
            for i in 0..map.p {
                sums.vector[i].add(few.dot(&few.row::<Q>(&at.y, i), &du), first);
            }
        }
    }
}

/// Of the swept coefficients: values, derivatives in `v`, and the adjoint of their matrix, `[p, p]`.
#[derive(Clone, Copy)]
pub struct OfSwept<'a> {
    pub w: &'a [f64],
    pub e: &'a [f64],
    pub adjoint: &'a [f64],
}

impl OfSwept<'_> {
    /// Derivative in row `i` of `Y`.
    #[inline(always)]
    fn d_y<S: Simd, const Q: usize>(
        self, few: Few<S>, i: usize, y: &[f64], t: &Vector<S, Q>, du: &Vector<S, Q>,
    ) -> Vector<S, Q> {
        let mut out = [few.zero(); Q];
        for c in 0..Q {
            out[c] = few.zero() - du[c] * self.w[i] - t[c] * self.e[i];
        }
        let p = self.w.len();
        for j in 0..p {
            let (other, f) = (few.row::<Q>(y, j), 2.0 * self.adjoint[i * p + j]);
            for c in 0..Q {
                out[c] = out[c] - other[c] * f;
            }
        }
        out
    }
}

/// Sums `K`, the derivative in `L` but for a factor `L^-T`, and that in `log k`.
pub struct PullBack<'a, const Q: usize> {
    pub map: &'a Lanes,
    pub swept: OfSwept<'a>,
    pub at: &'a Levels,
    pub sums: &'a mut Swept,
}

impl<const Q: usize> WithSimd for PullBack<'_, Q> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { map, swept, at, sums } = self;
        for first in (0..map.padded).step_by(V::<S>::WIDTH) {
            let few = Few { simd, at: first, padded: map.padded };
            let root = few.symmetric::<Q>(&at.root);
            let (t, v, w) = (few.row::<Q>(&at.t, 0), few.row::<Q>(&at.v, 0), few.row::<Q>(&at.w, 0));
            let (d, du) = (few.row::<Q>(&at.d, 0), few.row::<Q>(&at.du, 0));
            let mut e = du;
            subtract_rows(few, map.p, &at.y, swept.e, &mut e);
            solve_transposed(&root, &mut e);
            // Adjoint of R, and K.
            let (mut adjoint, mut k) = ([[few.zero(); Q]; Q], [[few.zero(); Q]; Q]);
            for a in 0..Q {
                for b in 0..Q {
                    adjoint[a][b] = few.zero() - w[a] * du[b] - e[a] * t[b];
                    k[a][b] = v[a] * e[b];
                }
                adjoint[a][a] = adjoint[a][a] - root[a][a];
            }
            for i in 0..map.p {
                let mut d_b = swept.d_y(few, i, &at.y, &t, &du);
                solve_transposed(&root, &mut d_b);
                subtract_outer(&d_b, &few.row(&at.y, i), &mut adjoint);
                add_outer(&few.row(&at.cross, i), &d_b, &mut k);
            }
            let (p, block) = (symmetric_adjoint(few, &root, &adjoint, at), few.symmetric::<Q>(&at.block));
            let mut log_k = few.zero();
            for a in 0..Q {
                for b in 0..Q {
                    let product = few.dot(&block[a], &p[b]);
                    if a == b {
                        log_k = log_k + k[a][b] + product;
                    }
                    sums.square[a * Q + b].add(k[a][b] + product * 2.0 + d[a] * w[b], first);
                }
            }
            sums.vector[0].add(log_k, first);
        }
    }
}

/// From the adjoint of `R`, lower, to that of its matrix.
#[inline(always)]
fn symmetric_adjoint<S: Simd, const Q: usize>(
    few: Few<S>, root: &Matrix<S, Q>, adjoint: &Matrix<S, Q>, at: &Levels,
) -> Matrix<S, Q> {
    let diagonal = few.row::<Q>(&at.diagonal, 0);
    let mut out = [[few.zero(); Q]; Q];
    for a in 0..Q {
        for b in 0..=a {
            let mut x = diagonal[a] * adjoint[a][b];
            for m in a + 1..Q {
                x = x + root[m][a] * adjoint[m][b];
            }
            out[a][b] = x * 0.5;
            out[b][a] = out[a][b];
        }
    }
    // One solve per side: the matrix is symmetric, so its rows are its columns.
    for a in 0..Q {
        solve_transposed(root, &mut out[a]);
    }
    let mut out = transpose(&out);
    for a in 0..Q {
        solve_transposed(root, &mut out[a]);
    }
    out
}
