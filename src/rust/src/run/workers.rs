//! Work on threads while the main thread watches: progress and cancelling.

use crate::error::{Error, Result, interrupt_or_panic};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// How often the main thread looks up.
const POLL: Duration = Duration::from_millis(100);
/// Deep recursions of the tree are shallow in stack use; R's default threads would do too.
const STACK_SIZE: usize = 8 << 20;

/// What the user sees while a job runs.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Iterations over all chains, steps or genes, whatever the job counts, that are done.
    pub done: usize,
    /// And in all.
    pub total: usize,
    /// Iterations, steps or genes that have left something to keep.
    pub kept: usize,
    /// Divergences after warm-up so far.
    pub divergent: usize,
    /// How often the chains have begun again at a higher target.
    pub restarts: usize,
}

/// Counters and the flag that workers and the main thread share.
#[derive(Debug, Default)]
pub struct Shared {
    /// Set to stop the workers.
    pub cancel: Arc<AtomicBool>,
    done: AtomicUsize,
    kept: AtomicUsize,
    divergent: AtomicUsize,
    restarts: AtomicUsize,
    uncopied: AtomicUsize,
}

/// Runs `job` on `threads` workers while this thread watches; counts go to `total`. `watch` is called on this thread about ten times
/// a second; `false` stops the run.
pub fn on_workers<T: Send>(
    threads: usize, total: usize, mut watch: impl FnMut(Progress) -> bool,
    job: impl FnOnce(&Shared) -> Result<T> + Send,
) -> Result<T> {
    let shared = Shared::default();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).stack_size(STACK_SIZE).build();
    let pool = pool.map_err(|e| Error::Start(format!("threads cannot be started: {e}")))?;
    let (sender, receiver) = channel::<()>();
    std::thread::scope(|scope| {
        let (shared, pool) = (&shared, &pool);
        let worker = scope.spawn(move || {
            let output = pool.install(|| job(shared));
            drop(sender);
            output
        });
        while let Err(RecvTimeoutError::Timeout) = receiver.recv_timeout(POLL) {
            let counts = [&shared.done, &shared.kept, &shared.divergent, &shared.restarts];
            let [done, kept, divergent, restarts] = counts.map(|n| n.load(Ordering::Relaxed));
            if !watch(Progress { done, total, kept, divergent, restarts }) {
                shared.cancel.store(true, Ordering::Relaxed);
            }
        }
        worker.join().unwrap_or_else(interrupt_or_panic)
    })
}

impl Shared {
    /// Counts one more that is kept.
    pub fn count_kept(&self) {
        self.kept.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts divergences.
    pub fn count_divergent(&self, n: usize) {
        self.divergent.fetch_add(n, Ordering::Relaxed);
    }

    /// Divergences counted so far.
    pub fn n_divergent(&self) -> usize {
        self.divergent.load(Ordering::Relaxed)
    }

    /// Counts copies of chains that could not be written.
    pub fn count_uncopied(&self) {
        self.uncopied.fetch_add(1, Ordering::Relaxed);
    }

    /// Copies of chains that could not be written.
    pub fn n_uncopied(&self) -> usize {
        self.uncopied.load(Ordering::Relaxed)
    }

    /// Counts from zero, after so many restarts.
    pub fn restart(&self, restarts: usize) {
        self.done.store(0, Ordering::Relaxed);
        self.kept.store(0, Ordering::Relaxed);
        self.divergent.store(0, Ordering::Relaxed);
        self.restarts.store(restarts, Ordering::Relaxed);
    }

    /// Counts more that are done.
    pub fn advance(&self, n: usize) {
        self.done.fetch_add(n, Ordering::Relaxed);
    }

    /// Counts one more that is done; false after a cancel.
    pub fn tick(&self) -> bool {
        self.done.fetch_add(1, Ordering::Relaxed);
        !self.cancel.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{leave_after, panic_text};
    use std::panic::{AssertUnwindSafe, catch_unwind};

    #[test]
    fn a_job_is_left_after_a_cancel_and_faults_go_through() {
        let until_cancelled = |shared: &Shared| -> Result<()> {
            loop {
                leave_after(&shared.cancel);
                std::thread::sleep(Duration::from_millis(1));
            }
        };
        assert!(matches!(on_workers(2, 1, |_| false, until_cancelled), Err(Error::Interrupt)));
        let goes_on = |shared: &Shared| {
            leave_after(&shared.cancel);
            Ok(3)
        };
        assert!(matches!(on_workers(1, 1, |_| true, goes_on), Ok(3)));
        let fault =
            catch_unwind(AssertUnwindSafe(|| on_workers(1, 1, |_| true, |_| -> Result<()> { panic!("a fault") })));
        assert_eq!(panic_text(fault.expect_err("a panic").as_ref()), "a fault");
    }
}
