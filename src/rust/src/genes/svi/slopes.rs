//! What the pull back through the arrow's factor reads, and where its derivatives go: no closures, which would not be inlined and so
//! lose the vector instructions of their caller.

use super::lane::Lane;

/// Derivatives of the log density in the entries of `R`.
pub(super) struct Factor<'a> {
    pub(super) v: &'a [Lane],
    pub(super) y: &'a [Lane],
    pub(super) q: &'a [Lane],
    pub(super) t: &'a [Lane],
    pub(super) inverse: &'a [Lane],
}

impl Factor<'_> {
    #[inline(always)]
    pub(super) fn slope(&self, i: usize, j: usize) -> Lane {
        let d = -(self.v[i] * self.y[j] + self.q[i] * self.t[j]);
        if i == j { d - self.inverse[i] } else { d }
    }
}

/// Where derivatives in the entries of `k D A D` go.
pub(super) struct Sums<'a> {
    pub(super) d_k: &'a mut Lane,
    pub(super) d_log_sd: &'a mut [Lane],
    pub(super) sd_of: &'a [usize],
}

impl Sums<'_> {
    #[inline(always)]
    pub(super) fn add(&mut self, e: Lane, i: usize, j: usize) {
        *self.d_k += e;
        self.d_log_sd[self.sd_of[i]] += e;
        self.d_log_sd[self.sd_of[j]] += e;
    }
}
