//! The limit to the time that a head takes, for all requests of a connection.
//!
//! hyper asks for a timer for each head, and drops it when the head is there. To set a timer and to take it back costs two locks and a place among all
//! others; to have one end later costs a number.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant as StdInstant};

use hyper::rt::{Sleep, Timer};
use tokio::time::{self, Instant, sleep_until};

type Set = Pin<Box<time::Sleep>>;

/// Keeps the timer of one head for the next one. While nobody waits it goes on, and may wake the connection once for nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct HeadTimer(Arc<Mutex<Option<Set>>>);

impl HeadTimer {
    fn kept(&self) -> MutexGuard<'_, Option<Set>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: StdInstant) -> Pin<Box<dyn Sleep>> {
        let deadline = Instant::from_std(deadline);
        let kept = self.kept().take();
        let set = match kept {
            Some(mut set) => {
                set.as_mut().reset(deadline);
                set
            }
            None => Box::pin(sleep_until(deadline)),
        };
        Box::pin(Lent {
            set: Some(set),
            to: self.clone(),
        })
    }

    fn now(&self) -> StdInstant {
        Instant::now().into_std()
    }
}

/// A timer that goes back when it is dropped.
struct Lent {
    /// Until then.
    set: Option<Set>,
    to: HeadTimer,
}

impl Future for Lent {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        match &mut self.set {
            Some(set) => set.as_mut().poll(context),
            None => Poll::Pending,
        }
    }
}

impl Sleep for Lent {}

impl Drop for Lent {
    fn drop(&mut self) {
        *self.to.kept() = self.set.take();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_timer_serves_one_head_after_the_other_with_the_time_of_each() {
        let timer = HeadTimer::default();
        for seconds in [10, 3, 30] {
            let limit = Duration::from_secs(seconds);
            let begun = Instant::now();
            timer.sleep(limit).await;
            assert_eq!(begun.elapsed(), limit);
            // The next one begins before this one is over.
            let mut sleep = timer.sleep(limit);
            let waited = time::timeout(limit / 2, sleep.as_mut()).await;
            assert!(waited.is_err() && timer.kept().is_none());
            drop(sleep);
            assert!(timer.kept().is_some());
        }
    }
}
