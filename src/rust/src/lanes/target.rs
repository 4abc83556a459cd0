//! Log posterior density of one model and its gradient in the guide's coordinates, for eight positions at once.
//!
//! A position has the map's normal coordinates in arrow order, then the bent scale parameters. Everything that depends
//! on the position runs in lanes, one draw in each, so that the loops are the same whatever the design.

use super::flat::FlatModel;
use super::frame::Frame;
use super::rows::{GaussianRows, NegativeBinomialRows, PoissonRows, RowFormula, over_rows};
use super::theta::Theta;
use crate::elementary::bounded_exp;
use crate::families::RowSum;
use crate::natural::lane::Lane;
use crate::natural::steps::InLanes;
use crate::number::Parts;
use crate::spec::Family;
use crate::transport::conditional::{Conditional, Information};
use crate::transport::follow::{Part, factor};
use pulp::{Arch, NullaryFnOnce};
use std::f64::consts::PI;

/// A model's posterior in mapped coordinates, with memory for one evaluation.
#[derive(Debug, Clone)]
pub struct Target<'a> {
    /// What genes share.
    pub frame: &'a Frame,
    /// The gene.
    pub gene: FlatModel,
    /// Constants of the map: [`Frame::n_informations`].
    pub information: Vec<Information<f64>>,
    /// How the information follows the dispersions.
    pub follows: Vec<Part>,
    /// Scale parameters.
    pub theta: Theta,
    /// Gradients at the last positions.
    pub gradient: Vec<Lane>,
    /// Log Jacobians of the map there.
    pub log_jacobian: Lane,
    /// Calls of [`Self::evaluate`].
    pub n_evaluations: usize,
    /// The map, with effects and coefficients at the last positions.
    pub map: Conditional<Lane>,
    /// Positions, then derivatives in effects and coefficients.
    z: Parts<Lane>,
    /// Derivatives in the log dispersions of groups, and those of the log of what multiplies the information.
    d_log_dispersion: Vec<Lane>,
    d_log_factor: Vec<Lane>,
    followed: Vec<[Lane; 2]>,
    /// What multiplies each information, and derivatives in their logs.
    factors: Vec<Lane>,
    d_log_factors: Vec<Lane>,
}

impl InLanes for Target<'_> {
    fn evaluate_eight(&mut self, y: &[Lane]) -> Lane {
        self.evaluate(y)
    }

    fn gradients(&self) -> &[Lane] {
        &self.gradient
    }
}

/// One call of [`Target::evaluate`], compiled for the machine.
struct Evaluation<'a, 'b> {
    target: &'a mut Target<'b>,
    y: &'a [Lane],
    with_gradient: bool,
}

impl NullaryFnOnce for Evaluation<'_, '_> {
    type Output = Lane;

    #[inline(always)]
    fn call(self) -> Lane {
        if !self.with_gradient {
            return self.target.value::<false>(self.y);
        }
        let value = self.target.value::<true>(self.y);
        self.target.pull_back();
        value
    }
}

impl<'a> Target<'a> {
    /// With a map that knows the prior alone.
    pub fn new(frame: &'a Frame, gene: FlatModel) -> Self {
        let zeros = |n: usize| vec![Lane::ZERO; n];
        Self {
            frame,
            information: gene.without_data(frame),
            factors: zeros(frame.n_informations()),
            d_log_factors: zeros(frame.n_informations()),
            theta: Theta::new(frame, &gene),
            gene,
            follows: vec![],
            gradient: zeros(frame.dim()),
            log_jacobian: Lane::ZERO,
            n_evaluations: 0,
            map: Conditional::new(&frame.scheme),
            z: Parts::zeros(frame.n - frame.c, frame.c),
            d_log_dispersion: zeros(frame.n_groups()),
            d_log_factor: zeros(frame.n_groups()),
            followed: vec![],
        }
    }

    /// Log densities at the positions `y` (`[dim]`); their gradients are left in `gradient`.
    pub fn evaluate(&mut self, y: &[Lane]) -> Lane {
        self.n_evaluations += 1;
        Arch::new().dispatch(Evaluation { target: self, y, with_gradient: true })
    }

    /// Log densities alone.
    pub fn density(&mut self, y: &[Lane]) -> Lane {
        self.n_evaluations += 1;
        Arch::new().dispatch(Evaluation { target: self, y, with_gradient: false })
    }

    /// Effects and coefficients at the last positions, in arrow order.
    pub fn u(&self) -> impl Iterator<Item = &Lane> {
        self.map.natural.lead.iter().chain(&self.map.natural.core)
    }

    /// Natural values of the last draw in lane `s`: coefficients, dispersion, standard deviations, correlations, effects.
    pub fn values(&self, s: usize, out: &mut [f64]) {
        let Frame { p, n_sd, n_dispersion, .. } = *self.frame;
        let n_effects = self.frame.n - p;
        let (first, n_cor) = (p + n_dispersion, self.frame.n_cor());
        self.dispersion(s, &mut out[p..first]);
        let natural = &self.theta.natural;
        let cors = self.gene.scales.layout().cors.iter().enumerate().filter(|(_, places)| !places.is_empty());
        let cors = cors.flat_map(|(k, _)| natural.correlations(k));
        let scales = natural.sd.iter().flatten().copied().chain(cors);
        out[first..].iter_mut().zip(scales).for_each(|(out, x)| *out = x.0[s]);
        let first = first + n_sd + n_cor;
        for (u, &place) in self.u().zip(&self.frame.place) {
            out[if place < n_effects { first + place } else { place - n_effects }] = u.0[s];
        }
    }

    /// Of the last draw in lane `s`, whose log density was `log_density`: effects and coefficients, unconstrained scale parameters, and
    /// the log density of them all ([`crate::density::Posterior::lp`]).
    pub fn parameters(&self, s: usize, log_density: f64, out: &mut [f64]) {
        for (u, &place) in self.u().zip(&self.frame.place) {
            out[place] = u.0[s];
        }
        out[self.frame.n..].iter_mut().zip(&self.theta.unconstrained).for_each(|(out, t)| *out = t.0[s]);
        out[self.frame.dim()] = log_density - self.theta.log_slope.0[s] - self.log_jacobian.0[s];
    }

    /// The dispersion, or the coefficients of its design as it is.
    fn dispersion(&self, s: usize, out: &mut [f64]) {
        let scales = &self.gene.scales;
        out.iter_mut().zip(&self.theta.natural.dispersion).for_each(|(out, x)| *out = x.0[s]);
        if scales.has_constant_dispersion() {
            out.iter_mut().for_each(|x| *x = bounded_exp(*x));
        }
        if let Some((column, shift)) = scales.dispersion_shift(out) {
            out[column] -= shift;
        }
    }

    #[inline(always)]
    fn value<const SLOPES: bool>(&mut self, y: &[Lane]) -> Lane {
        let (z, x) = y.split_at(self.frame.n);
        let (lead, core) = z.split_at(self.frame.n - self.frame.c);
        self.z.lead.copy_from_slice(lead);
        self.z.core.copy_from_slice(core);
        let mut value = self.theta.forward(self.frame, &self.gene, x);
        self.follow();
        let (scheme, a) = (&self.frame.scheme, &self.information);
        self.log_jacobian = self.map.forward(scheme, a, &self.factors, &self.theta.of_map, &self.z);
        value += self.log_jacobian;
        self.z.lead.fill(Lane::ZERO);
        self.z.core.fill(Lane::ZERO);
        value += match self.frame.family {
            Family::Gaussian => self.likelihood::<GaussianRows, SLOPES>(),
            Family::NegBinomial => self.likelihood::<NegativeBinomialRows, SLOPES>(),
            Family::Poisson => self.likelihood::<PoissonRows, SLOPES>(),
        };
        value += self.coefficient_priors();
        value + self.effects()
    }

    /// From the derivatives that [`Self::value`] leaves to the gradient.
    #[inline(always)]
    fn pull_back(&mut self) {
        let (scheme, scales) = (&self.frame.scheme, &self.theta.of_map);
        let d_scale = self.map.backward(scheme, scales, &mut self.z, None);
        scheme.to_factors(scales, &mut self.map.slopes);
        let (d_z, d_x) = self.gradient.split_at_mut(self.frame.n);
        let (lead, core) = d_z.split_at_mut(self.z.lead.len());
        lead.copy_from_slice(&self.z.lead);
        core.copy_from_slice(&self.z.core);
        self.map.split(d_scale, &mut self.d_log_factors);
        for (g, (d, slope)) in self.d_log_dispersion.iter_mut().zip(&self.d_log_factor).enumerate() {
            *d += self.d_log_factors[if self.factors.len() > 1 { g } else { 0 }] * *slope;
        }
        self.theta.backward(self.frame, &self.gene, &self.map.slopes, &self.d_log_dispersion, d_x);
    }

    /// Sets what multiplies the information, one for all or one for each group, and the derivatives of its log.
    #[inline(always)]
    fn follow(&mut self) {
        let (follows, dispersion) = (&self.follows, &self.theta.dispersion);
        if self.factors.len() == 1 {
            self.factors[0] = factor(follows, dispersion, &mut self.d_log_factor, &mut self.followed);
            return;
        }
        for Part { group, follow, .. } in follows {
            [self.factors[*group], self.d_log_factor[*group]] = follow.at(dispersion[*group]);
        }
    }

    /// Log-likelihood; sets derivatives in log dispersions, and `z` to those in effects and coefficients.
    #[inline(always)]
    fn likelihood<R: RowFormula, const SLOPES: bool>(&mut self) -> Lane {
        let mut value = self.rising();
        for leaf in 0..self.frame.n_leaves() {
            let sum = self.leaf::<R>(leaf);
            value += sum.value;
            if SLOPES {
                if R::HAS_DISPERSION {
                    self.d_log_dispersion[self.frame.group[leaf]] += sum.d_log;
                }
                self.spread(leaf, sum.d_eta);
            }
        }
        value
    }

    /// What of it is no sum over rows.
    #[inline(always)]
    fn rising(&mut self) -> Lane {
        let mut value = Lane::splat(self.gene.constant);
        self.d_log_dispersion.fill(Lane::ZERO);
        let dispersions = self.theta.log_dispersion.iter().zip(&self.theta.dispersion);
        let groups = self.gene.rising.iter().zip(dispersions).zip(&mut self.d_log_dispersion);
        for ((rising, (log_phi, phi)), d_log_phi) in groups.filter(|((rising, _), _)| !rising.is_empty()) {
            let [sum, slope] = rising.evaluate_eight(*log_phi, *phi);
            value += sum;
            *d_log_phi = slope;
        }
        value
    }

    #[inline(always)]
    fn leaf<R: RowFormula>(&self, leaf: usize) -> RowSum<Lane> {
        let Frame { b, c, .. } = *self.frame;
        let (block, core) = (&self.map.natural.lead[self.frame.block[leaf] * b..], &self.map.natural.core);
        let mut eta = Lane::ZERO;
        self.frame.z[leaf * b..(leaf + 1) * b].iter().zip(block).for_each(|(z, u)| eta += *u * *z);
        self.frame.x[leaf * c..(leaf + 1) * c].iter().zip(core).for_each(|(x, u)| eta += *u * *x);
        let group = self.frame.group[leaf];
        let of_group = |values: &[Lane]| if R::HAS_DISPERSION { values[group] } else { Lane::ZERO };
        let dispersion = [&self.theta.log_dispersion, &self.theta.dispersion].map(|values| of_group(values));
        over_rows::<R>(&self.gene, leaf, eta, dispersion)
    }

    /// Adds a derivative in the leaf's linear predictor to those in effects and coefficients.
    #[inline(always)]
    fn spread(&mut self, leaf: usize, d_eta: Lane) {
        let Frame { b, c, .. } = *self.frame;
        let (block, core) = (&mut self.z.lead[self.frame.block[leaf] * b..], &mut self.z.core);
        self.frame.z[leaf * b..(leaf + 1) * b].iter().zip(block).for_each(|(z, d)| *d += d_eta * *z);
        self.frame.x[leaf * c..(leaf + 1) * c].iter().zip(core).for_each(|(x, d)| *d += d_eta * *x);
    }

    #[inline(always)]
    fn coefficient_priors(&mut self) -> Lane {
        let (first, p) = (self.frame.c - self.frame.p, self.frame.p);
        let mut value = Lane::ZERO;
        for (j, prior) in self.gene.coefficients.iter().enumerate().filter(|(_, prior)| !prior.is_flat()) {
            let direction = &self.gene.directions[j * p..(j + 1) * p];
            let mut argument = Lane::ZERO;
            direction.iter().zip(&self.map.natural.core[first..]).for_each(|(d, u)| argument += *u * *d);
            let [log_density, slope] = prior.log_density(argument);
            value += log_density;
            direction.iter().zip(&mut self.z.core[first..]).for_each(|(d, out)| *out += slope * *d);
        }
        value
    }

    /// Density of the standardised effects; its derivatives are the map's.
    #[inline(always)]
    fn effects(&self) -> Lane {
        let n_effects = self.frame.n - self.frame.p;
        let standard = &self.map.standard;
        let mut squares = Lane::ZERO;
        for v in standard.lead.iter().chain(&standard.core).take(n_effects) {
            squares += *v * *v;
        }
        (squares + Lane::splat(n_effects as f64 * (2.0 * PI).ln())) * -0.5
    }
}
