//! Which scales multiply which columns of the joint map, and where correlated effects stand in its pattern.

use crate::linalg::pattern::Pattern;
use crate::number::Real;

/// Which scales belong to which columns.
#[derive(Debug, Clone, Default)]
pub struct Scheme {
    /// Pattern of the factor: effects, then coefficients.
    pub pattern: Pattern,
    /// Per column, its standard deviation or entry on the diagonal of `L` among the scales; the last, which is one, for coefficients.
    pub scale_of: Vec<usize>,
    /// Number of scales.
    pub n_scales: usize,
    /// Number of effects.
    pub n_effects: usize,
    /// Terms with correlated effects.
    pub(super) terms: Vec<CorrelatedTerm>,
    /// Their levels: those before the core first.
    levels: Vec<CorrelatedLevel>,
    /// Number of levels before the core.
    n_lead: usize,
    /// Where the rows of such levels stand in columns of others: first entry, and number of the term; those before the core first.
    rows: Vec<(usize, usize)>,
    n_lead_rows: usize,
}

/// A term's `L` among the scales, `[q, q]` row by row from `first` on.
#[derive(Debug, Clone, Copy)]
pub struct CorrelatedTerm {
    /// Place of the first entry.
    pub first: usize,
    /// Effects of a level.
    pub q: usize,
}

impl CorrelatedTerm {
    /// Place of an entry.
    #[inline(always)]
    pub(super) fn at(&self, row: usize, column: usize) -> usize {
        self.first + row * self.q + column
    }
}

/// A level of a correlated term.
#[derive(Debug, Clone, Copy)]
pub(super) struct CorrelatedLevel {
    /// Its first column; of the core's levels, in the core.
    pub column: usize,
    pub term: usize,
    /// First entry of its first column, of the core's levels in the core.
    pub start: usize,
    /// Rows that all its columns have below its own.
    pub n_rows: usize,
}

impl Scheme {
    /// For a pattern whose first `n_effects` columns are effects, with the first columns and terms of the levels of correlated
    /// effects, which the start of the core does not cut.
    pub fn new(
        pattern: Pattern, scale_of: Vec<usize>, [n_scales, n_effects]: [usize; 2], terms: Vec<CorrelatedTerm>,
        levels: impl Iterator<Item = (usize, usize)>,
    ) -> Self {
        let (p, core) = (&pattern, pattern.core);
        let mut term_of = vec![None; pattern.dim()];
        levels.for_each(|(column, term)| term_of[column] = Some(term));
        let in_part = |at: usize| if at < p.n_lead() { at } else { at - p.n_lead() };
        let level = |(column, term): (usize, &Option<usize>)| {
            let (term, start) = ((*term)?, p.starts[column]);
            let n_rows = p.starts[column + 1] - start - terms[term].q;
            let column = if column < core { column } else { column - core };
            Some(CorrelatedLevel { column, term, start: in_part(start), n_rows })
        };
        let levels: Vec<_> = term_of.iter().enumerate().filter_map(level).collect();
        // In a level's own columns its first row is the diagonal.
        let row = |at: usize, j: usize| {
            let i = p.rows[at] as usize;
            term_of[i].filter(|_| i != j).map(|term| (in_part(at), term))
        };
        let column = |j: usize| (p.starts[j]..p.starts[j + 1]).filter_map(move |at| row(at, j)).collect::<Vec<_>>();
        let mut rows: Vec<_> = if levels.is_empty() { vec![] } else { (0..core).flat_map(column).collect() };
        let n_lead_rows = rows.len();
        if !levels.is_empty() {
            rows.extend((core..p.dim()).flat_map(column));
        }
        let n_lead = term_of[..core].iter().flatten().count();
        Self { pattern, scale_of, n_scales, n_effects, terms, levels, n_lead, rows, n_lead_rows }
    }

    /// Whether effects are correlated.
    #[inline(always)]
    pub(super) fn has_correlated(&self) -> bool {
        !self.levels.is_empty()
    }

    /// Levels before the core.
    #[inline(always)]
    pub(super) fn lead(&self) -> (&[CorrelatedLevel], &[(usize, usize)]) {
        (&self.levels[..self.n_lead], &self.rows[..self.n_lead_rows])
    }

    /// Levels of the core.
    #[inline(always)]
    pub(super) fn core(&self) -> (&[CorrelatedLevel], &[(usize, usize)]) {
        (&self.levels[self.n_lead..], &self.rows[self.n_lead_rows..])
    }

    /// From the sums `K` of correlated terms to the derivatives in the entries of their `L`, in place.
    pub fn to_factors<S: Real>(&self, scales: &[S], slopes: &mut [S]) {
        for term in &self.terms {
            for b in 0..term.q {
                for a in (b..term.q).rev() {
                    let mut s = slopes[term.at(a, b)];
                    for m in a + 1..term.q {
                        s -= scales[term.at(m, a)] * slopes[term.at(m, b)];
                    }
                    slopes[term.at(a, b)] = s * scales[term.at(a, a)].recip();
                }
            }
        }
    }
}
