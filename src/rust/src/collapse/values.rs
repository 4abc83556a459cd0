//! Numbers of blocks at one position: their factors, what they leave for the core, and their draws.

use super::factors::{CoreScales, LevelFactors};
use super::layers::combine;
use super::plan::{LevelBlock, Plan};
use crate::kernels::dot;
use crate::transport::small;

/// Factors of blocks at one position, in the order of the plan.
#[derive(Debug, Clone)]
pub struct BlockRoots {
    /// `R_b`.
    roots: Vec<f64>,
    /// `W'`.
    w: Vec<f64>,
    /// `R_b^-1 v_b`.
    pub t: Vec<f64>,
}

impl BlockRoots {
    /// Memory for a plan.
    pub fn new(plan: &Plan) -> Self {
        let [inner, mix] = [&plan.inner, &plan.mix].map(|x| x.len() / plan.n_layers);
        Self { roots: vec![0.0; inner], w: vec![0.0; mix], t: vec![0.0; plan.n_lead()] }
    }

    /// Factors a block where layers count `times`. Returns `log |R_b|`.
    pub fn factor(
        &mut self, plan: &Plan, block: &LevelBlock, factors: &LevelFactors, (k, times): (f64, &[f64]),
    ) -> f64 {
        let (n, r, layers) = (block.columns.len(), block.vectors.len(), times.len());
        let root = &mut self.roots[block.inner..block.inner + n * n];
        combine(times, &plan.inner[block.inner * layers..], root);
        let log_det = block_root(n, root, factors, k);
        let root = &*root;
        let whiten = |x: &mut [f64]| {
            x.iter_mut().for_each(|x| *x *= k);
            factors.transposed_times(x);
            small::solve_lower(n, root, x);
        };
        let t = &mut self.t[block.columns.clone()];
        combine(times, &plan.score[0][block.columns.start * layers..], t);
        whiten(t);
        let w = &mut self.w[block.mix..block.mix + r * n];
        combine(times, &plan.mix[block.mix * layers..], w);
        w.chunks_exact_mut(n).for_each(whiten);
        log_det
    }

    fn w(&self, block: &LevelBlock) -> &[f64] {
        &self.w[block.mix..block.mix + block.vectors.len() * block.columns.len()]
    }

    /// Sets `along` to `W'R_b^-1 v_b`.
    pub fn along(&self, block: &LevelBlock, along: &mut [f64]) {
        let t = &self.t[block.columns.clone()];
        along.iter_mut().zip(self.w(block).chunks_exact(t.len())).for_each(|(out, w)| *out = dot(w, t));
    }

    /// Sets the lower half of `gram` to `W'W`.
    pub fn gram(&self, block: &LevelBlock, gram: &mut [f64]) {
        let (n, r, w) = (block.columns.len(), block.vectors.len(), self.w(block));
        for s in 0..r {
            (0..=s).for_each(|m| gram[s * r + m] = dot(&w[s * n..(s + 1) * n], &w[m * n..(m + 1) * n]));
        }
    }

    /// A draw of a block's columns into `x`, from numbers of a standard normal distribution and `V'c`, `c` being natural values
    /// of the core.
    pub fn draw(&self, block: &LevelBlock, along: impl Iterator<Item = f64>, x: &mut [f64]) {
        let n = block.columns.len();
        x.iter_mut().zip(&self.t[block.columns.clone()]).for_each(|(x, t)| *x += t);
        for (s, along) in along.enumerate() {
            let w = &self.w[block.mix + s * n..][..n];
            x.iter_mut().zip(w).for_each(|(x, w)| *x -= along * w);
        }
        small::solve_lower_transposed(n, &self.roots[block.inner..block.inner + n * n], x);
    }
}

/// Numbers at one position, in the order of the plan.
#[derive(Debug, Clone)]
pub struct BlockValues {
    /// Of the blocks alone.
    pub own: BlockRoots,
    /// `U'`, with `UU'` all that blocks subtract from the core.
    pub vectors: Vec<f64>,
    /// `R^-1 v` of the core.
    pub t_core: Vec<f64>,
    /// Of a block, `W'W` and `W'R_b^-1 v_b`.
    gram: Vec<f64>,
    along: Vec<f64>,
}

impl BlockValues {
    /// Memory for a plan.
    pub fn new(plan: &Plan) -> Self {
        let most = plan.blocks.iter().map(|b| b.vectors.len()).max().unwrap_or(0);
        Self {
            own: BlockRoots::new(plan),
            vectors: vec![0.0; plan.basis.len()],
            t_core: vec![0.0; plan.n_core],
            gram: vec![0.0; most * most],
            along: vec![0.0; most],
        }
    }

    /// Factors of a block and its vectors; subtracts `V W R_b^-1 v_b` from `t_core`. Returns `log |R_b|`.
    pub fn factor_block(
        &mut self, plan: &Plan, block: &LevelBlock, factors: &LevelFactors, core: &CoreScales, at: (f64, &[f64]),
    ) -> f64 {
        let (n, r, length) = (block.columns.len(), block.vectors.len(), block.rows.len());
        let log_det = self.own.factor(plan, block, factors, at);
        self.own.along(block, &mut self.along[..r]);
        let rows = &plan.rows[block.rows.clone()];
        let basis = &plan.basis[block.basis..block.basis + r * length];
        for (x, from) in self.along[..r].iter().zip(basis.chunks_exact(length.max(1))) {
            rows.iter().zip(from).for_each(|(&i, v)| self.t_core[i as usize] -= x * v);
        }
        // `U = V X` with `XX' = W'W`, the fewer columns of both.
        let is_wide = r > n;
        if !is_wide {
            self.own.gram(block, &mut self.gram[..r * r]);
            semidefinite_root(r, &mut self.gram[..r * r]);
        }
        let vectors = &mut self.vectors[block.basis..block.basis + block.n_subtracted() * length];
        for (s, to) in vectors.chunks_exact_mut(length.max(1)).enumerate() {
            let x = |m: usize| if is_wide { self.own.w[block.mix + m * n + s] } else { self.gram[m * r + s] };
            let first = if is_wide { 0 } else { s };
            let v = |m: usize| &basis[m * length..(m + 1) * length];
            to.iter_mut().zip(v(first)).for_each(|(u, v)| *u = x(first) * v);
            for m in first + 1..r {
                let x = x(m);
                to.iter_mut().zip(v(m)).for_each(|(u, v)| *u += x * v);
            }
            core.transposed_times(rows, to);
        }
        log_det
    }

    /// As [`BlockRoots::draw`], from natural values of the core.
    pub fn draw_block(&self, plan: &Plan, block: &LevelBlock, core: &[f64], x: &mut [f64]) {
        let rows = &plan.rows[block.rows.clone()];
        let along = |s: usize| {
            let vector = &plan.basis[block.basis + s * rows.len()..][..rows.len()];
            rows.iter().zip(vector).map(|(&i, v)| core[i as usize] * v).sum()
        };
        self.own.draw(block, (0..block.vectors.len()).map(along), x);
    }
}

/// Overwrites a block's information `A` with the factor `R` of `I + k L'AL`. Returns `log |R|`.
pub fn block_root(n: usize, a: &mut [f64], factors: &LevelFactors, k: f64) -> f64 {
    for _ in 0..2 {
        a.chunks_exact_mut(n).for_each(|row| factors.transposed_times(row));
        transpose(n, a);
    }
    a.iter_mut().for_each(|x| *x *= k);
    (0..n).for_each(|i| a[i * n + i] += 1.0);
    small::cholesky(n, a);
    (0..n).map(|i| a[i * n + i].ln()).sum()
}

fn transpose(n: usize, a: &mut [f64]) {
    for i in 0..n {
        (0..i).for_each(|j| a.swap(i * n + j, j * n + i));
    }
}

/// In-place lower `X` of `XX'`; what has no size leaves a column of zeros.
fn semidefinite_root(n: usize, a: &mut [f64]) {
    for j in 0..n {
        for i in j..n {
            let sum: f64 = (0..j).map(|k| a[i * n + k] * a[j * n + k]).sum();
            let rest = a[i * n + j] - sum;
            let pivot = if i == j { 0.0 } else { a[j * n + j] };
            a[i * n + j] = if i == j {
                rest.max(0.0).sqrt()
            } else if pivot > 0.0 {
                rest / pivot
            } else {
                0.0
            };
        }
    }
}
