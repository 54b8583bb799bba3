use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use hallpass_clock::ManualClock;

/// Wall-clock seconds at which every test begins.
const START: u64 = 1_700_000_000;

/// A clock that stands still until it is driven.
pub(crate) fn test_clock() -> Arc<ManualClock> {
    // Every test begins here.
    super::log::install();
    Arc::new(ManualClock::at(UNIX_EPOCH + Duration::from_secs(START)))
}
