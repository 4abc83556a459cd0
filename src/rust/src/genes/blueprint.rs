//! What all genes share: the spec, the design with rows merged where they are alike, which effects
//! meet in it, and the names of the draws. Only responses, offsets, weights and priors differ.

use super::input::{GeneSet, Responses};
use crate::compress::leaves::Leaves;
use crate::compress::{compress_leaves, leaves};
use crate::density::Model;
use crate::density::exact::check_error;
use crate::design::Design;
use crate::error::{Error, Result};
use crate::lanes::frame::Frame;
use crate::layout::{Block, Source, draw_names};
use crate::settle::assembly::Assembly;
use crate::spec::ModelSpec;

/// Shared by the fits of all genes.
#[derive(Debug)]
pub struct Blueprint {
    /// The spec, its levels without labels.
    spec: ModelSpec,
    design: Design,
    /// Which rows are alike.
    leaves: Option<Leaves>,
    /// Whether the rows of a gene's likelihood are others than those of the design.
    has_own_rows: bool,
    /// Which effects and coefficients meet.
    assembly: Assembly,
    /// What is kept of a draw.
    pub variables: Variables,
    /// What variational fits share; absent where the model needs more than they have.
    pub frame: Option<Frame>,
}

/// Which values of a draw are kept, and under which names.
#[derive(Debug, Clone)]
pub struct Variables {
    /// Population-level variables, then the means of the effects over the levels.
    pub names: Vec<String>,
    /// Group-level effects.
    pub effect_names: Vec<String>,
    /// Blocks of the group-level effects.
    blocks: Vec<Block>,
}

impl Variables {
    fn new(spec: &ModelSpec, model: &Model) -> Self {
        let mut names = draw_names(spec, true);
        let blocks = model.layout.blocks.iter().filter(|b| matches!(b.source, Source::Term(_))).cloned();
        let blocks: Vec<Block> = blocks.collect();
        let n_effects: usize = blocks.iter().map(Block::len).sum();
        // The last two are lprior and lp__.
        names.truncate(names.len() - 2);
        let effect_names = names.split_off(names.len() - n_effects);
        let means = spec.terms.iter().flat_map(|t| t.coefs.iter().map(|c| format!("mean_r_{}__{c}", t.group)));
        names.extend(means);
        Self { names, effect_names, blocks }
    }

    /// Splits a draw with effects into what is kept: `[names]` values to `out`, and the effects.
    pub fn split<'a>(&self, draw: &'a [f64], out: &mut Vec<f64>) -> &'a [f64] {
        out.clear();
        let n_means: usize = self.blocks.iter().map(|b| b.q).sum();
        let (population, rest) = draw.split_at(self.names.len() - n_means);
        let effects = &rest[..self.effect_names.len()];
        out.extend_from_slice(population);
        for block in &self.blocks {
            let own = &effects[block.start..block.start + block.len()];
            let mean = |c: usize| own[c..].iter().step_by(block.q).sum::<f64>() / block.n_levels as f64;
            out.extend((0..block.q).map(mean));
        }
        effects
    }
}

impl Blueprint {
    /// # Errors
    /// [`Error::Spec`] for a prior or a horseshoe that cannot be used.
    pub fn new(design: Design, mut spec: ModelSpec, set: &GeneSet) -> Result<Self> {
        if design.n() != set.n {
            return Err(Error::Spec(format!("the genes have {} observations, the design {}", set.n, design.n())));
        }
        set.check(&spec)?;
        let leaves = leaves(&design);
        let template = Model::with_rows(design.clone(), None, &spec)?;
        let variables = Variables::new(&spec, &template);
        let assembly = Assembly::new(&template);
        let frame = Frame::new(&template);
        spec.terms.iter_mut().flat_map(|t| &mut t.levels).for_each(String::clear);
        let has_own_rows = leaves.is_some() || matches!(set.responses, Responses::Cells(_));
        Ok(Self { spec, design, leaves, has_own_rows, assembly, variables, frame })
    }

    /// Model of gene `g`.
    ///
    /// # Errors
    /// [`Error::Spec`] for responses, offsets, weights or priors that cannot be used.
    pub fn model(&self, set: &GeneSet, g: usize) -> Result<Model> {
        if let Responses::Cells(cells) = &set.responses {
            let (counts, rows) = cells.rows_of(g, &self.design, self.spec.family);
            counts.check_rows(self.spec.family)?;
            return Model::with_rows(counts, Some(rows), &set.spec_of(g, &self.spec));
        }
        let n = self.design.n();
        let own = g * n..(g + 1) * n;
        let mut design = self.design.clone();
        design.y = set.responses.of(g, n).into();
        if !set.offset.is_empty() {
            design.offset.to_mut().iter_mut().zip(&set.offset[own.clone()]).for_each(|(o, d)| *o += d);
        }
        if !set.weights.is_empty() {
            design.weights = set.weights[own].to_vec().into();
        }
        design.check_rows(self.spec.family)?;
        check_error(&design, &self.spec)?;
        let fewer = self.leaves.as_ref().and_then(|leaves| compress_leaves(&design, leaves, self.spec.family));
        Model::with_rows(design, fewer, &set.spec_of(g, &self.spec))
    }

    /// Which effects and coefficients meet in the rows of a gene's model.
    pub fn assembly(&self, model: &Model) -> Assembly {
        if self.has_own_rows { self.assembly.with_rows(model) } else { self.assembly.clone() }
    }
}
