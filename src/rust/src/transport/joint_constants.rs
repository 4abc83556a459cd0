//! Constants of the joint transport at a centre, for single levels and for eight at a time.

use super::conditional::Information;
use super::follow::Group;
use super::pieces::{Incidence, Skeleton};
use super::scheme::Scheme;
use crate::number::Levels8;
use crate::tuning::LANES;

/// What the data and the priors say at a centre.
#[derive(Debug)]
pub struct DataAtCentre {
    /// The data, in groups of rows that share their dispersion if the information follows several.
    pub parts: Vec<DataPart>,
    /// `S` of the swept coefficients, `[p, p]`.
    pub prior_precision: Vec<f64>,
    /// `v0`, per swept coefficient.
    pub prior_pull: Vec<f64>,
}

/// What some rows say.
#[derive(Debug)]
pub struct DataPart {
    /// Values of all pieces.
    pub information: Vec<f64>,
    /// `h`, per column.
    pub pull: Vec<f64>,
    /// How they follow the dispersion, if they do.
    pub follow: Option<Group>,
}

/// Constants on the pattern of all columns.
pub fn columns(skeleton: &Skeleton, centre: &DataAtCentre, data: &DataPart) -> Information<f64> {
    let scheme = &skeleton.scheme;
    let (n_lead, first) = (scheme.pattern.n_lead(), scheme.pattern.core);
    let mut out = Information::new(scheme);
    for (value, &place) in data.information.iter().zip(&skeleton.places) {
        let place = place as usize;
        *if place < n_lead { &mut out.lead[place] } else { &mut out.core[place - n_lead] } = *value;
    }
    relate(skeleton, &mut out);
    out.pull.copy_from_slice(&data.pull[..first]);
    out.core_pull.copy_from_slice(&data.pull[first..]);
    add_prior(scheme, centre, &mut out);
    out
}

/// Prior precision of related levels.
fn relate(skeleton: &Skeleton, out: &mut Information<f64>) {
    let (prior, pattern) = (&skeleton.incidence.prior, &skeleton.scheme.pattern);
    if prior.is_empty() {
        return;
    }
    let n_lead = pattern.n_lead();
    out.lead_prior = vec![0.0; n_lead];
    pattern.starts[..pattern.core].iter().for_each(|&start| out.lead_prior[start] = 1.0);
    let mut entry = |value: usize, change: fn(f64, f64) -> f64, x: f64| {
        let place = skeleton.places[value] as usize;
        let entry = if place < n_lead { &mut out.lead_prior[place] } else { &mut out.prior[place - n_lead] };
        *entry = change(*entry, x);
    };
    // In the place of ones; an entry may be given in parts.
    prior.iter().for_each(|&(value, _)| entry(value, |_, x| x, 0.0));
    prior.iter().for_each(|&(value, x)| entry(value, |own, x| own + x, x));
}

/// Prior of the swept coefficients, which are the last columns of the core.
fn add_prior<D>(scheme: &Scheme, centre: &DataAtCentre, out: &mut Information<D>) {
    let (pattern, p) = (&scheme.pattern, centre.prior_pull.len());
    let first = pattern.dim() - p;
    for i in 0..p {
        for j in 0..=i {
            let place = pattern.place((first + i) as u32, (first + j) as u32) - pattern.n_lead();
            out.prior[place] = centre.prior_precision[i * p + j];
        }
    }
    let n = out.prior_pull.len();
    out.prior_pull[n - p..].copy_from_slice(&centre.prior_pull);
}

/// Constants of eight levels at a time.
pub fn levels(scheme: &Scheme, skeleton: &Skeleton, centre: &DataAtCentre, data: &DataPart) -> Information<Levels8> {
    let Incidence { nodes, pieces, .. } = &*skeleton.incidence;
    let (pattern, n_levels) = (&scheme.pattern, nodes.len() - 1);
    let (q, p) = (nodes[0].q, nodes[n_levels].q);
    let mut out: Information<Levels8> = Information::new(scheme);
    for piece in pieces {
        let values = &data.information[piece.at()..];
        let (i, j) = (nodes[piece.i()].q, nodes[piece.j()].q);
        let (group, lane) = (piece.j() / LANES, piece.j() % LANES);
        for (a, b) in (0..i).flat_map(|a| (0..j).map(move |b| (a, b))) {
            let value = values[a * j + b];
            if piece.j() == n_levels {
                if a >= b {
                    let place = pattern.place((pattern.core + a) as u32, (pattern.core + b) as u32);
                    out.core[place - pattern.n_lead()] = value;
                }
            } else if piece.i() == n_levels {
                out.lead[pattern.place((pattern.core + a) as u32, (group * q + b) as u32)].0[lane] = value;
            } else if a >= b {
                out.lead[pattern.place((group * q + a) as u32, (group * q + b) as u32)].0[lane] = value;
            }
        }
    }
    let n = n_levels * q;
    to_lanes(q, &data.pull[..n], &mut out.pull);
    out.core_pull.copy_from_slice(&data.pull[n..n + p]);
    add_prior(scheme, centre, &mut out);
    out
}

/// From numbers level by level.
pub fn to_lanes(q: usize, from: &[f64], to: &mut [Levels8]) {
    match q {
        1 => to_lanes_of::<1>(q, from, to),
        2 => to_lanes_of::<2>(q, from, to),
        _ => to_lanes_of::<0>(q, from, to),
    }
}

/// To numbers level by level.
pub fn from_lanes(q: usize, from: &[Levels8], to: &mut [f64]) {
    match q {
        1 => from_lanes_of::<1>(q, from, to),
        2 => from_lanes_of::<2>(q, from, to),
        _ => from_lanes_of::<0>(q, from, to),
    }
}

/// With `Q` effects of a level, or any number.
#[inline]
fn to_lanes_of<const Q: usize>(q: usize, from: &[f64], to: &mut [Levels8]) {
    let q = if Q == 0 { q } else { Q };
    for (from, to) in from.chunks(LANES * q).zip(to.chunks_exact_mut(q)) {
        if from.len() == LANES * q {
            for lane in 0..LANES {
                (0..q).for_each(|c| to[c].0[lane] = from[lane * q + c]);
            }
        } else {
            // Lanes without a level stay zero whatever the last position left there.
            to.fill(Levels8::ZERO);
            from.iter().enumerate().for_each(|(at, x)| to[at % q].0[at / q] = *x);
        }
    }
}

#[inline]
fn from_lanes_of<const Q: usize>(q: usize, from: &[Levels8], to: &mut [f64]) {
    let q = if Q == 0 { q } else { Q };
    for (to, from) in to.chunks_mut(LANES * q).zip(from.chunks_exact(q)) {
        if to.len() == LANES * q {
            for lane in 0..LANES {
                (0..q).for_each(|c| to[lane * q + c] = from[c].0[lane]);
            }
        } else {
            to.iter_mut().enumerate().for_each(|(at, x)| *x = from[at % q].0[at / q]);
        }
    }
}
