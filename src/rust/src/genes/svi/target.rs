//! Log posterior density of one gene and its gradient in the guide's coordinates, for eight positions at once.
//!
//! A position has the map's normal coordinates in arrow order, then the bent scale parameters. Everything that depends
//! on the position runs in lanes, one draw in each, so that the loops are the same whatever the design.

use super::flat::FlatGene;
use super::frame::Frame;
use super::lane::Lane;
use super::rows::over_rows;
use super::steps::InLanes;
use super::theta::Theta;
use crate::families::RowSum;
use crate::number::Parts;
use crate::transport::conditional::{Conditional, Information};
use crate::tuning::LANES;
use pulp::{Arch, NullaryFnOnce};
use std::f64::consts::PI;

/// A gene's posterior in mapped coordinates, with memory for one evaluation.
#[derive(Debug, Clone)]
pub struct Target<'a> {
    /// What genes share.
    pub frame: &'a Frame,
    /// The gene.
    pub gene: FlatGene,
    /// Constants of the map.
    pub information: Information<f64>,
    /// Log shape at the map's centre, and the share of the variance there that is in excess of a Poisson's.
    pub excess: Option<(f64, f64)>,
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
    d_log_phi: Lane,
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
    pub fn new(frame: &'a Frame, gene: FlatGene) -> Self {
        let zeros = |n: usize| vec![Lane::ZERO; n];
        Self {
            frame,
            information: gene.without_data(frame),
            theta: Theta::new(frame, &gene),
            gene,
            excess: None,
            gradient: zeros(frame.dim()),
            log_jacobian: Lane::ZERO,
            n_evaluations: 0,
            map: Conditional::new(&frame.scheme),
            z: Parts::zeros(frame.n - frame.c, frame.c),
            d_log_phi: Lane::ZERO,
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

    /// Natural values of the last draw in lane `s`: coefficients, shape, standard deviations, correlations, effects.
    pub fn values(&self, s: usize, out: &mut [f64]) {
        let Frame { p, n_sd, has_shape, .. } = *self.frame;
        let n_effects = self.frame.n - p;
        let (first, n_cor) = (p + usize::from(has_shape), self.frame.n_cor());
        if has_shape {
            out[p] = self.theta.phi.0[s];
        }
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

    #[inline(always)]
    fn value<const SLOPES: bool>(&mut self, y: &[Lane]) -> Lane {
        let (z, x) = y.split_at(self.frame.n);
        let (lead, core) = z.split_at(self.frame.n - self.frame.c);
        self.z.lead.copy_from_slice(lead);
        self.z.core.copy_from_slice(core);
        let mut value = self.theta.forward(self.frame, &self.gene, x);
        let (k, _) = self.scale();
        let (scheme, a) = (&self.frame.scheme, &self.information);
        self.log_jacobian = self.map.forward(scheme, a, k, &self.theta.of_map, &self.z);
        value += self.log_jacobian;
        self.z.lead.fill(Lane::ZERO);
        self.z.core.fill(Lane::ZERO);
        value += self.likelihood::<SLOPES>();
        value += self.coefficient_priors();
        value + self.effects()
    }

    /// From the derivatives that [`Self::value`] leaves to the gradient.
    #[inline(always)]
    fn pull_back(&mut self) {
        let (_, d_k) = self.scale();
        let (scheme, scales) = (&self.frame.scheme, &self.theta.of_map);
        let d_scale = self.map.backward(scheme, scales, &mut self.z, None);
        scheme.to_factors(scales, &mut self.map.slopes);
        let (d_z, d_x) = self.gradient.split_at_mut(self.frame.n);
        let (lead, core) = d_z.split_at_mut(self.z.lead.len());
        lead.copy_from_slice(&self.z.lead);
        core.copy_from_slice(&self.z.core);
        self.theta.backward(self.frame, &self.gene, &self.map.slopes, self.d_log_phi + d_scale * d_k, d_x);
    }

    /// What the information is multiplied by at the shape, and the derivative of its log in the log shape.
    #[inline(always)]
    fn scale(&self) -> (Lane, Lane) {
        let Some((centre, excess)) = self.excess else { return (Lane::splat(1.0), Lane::ZERO) };
        let t = self.theta.phi.map(|phi| excess * centre.exp() / phi);
        let k = t.map(|t| 1.0 / (1.0 - excess + t));
        (k, k * t)
    }

    /// Log-likelihood; sets `d_log_phi`, and `z` to the derivatives.
    #[inline(always)]
    fn likelihood<const SLOPES: bool>(&mut self) -> Lane {
        let (mut value, mut d_log_phi) = (Lane::splat(self.gene.constant), Lane::ZERO);
        if self.frame.has_shape {
            for s in 0..LANES {
                let (sum, slope) = self.gene.rising.evaluate(self.theta.phi.0[s]);
                value.0[s] += sum;
                d_log_phi.0[s] = slope;
            }
        }
        for leaf in 0..self.frame.n_leaves() {
            let sum = self.leaf(leaf);
            value += sum.value;
            if SLOPES {
                d_log_phi += sum.d_log;
                self.spread(leaf, sum.d_eta);
            }
        }
        self.d_log_phi = d_log_phi;
        value
    }

    #[inline(always)]
    fn leaf(&self, leaf: usize) -> RowSum<Lane> {
        let Frame { b, c, .. } = *self.frame;
        let (block, core) = (&self.map.natural.lead[self.frame.block[leaf] * b..], &self.map.natural.core);
        let mut eta = Lane::ZERO;
        self.frame.z[leaf * b..(leaf + 1) * b].iter().zip(block).for_each(|(z, u)| eta += *u * *z);
        self.frame.x[leaf * c..(leaf + 1) * c].iter().zip(core).for_each(|(x, u)| eta += *u * *x);
        if self.frame.has_shape {
            let u = eta - self.theta.natural.dispersion[0];
            return over_rows::<true>(&self.gene, leaf, u, self.theta.phi);
        }
        over_rows::<false>(&self.gene, leaf, eta, Lane::ZERO)
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
