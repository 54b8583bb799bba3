//! A clock that a test drives by hand.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::Clock;

/// A clock that stands still until the test moves it.
///
/// Starts at 2026-01-01T00:00:00Z unless told otherwise. Wall time and monotonic time move together;
/// only [`ManualClock::set`] lets the wall clock jump while monotonic time stays, as an
/// administrator's correction does. Clones show and move the same time.
///
/// ```
/// # #[cfg(feature = "test-util")] {
/// use hallpass_clock::{Clock, ManualClock};
/// use std::time::Duration;
///
/// let clock = ManualClock::new();
/// let before = clock.now();
/// clock.advance(Duration::from_secs(600));
/// assert_eq!(clock.now(), before + Duration::from_secs(600));
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ManualClock {
    state: Arc<Mutex<ManualTime>>,
}

#[derive(Clone, Copy, Debug)]
struct ManualTime {
    wall: SystemTime,
    monotonic: Duration,
}

/// 2026-01-01T00:00:00Z.
pub(crate) const START_UNIX_SECONDS: u64 = 1_767_225_600;

impl ManualClock {
    /// A clock at its default start.
    #[must_use]
    pub fn new() -> Self {
        Self::at(UNIX_EPOCH + Duration::from_secs(START_UNIX_SECONDS))
    }

    /// A clock that shows `wall`.
    #[must_use]
    pub fn at(wall: SystemTime) -> Self {
        Self {
            state: Arc::new(Mutex::new(ManualTime {
                wall,
                monotonic: Duration::ZERO,
            })),
        }
    }

    /// Moves wall time and monotonic time forward.
    ///
    /// # Panics
    /// Past the end of what [`SystemTime`] can hold.
    pub fn advance(&self, by: Duration) {
        self.change(|time| {
            time.wall += by;
            time.monotonic += by;
        });
    }

    /// As [`advance`](Self::advance), by whole seconds.
    ///
    /// # Panics
    /// As [`advance`](Self::advance).
    pub fn advance_seconds(&self, by: u64) {
        self.advance(Duration::from_secs(by));
    }

    /// Sets the wall clock alone, backwards too.
    pub fn set(&self, wall: SystemTime) {
        self.change(|time| time.wall = wall);
    }

    fn change(&self, change: impl FnOnce(&mut ManualTime)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn read(&self) -> ManualTime {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> SystemTime {
        self.read().wall
    }

    fn monotonic(&self) -> Duration {
        self.read().monotonic
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = ManualClock::new();
        let before = clock.now();
        assert_eq!(clock.now(), before);
        clock.advance(Duration::from_secs(7));
        assert_eq!(clock.now(), before + Duration::from_secs(7));
        assert_eq!(clock.monotonic(), Duration::from_secs(7));
        clock.set(before);
        assert_eq!(
            (clock.now(), clock.monotonic()),
            (before, Duration::from_secs(7))
        );
    }
}
