//! When things happen in a row.

use std::time::Duration;

use tokio::time::Instant;

/// How often something is looked for.
pub(super) const LOOK: Duration = Duration::from_millis(50);
/// What every row of ours is over within.
pub(super) const PATIENCE: Duration = Duration::from_secs(90);

/// When the fault begins and ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) begun: Instant,
    pub(super) fault: Duration,
    pub(super) end: Duration,
    /// When the last call is made.
    pub(super) over: Duration,
}

impl Times {
    pub(super) async fn fault(&self) {
        tokio::time::sleep_until(self.begun + self.fault).await;
    }

    pub(super) async fn end(&self) {
        tokio::time::sleep_until(self.begun + self.end).await;
    }

    /// Whether calls are still made.
    pub(super) fn go_on(&self) -> bool {
        self.begun.elapsed() < self.over
    }

    /// At this part of the fault, in percent.
    pub(super) async fn percent(&self, percent: u32) {
        let part = (self.end - self.fault) * percent / 100;
        tokio::time::sleep_until(self.begun + self.fault + part).await;
    }
}
