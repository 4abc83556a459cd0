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
//! The derivative is the reverse pass. With `E = k L' A L` and `P` the derivative in it, that in `L` is `L^-T K` with
//! `K = 2 E P` for a level by itself, `E P'` and `E' P` for the rows and columns that it shares with others: sums of `K` over levels
//! are all that is kept, and for terms without correlations their diagonal is the derivative in the log standard deviations.

use crate::linalg::cholesky::{Factor, Work};
use crate::linalg::pattern::Pattern;
use crate::number::{Parts, Real};

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
    terms: Vec<CorrelatedTerm>,
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
    fn at(&self, row: usize, column: usize) -> usize {
        self.first + row * self.q + column
    }
}

/// A level of a correlated term.
#[derive(Debug, Clone, Copy)]
struct CorrelatedLevel {
    /// Its first column; of the core's levels, in the core.
    column: usize,
    term: usize,
    /// First entry of its first column, of the core's levels in the core.
    start: usize,
    /// Rows that all its columns have below its own.
    n_rows: usize,
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

    /// Levels before the core.
    #[inline(always)]
    fn lead(&self) -> (&[CorrelatedLevel], &[(usize, usize)]) {
        (&self.levels[..self.n_lead], &self.rows[..self.n_lead_rows])
    }

    /// Levels of the core.
    #[inline(always)]
    fn core(&self) -> (&[CorrelatedLevel], &[(usize, usize)]) {
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
    /// `S` of the core: one for effects.
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

    /// Maps `z` at `scales`; returns the log Jacobian.
    #[inline(always)]
    pub fn forward(
        &mut self, scheme: &Scheme, a: &Information<T::Datum>, k: T::Sum, scales: &[T::Sum], z: &Parts<T>,
    ) -> T::Sum {
        let p = &scheme.pattern;
        self.assemble(scheme, a, k, scales);
        p.factor(&mut self.factor, &mut self.work);
        p.solve(&self.factor, &mut self.t, &mut self.work);
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
    fn assemble(&mut self, scheme: &Scheme, a: &Information<T::Datum>, k: T::Sum, scales: &[T::Sum]) {
        let Scheme { pattern: p, scale_of, .. } = scheme;
        for (s, i) in self.scales.iter_mut().zip(scale_of) {
            *s = scales[*i];
        }
        let is_correlated = !scheme.levels.is_empty();
        if is_correlated {
            self.spare_correlated(scheme);
        }
        let Self { entries, factor: Factor { values, .. }, pull, t, scales: own, .. } = self;
        for j in 0..p.core {
            let (row, range) = (k * own[j], p.starts[j]..p.starts[j + 1]);
            pull.lead[j] = T::lift(row) * T::of(a.pull[j]);
            let entries = entries.lead[range.clone()].iter_mut().zip(&p.rows[range.clone()]);
            for ((e, i), a) in entries.zip(&a.lead[range]) {
                *e = T::lift(row * own[*i as usize]) * T::of(*a);
            }
        }
        let n_lead = p.n_lead();
        for j in p.core..p.dim() {
            let (row, range) = (k * own[j], p.starts[j] - n_lead..p.starts[j + 1] - n_lead);
            pull.core[j - p.core] = row * a.core_pull[j - p.core];
            let entries = entries.core[range.clone()].iter_mut().zip(&p.rows[p.starts[j]..]);
            for ((e, i), a) in entries.zip(&a.core[range]) {
                *e = row * own[*i as usize] * *a;
            }
        }
        if is_correlated {
            correlate(&scheme.terms, scheme.lead(), scales, &mut entries.lead, &mut pull.lead);
            correlate(&scheme.terms, scheme.core(), scales, &mut entries.core, &mut pull.core);
        }
        values.lead.copy_from_slice(&entries.lead);
        for start in &p.starts[..p.core] {
            values.lead[*start] += T::splat(1.0);
        }
        for (v, (e, s)) in values.core.iter_mut().zip(entries.core.iter().zip(&a.prior)) {
            *v = *e + T::Sum::splat(*s);
        }
        t.lead.copy_from_slice(&pull.lead);
        for (t, (h, v0)) in t.core.iter_mut().zip(pull.core.iter().zip(&a.prior_pull)) {
            *t = *h + T::Sum::splat(*v0);
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
        if !scheme.levels.is_empty() {
            scale_correlated(&scheme.terms, scheme.lead().0, scales, &standard.lead, &mut natural.lead);
            scale_correlated(&scheme.terms, scheme.core().0, scales, &standard.core, &mut natural.core);
        }
    }

    /// From the derivatives `d` in effects and coefficients of a log likelihood and prior to those in `z`, which take their place, of
    /// that with the density of the effects; sets `slopes`, and returns the derivative in `log k`.
    #[inline(always)]
    pub fn backward(&mut self, scheme: &Scheme, scales: &[T::Sum], d: &mut Parts<T>) -> T::Sum {
        let p = &scheme.pattern;
        self.sums.fill(T::ZERO);
        self.slopes.fill(T::Sum::ZERO);
        self.unscale(scheme, scales, d);
        p.solve(&self.factor, d, &mut self.work);
        self.y.copy_from(d);
        self.q.copy_from(d);
        p.solve_transposed(&self.factor, &mut self.q);
        self.slopes_in_factor(p);
        p.factor_adjoint(&self.factor, &mut self.d, &mut self.work);
        let d_log_k = self.pull_back(scheme);
        if !scheme.levels.is_empty() {
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
    fn unscale(&mut self, scheme: &Scheme, scales: &[T::Sum], d: &mut Parts<T>) {
        let (core, Self { standard, sums, slopes, scales: own, .. }) = (scheme.pattern.core, self);
        if !scheme.levels.is_empty() {
            unscale_correlated(&scheme.terms, scheme.lead().0, scales, &standard.lead, &mut d.lead, sums);
            unscale_correlated(&scheme.terms, scheme.core().0, scales, &standard.core, &mut d.core, slopes);
        }
        for j in 0..core {
            let slope = d.lead[j] * T::lift(own[j]);
            sums[scheme.scale_of[j]] += slope * standard.lead[j];
            d.lead[j] = slope - standard.lead[j];
        }
        for j in core..scheme.n_effects {
            let slope = d.core[j - core] * own[j];
            slopes[scheme.scale_of[j]] += slope * standard.core[j - core];
            d.core[j - core] = slope - standard.core[j - core];
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

/// Calls a loop compiled for two or three effects of a level, or for any number.
macro_rules! with_q {
    ($q:expr, $call:ident($($argument:expr),* $(,)?)) => {
        match $q {
            2 => $call::<X, 2>($($argument),*),
            3 => $call::<X, 3>($($argument),*),
            _ => $call::<X, 0>($($argument),*),
        }
    };
}

/// From `k A` and `k h` to `k L'AL` and `k L'h`, in the columns and rows of correlated effects of one part.
#[inline(always)]
fn correlate<X: Real>(
    terms: &[CorrelatedTerm], (levels, rows): (&[CorrelatedLevel], &[(usize, usize)]), scales: &[X::Sum], e: &mut [X],
    pull: &mut [X],
) {
    for level in levels {
        with_q!(terms[level.term].q, correlate_level(&terms[level.term], level, scales, e, pull));
    }
    for (start, term) in rows {
        with_q!(terms[*term].q, transposed_times(&terms[*term], scales, &mut e[*start..]));
    }
}

/// `b = L w` of correlated effects of one part.
#[inline(always)]
fn scale_correlated<X: Real>(
    terms: &[CorrelatedTerm], levels: &[CorrelatedLevel], scales: &[X::Sum], w: &[X], b: &mut [X],
) {
    for level in levels {
        with_q!(terms[level.term].q, times(&terms[level.term], scales, &w[level.column..], &mut b[level.column..]));
    }
}

/// `d <- L'd` of correlated effects, and what that adds to `K` below its diagonal.
#[inline(always)]
fn unscale_correlated<X: Real>(
    terms: &[CorrelatedTerm], levels: &[CorrelatedLevel], scales: &[X::Sum], w: &[X], d: &mut [X], k: &mut [X],
) {
    for level in levels {
        let (term, d) = (&terms[level.term], &mut d[level.column..]);
        with_q!(term.q, transposed_times(term, scales, d));
        with_q!(term.q, add_outer(term, d, &w[level.column..], k));
    }
}

/// Adds to `K` below its diagonal, from the entries `E` with their derivatives and from the right-hand side with its.
#[inline(always)]
fn add_correlated<X: Real>(
    terms: &[CorrelatedTerm], (levels, rows): (&[CorrelatedLevel], &[(usize, usize)]), (e, d): (&[X], &[X]),
    (pull, d_pull): (&[X], &[X]), k: &mut [X],
) {
    for level in levels {
        let term = &terms[level.term];
        with_q!(term.q, add_outer(term, &pull[level.column..], &d_pull[level.column..], k));
        with_q!(term.q, add_level(term, level, e, d, k));
    }
    for (start, term) in rows {
        with_q!(terms[*term].q, add_outer(&terms[*term], &e[*start..], &d[*start..], k));
    }
}

/// Effects of a level, as the compiler knows them or not.
#[inline(always)]
fn effects<const Q: usize>(term: &CorrelatedTerm) -> usize {
    if Q == 0 { term.q } else { Q }
}

/// `x <- L'x` for the effects of a level.
#[inline(always)]
fn transposed_times<X: Real, const Q: usize>(term: &CorrelatedTerm, scales: &[X::Sum], x: &mut [X]) {
    let q = effects::<Q>(term);
    let (l, x) = (&scales[term.first..term.first + q * q], &mut x[..q]);
    for c in 0..q {
        let mut sum = X::lift(l[c * q + c]) * x[c];
        for m in c + 1..q {
            sum += X::lift(l[m * q + c]) * x[m];
        }
        x[c] = sum;
    }
}

/// `out <- L x`.
#[inline(always)]
fn times<X: Real, const Q: usize>(term: &CorrelatedTerm, scales: &[X::Sum], x: &[X], out: &mut [X]) {
    let q = effects::<Q>(term);
    let (l, x, out) = (&scales[term.first..term.first + q * q], &x[..q], &mut out[..q]);
    for c in 0..q {
        let mut sum = X::lift(l[c * q]) * x[0];
        for m in 1..=c {
            sum += X::lift(l[c * q + m]) * x[m];
        }
        out[c] = sum;
    }
}

/// `K += x y'` below the diagonal.
#[inline(always)]
fn add_outer<X: Real, const Q: usize>(term: &CorrelatedTerm, x: &[X], y: &[X], k: &mut [X]) {
    let q = effects::<Q>(term);
    let (k, x, y) = (&mut k[term.first..term.first + q * q], &x[..q], &y[..q]);
    for r in 1..q {
        for s in 0..r {
            k[r * q + s] += x[r] * y[s];
        }
    }
}

/// Of a level's columns: the rows below from the first column on, as each needs only itself and later ones; then its own.
#[inline(always)]
fn correlate_level<X: Real, const Q: usize>(
    term: &CorrelatedTerm, level: &CorrelatedLevel, scales: &[X::Sum], e: &mut [X], pull: &mut [X],
) {
    let (q, n) = (effects::<Q>(term), level.n_rows);
    transposed_times::<X, Q>(term, scales, &mut pull[level.column..]);
    let (l, e) = (&scales[term.first..term.first + q * q], &mut e[level.start..]);
    for c in 0..q {
        let (head, after) = e.split_at_mut(below(c, q, n) + n);
        let column = &mut head[below(c, q, n)..];
        let own = X::lift(l[c * q + c]);
        for x in column.iter_mut() {
            *x *= own;
        }
        for m in c + 1..q {
            let l = X::lift(l[m * q + c]);
            for (x, y) in column.iter_mut().zip(&after[below(m, q, n) - below(c, q, n) - n..]) {
                *x += l * *y;
            }
        }
    }
    // Of the lower half entry by entry from the first on: those that one needs come later, or are itself.
    for c in 0..q {
        for r in c..q {
            let mut sum = X::ZERO;
            for m in c..q {
                let mut inner = X::lift(l[r * q + r]) * e[place(r, m, q, n)];
                for s in r + 1..q {
                    inner += X::lift(l[s * q + r]) * e[place(s, m, q, n)];
                }
                sum += X::lift(l[m * q + c]) * inner;
            }
            e[place(r, c, q, n)] = sum;
        }
    }
}

/// What a level's columns add to `K`.
#[inline(always)]
fn add_level<X: Real, const Q: usize>(term: &CorrelatedTerm, level: &CorrelatedLevel, e: &[X], d: &[X], k: &mut [X]) {
    let (q, n) = (effects::<Q>(term), level.n_rows);
    let (e, d, k) = (&e[level.start..], &d[level.start..], &mut k[term.first..term.first + q * q]);
    for r in 1..q {
        for s in 0..r {
            let mut sum = X::ZERO;
            for (e, d) in e[below(r, q, n)..][..n].iter().zip(&d[below(s, q, n)..][..n]) {
                sum += *e * *d;
            }
            // An entry below the diagonal stands for both.
            for m in 0..q {
                let x = e[place(r, m, q, n)] * d[place(m, s, q, n)];
                sum += if m == s { x * 2.0 } else { x };
            }
            k[r * q + s] += sum;
        }
    }
}

/// Entry of a level's own rows and columns among those of its columns, each with `n` rows below.
#[inline(always)]
fn place(row: usize, column: usize, q: usize, n: usize) -> usize {
    let (i, j) = if row > column { (row, column) } else { (column, row) };
    below(j, q, n) + i - q
}

/// Entry of the first row below in column `c`.
#[inline(always)]
fn below(c: usize, q: usize, n: usize) -> usize {
    q + c * (q + n) - c * (c + 1) / 2
}
