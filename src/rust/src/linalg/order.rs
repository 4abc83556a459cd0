//! An order of elimination with little fill.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

/// Order of least degree of a graph of `n` nodes, from pairs of nodes that are neighbours. Once what is left is complete, it keeps
/// its order.
pub fn least_degree(n: usize, pairs: impl IntoIterator<Item = (usize, usize)>) -> Vec<usize> {
    let mut neighbours = vec![BTreeSet::new(); n];
    for (i, j) in pairs.into_iter().filter(|(i, j)| i != j) {
        neighbours[i].insert(j as u32);
        neighbours[j].insert(i as u32);
    }
    let mut is_left = vec![true; n];
    let mut order = Vec::with_capacity(n);
    let mut next: BinaryHeap<_> = (0..n).map(|j| Reverse((neighbours[j].len(), j))).collect();
    while let Some(Reverse((degree, j))) = next.pop() {
        if !is_left[j] || neighbours[j].len() != degree {
            continue;
        }
        if degree + 1 == n - order.len() {
            break;
        }
        is_left[j] = false;
        order.push(j);
        let around: Vec<u32> = std::mem::take(&mut neighbours[j]).into_iter().collect();
        for &i in &around {
            let own = &mut neighbours[i as usize];
            own.remove(&(j as u32));
            own.extend(around.iter().copied().filter(|&k| k != i));
            next.push(Reverse((own.len(), i as usize)));
        }
    }
    order.extend((0..n).filter(|&j| is_left[j]));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_gives_its_centre_last_and_a_complete_graph_stays() {
        let order = least_degree(6, (1..6).map(|j| (0, j)));
        assert!(order.iter().position(|&j| j == 0).unwrap() >= 4, "{order:?}");
        let complete = (0..5).flat_map(|i| (0..5).map(move |j| (i, j)));
        assert_eq!(least_degree(5, complete), [0, 1, 2, 3, 4]);
    }
}
