//! How long somebody keeps another waiting in the middle of a body.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// The longest pause between two parts of a body. A body that is there at once costs nothing, and one timer serves all pauses of another.
#[derive(Debug)]
pub(crate) struct Pause {
    limit: Duration,
    since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Pause {
    pub(crate) const fn new(limit: Duration) -> Self {
        Self {
            limit,
            since: None,
            timer: None,
        }
    }

    /// Something has come.
    pub(crate) const fn ends(&mut self) {
        self.since = None;
    }

    /// Nothing has come, again: ready when that has been so for too long.
    pub(crate) fn goes_on(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let since = *self.since.get_or_insert_with(Instant::now);
        let end = since + self.limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(end)));
        loop {
            ready!(timer.as_mut().poll(context));
            // It was set for an earlier pause.
            if timer.deadline() >= end {
                return Poll::Ready(());
            }
            timer.as_mut().reset(end);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::{advance, timeout};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_pause_is_counted_from_its_own_beginning() {
        let mut pause = Pause::new(10 * SECOND);
        for _ in 0..3 {
            let waited = timeout(8 * SECOND, poll_fn(|context| pause.goes_on(context))).await;
            assert!(waited.is_err(), "too early");
            pause.ends();
        }
        // Time in which nobody waits is no pause.
        advance(60 * SECOND).await;
        let began = Instant::now();
        poll_fn(|context| pause.goes_on(context)).await;
        assert_eq!(began.elapsed(), 10 * SECOND);
    }
}
