//! The one source of time.
//!
//! Everything in Hallpass that asks what time it is asks a [`Clock`], so that a test can stop time or
//! move it by hand. [`SystemClock`] is the single place in the workspace that reads the clocks of the
//! operating system; `clippy.toml` forbids it everywhere else. Timers are not read here: they are
//! tokio's, and a test can pause and move them too.
//!
//! ```
//! use hallpass_clock::{Clock, SystemClock};
//! use std::time::SystemTime;
//!
//! let clock = SystemClock::new();
//! assert!(clock.now() > SystemTime::UNIX_EPOCH);
//! ```
//!
//! With the feature `test-util` there are two clocks for tests: `ManualClock`, which stands still until it is told
//! to move, and `TokioClock`, which follows tokio's timers.

#[cfg(feature = "test-util")]
mod manual_clock;
#[cfg(feature = "test-util")]
mod tokio_clock;

use std::fmt::Debug;
use std::time::{Duration, Instant, SystemTime};

#[cfg(feature = "test-util")]
pub use manual_clock::ManualClock;
#[cfg(feature = "test-util")]
pub use tokio_clock::TokioClock;

/// A source of wall-clock and monotonic time.
pub trait Clock: Debug + Send + Sync + 'static {
    /// Wall-clock time: what `iat`, `nbf` and `exp` are compared with. It may jump when somebody corrects the clock of the machine.
    fn now(&self) -> SystemTime;

    /// Time since some fixed moment of this clock; it never goes back. Ages, back-off and windows use it.
    fn monotonic(&self) -> Duration;
}

/// The clocks of the operating system.
///
/// Clones share the moment from which [`monotonic`](Clock::monotonic) counts.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts at zero now.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the monotonic clock"
    )]
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the wall clock"
    )]
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn monotonic_time_never_goes_back_and_is_shared_by_clones() {
        let clock = SystemClock::new();
        let copy = clock;
        let first = clock.monotonic();
        let second = copy.monotonic();
        assert!(second >= first);
        assert!(clock.monotonic() >= second);
    }

    #[test]
    fn wall_clock_time_is_after_the_epoch() {
        assert!(SystemClock::new().now() > SystemTime::UNIX_EPOCH);
    }
}
