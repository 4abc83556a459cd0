//! Rows sorted into groups of one dispersion each.

use super::leaves::Leaves;
use crate::design::Design;
use crate::rising::Rising;
use crate::spec::Family;

/// Rows per group from which on groups are worth it: each costs a call of a kernel.
const ROWS_PER_GROUP: usize = 16;

/// Consecutive rows that share their dispersion.
#[derive(Debug, Clone, Default)]
pub struct DispersionGroup {
    /// Row of the dispersion's design.
    pub x: Vec<f64>,
    /// Where its rows end; they begin where those of the group before end.
    pub end: usize,
    /// Terms in `ln Gamma` of its counts.
    pub rising: Rising,
}

/// Groups of a design whose dispersion is a regression, without ends; `None` if there are too many.
pub fn dispersion_groups(design: &Design, family: Family) -> Option<(Leaves, Vec<DispersionGroup>)> {
    let leaves = Leaves::of_dispersion(design);
    if leaves.len() * ROWS_PER_GROUP > design.n() {
        return None;
    }
    let groups = groups_of(design, &leaves, family);
    Some((leaves, groups))
}

/// The groups that share their dispersion, without ends.
pub fn groups_of(design: &Design, leaves: &Leaves, family: Family) -> Vec<DispersionGroup> {
    let members = leaves.members();
    let group = |leaf: usize| {
        let counts = members.of_leaf(leaf).iter().map(|&i| (design.y[i], design.weights[i]));
        let rising = if family.has_shape() { Rising::new(counts) } else { Rising::default() };
        DispersionGroup { x: design.x_disp.row(leaves.first[leaf]).to_vec(), end: 0, rising }
    };
    (0..leaves.len()).map(group).collect()
}
