//! A term that is integrated out before all others, level by level: an effect of each gene in each line, of each subject in each session.
//!
//! Its levels meet no other of their term and have one effect `u` each, with the standard deviation `tau`. With `s` what the data say
//! of such a level and all other columns `x` together, `a` of the level alone and `g` its score at the centre, where `u = 0`, its part of the
//! log density is `k (g - s'x) u - (k a + 1 / tau^2) u^2 / 2`. Integrated over `u` that leaves, besides `-log(1 + k a tau^2) / 2`,
//!
//! ```text
//! k rho (g - s'x)^2 / 2,   rho = k tau^2 / (1 + k a tau^2)
//! ```
//!
//! so that the others have the information `k (A - sum rho s s')` and the score `k (g_x - sum rho s g)`. Levels with the same `a` have the
//! same `rho`: their `s s'` are added once for all positions. Given the others, `u` is normal with mean `rho (g - s'x)` and variance
//! `rho / k`.

use crate::compress::gaussian::GaussianSums;
use crate::layout::{Layout, Source};
use crate::scales::Scales;
use crate::transport::Mapped;
use crate::transport::pieces::Node;
use std::collections::HashMap;

/// Classes of levels beyond which sums of each cost too much.
const MOST_CLASSES: usize = 8;
/// Nodes that a level may meet: all pairs of them meet then.
const MOST_MET: usize = 24;
/// Relative difference of two `a` that is rounding.
const ROUNDING: f64 = 1e-9;
const NONE: u32 = u32::MAX;

/// What a level meets: a node, and the first of its values in the information.
#[derive(Debug, Clone, Copy)]
pub struct Met {
    /// Node of the incidence.
    pub node: u32,
    /// Place among all values.
    pub at: usize,
}

/// Levels with one scale and the same information.
#[derive(Debug, Clone)]
pub struct Class {
    /// `a`.
    information: f64,
    /// Its term, and one of its levels.
    level: (usize, usize),
    n: f64,
    /// Sum of `g^2`.
    squares: f64,
}

/// The levels of the term.
#[derive(Debug, Default)]
pub struct Innermost {
    /// Its number.
    pub term: usize,
    /// Levels, in the order of their nodes.
    pub nodes: Vec<Node>,
    /// Scores.
    pub score: Vec<f64>,
    /// Class of each level.
    pub class: Vec<u8>,
    classes: Vec<Class>,
    /// Per node of the incidence its number here, if it has one.
    number: Vec<u32>,
    starts: Vec<usize>,
    met: Vec<Met>,
    /// Columns that a level meets, those of blocks before those of the core, and the values of `s`.
    columns: Vec<u32>,
    values: Vec<f64>,
    column_starts: Vec<usize>,
}

impl Innermost {
    /// `None` where the levels of `term` meet, have several effects, meet many others or have many different weights.
    pub fn of(sums: &GaussianSums, term: usize, scale_of: &dyn Fn(usize) -> usize) -> Option<Self> {
        let (nodes, pieces) = (&sums.incidence.nodes, &sums.incidence.pieces);
        let mut out = Self { term, number: vec![NONE; nodes.len()], ..Self::default() };
        for (node, number) in nodes.iter().zip(&mut out.number).filter(|(n, _)| n.level.is_some_and(|l| l.0 == term)) {
            *number = out.nodes.len() as u32;
            out.nodes.push(node.clone());
            out.score.push(sums.score[node.first]);
        }
        let is_single = !out.nodes.is_empty() && out.nodes.iter().all(|n| n.q == 1);
        if !is_single || !out.classify(sums, scale_of) {
            return None;
        }
        out.starts = vec![0; out.nodes.len() + 1];
        let mut is_apart = true;
        let mut each = |see: &mut dyn FnMut(usize, Met)| {
            for piece in pieces.iter().filter(|p| p.i() != p.j()) {
                let (i, j, at) = (piece.i(), piece.j(), piece.at());
                match [out.number[i], out.number[j]] {
                    [NONE, NONE] => {}
                    [e, NONE] => see(e as usize, Met { node: j as u32, at }),
                    [NONE, e] => see(e as usize, Met { node: i as u32, at }),
                    _ => is_apart = false,
                }
            }
        };
        each(&mut |e, _| out.starts[e + 1] += 1);
        let mut next = out.starts.clone();
        (1..next.len()).for_each(|e| next[e] += next[e - 1]);
        let is_few = out.starts.iter().all(|&n| n <= MOST_MET);
        let ends = next.clone();
        let mut met = vec![Met { node: 0, at: 0 }; if is_few { next[next.len() - 1] } else { 0 }];
        if is_few {
            each(&mut |e, m| {
                met[next[e]] = m;
                next[e] += 1;
            });
        }
        (out.starts, out.met) = (ends, met);
        (is_few && is_apart).then_some(out)
    }

    /// Sorts levels into classes; false if there are many.
    fn classify(&mut self, sums: &GaussianSums, scale_of: &dyn Fn(usize) -> usize) -> bool {
        let mut information = vec![0.0; self.nodes.len()];
        for piece in sums.incidence.pieces.iter().filter(|p| p.i() == p.j() && self.number[p.i()] != NONE) {
            information[self.number[piece.i()] as usize] = sums.information[piece.at()];
        }
        let mut found: HashMap<(i64, usize), u8> = HashMap::new();
        for ((node, a), g) in self.nodes.iter().zip(information).zip(&self.score) {
            let Some(level) = node.level else { return false };
            let key = ((a.ln() / ROUNDING).round() as i64, scale_of(level.1));
            let next = self.classes.len();
            let class = *found.entry(key).or_insert(next as u8) as usize;
            if class == next {
                if next == MOST_CLASSES {
                    return false;
                }
                self.classes.push(Class { information: a, level, n: 0.0, squares: 0.0 });
            }
            self.class.push(class as u8);
            self.classes[class].n += 1.0;
            self.classes[class].squares += g * g;
        }
        true
    }

    /// Number of levels.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Number of classes.
    pub fn n_classes(&self) -> usize {
        self.classes.len()
    }

    /// Whether a node of the incidence is one of its levels.
    pub fn has(&self, node: usize) -> bool {
        self.number[node] != NONE
    }

    /// What level `e` meets.
    pub fn met(&self, e: usize) -> &[Met] {
        &self.met[self.starts[e]..self.starts[e + 1]]
    }

    /// Keeps what draws need, by columns in place of nodes.
    pub fn place(&mut self, sums: &GaussianSums, column_of: impl Fn(usize) -> usize) {
        self.column_starts = vec![0];
        for e in 0..self.len() {
            for met in &self.met[self.starts[e]..self.starts[e + 1]] {
                let first = column_of(met.node as usize);
                for (i, &v) in
                    sums.information[met.at..met.at + sums.incidence.nodes[met.node as usize].q].iter().enumerate()
                {
                    self.columns.push((first + i) as u32);
                    self.values.push(v);
                }
            }
            self.column_starts.push(self.columns.len());
        }
        (self.number, self.starts, self.met) = (vec![], vec![], vec![]);
    }

    /// Entries of all `s`.
    pub fn n_entries(&self) -> usize {
        self.values.len()
    }

    fn tau(&self, class: &Class, scales: &Scales) -> f64 {
        scales.factor_of(Source::Term(class.level.0), class.level.1)[0]
    }

    /// `rho` of each class.
    fn shrinkage<'a>(&'a self, scales: &'a Scales, k: f64) -> impl Iterator<Item = f64> + 'a {
        self.classes.iter().map(move |class| {
            let variance = k * self.tau(class, scales).powi(2);
            variance / (1.0 + class.information * variance)
        })
    }

    /// How often the sums of each class count for the others.
    pub fn times<'a>(&'a self, scales: &'a Scales, k: f64) -> impl Iterator<Item = f64> + 'a {
        self.shrinkage(scales, k).map(|rho| -rho)
    }

    /// What the scores say by themselves: `k sum rho g^2 / 2`.
    pub fn squares(&self, scales: &Scales, k: f64) -> f64 {
        0.5 * k * self.shrinkage(scales, k).zip(&self.classes).map(|(rho, class)| rho * class.squares).sum::<f64>()
    }

    /// `sum log(1 + k a tau^2) / 2`.
    pub fn log_det(&self, scales: &Scales, k: f64) -> f64 {
        let of = |class: &Class| class.n * (k * class.information * self.tau(class, scales).powi(2)).ln_1p();
        0.5 * self.classes.iter().map(of).sum::<f64>()
    }

    /// Largest share of the information of the others, over what is left of it.
    pub fn most_lost(&self, scales: &Scales, k: f64) -> f64 {
        let of = |class: &Class| 1.0 + k * class.information * self.tau(class, scales).powi(2);
        self.classes.iter().map(of).fold(1.0, f64::max)
    }

    /// Effects given natural values of the columns of blocks and core, and numbers of a standard normal distribution, whose squares it
    /// returns the sum of.
    pub fn draw(
        &self, (layout, scales, k): (&Layout, &Scales, f64), [lead, core]: [&[f64]; 2],
        mut normal: impl FnMut() -> f64, mapped: &mut Mapped,
    ) -> f64 {
        let of_class: Vec<[f64; 2]> = self.shrinkage(scales, k).map(|rho| [rho, (rho / k).sqrt()]).collect();
        let mut squares = 0.0;
        for (e, node) in self.nodes.iter().enumerate() {
            let own = self.column_starts[e]..self.column_starts[e + 1];
            let value = |column: &u32| {
                let column = *column as usize;
                if column < lead.len() { lead[column] } else { core[column - lead.len()] }
            };
            let along: f64 = self.columns[own.clone()].iter().zip(&self.values[own]).map(|(c, v)| v * value(c)).sum();
            let ([rho, sd], z) = (of_class[self.class[e] as usize], normal());
            squares += z * z;
            if let Some(effect) = node.first_effect(layout) {
                mapped.effects[effect] = rho * (self.score[e] - along) + sd * z;
            }
        }
        squares
    }
}
