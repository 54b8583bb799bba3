//! Timers for what nearly always ends before its time.
//!
//! To set a timer and to take it back costs two locks and a place among all others; to have one end later costs a number. So those that were not needed are
//! kept for the next requests.

use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::task::coop::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

/// Most that are kept: as many as requests wait at a time for an upstream that is well.
const MOST: usize = 256;

type Set = Pin<Box<Sleep>>;

/// Timers that nobody waits for. They belong to one runtime.
#[derive(Default)]
pub(crate) struct SpareTimers(Mutex<Vec<Set>>);

impl SpareTimers {
    /// One that ends then.
    pub(crate) fn until(&self, end: Instant) -> SpareTimer<'_> {
        let spare = self.spare().pop();
        let set = match spare {
            Some(mut set) => {
                set.as_mut().reset(end);
                set
            }
            None => Box::pin(sleep_until(end)),
        };
        SpareTimer {
            set: Some(set),
            of: self,
        }
    }

    fn spare(&self) -> MutexGuard<'_, Vec<Set>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SpareTimers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SpareTimers")
    }
}

/// A timer, until it is dropped.
pub(crate) struct SpareTimer<'t> {
    /// Until then.
    set: Option<Set>,
    of: &'t SpareTimers,
}

impl SpareTimer<'_> {
    /// Ready at its end, also in a task that has used up its turn: else what takes all of each turn would have no end.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match &mut self.set {
            Some(set) => pin!(unconstrained(set)).poll(context),
            None => Poll::Pending,
        }
    }

    /// It ends then.
    pub(crate) fn reset(&mut self, end: Instant) {
        if let Some(set) = &mut self.set {
            set.as_mut().reset(end);
        }
    }
}

impl Drop for SpareTimer<'_> {
    fn drop(&mut self) {
        let Some(mut set) = self.set.take() else {
            return;
        };
        // It goes on, and must not hold the task that waited for it.
        let mut nobody = Context::from_waker(Waker::noop());
        let _over = pin!(unconstrained(&mut set)).poll(&mut nobody);
        let mut spare = self.of.spare();
        if spare.len() < MOST {
            spare.push(set);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use tokio::task::coop::consume_budget;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_timer_that_was_used_before_ends_at_its_own_time() {
        let timers = SpareTimers::default();
        for seconds in [10, 3, 30] {
            let limit = Duration::from_secs(seconds);
            let begun = Instant::now();
            let mut timer = timers.until(begun + limit);
            poll_fn(|context| timer.poll(context)).await;
            assert_eq!(begun.elapsed(), limit);
            drop(timer);
            // The next one is not needed.
            let mut timer = timers.until(Instant::now() + limit);
            let waited = poll_fn(|context| timer.poll(context));
            assert!(timeout(limit / 2, waited).await.is_err());
            assert_eq!(timers.spare().len(), 0, "the one that is there was taken");
            drop(timer);
            assert_eq!(timers.spare().len(), 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_takes_all_of_each_turn_ends_in_time() {
        // Only a task has turns.
        let ended = tokio::spawn(async {
            let timers = SpareTimers::default();
            let mut timer = timers.until(Instant::now() + Duration::from_secs(1));
            poll_fn(|context| {
                while pin!(consume_budget()).poll(context).is_ready() {}
                context.waker().wake_by_ref();
                timer.poll(context)
            })
            .await;
        });
        tokio::task::yield_now().await;
        // Time does not pass by itself while a task is ready.
        tokio::time::advance(Duration::from_millis(900)).await;
        assert!(!ended.is_finished());
        tokio::time::advance(Duration::from_millis(200)).await;
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert!(ended.is_finished());
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_are_kept_than_are_of_use() {
        let timers = SpareTimers::default();
        let end = Instant::now() + Duration::from_secs(1);
        let many: Vec<_> = (0..2 * MOST).map(|_| timers.until(end)).collect();
        drop(many);
        assert_eq!(timers.spare().len(), MOST);
    }
}
