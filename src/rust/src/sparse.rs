//! Sparse Cholesky factor on a fixed pattern, its triangular solves, and the derivative of a
//! function of the factor with respect to the matrix.
//!
//! Left-looking by columns (Davis 2006, section 4.8); the derivative runs the same loop backwards
//! (Smith 1995; Murray 2016, section 4). Rows and columns are eliminated in the order given: put
//! what is largest and nearly diagonal first.

/// Pattern of a lower factor, its fill included. The diagonal is the first entry of a column.
#[derive(Debug, Clone, Default)]
pub struct Pattern {
    /// `[dim + 1]` starts of the columns.
    pub starts: Vec<usize>,
    /// Row of each entry, ascending within a column.
    pub rows: Vec<u32>,
    /// Per row, the columns before it that reach it: starts of the lists.
    reach_starts: Vec<usize>,
    /// Place of the entry in its column; the column.
    reach: Vec<(u32, u32)>,
}

impl Pattern {
    /// Completes a lower pattern, `columns[j]` holding rows below `j`, by the fill of elimination.
    pub fn new(mut columns: Vec<Vec<u32>>) -> Self {
        let dim = columns.len();
        for j in 0..dim {
            columns[j].sort_unstable();
            columns[j].dedup();
            // Eliminating j joins all rows below it: enough to hand them to the first of them.
            if let Some((&parent, rest)) = columns[j].split_first() {
                let rest = rest.to_vec();
                columns[parent as usize].extend(rest);
            }
        }
        let mut pattern = Self { starts: vec![0], ..Self::default() };
        let mut reached: Vec<Vec<(u32, u32)>> = vec![vec![]; dim];
        for (j, below) in columns.iter().enumerate() {
            pattern.rows.push(j as u32);
            for &i in below {
                reached[i as usize].push((pattern.rows.len() as u32, j as u32));
                pattern.rows.push(i);
            }
            pattern.starts.push(pattern.rows.len());
        }
        pattern.reach_starts = std::iter::once(0)
            .chain(reached.iter().scan(0, |at, r| {
                *at += r.len();
                Some(*at)
            }))
            .collect();
        pattern.reach = reached.concat();
        pattern
    }

    /// Number of rows.
    pub fn dim(&self) -> usize {
        self.starts.len() - 1
    }

    /// Number of entries.
    pub fn n_entries(&self) -> usize {
        self.rows.len()
    }

    /// Multiplications of one factorisation.
    pub fn n_products(&self) -> usize {
        self.starts.windows(2).map(|w| (w[1] - w[0]) * (w[1] - w[0] + 1) / 2).sum()
    }

    /// Place of entry `(i, j)`, `i >= j`, among the values.
    pub fn place(&self, i: u32, j: u32) -> usize {
        let column = &self.rows[self.starts[j as usize]..self.starts[j as usize + 1]];
        self.starts[j as usize] + column.binary_search(&i).expect("entry of the pattern")
    }

    fn reaching(&self, j: usize) -> &[(u32, u32)] {
        &self.reach[self.reach_starts[j]..self.reach_starts[j + 1]]
    }

    /// Overwrites the lower matrix `values` with its Cholesky factor; `work` is `[dim]` of zeros
    /// and is left so. Not a number where the matrix is not positive definite.
    pub fn factor(&self, values: &mut [f64], work: &mut [f64]) {
        for j in 0..self.dim() {
            let (start, end) = (self.starts[j], self.starts[j + 1]);
            for at in start..end {
                work[self.rows[at] as usize] = values[at];
            }
            for &(place, k) in self.reaching(j) {
                let pivot = values[place as usize];
                for at in place as usize..self.starts[k as usize + 1] {
                    work[self.rows[at] as usize] -= pivot * values[at];
                }
            }
            let root = work[j].sqrt();
            work[j] = 0.0;
            values[start] = root;
            for at in start + 1..end {
                let row = self.rows[at] as usize;
                values[at] = work[row] / root;
                work[row] = 0.0;
            }
        }
    }

    /// From `d`, derivatives in the entries of the factor `values`, to derivatives in the lower
    /// entries of the matrix (overwriting `d`).
    pub fn factor_adjoint(&self, values: &[f64], d: &mut [f64], work: &mut [f64]) {
        for j in (0..self.dim()).rev() {
            let (start, end) = (self.starts[j], self.starts[j + 1]);
            let root = values[start];
            let mut d_root = d[start];
            for at in start + 1..end {
                d_root -= d[at] * values[at] / root;
                d[at] /= root;
                work[self.rows[at] as usize] = d[at];
            }
            d[start] = 0.5 * d_root / root;
            work[j] = d[start];
            for &(place, k) in self.reaching(j) {
                let place = place as usize;
                let pivot = values[place];
                let mut d_pivot = 0.0;
                for at in place..self.starts[k as usize + 1] {
                    let w = work[self.rows[at] as usize];
                    d_pivot += w * values[at];
                    d[at] -= w * pivot;
                }
                d[place] -= d_pivot;
            }
            for at in start..end {
                work[self.rows[at] as usize] = 0.0;
            }
        }
    }

    /// `x <- R^-1 x`.
    pub fn solve(&self, values: &[f64], x: &mut [f64]) {
        for j in 0..self.dim() {
            let start = self.starts[j];
            x[j] /= values[start];
            for at in start + 1..self.starts[j + 1] {
                x[self.rows[at] as usize] -= values[at] * x[j];
            }
        }
    }

    /// `x <- R^-T x`.
    pub fn solve_transposed(&self, values: &[f64], x: &mut [f64]) {
        for j in (0..self.dim()).rev() {
            let start = self.starts[j];
            let below = start + 1..self.starts[j + 1];
            let s: f64 = below.map(|at| values[at] * x[self.rows[at] as usize]).sum();
            x[j] = (x[j] - s) / values[start];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrow() -> (Pattern, Vec<f64>) {
        let columns = vec![vec![2, 4], vec![2, 3], vec![4], vec![4], vec![]];
        let pattern = Pattern::new(columns.clone());
        let mut values = vec![0.0; pattern.n_entries()];
        for j in 0..5u32 {
            values[pattern.place(j, j)] = 3.0 + f64::from(j);
            for &i in &columns[j as usize] {
                values[pattern.place(i, j)] = 0.3 * f64::from(i) - 0.5 * f64::from(j) + 0.2;
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
        let (p, mut values) = arrow();
        let m = dense(&p, &values, true);
        p.factor(&mut values, &mut [0.0; 5]);
        let l = dense(&p, &values, false);
        let back = &l * l.transpose();
        assert!((0..5).all(|i| (0..5).all(|j| (back[(i, j)] - m[(i, j)]).abs() < 1e-12)));
    }

    #[test]
    fn solves_invert_the_factor() {
        let (p, mut values) = arrow();
        p.factor(&mut values, &mut [0.0; 5]);
        let l = dense(&p, &values, false);
        let b = [1.0, -2.0, 0.5, 3.0, 0.1];
        let (mut x, mut y) = (b, b);
        p.solve(&values, &mut x);
        p.solve_transposed(&values, &mut y);
        for i in 0..5 {
            let forward: f64 = (0..5).map(|j| l[(i, j)] * x[j]).sum();
            let backward: f64 = (0..5).map(|j| l[(j, i)] * y[j]).sum();
            assert!((forward - b[i]).abs() < 1e-12 && (backward - b[i]).abs() < 1e-12);
        }
    }

    /// f = sum of weights times entries of the factor.
    #[test]
    fn adjoint_agrees_with_differences() {
        let (p, values) = arrow();
        let weights: Vec<f64> = (0..p.n_entries()).map(|i| (i as f64 * 1.7).sin()).collect();
        let f = |values: &[f64]| {
            let mut v = values.to_vec();
            p.factor(&mut v, &mut [0.0; 5]);
            v.iter().zip(&weights).map(|(a, b)| a * b).sum::<f64>()
        };
        let (mut factor, mut d) = (values.clone(), weights.clone());
        p.factor(&mut factor, &mut [0.0; 5]);
        p.factor_adjoint(&factor, &mut d, &mut [0.0; 5]);
        for at in 0..values.len() {
            let (mut up, mut down) = (values.clone(), values.clone());
            up[at] += 1e-6;
            down[at] -= 1e-6;
            let slope = (f(&up) - f(&down)) / 2e-6;
            assert!((d[at] - slope).abs() < 1e-7 * (1.0 + slope.abs()), "{at}: {} {slope}", d[at]);
        }
    }
}
