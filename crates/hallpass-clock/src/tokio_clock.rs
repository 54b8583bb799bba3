//! A clock that follows tokio's timers.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::Clock;
use crate::manual_clock::START_UNIX_SECONDS;

/// A clock that follows tokio's: under `tokio::time::pause` every sleep moves it, so that timers
/// and expiry agree.
///
/// Make it inside the runtime whose time it follows. It starts at 2026-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug)]
pub struct TokioClock {
    start: tokio::time::Instant,
    wall_at_start: SystemTime,
}

impl TokioClock {
    /// A clock at its default start.
    #[must_use]
    pub fn new() -> Self {
        Self {
            start: tokio::time::Instant::now(),
            wall_at_start: UNIX_EPOCH + Duration::from_secs(START_UNIX_SECONDS),
        }
    }
}

impl Default for TokioClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for TokioClock {
    fn now(&self) -> SystemTime {
        self.wall_at_start + self.start.elapsed()
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_tokio_clock_follows_paused_time() {
        let clock = TokioClock::new();
        let before = clock.now();
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_eq!(clock.now(), before + Duration::from_secs(600));
    }
}
