//! A clock that somebody sets.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use hallpass::clock::{Clock, SystemClock};

/// That of the system, some seconds off.
#[derive(Debug, Default)]
pub(super) struct ShiftedClock {
    system: SystemClock,
    /// How far it is ahead.
    seconds: AtomicI64,
}

impl ShiftedClock {
    /// How far it is ahead from now on; negative: behind.
    pub(super) fn set(&self, seconds: i64) {
        self.seconds.store(seconds, Ordering::Relaxed);
    }
}

impl Clock for ShiftedClock {
    fn now(&self) -> SystemTime {
        let seconds = self.seconds.load(Ordering::Relaxed);
        let shift = Duration::from_secs(seconds.unsigned_abs());
        match seconds < 0 {
            true => self.system.now() - shift,
            false => self.system.now() + shift,
        }
    }

    /// Nobody sets this one.
    fn monotonic(&self) -> Duration {
        self.system.monotonic()
    }
}
