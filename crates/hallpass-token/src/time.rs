//! Time as tokens write it.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Whole seconds since 1970-01-01 UTC (`NumericDate`, RFC 7519 section 2).
///
/// This crate never asks a clock: `now` is always given.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct UnixTime(u64);

impl UnixTime {
    /// The last second of the year 9999: the latest time that a token may name. Milliseconds, a common mistake,
    /// are beyond it.
    pub const MAX: Self = Self(253_402_300_799);

    /// The time `seconds` after 1970-01-01 UTC.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Seconds since 1970-01-01 UTC.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0
    }

    /// This time and `duration`, in whole seconds, cut off at the end of the numbers.
    #[must_use]
    pub const fn saturating_add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.as_secs()))
    }

    /// This time less `duration`, in whole seconds, cut off at 1970.
    #[must_use]
    pub const fn saturating_sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration.as_secs()))
    }

    /// How long after `earlier` this is; zero when it is not.
    #[must_use]
    pub const fn duration_since(self, earlier: Self) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0))
    }
}

impl From<SystemTime> for UnixTime {
    /// The full seconds; a time before 1970 is taken as 1970.
    fn from(time: SystemTime) -> Self {
        Self(
            time.duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
        )
    }
}

impl From<UnixTime> for SystemTime {
    /// A time that the operating system cannot express is taken as 1970.
    fn from(time: UnixTime) -> Self {
        UNIX_EPOCH
            .checked_add(Duration::from_secs(time.0))
            .unwrap_or(UNIX_EPOCH)
    }
}

impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::UnixTime;
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    #[test]
    fn arithmetic_stops_at_both_ends() {
        let time = UnixTime::from_secs(100);
        assert_eq!(time.saturating_add(Duration::from_secs(5)).as_secs(), 105);
        assert_eq!(time.saturating_sub(Duration::from_secs(5)).as_secs(), 95);
        assert_eq!(time.saturating_sub(Duration::from_secs(101)).as_secs(), 0);
        assert_eq!(
            UnixTime::from_secs(u64::MAX)
                .saturating_add(Duration::from_secs(1))
                .as_secs(),
            u64::MAX
        );
        assert_eq!(
            time.duration_since(UnixTime::from_secs(40)),
            Duration::from_secs(60)
        );
        assert_eq!(UnixTime::from_secs(40).duration_since(time), Duration::ZERO);
    }

    #[test]
    fn system_time_converts_both_ways_without_a_panic() {
        let time = UNIX_EPOCH + Duration::from_millis(1_700_000_000_999);
        assert_eq!(UnixTime::from(time).as_secs(), 1_700_000_000);
        assert_eq!(
            UnixTime::from(UNIX_EPOCH - Duration::from_secs(1)).as_secs(),
            0
        );
        assert_eq!(
            SystemTime::from(UnixTime::from_secs(7)),
            UNIX_EPOCH + Duration::from_secs(7)
        );
        let _ = SystemTime::from(UnixTime::from_secs(u64::MAX));
    }
}
