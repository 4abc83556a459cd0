//! Offsets of the negative binomial rows of a leaf, compressed by quadrature with an error bound.
//!
//! Rows of a leaf share all of the linear predictor but the offset. But for `ln Gamma` terms, which
//! depend on the counts alone, their log-likelihood is, with `s = eta - log phi`,
//!
//! ```text
//! sum_i w_i y_i (s + o_i) - phi sum_i w_i f(s + o_i) - sum_i w_i y_i f(s + o_i),    f(u) = log(1 + e^u)
//! ```
//!
//! so the data are two measures on the offsets: the weights `w_i`, of mass `W`, and the counts
//! `w_i y_i`, of mass `C`. Each is replaced by its Gauss rule. The first sum is then exact.
//!
//! **Bound.** Let the offsets lie within `h` of their middle `c`. `f'`, the logistic function, is
//! analytic where `|Im u| < pi`. On the ellipse with foci `c +- h` and semi-axes `a = h (r + 1/r) / 2`
//! and `b = h (r - 1/r) / 2 < pi`, `|f' - 1/2| <= B = max(1, tan(b/2)) / 2` whatever `s` is. So the
//! Chebyshev coefficients of `f'` on the offsets' interval are at most `2 B r^-n` (Trefethen 2013,
//! theorem 8.1), those of `f` at most `2 a B r^-n / n`, and a rule with positive masses that is exact to
//! degree `2 K - 1` errs by no more than twice the mass times the sum of the others. Per unit of mass,
//!
//! ```text
//! e(K) = 2 B max(2, a / K) r^-2K / (1 - 1/r)
//! ```
//!
//! bounds the errors of `f` and of its derivative, for the best `b`. For the weights, whose sum is
//! multiplied by `phi`, a bound must also hold as `phi` grows: there `|f'| <= e^(s + c + a) D`,
//! `D = 1 / sin max(b, pi/2)`, and `phi e^s` times the mean of `e^o_i` times `W` is the leaf's expected
//! count `M`. With `e^(c + a) D` over that mean in the place of `B`, the error is at most `M e'(K)`.
//!
//! Rules are as long as `e(K)` and `e'(K)` need to stay below [`TOLERANCE`] over the number of counts
//! and leaves. The log-likelihood of the whole, and its derivative in any row's `eta`, are then within
//!
//! ```text
//! TOLERANCE * (expected + observed counts) / (observed counts + leaves)
//! ```
//!
//! of those of the rows, for all values of the parameters: 2e-7 near the data; that in `log phi`
//! within twice as much. A leaf that has no more distinct offsets than its rules have nodes keeps them.

use super::quadrature::Measure;
use std::f64::consts::{FRAC_PI_2, PI};

/// Absolute error of the log-likelihood, see above.
pub const TOLERANCE: f64 = 1e-7;
/// No rule needs to be closer than the rounding of a sum.
const ROUNDING: f64 = 1e-15;
/// Ellipses tried for the bound.
const ELLIPSES: u32 = 48;

/// A row as the likelihood sees it, but for its design.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OffsetRow {
    /// Offset.
    pub offset: f64,
    /// Sum of the weights.
    pub weight: f64,
    /// Weighted sum of the counts.
    pub total: f64,
}

/// Error per unit of mass that rules may have, in data with this weighted sum of counts.
pub fn allowance(total_count: f64, n_leaves: usize) -> f64 {
    (TOLERANCE / (total_count + n_leaves as f64)).max(ROUNDING)
}

/// Rows that stand for those of a leaf; in any order.
pub fn compress(rows: &mut Vec<OffsetRow>, allowance: f64) {
    merge_equal(rows);
    let (mut weights, mut counts) = (Measure::default(), Measure::default());
    for row in rows.iter() {
        weights.push(row.offset, row.weight);
        counts.push(row.offset, row.total);
    }
    let [for_weights, for_counts] = [(&weights, true), (&counts, false)].map(|(m, grows)| nodes(m, grows, allowance));
    if for_weights == 0 {
        // Rows without weight are kept as one, so that no leaf is empty.
        return rows.truncate(1);
    }
    if for_weights + for_counts >= rows.len() {
        return;
    }
    rows.clear();
    let (weights, counts) = (weights.gauss(for_weights), counts.gauss(for_counts));
    rows.extend(weights.points().map(|(offset, weight)| OffsetRow { offset, weight, total: 0.0 }));
    rows.extend(counts.points().map(|(offset, total)| OffsetRow { offset, weight: 0.0, total }));
}

/// The rule of a measure on offsets that errs by no more than is allowed per unit of mass. `grows`: of the weights,
/// whose sum is multiplied by phi.
pub fn rule(measure: &Measure, grows: bool, allowance: f64) -> Measure {
    measure.gauss(nodes(measure, grows, allowance))
}

/// One row per distinct offset.
fn merge_equal(rows: &mut Vec<OffsetRow>) {
    rows.sort_by(|a, b| a.offset.total_cmp(&b.offset));
    rows.dedup_by(|next, kept| {
        let same = next.offset == kept.offset;
        if same {
            kept.weight += next.weight;
            kept.total += next.total;
        }
        same
    });
}

/// Nodes that a measure's rule needs, no more than it has points. `grows`: its sum is multiplied by phi.
fn nodes(measure: &Measure, grows: bool, allowance: f64) -> usize {
    if measure.len() < 2 {
        return measure.len();
    }
    let (low, high) = measure.range();
    let (middle, half) = (0.5 * (low + high), 0.5 * (high - low));
    // Log of the middle's e^o over the mean of e^o.
    let above = grows.then(|| middle - high - measure.mean_exp(high).ln());
    let ellipses = (1..ELLIPSES).map(|i| PI * f64::from(i) / f64::from(ELLIPSES));
    let fewest = ellipses.map(|b| nodes_by_ellipse(half, b, above, allowance)).fold(f64::INFINITY, f64::min);
    if fewest < measure.len() as f64 { fewest as usize } else { measure.len() }
}

/// The `K` from which on `e(K)`, or `e'(K)` where `above` is given, is allowed, for one semi-axis `b`.
fn nodes_by_ellipse(half: f64, b: f64, above: Option<f64>, allowance: f64) -> f64 {
    let r = b / half + (b / half).hypot(1.0);
    let a = 0.5 * half * (r + 1.0 / r);
    let bound = match above {
        Some(above) => (above + a).exp() / b.max(FRAC_PI_2).sin(),
        None => 0.5 * (0.5 * b).tan().max(1.0),
    };
    let shortest = |factor: f64| (2.0 * bound * factor / ((1.0 - 1.0 / r) * allowance)).ln() / (2.0 * r.ln());
    let k = shortest(2.0).max(1.0).ceil();
    // For wide offsets a / K is greater than 2; it is never greater than a.
    if a <= 2.0 * k { k } else { shortest(a).max(1.0).ceil() }
}
