//! An order of elimination with little fill.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

/// Order of least degree of a graph, `neighbours` of each node (symmetric). What is complete is left in its order.
pub fn least_degree(mut neighbours: Vec<BTreeSet<u32>>) -> Vec<usize> {
    let n = neighbours.len();
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
        let star = |j: u32| if j == 0 { (1..6).collect() } else { BTreeSet::from([0]) };
        let order = least_degree((0..6).map(star).collect());
        assert!(order.iter().position(|&j| j == 0).unwrap() >= 4, "{order:?}");
        let complete = |j: u32| (0..5).filter(|&i| i != j).collect();
        assert_eq!(least_degree((0..5).map(complete).collect()), [0, 1, 2, 3, 4]);
    }
}
