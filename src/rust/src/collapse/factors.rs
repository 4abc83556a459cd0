//! Factors of levels at the present scales, one after the other.

use super::plan::Plan;
use crate::layout::Layout;
use crate::scales::Scales;
use crate::transport::pieces::Node;
use crate::transport::small;
use faer::Mat;

/// Factors of levels, one after the other.
#[derive(Clone, Copy)]
pub struct LevelFactors<'a> {
    /// Their values.
    pub scales: &'a Scales,
    /// Where they are.
    pub layout: &'a Layout,
    /// The levels, or the coefficients, which have none.
    pub nodes: &'a [Node],
}

impl<'a> LevelFactors<'a> {
    /// Of other levels.
    pub fn of(&self, nodes: &'a [Node]) -> Self {
        Self { nodes, ..*self }
    }

    /// Calls `each` with the factor of a level, if it is one, and its place in `x`.
    fn each(&self, x: &mut [f64], mut each: impl FnMut(usize, &[f64], &mut [f64])) {
        let mut rest = x;
        for node in self.nodes {
            let (own, after) = rest.split_at_mut(node.q);
            if let Some((block, level)) = node.level {
                each(node.q, self.scales.factor_of(self.layout.blocks[block].source, level), own);
            }
            rest = after;
        }
    }

    /// `x <- L'x`.
    pub fn transposed_times(&self, x: &mut [f64]) {
        self.each(x, |q, l, x| (0..q).for_each(|i| x[i] = (i..q).map(|k| l[k * q + i] * x[k]).sum()));
    }

    /// `x <- L^-1 x`.
    pub fn solve(&self, x: &mut [f64]) {
        self.each(x, small::solve_lower);
    }

    /// `x <- L x`.
    pub fn times(&self, x: &mut [f64]) {
        self.each(x, |q, l, x| (0..q).rev().for_each(|i| x[i] = (0..=i).map(|k| l[i * q + k] * x[k]).sum()));
    }
}

impl LevelFactors<'_> {
    /// `x <- L x` for the rows of a matrix.
    pub fn times_columns(&self, x: &mut Mat<f64>) {
        for_levels(self, |q, first, l| {
            for i in (0..q).rev() {
                let sum = (0..=i).map(|k| (l[i * q + k], first + k));
                combine(x, first + i, sum);
            }
        });
    }

    /// `x <- L'x` for the rows of a matrix.
    pub fn transposed_times_columns(&self, x: &mut Mat<f64>) {
        for_levels(self, |q, first, l| {
            for i in 0..q {
                let sum = (i..q).map(|k| (l[k * q + i], first + k));
                combine(x, first + i, sum);
            }
        });
    }
}

/// Calls `each` with the number of effects of a level, its first column and its factor.
fn for_levels(factors: &LevelFactors, mut each: impl FnMut(usize, usize, &[f64])) {
    for node in factors.nodes {
        if let Some((block, level)) = node.level {
            each(node.q, node.first, factors.scales.factor_of(factors.layout.blocks[block].source, level));
        }
    }
}

/// Sets a column to a sum of columns, itself among them.
fn combine(x: &mut Mat<f64>, to: usize, terms: impl Iterator<Item = (f64, usize)>) {
    let mut sum = vec![0.0; x.nrows()];
    for (times, from) in terms {
        sum.iter_mut().zip(x.col_as_slice(from)).for_each(|(s, x)| *s += times * x);
    }
    x.col_as_slice_mut(to).copy_from_slice(&sum);
}

/// Factors of the core's columns.
pub enum CoreScales<'a> {
    /// A number for each.
    Numbers(Vec<f64>),
    /// Some levels have several effects; the level of each column.
    Levels(LevelFactors<'a>, Vec<u32>),
}

impl<'a> CoreScales<'a> {
    /// At the scales of `factors`.
    pub fn new(plan: &Plan, factors: LevelFactors<'a>) -> Self {
        if plan.core_nodes.iter().any(|n| n.level.is_some() && n.q > 1) {
            let of_column = |(i, n): (usize, &Node)| std::iter::repeat_n(i as u32, n.q);
            return Self::Levels(factors, plan.core_nodes.iter().enumerate().flat_map(of_column).collect());
        }
        let mut numbers = vec![1.0; plan.n_core];
        factors.times(&mut numbers);
        Self::Numbers(numbers)
    }

    /// `x <- L_c'x`, of the entries in `rows`, which have all columns of a level or none.
    pub fn transposed_times(&self, rows: &[u32], x: &mut [f64]) {
        match self {
            Self::Numbers(scales) => rows.iter().zip(x).for_each(|(&i, x)| *x *= scales[i as usize]),
            Self::Levels(factors, node_of) => {
                let mut at = 0;
                while at < rows.len() {
                    let node = &factors.nodes[node_of[rows[at] as usize] as usize];
                    factors.of(std::slice::from_ref(node)).transposed_times(&mut x[at..at + node.q]);
                    at += node.q;
                }
            }
        }
    }
}
