//! Blocks of effects and their levels.

use std::ops::Range;

/// What gives a block of effects its scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The standard deviations and correlations of a group-level term.
    Term(usize),
    /// The local scales of a horseshoe on population-level coefficients.
    Horseshoe(usize),
}

/// Effects that share a prior: the levels of a term, or the coefficients under a horseshoe.
#[derive(Debug, Clone)]
pub struct Block {
    /// Number of levels.
    pub n_levels: usize,
    /// Coefficients per level.
    pub q: usize,
    /// First effect among all effects; level-major.
    pub start: usize,
    /// Origin of its scale.
    pub source: Source,
}

impl Block {
    /// Number of effects.
    pub fn len(&self) -> usize {
        self.n_levels * self.q
    }

    /// Whether it has no effect.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A level of a block, and its places among those of all levels.
#[derive(Debug, Clone, Copy)]
pub struct Level<'a> {
    /// Its block.
    pub block: &'a Block,
    /// Its number in the block.
    pub number: usize,
    /// First of its effects.
    pub effect: usize,
    /// First entry of its matrix, where all levels have a `[q, q]` matrix, one after the other.
    pub matrix: usize,
}

impl<'a> Level<'a> {
    /// It and the levels of its block that come after it.
    pub fn with_those_behind(self) -> impl Iterator<Item = Level<'a>> {
        let q = self.block.q;
        (0..self.block.n_levels - self.number).map(move |i| Level {
            number: self.number + i,
            effect: self.effect + i * q,
            matrix: self.matrix + i * q * q,
            ..self
        })
    }

    /// Places of its effects.
    pub fn effects(&self) -> Range<usize> {
        self.effect..self.effect + self.block.q
    }

    /// Places of the entries of its matrix.
    pub fn entries(&self) -> Range<usize> {
        self.matrix..self.matrix + self.block.q * self.block.q
    }
}
