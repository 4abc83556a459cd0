//! Gauss rules of discrete measures: a few nodes with positive masses in the place of many points.
//!
//! The rule with `K` nodes has the first `2 K` moments of the measure. It is read off the tridiagonal
//! matrix of the measure's orthogonal polynomials (Golub and Welsch 1969), which Lanczos' iteration
//! finds; vectors are orthogonalised against all earlier ones, twice, because the plain iteration
//! loses its nodes to rounding (Gautschi 2004, section 2.2). A rule of rules is the rule of the whole,
//! so that many points are taken in pieces.

use faer::{Mat, Side};

/// Points at a time: memory stays small, and the rule is the same.
const PIECE: usize = 2048;
/// A vector shorter than this, of vectors of order one, is rounding: all points have their nodes.
const EXHAUSTED: f64 = 1e-13;

/// Positive masses at points of the line.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Measure {
    /// The points.
    pub at: Vec<f64>,
    /// Their masses.
    pub mass: Vec<f64>,
}

impl Measure {
    /// Number of points.
    pub fn len(&self) -> usize {
        self.at.len()
    }

    /// Whether it has no point.
    pub fn is_empty(&self) -> bool {
        self.at.is_empty()
    }

    /// Adds a point, if it has a mass.
    pub fn push(&mut self, at: f64, mass: f64) {
        if mass > 0.0 {
            self.at.push(at);
            self.mass.push(mass);
        }
    }

    /// Points with their masses.
    pub fn points(&self) -> impl Iterator<Item = (f64, f64)> {
        self.at.iter().copied().zip(self.mass.iter().copied())
    }

    /// Sum of the masses.
    pub fn total(&self) -> f64 {
        self.mass.iter().sum()
    }

    /// Mean of `exp(x - from)`.
    pub fn mean_exp(&self, from: f64) -> f64 {
        self.at.iter().zip(&self.mass).map(|(x, m)| m * (x - from).exp()).sum::<f64>() / self.total()
    }

    /// Least and greatest point; `(inf, -inf)` if there is none.
    pub fn range(&self) -> (f64, f64) {
        let ends = |(low, high): (f64, f64), &x: &f64| (low.min(x), high.max(x));
        self.at.iter().fold((f64::INFINITY, f64::NEG_INFINITY), ends)
    }

    /// The Gauss rule with `k` nodes; the measure itself if it has no more points than that.
    pub fn gauss(&self, k: usize) -> Self {
        if self.len() <= k {
            return self.clone();
        }
        if self.len() <= PIECE.max(2 * k) {
            return self.rule(k);
        }
        let mut rules = Self::default();
        for (at, mass) in self.at.chunks(PIECE).zip(self.mass.chunks(PIECE)) {
            let rule = Self { at: at.to_vec(), mass: mass.to_vec() }.gauss(k);
            rules.at.extend(rule.at);
            rules.mass.extend(rule.mass);
        }
        rules.gauss(k)
    }

    fn rule(&self, k: usize) -> Self {
        let (low, high) = self.range();
        let (middle, half) = (0.5 * (low + high), 0.5 * (high - low));
        if half <= 0.0 {
            return Self { at: vec![middle], mass: vec![self.total()] };
        }
        let unit: Vec<f64> = self.at.iter().map(|x| (x - middle) / half).collect();
        let (nodes, shares) = golub_welsch(&jacobi(&unit, &self.mass, k));
        let total = self.total();
        // Rounding may put a node beyond the last point.
        let at = nodes.iter().map(|t| (middle + half * t).clamp(low, high)).collect();
        Self { at, mass: shares.iter().map(|s| s * total).collect() }
    }
}

/// Nodes and masses of the standard normal distribution.
pub fn normal_rule(k: usize) -> Vec<[f64; 2]> {
    // Hermite's polynomials have the root of the degree off the diagonal.
    let off = (1..k).map(|degree| (degree as f64).sqrt()).collect();
    let (nodes, shares) = golub_welsch(&(vec![0.0; k], off));
    nodes.into_iter().zip(shares).map(|(node, share)| [node, share]).collect()
}

/// Diagonal and off-diagonal of the matrix of the orthogonal polynomials, up to degree `k`.
fn jacobi(points: &[f64], mass: &[f64], k: usize) -> (Vec<f64>, Vec<f64>) {
    let total: f64 = mass.iter().sum();
    let mut basis: Vec<Vec<f64>> = vec![mass.iter().map(|m| (m / total).sqrt()).collect()];
    let (mut diagonal, mut off) = (vec![], vec![]);
    loop {
        let last = &basis[basis.len() - 1];
        let mut next: Vec<f64> = last.iter().zip(points).map(|(q, x)| q * x).collect();
        diagonal.push(dot(&next, last));
        for _ in 0..2 {
            orthogonalise(&mut next, &basis);
        }
        let length = dot(&next, &next).sqrt();
        if diagonal.len() == k || length < EXHAUSTED {
            return (diagonal, off);
        }
        off.push(length);
        next.iter_mut().for_each(|v| *v /= length);
        basis.push(next);
    }
}

fn orthogonalise(v: &mut [f64], basis: &[Vec<f64>]) {
    for q in basis {
        let along = dot(v, q);
        v.iter_mut().zip(q).for_each(|(v, q)| *v -= along * q);
    }
}

/// Eigenvalues of the tridiagonal matrix and squared first components of its eigenvectors.
fn golub_welsch((diagonal, off): &(Vec<f64>, Vec<f64>)) -> (Vec<f64>, Vec<f64>) {
    let k = diagonal.len();
    let matrix = Mat::from_fn(k, k, |i, j| match i.abs_diff(j) {
        0 => diagonal[i],
        1 => off[i.min(j)],
        _ => 0.0,
    });
    let eigen = matrix.self_adjoint_eigen(Side::Lower).expect("a finite symmetric matrix has eigenvalues");
    let (u, s) = (eigen.U(), eigen.S().column_vector());
    ((0..k).map(|i| s[i]).collect(), (0..k).map(|i| u[(0, i)] * u[(0, i)]).collect())
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Moments in Chebyshev polynomials, which are of order one where powers vanish.
    fn moments(m: &Measure, low: f64, high: f64, n: usize) -> Vec<f64> {
        let unit = |x: f64| ((2.0 * x - low - high) / (high - low)).clamp(-1.0, 1.0).acos();
        let moment = |d: usize| m.at.iter().zip(&m.mass).map(|(&x, w)| w * (d as f64 * unit(x)).cos()).sum();
        (0..n).map(moment).collect()
    }

    proptest! {
        #[test]
        fn rules_keep_the_moments(
            n in 2..6000usize, k in 1..24usize, spread in 0.01..10.0f64, skew in 0.0..6.0f64, seed in 0..1000u64,
        ) {
            let noise = |i: usize| ((i as u64 + 1) * (2 * seed + 12_345)) as f64 * 0.618_033_988_749_895 % 1.0;
            let at: Vec<f64> = (0..n).map(|i| 3.0 + spread * noise(i)).collect();
            let mass: Vec<f64> = (0..n).map(|i| (skew * noise(3 * i + 7)).exp()).collect();
            let measure = Measure { at, mass };
            let rule = measure.gauss(k);
            prop_assert!(rule.len() <= k.min(n));
            prop_assert!(rule.mass.iter().all(|m| *m >= 0.0));
            let (low, high) = measure.range();
            let (of_rule, of_points) = (moments(&rule, low, high, 2 * k), moments(&measure, low, high, 2 * k));
            for (a, b) in of_rule.iter().zip(&of_points) {
                prop_assert!((a - b).abs() < 1e-11 * measure.total(), "{a} {b}");
            }
        }
    }

    #[test]
    fn equal_points_are_one_node() {
        let measure = Measure { at: vec![2.0; 5], mass: vec![1.0, 2.0, 3.0, 4.0, 5.0] };
        assert_eq!(measure.gauss(3), Measure { at: vec![2.0], mass: vec![15.0] });
    }

    /// Two nodes of the uniform measure are at +-1/sqrt(3).
    #[test]
    fn the_uniform_measure_has_legendre_nodes() {
        let at: Vec<f64> = (0..20_000).map(|i| (f64::from(i) + 0.5) / 1e4 - 1.0).collect();
        let rule = Measure { mass: vec![1.0; at.len()], at }.gauss(2);
        assert!((rule.at[1] - 1.0 / 3f64.sqrt()).abs() < 1e-8 && (rule.mass[0] - 1e4).abs() < 1e-7, "{rule:?}");
    }
}
