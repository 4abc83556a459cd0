//! Which draws of an interrupted run make a fit, whose chains all have the same number of draws.

/// Chains, in their order, and draws of each.
#[derive(Debug, PartialEq, Eq)]
pub struct Kept {
    /// Their numbers.
    pub chains: Vec<usize>,
    /// Draws of each.
    pub draws: usize,
}

/// Of chains that have made so many draws. A chain that had just begun would cost the others theirs, so the chains are those
/// that together keep the most. `None` if there is no draw.
pub fn worth_keeping(n_done: &[usize]) -> Option<Kept> {
    let mut longest_first: Vec<usize> = (0..n_done.len()).collect();
    longest_first.sort_by_key(|&c| std::cmp::Reverse(n_done[c]));
    let n_kept = |rank: usize| n_done[longest_first[rank]] * (rank + 1);
    let last = (0..n_done.len()).max_by_key(|&rank| n_kept(rank)).filter(|&rank| n_kept(rank) > 0)?;
    let draws = n_done[longest_first[last]];
    let mut chains = longest_first[..=last].to_vec();
    chains.sort_unstable();
    Some(Kept { chains, draws })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_kept_are_those_that_together_have_most_draws() {
        let of = |n_done: &[usize]| worth_keeping(n_done).map(|kept| (kept.chains, kept.draws));
        assert_eq!(of(&[500, 500, 500]), Some((vec![0, 1, 2], 500)));
        assert_eq!(of(&[100, 98, 3, 0]), Some((vec![0, 1], 98)));
        assert_eq!(of(&[50, 40, 45]), Some((vec![0, 1, 2], 40)));
        assert_eq!(of(&[0, 7]), Some((vec![1], 7)));
        // As many either way: more chains say more of convergence.
        assert_eq!(of(&[4, 8]), Some((vec![0, 1], 4)));
        assert_eq!(of(&[0, 0]), None);
        assert_eq!(of(&[]), None);
    }
}
