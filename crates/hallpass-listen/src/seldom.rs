//! Says what happens often only now and then, with a count.

use std::time::Duration;

use tokio::time::Instant;

/// How long the same thing is not said again.
pub(crate) const INTERVAL: Duration = Duration::from_secs(10);

/// When one kind of thing was said, and how often it has happened since.
#[derive(Debug, Default)]
pub(crate) struct Seldom {
    said: Option<Instant>,
    unsaid: u64,
}

impl Seldom {
    /// It happened again: how often since it was last said, if it is to be said now.
    pub(crate) fn happened(&mut self) -> Option<u64> {
        self.unsaid = self.unsaid.saturating_add(1);
        if self.said.is_some_and(|said| said.elapsed() < INTERVAL) {
            return None;
        }
        self.said = Some(Instant::now());
        Some(std::mem::take(&mut self.unsaid))
    }

    /// How often it has happened since it was last said, if that was long ago: a burst is not kept for the next one.
    pub(crate) fn overdue(&mut self) -> Option<u64> {
        let is_due = self.unsaid > 0 && self.said.is_some_and(|said| said.elapsed() >= INTERVAL);
        is_due.then(|| {
            self.said = Some(Instant::now());
            std::mem::take(&mut self.unsaid)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_happens_often_is_said_once_an_interval_with_its_count() {
        let mut seldom = Seldom::default();
        let said: Vec<_> = (0..5).map(|_| seldom.happened()).collect();
        assert_eq!(said, [Some(1), None, None, None, None]);
        tokio::time::advance(INTERVAL).await;
        assert_eq!(seldom.happened(), Some(5));
        assert_eq!(seldom.happened(), None);
        assert_eq!(seldom.overdue(), None, "said a moment ago");
        tokio::time::advance(INTERVAL).await;
        assert_eq!(seldom.overdue(), Some(1), "without another one");
        tokio::time::advance(INTERVAL).await;
        assert_eq!(seldom.overdue(), None, "all is said");
    }
}
