//! Transport of all effects and coefficients together, by their joint conditional Gaussian ([`super::conditional`]).
//!
//! Where the information falls with the square of a residual sd, `k = (sigma_0 / sigma)^2`, for all rows or for each of some groups of
//! them, the map is the exact conditional distribution: `z` is standard normal and independent of the scales, and the target at `z = 0`
//! is the posterior of the scales with all coefficients integrated out. Where sigma is a part of the variance, and for counts with one
//! shape, `k` follows it as far as one number can; else it is 1. Sparse Cholesky as in MixedModels.jl (Bates et al. 2015, section 3). In
//! a model of one term, levels go through it eight at a time.

use super::conditional::{Conditional, Information};
use super::follow::Group;
use super::joint_constants::{DataAtCentre, columns, from_lanes, levels, to_lanes};
use super::pieces::Skeleton;
use super::scale_places::{gather, scatter};
use super::scheme::Scheme;
use super::{Context, Mapped};
use crate::linalg::cholesky::Factor;
use crate::number::{Levels8, Parts, Real};
use crate::scales::ScaleGradient;
use pulp::{Arch, NullaryFnOnce};
use std::sync::Arc;

/// The map.
#[derive(Debug, Clone)]
pub struct JointTransport {
    /// Pattern and places.
    pub skeleton: Arc<Skeleton>,
    /// As in [`DataAtCentre`], one for each information.
    follow: Vec<Option<Group>>,
    constants: Constants,
}

/// Constants of the map, of single levels or eight at a time.
#[derive(Debug, Clone)]
enum Constants {
    One(Vec<Information<f64>>),
    Eight([Information<Levels8>; 1]),
}

/// Memory of one evaluation.
#[derive(Debug, Clone, Default)]
pub struct JointScratch {
    scales: Vec<f64>,
    /// What each information counts for, and derivatives in the logs of that.
    k: Vec<f64>,
    d_log_k: Vec<f64>,
    slopes: Vec<f64>,
    one: JointValues<f64>,
    eight: JointValues<Levels8>,
}

#[derive(Debug, Clone, Default)]
struct JointValues<T: Real> {
    map: Conditional<T>,
    /// `z`, or derivatives.
    z: Parts<T>,
    /// `S` times the standardised effects, where `S` is not the identity.
    tension: Option<Parts<T>>,
}

impl<T: Real> JointValues<T> {
    /// Memory of the scheme's size.
    fn fit(&mut self, scheme: &Scheme) {
        let p = &scheme.pattern;
        let found = [self.map.standard.lead.len(), self.map.standard.core.len(), self.map.factor.values.lead.len()];
        if found != [p.core, p.n_core(), p.n_lead()] {
            *self = Self { map: Conditional::new(scheme), z: Parts::zeros(p.core, p.n_core()), tension: None };
        }
    }
}

struct Forward<'a, T: Real> {
    scheme: &'a Scheme,
    a: &'a [Information<T::Datum>],
    k: &'a [T::Sum],
    scales: &'a [T::Sum],
    at: &'a mut JointValues<T>,
    /// Whether they are those of the last time.
    same_scales: bool,
}

impl<T: Real> NullaryFnOnce for Forward<'_, T> {
    type Output = T::Sum;

    #[inline(always)]
    fn call(self) -> T::Sum {
        if self.same_scales {
            return self.at.map.forward_at_same_scales(self.scheme, self.scales, &self.at.z);
        }
        self.at.map.forward(self.scheme, self.a, self.k, self.scales, &self.at.z)
    }
}

struct Backward<'a, T: Real> {
    scheme: &'a Scheme,
    scales: &'a [T::Sum],
    at: &'a mut JointValues<T>,
    d_log_k: &'a mut [T::Sum],
}

impl<T: Real> NullaryFnOnce for Backward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let in_common = self.at.map.backward(self.scheme, self.scales, &mut self.at.z, self.at.tension.as_ref());
        self.at.map.split(in_common, self.d_log_k);
    }
}

impl JointTransport {
    /// The map about a centre.
    pub fn new(skeleton: Arc<Skeleton>, centre: &DataAtCentre) -> Self {
        let constants = match (&skeleton.of_levels, &centre.parts[..]) {
            (Some(scheme), [data]) => Constants::Eight([levels(scheme, &skeleton, centre, data)]),
            (_, parts) => Constants::One(parts.iter().map(|data| columns(&skeleton, centre, data)).collect()),
        };
        let follow = centre.parts.iter().map(|data| data.follow.clone()).collect();
        Self { skeleton, follow, constants }
    }

    /// Maps a position to coefficients and effects.
    pub fn forward(&self, ctx: Context, position: &[f64], out: &mut Mapped) {
        self.map(ctx, position, false, out);
    }

    /// The same at the scales of the last one, by its factor.
    pub fn forward_at_same_scales(&self, ctx: Context, position: &[f64], out: &mut Mapped) {
        self.map(ctx, position, true, out);
    }

    fn map(&self, ctx: Context, position: &[f64], same_scales: bool, out: &mut Mapped) {
        let scratch = &mut out.joint;
        scratch.k.clear();
        scratch.k.extend(self.follow.iter().map(|group| group.as_ref().map_or(1.0, |g| g.scale(ctx.scales))));
        gather(ctx.layout, ctx.scales, &mut scratch.scales);
        match &self.constants {
            Constants::One(a) => {
                let (incidence, scheme) = (&*self.skeleton.incidence, &self.skeleton.scheme);
                scratch.one.fit(scheme);
                let (lead, core) = incidence.position.split_at(scheme.pattern.core);
                let z = &mut scratch.one.z;
                z.lead.iter_mut().zip(lead).for_each(|(z, &at)| *z = position[at]);
                z.core.iter_mut().zip(core).for_each(|(z, &at)| *z = position[at]);
                let (scales, k, at) = (&scratch.scales, &scratch.k[..], &mut scratch.one);
                out.log_jacobian = Forward { scheme, a, k, scales, at, same_scales }.call();
                let map = &scratch.one.map;
                let first = ctx.layout.z_effects().start;
                let values = map.standard.lead.iter().chain(&map.standard.core);
                let values = values.zip(map.natural.lead.iter().chain(&map.natural.core)).zip(&incidence.position);
                for ((standard, natural), &at) in values.clone().take(scheme.n_effects) {
                    (out.standard[at - first], out.effects[at - first]) = (*standard, *natural);
                }
                out.swept.iter_mut().zip(values.skip(scheme.n_effects)).for_each(|(w, ((_, b), _))| *w = *b);
            }
            Constants::Eight(a) => {
                let Some(scheme) = &self.skeleton.of_levels else { return };
                scratch.eight.fit(scheme);
                let (layout, scales, k, at) = (ctx.layout, &scratch.scales, &scratch.k[..], &mut scratch.eight);
                let q = layout.blocks[0].q;
                to_lanes(q, &position[layout.z_effects()], &mut at.z.lead);
                at.z.core.copy_from_slice(&position[layout.z_swept()]);
                out.log_jacobian = Arch::new().dispatch(Forward { scheme, a, k, scales, at, same_scales });
                let map = &scratch.eight.map;
                from_lanes(q, &map.standard.lead, &mut out.standard);
                from_lanes(q, &map.natural.lead, &mut out.effects);
                out.swept.copy_from_slice(&map.natural.core);
            }
        }
    }

    /// `S` times the standardised effects by columns, zero for coefficients; `None` where `S` is the identity.
    fn tension(&self, ctx: Context, of_effects: &[f64]) -> Option<Parts<f64>> {
        let (incidence, scheme) = (&*self.skeleton.incidence, &self.skeleton.scheme);
        if incidence.prior.is_empty() {
            return None;
        }
        let first = ctx.layout.z_effects().start;
        let of = |(j, &at): (usize, &usize)| if j < scheme.n_effects { of_effects[at - first] } else { 0.0 };
        let mut lead: Vec<f64> = incidence.position.iter().enumerate().map(of).collect();
        let core = lead.split_off(scheme.pattern.core);
        Some(Parts { lead, core })
    }

    /// Pulls derivatives back to the position and the scales.
    pub fn backward(
        &self, ctx: Context, at: &mut Mapped, d_swept: &[f64], d_effects: &[f64], gradient: &mut [f64],
        d_scales: &mut ScaleGradient,
    ) {
        let scratch = &mut at.joint;
        let scales = &scratch.scales;
        scratch.d_log_k.resize(self.follow.len(), 0.0);
        let d_log_k = &mut scratch.d_log_k;
        let (scheme, slopes) = match &self.constants {
            Constants::One(_) => {
                let (incidence, scheme) = (&*self.skeleton.incidence, &self.skeleton.scheme);
                let (first, core) = (ctx.layout.z_effects().start, scheme.pattern.core);
                scratch.one.tension = self.tension(ctx, &at.tension);
                let z = &mut scratch.one.z;
                let d = z.lead.iter_mut().chain(&mut z.core).zip(&incidence.position).enumerate();
                d.for_each(|(j, (d, &at))| {
                    *d = if j < scheme.n_effects { d_effects[at - first] } else { d_swept[j - scheme.n_effects] };
                });
                Backward { scheme, scales, at: &mut scratch.one, d_log_k }.call();
                let (lead, after) = incidence.position.split_at(core);
                lead.iter().zip(&scratch.one.z.lead).for_each(|(&at, d)| gradient[at] = *d);
                after.iter().zip(&scratch.one.z.core).for_each(|(&at, d)| gradient[at] = *d);
                (scheme, &scratch.one.map.slopes)
            }
            Constants::Eight(_) => {
                let Some(scheme) = &self.skeleton.of_levels else { return };
                let q = ctx.layout.blocks[0].q;
                to_lanes(q, d_effects, &mut scratch.eight.z.lead);
                scratch.eight.z.core.copy_from_slice(d_swept);
                Arch::new().dispatch(Backward { scheme, scales, at: &mut scratch.eight, d_log_k });
                from_lanes(q, &scratch.eight.z.lead, &mut gradient[ctx.layout.z_effects()]);
                gradient[ctx.layout.z_swept()].copy_from_slice(&scratch.eight.z.core);
                (scheme, &scratch.eight.map.slopes)
            }
        };
        scratch.slopes.clone_from(slopes);
        scheme.to_factors(scales, &mut scratch.slopes);
        scatter(ctx.layout, &scratch.slopes, d_scales);
        for (group, d) in self.follow.iter().zip(&scratch.d_log_k) {
            group.iter().for_each(|g| g.pull_back(ctx.scales, *d, d_scales));
        }
    }
}

/// The factor of all columns at the centre and its scales; `None` if it fails.
pub fn factor_at(skeleton: &Skeleton, ctx: Context, centre: &DataAtCentre) -> Option<Factor<f64>> {
    let (scheme, mut scales, mut at) = (&skeleton.scheme, vec![], JointValues::default());
    gather(ctx.layout, ctx.scales, &mut scales);
    at.fit(scheme);
    let a: Vec<_> = centre.parts.iter().map(|data| columns(skeleton, centre, data)).collect();
    let k = vec![1.0; a.len()];
    Forward { scheme, a: &a, k: &k, scales: &scales, at: &mut at, same_scales: false }.call();
    at.map.factor.is_finite().then_some(at.map.factor)
}
