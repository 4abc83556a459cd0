//! Coordinates of related levels in which their prior is independent and their data nearly are.
//!
//! With `Q = V D V'` and `F = V D^(-1/2)`, standardised effects `s ~ N(0, Q^-1)` are `F w` with `w ~ N(0, I)`, and so effects
//! `b = (F (x) I) c` with `c = L w`. What the data tell of `c`, the information `sum_i F_ij^2 J_i` of coordinate `j`, is all there is
//! where levels have equal information: `F` is then made of eigenvectors of the posterior precision, too, whatever `L` is.

use crate::design::{LevelPrecision, Rotation};
use crate::kernels::dot;
use std::ops::Range;
use std::sync::Arc;

/// A block of related levels whose coordinates are turned.
#[derive(Debug, Clone)]
pub struct Turn {
    /// Its effects among all.
    pub effects: Range<usize>,
    /// The matrices of its levels among all.
    pub entries: Range<usize>,
    q: usize,
    precision: Arc<LevelPrecision>,
}

impl Turn {
    /// Of a block of `q` effects a level; `None` if its precision has no rotation.
    pub fn new(
        effects: Range<usize>, entries: Range<usize>, q: usize, precision: &Arc<LevelPrecision>,
    ) -> Option<Self> {
        precision.rotation(effects.len() / q)?;
        Some(Self { effects, entries, q, precision: Arc::clone(precision) })
    }

    fn rotation(&self) -> &Rotation {
        self.precision.rotation(self.effects.len() / self.q).expect("a turn is made of a rotation")
    }

    /// `log |F (x) I|`.
    pub fn log_det(&self) -> f64 {
        -0.5 * self.q as f64 * self.precision.log_det
    }

    /// `(F (x) I) c` in the place of `c`, which is a vector over all effects.
    pub fn to_levels(&self, all: &mut [f64], work: &mut Vec<f64>) {
        self.multiply(&self.rotation().rows, all, work);
    }

    /// `(F' (x) I) d` in the place of `d`.
    pub fn pull_back(&self, all: &mut [f64], work: &mut Vec<f64>) {
        self.multiply(&self.rotation().columns, all, work);
    }

    fn multiply(&self, rows: &[f64], all: &mut [f64], work: &mut Vec<f64>) {
        let (own, q) = (&mut all[self.effects.clone()], self.q);
        let n = own.len() / q;
        for c in 0..q {
            work.clear();
            work.extend(own.iter().skip(c).step_by(q));
            rows.chunks_exact(n).zip(own.iter_mut().skip(c).step_by(q)).for_each(|(row, out)| *out = dot(row, work));
        }
    }

    /// `sum_i F_ij^2 J_i` in the place of the information `J` of levels.
    pub fn information(&self, all: &mut [f64]) {
        let own = &mut all[self.entries.clone()];
        let (of_levels, size) = (own.to_vec(), self.q * self.q);
        own.fill(0.0);
        let n = of_levels.len() / size;
        for (column, out) in self.rotation().columns.chunks_exact(n).zip(own.chunks_exact_mut(size)) {
            for (f, level) in column.iter().zip(of_levels.chunks_exact(size)) {
                out.iter_mut().zip(level).for_each(|(o, j)| *o += f * f * j);
            }
        }
    }
}
