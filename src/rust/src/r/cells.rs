//! The boundary with R for single cells.

use super::{as_list, at_least_one, field, guarded, real, reals, unsigned, watching};
use crate::cells::capture::{CapturePrior, estimate};
use crate::cells::{CellColumns, compress};
use crate::compress::cells::{Cells, Histogram, Nodes};
use crate::compress::statistics::CellStatistics;
use crate::error::{Error, Result};
use extendr_api::prelude::*;

/// Captures of cells; `counts` is a cells x genes matrix in compressed columns (p, i, x), `leaf` is from 0.
/// @noRd
#[extendr]
fn engine_capture(counts: Robj, leaf: Robj, centre: Robj, sd: Robj, threads: Robj, progress: Robj) -> Robj {
    guarded(|| {
        let arrays = Arrays::new(&counts)?;
        let (leaf, n_leaves) = leaves(&leaf)?;
        let centre = reals("centre", &centre)?;
        let prior = CapturePrior { leaf: &leaf, n_leaves, centre: &centre, sd: real("sd", &sd)? };
        let threads = at_least_one("threads", &threads)?;
        let found = estimate(&prior, arrays.columns(leaf.len())?, threads, watching(&progress))?;
        Ok(list!(log_capture = found.log_capture, sd = found.sd, steps = found.steps as i32).into())
    })
}

/// Counts compressed gene by gene. `cells` is list(leaf, log_capture, sd, total): `total` bounds the counts of a gene.
/// @noRd
#[extendr]
fn engine_compress(counts: Robj, cells: Robj, threads: Robj, progress: Robj) -> Robj {
    guarded(|| {
        let arrays = Arrays::new(&counts)?;
        let list = as_list("cells", &cells)?;
        let of_cells = |name: &str| reals(name, &field(&list, name)?);
        let (leaf, n_leaves) = leaves(&field(&list, "leaf")?)?;
        let total = real("total", &field(&list, "total")?)?;
        let cells = Cells { leaf, log_capture: of_cells("log_capture")?, sd: of_cells("sd")?, n_leaves };
        let threads = at_least_one("threads", &threads)?;
        let kept = compress(&cells, arrays.columns(cells.leaf.len())?, threads, watching(&progress))?;
        let rule = cells.rule(total);
        Ok(list!(
            rule = nodes_to_r(None, rule),
            nodes = nodes_to_r(Some(kept.node_starts), kept.nodes),
            histogram = histogram_to_r(kept.histogram_starts, kept.histogram)
        )
        .into())
    })
}

/// Slots of a sparse matrix, held while Rust reads them.
struct Arrays {
    starts: Robj,
    cells: Robj,
    values: Robj,
}

impl Arrays {
    fn new(counts: &Robj) -> Result<Self> {
        let list = as_list("counts", counts)?;
        Ok(Self { starts: field(&list, "p")?, cells: field(&list, "i")?, values: field(&list, "x")? })
    }

    fn columns(&self, n: usize) -> Result<CellColumns<'_>> {
        let wrong = |name: &str| Error::Spec(format!("'{name}' of the counts has the wrong type"));
        let starts = self.starts.as_integer_slice().ok_or_else(|| wrong("p"))?;
        let cells = self.cells.as_integer_slice().ok_or_else(|| wrong("i"))?;
        let values = self.values.as_real_slice().ok_or_else(|| wrong("x"))?;
        CellColumns::new(starts, cells, values, n)
    }
}

fn leaves(leaf: &Robj) -> Result<(Vec<u32>, usize)> {
    let leaf = unsigned("leaf", leaf)?;
    let n_leaves = leaf.iter().max().map_or(0, |&l| l as usize + 1);
    Ok((leaf, n_leaves))
}

fn to_integers(values: Vec<u32>) -> Vec<i32> {
    values.into_iter().map(|v| v as i32).collect()
}

fn nodes_to_r(starts: Option<Vec<i32>>, nodes: Nodes) -> Robj {
    let p = starts.map_or(r!(NULL), |starts| r!(starts));
    list!(p = p, leaf = to_integers(nodes.leaf), at = nodes.at, mass = nodes.mass).into()
}

fn histogram_to_r(starts: Vec<i32>, h: Histogram) -> Robj {
    list!(p = starts, leaf = to_integers(h.leaf), value = h.value, number = h.number).into()
}

/// From R, as [`engine_compress`] gave them.
pub fn cell_statistics(counts: &List) -> Result<CellStatistics> {
    let part = |name: &str| as_list(name, &field(counts, name)?);
    let (rule, nodes, histogram) = (part("rule")?, part("nodes")?, part("histogram")?);
    let starts = |list: &List| -> Result<Vec<usize>> {
        Ok(unsigned("p", &field(list, "p")?)?.into_iter().map(|s| s as usize).collect())
    };
    let counts = Histogram {
        leaf: unsigned("leaf", &field(&histogram, "leaf")?)?,
        value: reals("value", &field(&histogram, "value")?)?,
        number: reals("number", &field(&histogram, "number")?)?,
    };
    let (rule, kept) = (nodes_from_r(&rule)?, nodes_from_r(&nodes)?);
    Ok(CellStatistics::new(rule, starts(&nodes)?, kept, starts(&histogram)?, counts))
}

fn nodes_from_r(list: &List) -> Result<Nodes> {
    let real = |name: &str| reals(name, &field(list, name)?);
    Ok(Nodes { leaf: unsigned("leaf", &field(list, "leaf")?)?, at: real("at")?, mass: real("mass")? })
}

extendr_module! {
    mod cells;
    fn engine_capture;
    fn engine_compress;
}
