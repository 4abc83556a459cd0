//! Scale parameters that are numbers: priors of one value, and correlations that are given.

use super::Layout;
use crate::spec::{DispersionSpec, ModelSpec, PriorSpec, TermSpec};
use std::ops::Range;

/// What a scale parameter is on the line.
#[derive(Debug, Clone, Copy)]
pub enum Coordinate {
    /// Its logarithm.
    Log,
    /// Its distance from a centre, in units of a scale.
    Linear {
        /// Where that is measured from.
        centre: f64,
        /// And in what.
        scale: f64,
    },
}

impl Coordinate {
    /// Of a value.
    pub fn of(self, value: f64) -> f64 {
        match self {
            Self::Log => value.ln(),
            Self::Linear { centre, scale } => (value - centre) / scale,
        }
    }
}

impl Layout {
    /// All scale parameters that have each a prior in the spec, which may be a number: their places, that, and what they are on the
    /// line.
    pub fn with_priors<'a>(&'a self, spec: &'a ModelSpec) -> impl Iterator<Item = (usize, &'a PriorSpec, Coordinate)> {
        let log = |(place, prior)| (place, prior, Coordinate::Log);
        let sds = self.sds.iter().flat_map(Clone::clone).zip(spec.terms.iter().flat_map(|t| &t.sd_priors));
        let of_terms = spec.dispersion.iter().flat_map(|d| d.terms()).flat_map(|t| &t.sd_priors);
        let dispersion_sds = self.dispersion_terms.iter().flat_map(|t| t.sds.clone()).zip(of_terms);
        let dfs = self.tails.iter().zip(&spec.terms);
        let dfs = dfs.filter_map(|(tail, t)| Some((tail.as_ref()?.df?, t.df.as_ref()?)));
        let of_dispersion = |d: &DispersionSpec, i| {
            if d.is_positive(i) { Coordinate::Log } else { Coordinate::Linear { centre: 0.0, scale: d.unit(i) } }
        };
        let of_each = spec.dispersion.iter().flat_map(move |d| (0..d.names().len()).map(move |i| of_dispersion(d, i)));
        let dispersion = self.dispersion.clone().zip(spec.dispersion.iter().flat_map(|d| d.priors())).zip(of_each);
        let dispersion = dispersion.map(|((place, prior), coordinate)| (place, prior, coordinate));
        let latents = self.latents.iter().zip(spec.latent_scales()).flat_map(|(&[mean, sd], l)| {
            let of_mean = Coordinate::Linear { centre: l.centre, scale: l.scale };
            [(mean, &l.mean, of_mean), (sd, &l.sd, Coordinate::Log)]
        });
        sds.chain(dispersion_sds).chain(dfs).map(log).chain(dispersion).chain(latents)
    }

    /// Terms whose correlations are all one number, with the places of these.
    pub fn known_correlations<'a>(
        &'a self, spec: &'a ModelSpec,
    ) -> impl Iterator<Item = (Range<usize>, &'a TermSpec, f64)> {
        let terms = self.cors.iter().zip(&spec.terms);
        terms.filter_map(|(places, t)| Some((places.clone(), t, t.cor.as_ref()?.constant?)))
    }

    pub(super) fn known_places(&self, spec: &ModelSpec) -> Vec<usize> {
        let single = self.with_priors(spec).filter(|(_, prior, _)| prior.constant().is_some());
        let cors = self.known_correlations(spec).flat_map(|(places, ..)| places);
        single.map(|(place, ..)| place).chain(cors).collect()
    }
}
