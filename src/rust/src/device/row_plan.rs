//! How the sums over a block of rows are cut into parts: chunks of rows, and segments of the rows of a level.

use super::row_arrays::RowArrays;
use crate::spec::Family;

/// Rows of a chunk, at least; more where there would be too many chunks.
const CHUNK: usize = 256;
const MOST_CHUNKS: usize = 1024;
/// Rows of a segment at most.
const SEGMENT: usize = 256;

/// Parts of all sums, in the order in which they are added.
#[derive(Debug, Clone, Default)]
pub struct RowPlan {
    /// Rows.
    pub n: usize,
    /// Rows of a chunk.
    pub chunk: usize,
    /// Chunks.
    pub n_chunks: usize,
    /// `ROWS_INTS` of the kernels, then three per term.
    pub header: Vec<u32>,
    /// Per term, the rows sorted by level.
    pub order: Vec<u32>,
    /// Four per segment: term, first in `order`, number of rows, place of the part.
    pub segments: Vec<u32>,
    /// Three per result: first part, number, distance.
    pub places: Vec<u32>,
    /// Parts in all.
    pub n_parts: usize,
    /// Coefficients per level, at most.
    pub most_columns: usize,
}

impl RowPlan {
    /// For these rows.
    pub fn new(rows: &RowArrays) -> Self {
        let n = rows.n();
        let chunk = CHUNK.max(n.div_ceil(MOST_CHUNKS)).next_multiple_of(32);
        let most_columns = rows.terms.iter().map(|t| t.q).max().unwrap_or(0);
        let mut plan =
            Self { n, chunk, n_chunks: n.div_ceil(chunk), header: header(rows), most_columns, ..Self::default() };
        (0..=rows.n_columns()[0]).for_each(|_| plan.add_shared());
        let dispersions = plan.n_parts..plan.n_parts + rows.n_dispersion * plan.n_chunks;
        plan.n_parts = dispersions.end;
        (0..rows.terms.len()).for_each(|k| plan.add_term(rows, k));
        for first in dispersions.step_by(plan.n_chunks) {
            plan.places.extend([first, plan.n_chunks, 1].map(|v| v as u32));
        }
        plan
    }

    /// Segments.
    pub fn n_segments(&self) -> usize {
        self.segments.len() / 4
    }

    /// A result with a part in each chunk.
    fn add_shared(&mut self) {
        self.places.extend([self.n_parts, self.n_chunks, 1].map(|v| v as u32));
        self.n_parts += self.n_chunks;
    }

    fn add_term(&mut self, rows: &RowArrays, k: usize) {
        let term = &rows.terms[k];
        let (order, ends) = sorted(&term.codes, term.n_levels);
        self.order.extend(order);
        let mut start = 0;
        for end in ends {
            let first_part = self.n_parts;
            for first in (start..end).step_by(SEGMENT) {
                self.segments.extend([k, first, SEGMENT.min(end - first), self.n_parts].map(|v| v as u32));
                self.n_parts += term.q;
            }
            let n = (self.n_parts - first_part) / term.q;
            (0..term.q).for_each(|c| self.places.extend([first_part + c, n, term.q].map(|v| v as u32)));
            start = end;
        }
    }
}

/// Rows by level, in their order within one, and where each level's end.
fn sorted(codes: &[u32], n_levels: usize) -> (Vec<u32>, Vec<usize>) {
    let mut ends = vec![0; n_levels];
    codes.iter().for_each(|&c| ends[c as usize] += 1);
    let mut at: Vec<usize> = ends.iter().scan(0, |start, n| Some(std::mem::replace(start, *start + n))).collect();
    let mut order = vec![0; codes.len()];
    for (row, &c) in codes.iter().enumerate() {
        order[at[c as usize]] = row as u32;
        at[c as usize] += 1;
    }
    (order, at)
}

/// What the kernels read first: see `kernels/families.cuh`.
fn header(rows: &RowArrays) -> Vec<u32> {
    let family = match rows.family {
        Family::Gaussian => 0,
        Family::NegBinomial => 1,
        Family::Poisson => 2,
    };
    let optional = [&rows.counts, &rows.squares, &rows.se2].into_iter().enumerate();
    let has: usize = optional.map(|(bit, values)| usize::from(!values.is_empty()) << bit).sum();
    let [n_x, n_w] = rows.n_columns();
    let sizes = [rows.n(), n_x, n_w, rows.terms.len(), rows.n_effects(), rows.n_dispersion, family];
    let mut out: Vec<u32> = sizes.iter().map(|&v| v as u32).collect();
    out.extend([u32::from(rows.is_sampled), has as u32]);
    let (mut effect, mut column) = (0, 0);
    for term in &rows.terms {
        let z = if term.z.is_empty() { u32::MAX } else { column };
        out.extend([term.q as u32, effect, z]);
        effect += (term.n_levels * term.q) as u32;
        column += (term.z.len() / rows.n().max(1)) as u32;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_by_level() {
        let (order, ends) = sorted(&[1, 0, 3, 1], 4);
        assert_eq!((order, ends), (vec![1, 0, 3, 2], vec![1, 3, 3, 4]));
    }
}
