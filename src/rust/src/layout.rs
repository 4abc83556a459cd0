//! Where each parameter sits in the sampler's position, and what its draws are called.

mod blocks;
mod known;
mod names;

use crate::spec::{HorseshoeTarget, ModelSpec, TermSpec};
pub use blocks::{Block, Level, Source};
pub use names::draw_names;
use std::ops::Range;
use std::sync::Arc;

/// Places of a horseshoe's parameters among the scale parameters.
#[derive(Debug, Clone)]
pub struct HorseshoePlaces {
    /// Log of the global scale.
    pub global: usize,
    /// Log of the slab's variance over `scale_slab^2`.
    pub slab: usize,
    /// Logs of the local scales.
    pub local: Range<usize>,
}

/// Places of what gives effects heavy tails.
#[derive(Debug, Clone)]
pub struct TailPlaces {
    /// Log of the degrees of freedom of Student's distribution.
    pub df: Option<usize>,
    /// Logs of the levels' multiples; with Student's distribution of their squares, in units that follow the degrees of freedom.
    pub local: Range<usize>,
}

/// Which of a term's factors each level has.
#[derive(Debug, Clone, Default)]
pub struct Factors {
    /// Per term, the number of factors.
    pub number: Vec<usize>,
    /// Per term, the number of entries of a factor.
    pub size: Vec<usize>,
    /// Per term, the factor of each level; empty where all have the first.
    pub of_level: Vec<Vec<u32>>,
}

impl Factors {
    fn new(terms: &[TermSpec]) -> Self {
        let own = TermSpec::has_multiples;
        let number = |t: &TermSpec| if own(t) { t.levels.len() } else { t.n_classes() };
        let of_level = |t: &TermSpec| match &t.by {
            _ if own(t) => (0..t.levels.len() as u32).collect(),
            Some(by) => by.of_level.clone(),
            None => vec![],
        };
        let size = |t: &TermSpec| t.coefs.len() * t.coefs.len();
        Self {
            number: terms.iter().map(number).collect(),
            size: terms.iter().map(size).collect(),
            of_level: terms.iter().map(of_level).collect(),
        }
    }

    /// Factor of a level of term `k`.
    #[inline]
    pub fn of(&self, k: usize, level: usize) -> usize {
        self.of_level[k].get(level).map_or(0, |&f| f as usize)
    }
}

/// Places of a group-level term of the log dispersion among the scale parameters.
#[derive(Debug, Clone)]
pub struct DispersionTerm {
    /// Logs of its standard deviations.
    pub sds: Range<usize>,
    /// Its effects in coordinates of their own, level by level.
    pub effects: Range<usize>,
}

/// Order of the position: swept coefficients, effects, scale parameters that are not known (`theta`).
#[derive(Debug, Clone)]
pub struct Layout {
    /// Columns of `x` that are not under a horseshoe.
    pub swept: Vec<usize>,
    /// Blocks of effects: terms first, then horseshoes.
    pub blocks: Vec<Block>,
    /// Total number of effects.
    pub n_effects: usize,
    /// Per term, places of the log standard deviations among the scale parameters, class by class.
    pub sds: Vec<Range<usize>>,
    /// Per term, places of the partial correlations among them, class by class (empty if uncorrelated).
    pub cors: Vec<Range<usize>>,
    /// Per term, coefficients of a level.
    pub n_coefs: Vec<usize>,
    /// Per term, classes of levels.
    pub n_classes: Vec<usize>,
    /// Per term, places of what gives its effects heavy tails.
    pub tails: Vec<Option<TailPlaces>>,
    /// Which factor each level has.
    pub factors: Arc<Factors>,
    /// Place of the log dispersion or of its coefficients among them.
    pub dispersion: Range<usize>,
    /// Group-level terms of the log dispersion, whose effects follow.
    pub dispersion_terms: Vec<DispersionTerm>,
    /// Per horseshoe, its places among them.
    pub horseshoes: Vec<HorseshoePlaces>,
    /// Per predictor measured with error, places of its mean and of its log standard deviation among them.
    pub latents: Vec<[usize; 2]>,
    /// Number of scale parameters, known ones included.
    pub n_scales: usize,
    /// Places of those that are sampled.
    pub free: Vec<usize>,
    /// Length of `theta`, which holds these.
    pub n_theta: usize,
}

impl Layout {
    /// Lays out a spec.
    pub fn new(spec: &ModelSpec) -> Self {
        let mut at = Counter(0);
        let terms = &spec.terms;
        let sds = terms.iter().map(|t| at.take(t.n_classes() * t.coefs.len())).collect();
        let n_cors = |t: &TermSpec| t.n_classes() * t.coefs.len() * (t.coefs.len() - 1) / 2;
        let cors = terms.iter().map(|t| at.take(t.cor.as_ref().map_or(0, |_| n_cors(t)))).collect();
        let of_dispersion = spec.dispersion.as_ref();
        let dispersion = at.take(of_dispersion.map_or(0, |d| d.names().len()));
        let own_terms = of_dispersion.map_or(&[][..], |d| d.terms());
        let effects: Vec<_> = own_terms.iter().map(|t| at.take(t.n_effects())).collect();
        let with_sds = own_terms.iter().zip(effects);
        let dispersion_terms =
            with_sds.map(|(t, effects)| DispersionTerm { sds: at.take(t.coefs.len()), effects }).collect();
        let horseshoes = spec.horseshoes.iter().map(|h| HorseshoePlaces {
            global: at.take(1).start,
            slab: at.take(1).start,
            local: at.take(h.target.len()),
        });
        let horseshoes = horseshoes.collect();
        let tail = |t: &TermSpec| {
            let df = t.df.as_ref().map(|_| at.take(1).start);
            t.has_multiples().then(|| TailPlaces { df, local: at.take(t.levels.len()) })
        };
        let tails = terms.iter().map(tail).collect();
        let latents = spec.latent_scales().map(|_| [at.take(1).start, at.take(1).start]).collect();
        let (blocks, n_effects) = blocks(spec);
        let (swept, n_scales) = (swept_columns(spec), at.0);
        let mut layout = Self {
            swept,
            blocks,
            n_effects,
            sds,
            cors,
            n_coefs: terms.iter().map(|t| t.coefs.len()).collect(),
            n_classes: terms.iter().map(TermSpec::n_classes).collect(),
            tails,
            factors: Arc::new(Factors::new(terms)),
            dispersion,
            dispersion_terms,
            horseshoes,
            latents,
            n_scales,
            free: vec![],
            n_theta: 0,
        };
        let known = layout.known_places(spec);
        layout.free = (0..n_scales).filter(|place| !known.contains(place)).collect();
        layout.n_theta = layout.free.len();
        layout
    }

    /// Places of the log dispersion or of its coefficients and effects, in the order of the columns of its design.
    pub fn dispersion_columns(&self) -> Range<usize> {
        let last = self.dispersion_terms.last().map_or(&self.dispersion, |term| &term.effects);
        self.dispersion.start..last.end
    }

    /// Whether some scale parameters are known.
    pub fn has_known_scales(&self) -> bool {
        self.n_theta < self.n_scales
    }

    /// Length of the position.
    pub fn dim(&self) -> usize {
        self.swept.len() + self.n_effects + self.n_theta
    }

    /// All levels, block by block.
    pub fn levels(&self) -> impl Iterator<Item = Level<'_>> {
        self.firsts().flat_map(Level::with_those_behind)
    }

    /// The first level of each block that has levels.
    pub fn firsts(&self) -> impl Iterator<Item = Level<'_>> {
        let first = |at: &mut usize, block| {
            let level = Level { block, number: 0, effect: block.start, matrix: *at };
            *at += block.len() * block.q;
            Some(level)
        };
        self.blocks.iter().scan(0, first).filter(|level| level.block.n_levels > 0)
    }

    /// Places of the swept coefficients in the position.
    pub fn z_swept(&self) -> Range<usize> {
        0..self.swept.len()
    }

    /// Places of the effects in the position.
    pub fn z_effects(&self) -> Range<usize> {
        self.swept.len()..self.swept.len() + self.n_effects
    }

    /// Places of the scale parameters in the position.
    pub fn theta(&self) -> Range<usize> {
        self.swept.len() + self.n_effects..self.dim()
    }
}

impl HorseshoeTarget {
    /// How many parameters it shrinks.
    pub fn len(&self) -> usize {
        match self {
            HorseshoeTarget::B { columns } => columns.len(),
            HorseshoeTarget::Sd { sds } => sds.len(),
        }
    }

    /// Whether it shrinks nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

struct Counter(usize);

impl Counter {
    fn take(&mut self, n: usize) -> Range<usize> {
        self.0 += n;
        self.0 - n..self.0
    }
}

fn shrunken_columns(spec: &ModelSpec) -> impl Iterator<Item = (usize, &Vec<usize>)> {
    spec.horseshoes.iter().enumerate().filter_map(|(h, s)| match &s.target {
        HorseshoeTarget::B { columns } => Some((h, columns)),
        HorseshoeTarget::Sd { .. } => None,
    })
}

fn swept_columns(spec: &ModelSpec) -> Vec<usize> {
    (0..spec.coefficients.len()).filter(|j| !shrunken_columns(spec).any(|(_, c)| c.contains(j))).collect()
}

fn blocks(spec: &ModelSpec) -> (Vec<Block>, usize) {
    let terms = spec.terms.iter().enumerate().map(|(k, t)| (t.levels.len(), t.coefs.len(), Source::Term(k)));
    let horseshoes = shrunken_columns(spec).map(|(h, c)| (c.len(), 1, Source::Horseshoe(h)));
    let mut at = Counter(0);
    let blocks = terms.chain(horseshoes);
    let blocks = blocks.map(|(n_levels, q, source)| Block { n_levels, q, start: at.take(n_levels * q).start, source });
    let blocks = blocks.collect();
    (blocks, at.0)
}

/// Pairs `(i, j)` with `j < i < q`, row by row: the order of partial correlations.
pub fn pairs(q: usize) -> impl Iterator<Item = (usize, usize)> {
    (1..q).flat_map(|i| (0..i).map(move |j| (i, j)))
}
