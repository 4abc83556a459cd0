//! Warm-up: when to adapt what. Sees numbers only.

pub mod metric;
pub mod step_size;

/// What happens after a warm-up iteration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Only the step size adapts.
    StepSize,
    /// The position also enters the metric's estimate.
    Collect,
    /// As `Collect`, then the metric is renewed and the step size starts again.
    Renew,
}

/// Stan's schedule: a fast interval, slow windows that double in length, a fast interval.
///
/// ```text
/// | 75 | 25 | 50 | 100 | 200 | 500 | 50 |      for a warm-up of 1000
/// ```
/// Short warm-ups shrink to 15 %, 75 % and 10 %; below 20 iterations only the step size adapts.
pub fn schedule(n_warmup: usize) -> Vec<Stage> {
    let mut stages = vec![Stage::StepSize; n_warmup];
    if n_warmup < 20 {
        return stages;
    }
    let (start, last, first_window) =
        if n_warmup < 150 { (n_warmup * 15 / 100, n_warmup / 10, n_warmup) } else { (75, 50, 25) };
    let end = n_warmup - last;
    stages[start..end].fill(Stage::Collect);
    let (mut at, mut window) = (start, first_window.min(end - start));
    while at < end {
        // A window absorbs the rest if the next one would not fit.
        let next = if at + window + 2 * window > end { end } else { at + window };
        stages[next - 1] = Stage::Renew;
        at = next;
        window *= 2;
    }
    stages
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renewals(n: usize) -> Vec<usize> {
        schedule(n).iter().enumerate().filter(|(_, s)| **s == Stage::Renew).map(|(i, _)| i + 1).collect()
    }

    #[test]
    fn schedule_is_stans() {
        assert_eq!(renewals(1000), [100, 150, 250, 450, 950]);
        assert_eq!(renewals(150), [100]);
        assert_eq!(renewals(100), [90]);
        assert_eq!(renewals(20), [18]);
        assert!(renewals(19).is_empty() && schedule(0).is_empty());
    }
}
