//! Trouble that is said once and not for each request that meets it, and again when it comes back after a quiet minute.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hallpass_upstream::Reminders;
use tokio::time::Instant;

/// After so long without trouble, what comes is new and is said at once.
const QUIET: Duration = Duration::from_secs(60);

/// What was said. Asked where there is trouble, and by nobody else.
#[derive(Debug, Default)]
pub(crate) struct Said {
    reminders: Reminders,
    /// When there was trouble last. Locked for moments.
    last: Mutex<Option<Instant>>,
}

impl Said {
    /// There is trouble of this kind: how often since it was said last, when it is to be said now.
    pub(crate) fn times(&self, kind: &'static str) -> Option<u64> {
        let now = Instant::now();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let before = last.replace(now);
        drop(last);
        if before.is_some_and(|before| now.saturating_duration_since(before) >= QUIET) {
            self.reminders.over();
        }
        self.reminders.times(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_said_once_and_the_next_one_too() {
        let said = Said::default();
        assert_eq!(said.times("a"), Some(1));
        for _ in 0..100 {
            tokio::time::advance(Duration::from_secs(1)).await;
            assert_eq!(said.times("a"), None, "it goes on");
        }
        assert_eq!(said.times("b"), Some(1), "another");
        tokio::time::advance(QUIET).await;
        assert_eq!(said.times("a"), Some(1), "the next one");
    }
}
