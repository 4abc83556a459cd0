//! The joint conditional Gaussian of effects and coefficients at the current scales, once for one position, for eight draws and for
//! eight levels at once ([`Real`]).
//!
//! With `w` the standardised effects and the coefficients, `A` the information and `h` the pull of the data at a centre, `L` the
//! block-diagonal factor of the effects (identity for coefficients), `S` the prior precision (identity for effects) and `v0` the
//! pull of the coefficients' prior,
//!
//! ```text
//! G = S + k L' A L = R R',    w = R^-T (R^-1 (v0 + k L' h) + z),    log |dw/dz| = -log |R|
//! ```
//!
//! Where rows have several dispersions, `k A` and `k h` are sums of such products, one for each (`k_0 A_0 + k_1 A_1 + ...`).
//!
//! The derivative is the reverse pass. With `E = k L' A L` and `P` the derivative in it, that in `L` is `L^-T K` with
//! `K = 2 E P` for a level by itself, `E P'` and `E' P` for the rows and columns that it shares with others: sums of `K` over levels
//! are all that is kept, and for terms without correlations their diagonal is the derivative in the log standard deviations.

use super::correlated::{add_correlated, correlate, scale_correlated, unscale_correlated};
use super::scheme::Scheme;
use crate::linalg::cholesky::{Factor, Work};
use crate::linalg::pattern::Pattern;
use crate::number::{Parts, Real};

/// Constants of the map. Entries on the pattern.
#[derive(Debug, Clone, Default)]
pub struct Information<D> {
    /// `A` of the levels' columns.
    pub lead: Vec<D>,
    /// `A` of the core.
    pub core: Vec<f64>,
    /// `h` of the levels.
    pub pull: Vec<D>,
    /// `h` of the core.
    pub core_pull: Vec<f64>,
    /// `S` of the levels; empty where it is the identity.
    pub lead_prior: Vec<D>,
    /// `S` of the core: one for effects that are independent.
    pub prior: Vec<f64>,
    /// `v0` of the core.
    pub prior_pull: Vec<f64>,
}

impl<D: Copy + Default> Information<D> {
    /// No data, effects with their priors, coefficients without.
    pub fn new(scheme: &Scheme) -> Self {
        let p = &scheme.pattern;
        let (n_lead, n_core) = (p.n_lead(), p.n_entries() - p.n_lead());
        let mut prior = vec![0.0; n_core];
        (p.core..scheme.n_effects).for_each(|j| prior[p.starts[j] - n_lead] = 1.0);
        Self {
            lead: vec![D::default(); n_lead],
            core: vec![0.0; n_core],
            pull: vec![D::default(); p.core],
            core_pull: vec![0.0; p.n_core()],
            lead_prior: vec![],
            prior,
            prior_pull: vec![0.0; p.n_core()],
        }
    }

    /// Forgets the data.
    pub fn clear(&mut self) {
        self.lead.fill(D::default());
        self.pull.fill(D::default());
        self.core.fill(0.0);
        self.core_pull.fill(0.0);
    }
}

/// Values at one position, and memory of their derivatives.
#[derive(Debug, Clone, Default)]
pub struct Conditional<T: Real> {
    /// Standardised effects, and coefficients.
    pub standard: Parts<T>,
    /// Effects, and coefficients.
    pub natural: Parts<T>,
    /// After [`Self::backward`], `K` per scale.
    pub slopes: Vec<T::Sum>,
    /// The factor of `G`.
    pub factor: Factor<T>,
    work: Work<T>,
    /// Of each information but the first, `k L'AL` and `k L'h`.
    others: Vec<[Parts<T>; 2]>,
    /// `E` on the pattern, and derivatives in the factor, then in `G`.
    entries: Parts<T>,
    d: Parts<T>,
    /// `k L'h`.
    pull: Parts<T>,
    t: Parts<T>,
    y: Parts<T>,
    q: Parts<T>,
    sums: Vec<T>,
    /// Per column; one for correlated effects.
    scales: Vec<T::Sum>,
}

impl<T: Real> Conditional<T> {
    /// Memory for maps of this scheme.
    pub fn new(scheme: &Scheme) -> Self {
        let p = &scheme.pattern;
        let columns = || Parts::zeros(p.core, p.n_core());
        let entries = || Parts::zeros(p.n_lead(), p.n_entries() - p.n_lead());
        Self {
            standard: columns(),
            natural: columns(),
            slopes: vec![T::Sum::ZERO; scheme.n_scales],
            factor: Factor::new(p),
            work: Work::new(p),
            others: vec![],
            entries: entries(),
            d: entries(),
            pull: columns(),
            t: columns(),
            y: columns(),
            q: columns(),
            sums: vec![T::ZERO; scheme.n_scales],
            scales: vec![T::Sum::ZERO; p.dim()],
        }
    }

    /// Maps `z` at `scales`, with an information for each `k`, of which the first has the priors; returns the log Jacobian.
    #[inline(always)]
    pub fn forward(
        &mut self, scheme: &Scheme, a: &[Information<T::Datum>], k: &[T::Sum], scales: &[T::Sum], z: &Parts<T>,
    ) -> T::Sum {
        let p = &scheme.pattern;
        self.assemble(scheme, a, k, scales);
        p.factor(&mut self.factor, &mut self.work);
        p.solve(&self.factor, &mut self.t, &mut self.work);
        self.forward_at_same_scales(scheme, scales, z)
    }

    /// The same at the scales of the last one, whose factor is there.
    #[inline(always)]
    pub fn forward_at_same_scales(&mut self, scheme: &Scheme, scales: &[T::Sum], z: &Parts<T>) -> T::Sum {
        let p = &scheme.pattern;
        for (w, (t, z)) in self.standard.lead.iter_mut().zip(self.t.lead.iter().zip(&z.lead)) {
            *w = *t + *z;
        }
        for (w, (t, z)) in self.standard.core.iter_mut().zip(self.t.core.iter().zip(&z.core)) {
            *w = *t + *z;
        }
        p.solve_transposed(&self.factor, &mut self.standard);
        self.scale(scheme, scales);
        self.factor.minus_log_det()
    }

    /// `G` and the right-hand side.
    #[inline(always)]
    fn assemble(&mut self, scheme: &Scheme, all: &[Information<T::Datum>], k: &[T::Sum], scales: &[T::Sum]) {
        let (Scheme { pattern: p, scale_of, .. }, a) = (scheme, &all[0]);
        for (s, i) in self.scales.iter_mut().zip(scale_of) {
            *s = scales[*i];
        }
        if scheme.has_correlated() {
            self.spare_correlated(scheme);
        }
        let Self { entries, factor: Factor { values, .. }, pull, t, scales: own, others, .. } = self;
        weigh(scheme, a, k[0], (scales, own), entries, pull);
        others.resize_with(all.len() - 1, || [entries.clone(), pull.clone()]);
        for ((a, k), [e, h]) in all[1..].iter().zip(&k[1..]).zip(others) {
            weigh(scheme, a, *k, (scales, own), e, h);
            entries.add(e);
            pull.add(h);
        }
        values.lead.copy_from_slice(&entries.lead);
        if a.lead_prior.is_empty() {
            for start in &p.starts[..p.core] {
                values.lead[*start] += T::splat(1.0);
            }
        } else {
            for (v, s) in values.lead.iter_mut().zip(&a.lead_prior) {
                *v += T::of(*s);
            }
        }
        for (v, (e, s)) in values.core.iter_mut().zip(entries.core.iter().zip(&a.prior)) {
            *v = *e + T::Sum::splat(*s);
        }
        t.lead.copy_from_slice(&pull.lead);
        for (t, (h, v0)) in t.core.iter_mut().zip(pull.core.iter().zip(&a.prior_pull)) {
            *t = *h + T::Sum::splat(*v0);
        }
    }

    /// After [`Self::backward`], which returned `d_log_k` of a `k` that all have in common, the derivatives in each of their logs.
    #[inline(always)]
    pub fn split(&self, d_log_k: T::Sum, out: &mut [T::Sum]) {
        let Self { d, q, others, .. } = self;
        out[0] = d_log_k;
        for (g, [entries, pull]) in others.iter().enumerate() {
            out[g + 1] = entries.dot(d) + pull.dot(q);
            let own = out[g + 1];
            out[0] -= own;
        }
    }

    #[inline(always)]
    fn spare_correlated(&mut self, scheme: &Scheme) {
        for (levels, first) in [(scheme.lead().0, 0), (scheme.core().0, scheme.pattern.core)] {
            for level in levels {
                let column = first + level.column;
                self.scales[column..column + scheme.terms[level.term].q].fill(T::Sum::splat(1.0));
            }
        }
    }

    /// Effects, from standardised ones.
    #[inline(always)]
    fn scale(&mut self, scheme: &Scheme, scales: &[T::Sum]) {
        let (core, Self { standard, natural, scales: own, .. }) = (scheme.pattern.core, self);
        for ((b, w), s) in natural.lead.iter_mut().zip(&standard.lead).zip(&own[..core]) {
            *b = *w * T::lift(*s);
        }
        for ((b, w), s) in natural.core.iter_mut().zip(&standard.core).zip(&own[core..]) {
            *b = *w * *s;
        }
        if scheme.has_correlated() {
            scale_correlated(&scheme.terms, scheme.lead().0, scales, &standard.lead, &mut natural.lead);
            scale_correlated(&scheme.terms, scheme.core().0, scales, &standard.core, &mut natural.core);
        }
    }

    /// From the derivatives `d` in effects and coefficients of a log likelihood and prior to those in `z`, which take their place, of
    /// that with the density of the effects; sets `slopes`, and returns the derivative in `log k`. `tension` is `S` times the
    /// standardised effects, where `S` is not the identity.
    #[inline(always)]
    pub fn backward(
        &mut self, scheme: &Scheme, scales: &[T::Sum], d: &mut Parts<T>, tension: Option<&Parts<T>>,
    ) -> T::Sum {
        let p = &scheme.pattern;
        self.sums.fill(T::ZERO);
        self.slopes.fill(T::Sum::ZERO);
        self.unscale(scheme, scales, d, tension);
        p.solve(&self.factor, d, &mut self.work);
        self.y.copy_from(d);
        self.q.copy_from(d);
        p.solve_transposed(&self.factor, &mut self.q);
        self.slopes_in_factor(p);
        p.factor_adjoint(&self.factor, &mut self.d, &mut self.work);
        let d_log_k = self.pull_back(scheme);
        if scheme.has_correlated() {
            let Self { entries: e, d, pull, q, sums, slopes, .. } = self;
            add_correlated(&scheme.terms, scheme.lead(), (&e.lead, &d.lead), (&pull.lead, &q.lead), sums);
            add_correlated(&scheme.terms, scheme.core(), (&e.core, &d.core), (&pull.core, &q.core), slopes);
        }
        for (slope, sum) in self.slopes.iter_mut().zip(&self.sums) {
            *slope += sum.total();
        }
        d_log_k
    }

    /// Through `b = L w` and the density of the effects.
    #[inline(always)]
    fn unscale(&mut self, scheme: &Scheme, scales: &[T::Sum], d: &mut Parts<T>, tension: Option<&Parts<T>>) {
        let (core, Self { standard, sums, slopes, scales: own, .. }) = (scheme.pattern.core, self);
        let prior = tension.unwrap_or(standard);
        if scheme.has_correlated() {
            unscale_correlated(&scheme.terms, scheme.lead().0, scales, &standard.lead, &mut d.lead, sums);
            unscale_correlated(&scheme.terms, scheme.core().0, scales, &standard.core, &mut d.core, slopes);
        }
        for j in 0..core {
            let slope = d.lead[j] * T::lift(own[j]);
            sums[scheme.scale_of[j]] += slope * standard.lead[j];
            d.lead[j] = slope - prior.lead[j];
        }
        for j in core..scheme.n_effects {
            let slope = d.core[j - core] * own[j];
            slopes[scheme.scale_of[j]] += slope * standard.core[j - core];
            d.core[j - core] = slope - prior.core[j - core];
        }
    }

    /// Derivatives in the entries of `R`.
    #[inline(always)]
    fn slopes_in_factor(&mut self, p: &Pattern) {
        let Self { standard: w, y, q, t, d, factor, .. } = self;
        for j in 0..p.core {
            let (y_j, t_j, start, in_core) = (y.lead[j], t.lead[j], p.starts[j], p.in_core(j));
            for (d, i) in d.lead[start..in_core.start].iter_mut().zip(&p.rows[start..in_core.start]) {
                *d = -(w.lead[*i as usize] * y_j + q.lead[*i as usize] * t_j);
            }
            for (d, i) in d.lead[in_core.clone()].iter_mut().zip(&p.rows[in_core]) {
                let i = *i as usize - p.core;
                *d = -(T::lift(w.core[i]) * y_j + T::lift(q.core[i]) * t_j);
            }
            d.lead[start] -= factor.inverse.lead[j];
        }
        let mut at = 0;
        for j in 0..p.n_core() {
            let (y_j, t_j) = (y.core[j], t.core[j]);
            d.core[at] = -factor.inverse.core[j];
            for i in j..p.n_core() {
                let x = -(w.core[i] * y_j + q.core[i] * t_j);
                d.core[at] = if i == j { d.core[at] + x } else { x };
                at += 1;
            }
        }
    }

    /// From the derivatives in `G` and in the right-hand side to those in the logs of the scales, or the diagonal of `K`; returns
    /// that in `log k`.
    #[inline(always)]
    fn pull_back(&mut self, scheme: &Scheme) -> T::Sum {
        let Scheme { pattern: p, scale_of, n_effects, .. } = scheme;
        let Self { entries, d, pull, q, sums, slopes, .. } = self;
        let (mut lead, mut core) = (T::ZERO, T::Sum::ZERO);
        for j in 0..p.core {
            let (mut own, range) = (pull.lead[j] * q.lead[j], p.starts[j]..p.starts[j + 1]);
            let values = d.lead[range.clone()].iter().zip(&entries.lead[range.clone()]);
            for ((d, e), i) in values.zip(&p.rows[range]) {
                let (x, i) = (*d * *e, *i as usize);
                own += x;
                if i < *n_effects {
                    sums[scale_of[i]] += x;
                }
            }
            lead += own;
            sums[scale_of[j]] += own;
        }
        let mut first = 0;
        for j in p.core..p.dim() {
            let (mut own, range) = (pull.core[j - p.core] * q.core[j - p.core], first..first + p.dim() - j);
            first = range.end;
            for (d, (e, i)) in d.core[range.clone()].iter().zip(entries.core[range].iter().zip(j..)) {
                let x = *d * *e;
                own += x;
                slopes[scale_of[i]] += x;
            }
            core += own;
            slopes[scale_of[j]] += own;
        }
        core + lead.total()
    }
}

/// Sets `e` to `k L'AL`, on the pattern, and `h` to `k L'h`; `own` is the scale of each column, one for correlated effects.
#[inline(always)]
fn weigh<T: Real>(
    scheme: &Scheme, a: &Information<T::Datum>, k: T::Sum, (scales, own): (&[T::Sum], &[T::Sum]), e: &mut Parts<T>,
    h: &mut Parts<T>,
) {
    let p = &scheme.pattern;
    for j in 0..p.core {
        let (row, range) = (k * own[j], p.starts[j]..p.starts[j + 1]);
        h.lead[j] = T::lift(row) * T::of(a.pull[j]);
        let entries = e.lead[range.clone()].iter_mut().zip(&p.rows[range.clone()]);
        for ((e, i), a) in entries.zip(&a.lead[range]) {
            *e = T::lift(row * own[*i as usize]) * T::of(*a);
        }
    }
    let n_lead = p.n_lead();
    for j in p.core..p.dim() {
        let (row, range) = (k * own[j], p.starts[j] - n_lead..p.starts[j + 1] - n_lead);
        h.core[j - p.core] = row * a.core_pull[j - p.core];
        let entries = e.core[range.clone()].iter_mut().zip(&p.rows[p.starts[j]..]);
        for ((e, i), a) in entries.zip(&a.core[range]) {
            *e = row * own[*i as usize] * *a;
        }
    }
    if scheme.has_correlated() {
        correlate(&scheme.terms, scheme.lead(), scales, &mut e.lead, &mut h.lead);
        correlate(&scheme.terms, scheme.core(), scales, &mut e.core, &mut h.core);
    }
}
