//! The dispersion: one positive number, or coefficients and group-level effects of its logarithm, of which some may be logs of
//! positive numbers.
//!
//! An effect `u ~ N(0, sd)` of which the rows tell about as much as one observation of precision `i` is sampled as
//! `z = u / r`, `r^2 = 1 / (1 / sd^2 + i)`: not centred where they tell nothing, and in the effect's own unit where they tell
//! much, so that neither end has a funnel. The posterior does not depend on `i`.

use super::{ScaleGradient, ScalePriors, Scales};
use crate::error::{Error, Result};
use crate::number::Real;
use crate::prior::Prior;
use crate::spec::{DispersionTermSpec, ModelSpec};
use std::f64::consts::PI;

/// A group-level term of the log dispersion.
#[derive(Debug, Clone)]
pub(super) struct DispersionEffects {
    /// Priors of its standard deviations, one per coefficient of a level.
    sds: Vec<Prior>,
    /// Per effect, level by level, about what the rows tell of it.
    information: Vec<f64>,
}

impl DispersionEffects {
    pub(super) fn new(spec: &DispersionTermSpec) -> Result<Self> {
        let information = spec.information.clone();
        if information.len() != spec.n_effects() || information.iter().any(|i| !i.is_finite() || *i < 0.0) {
            return Err(Error::Spec(format!("the information of '{}' in the dispersion is not valid", spec.group)));
        }
        let sds = spec.sd_priors.iter().map(|p| Prior::new(p, true)).collect::<Result<_>>()?;
        Ok(Self { sds, information })
    }

    /// Number of coefficients of a level.
    fn q(&self) -> usize {
        self.sds.len()
    }
}

/// What each parameter of the dispersion is sampled in.
pub(super) fn units(spec: &ModelSpec) -> Result<Vec<f64>> {
    let units = spec.dispersion.iter().flat_map(|d| (0..d.names().len()).map(|i| d.unit(i)));
    let units: Vec<f64> = units.collect();
    match units.iter().find(|u| !u.is_finite() || **u <= 0.0) {
        Some(bad) => Err(Error::Spec(format!("{bad} is no unit of a coefficient of the dispersion"))),
        None => Ok(units),
    }
}

impl ScalePriors {
    /// The dispersion, or the coefficients of its design as it is, for a draw.
    pub fn dispersion_draw(&self, at: &Scales, out: &mut Vec<f64>) {
        let start = out.len();
        let n = self.dispersion.len();
        let natural = |(d, &positive): (&f64, &bool)| if positive { d.exp() } else { *d };
        out.extend(at.dispersion[..n].iter().zip(&self.positive_dispersion).map(natural));
        if let Some((column, shift)) = self.dispersion_shift(&at.dispersion) {
            out[start + column] -= shift;
        }
    }

    /// Whether the dispersion is one positive parameter, and not coefficients of its logarithm.
    pub fn has_constant_dispersion(&self) -> bool {
        self.constant_dispersion
    }

    /// Unconstrained values of the dispersion, or of its coefficients, where their priors are.
    pub fn begin_dispersion(&self) -> impl Iterator<Item = f64> {
        let of = |((prior, &positive), unit): ((&Prior, &bool), &f64)| {
            if positive { prior.scale().ln() } else { prior.location() / unit }
        };
        self.dispersion.iter().zip(&self.positive_dispersion).zip(&self.dispersion_units).map(of)
    }

    /// What the coefficients of the dispersion are sampled in.
    pub fn dispersion_units(&self) -> &[f64] {
        &self.dispersion_units
    }

    /// Which coefficient of the dispersion is sampled where its design is centred, and by how much that is more than without.
    pub fn dispersion_shift(&self, coefficients: &[f64]) -> Option<(usize, f64)> {
        self.dispersion_intercept.as_ref().map(|i| (i.column, i.shift(coefficients)))
    }

    /// Effects of levels on the log dispersion, term by term, for a draw.
    pub fn dispersion_effects<'a>(&self, at: &'a Scales) -> &'a [f64] {
        &at.dispersion[self.dispersion.len().min(at.dispersion.len())..]
    }

    #[inline(always)]
    pub(super) fn dispersion_forward<T: Real>(&self, theta: &[T], out: &mut Scales<T>) {
        out.dispersion.clear();
        out.dispersion.extend_from_slice(&theta[self.layout.dispersion_columns()]);
        out.dispersion_slopes.clear();
        for (i, (prior, &t)) in self.dispersion.iter().zip(&theta[self.layout.dispersion.clone()]).enumerate() {
            if self.positive_dispersion[i] {
                let at = prior.positive(t);
                out.dispersion[i] = at.log;
                out.lprior += at.lprior;
                out.log_jacobian += at.log_jacobian;
                out.dispersion_slopes.push([at.d_log, at.slope]);
            } else {
                let unit = self.dispersion_units[i];
                let coefficient = t * unit;
                let [lprior, slope] = prior.log_density(coefficient);
                out.dispersion[i] = coefficient;
                out.lprior += lprior;
                if prior.constant().is_none() {
                    out.log_jacobian += T::splat(unit.ln());
                }
                out.dispersion_slopes.push([T::splat(unit), slope * unit]);
            }
        }
        out.dispersion_sd.resize(self.dispersion_terms.len(), vec![]);
        out.dispersion_sd_slopes.resize(self.dispersion_terms.len(), vec![]);
        for k in 0..self.dispersion_terms.len() {
            self.dispersion_term_forward(k, theta, out);
        }
    }

    #[inline(always)]
    pub(super) fn dispersion_backward<T: Real>(&self, at: &Scales<T>, upstream: &ScaleGradient<T>, d_theta: &mut [T]) {
        let slopes = upstream.dispersion.iter().zip(&at.dispersion_slopes);
        for (place, (d, [inner, slope])) in self.layout.dispersion.clone().zip(slopes) {
            d_theta[place] += *d * *inner + *slope;
        }
        for k in 0..self.dispersion_terms.len() {
            self.dispersion_term_backward(k, at, upstream, d_theta);
        }
    }

    #[inline(always)]
    fn dispersion_term_forward<T: Real>(&self, k: usize, theta: &[T], out: &mut Scales<T>) {
        let (term, places) = (&self.dispersion_terms[k], &self.layout.dispersion_terms[k]);
        out.dispersion_sd[k].clear();
        out.dispersion_sd_slopes[k].clear();
        for (prior, &t) in term.sds.iter().zip(&theta[places.sds.clone()]) {
            let sd = prior.positive(t);
            out.dispersion_sd[k].push(sd.value);
            out.dispersion_sd_slopes[k].push([sd.d_log, sd.slope]);
            out.lprior += sd.lprior;
            out.log_jacobian += sd.log_jacobian;
        }
        for (i, place) in places.effects.clone().enumerate() {
            let sd = out.dispersion_sd[k][i % term.q()];
            let told = T::splat(1.0) + sd * sd * term.information[i];
            let scale = sd / told.sqrt();
            let (z, u) = (theta[place], scale * theta[place]);
            out.dispersion[place - self.layout.dispersion.start] = u;
            // u / sd = z / sqrt(told), also where sd is 0. It is no prior of a parameter, as little as that of effects on the mean.
            out.log_jacobian += scale.ln() - (z * z / told + T::splat((2.0 * PI).ln())) * 0.5 - sd.ln();
        }
    }

    /// With `g` the derivative in `u` of all but the scale, and `f = d log r / d log sd = 1 / (1 + sd^2 i)`: in `z` it is
    /// `r g`, in `log sd` it is `u g f` beside `u^2 / sd^2 - 1` of the density and `f` of the Jacobian.
    #[inline(always)]
    fn dispersion_term_backward<T: Real>(
        &self, k: usize, at: &Scales<T>, upstream: &ScaleGradient<T>, d_theta: &mut [T],
    ) {
        let (term, places) = (&self.dispersion_terms[k], &self.layout.dispersion_terms[k]);
        for c in 0..term.q() {
            let sd = at.dispersion_sd[k][c];
            let mut d_log_sd = T::ZERO;
            for i in (c..term.information.len()).step_by(term.q()) {
                let place = places.effects.start + i;
                let f = (T::splat(1.0) + sd * sd * term.information[i]).recip();
                let scale = sd * f.sqrt();
                let u = at.dispersion[place - self.layout.dispersion.start];
                let z = at.theta[place];
                let own = upstream.dispersion[place - self.layout.dispersion.start];
                // The density's part of r g is -r u / sd^2 = -z f.
                let d_z = scale * own - z * f;
                d_theta[place] += d_z;
                d_log_sd += (u * own - z * z * f) * f + z * z * f - T::splat(1.0) + f;
            }
            let [d_log, slope] = at.dispersion_sd_slopes[k][c];
            d_theta[places.sds.start + c] += d_log_sd * d_log + slope;
        }
    }
}
