use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hallpass_config::Clock;
use hallpass_token::UnixTime;

/// Wall-clock seconds at which every test begins.
const START: u64 = 1_700_000_000;

/// A clock that stands still until it is driven.
#[derive(Debug, Default)]
pub(crate) struct HandClock {
    passed: Mutex<Duration>,
}

impl HandClock {
    pub(crate) fn new() -> Arc<Self> {
        // Every test begins here.
        super::log::install();
        Arc::default()
    }

    pub(crate) fn advance(&self, by: Duration) {
        *self.passed.lock().unwrap() += by;
    }

    pub(crate) fn advance_seconds(&self, by: u64) {
        self.advance(Duration::from_secs(by));
    }

    pub(crate) fn unix(&self) -> UnixTime {
        UnixTime::from(self.now())
    }
}

impl Clock for HandClock {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(START) + self.monotonic()
    }

    fn monotonic(&self) -> Duration {
        *self.passed.lock().unwrap()
    }
}
