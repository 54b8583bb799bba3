//! The time of day, as long as it does not run away from the time that has passed.

use std::time::Duration;

use hallpass_token::UnixTime;

/// How much more than the monotonic clock the time of day may go between two looks.
const SLACK: Duration = Duration::from_secs(5);

/// By what messages are forgotten. A time of day that has leapt ahead is believed when it has stayed there for as long as a message
/// counts: what was shown before the leap has then ended in any case.
#[derive(Debug)]
pub(super) struct EvenTime {
    longest_life: Duration,
    /// A time of day that was believed, and the monotonic one.
    believed: Option<(UnixTime, Duration)>,
    /// Since when the time of day is ahead.
    ahead_since: Option<Duration>,
}

impl EvenTime {
    pub(super) const fn new(longest_life: Duration) -> Self {
        Self {
            longest_life,
            believed: None,
            ahead_since: None,
        }
    }

    /// The time to forget by, which is never later than `wall`.
    pub(super) fn at(&mut self, wall: UnixTime, monotonic: Duration) -> UnixTime {
        if let Some((believed, then)) = self.believed {
            let even = believed.saturating_add(monotonic.saturating_sub(then));
            if wall > even.saturating_add(SLACK) {
                let since = *self.ahead_since.get_or_insert(monotonic);
                if monotonic.saturating_sub(since) <= self.longest_life {
                    return even;
                }
            }
        }
        self.ahead_since = None;
        self.believed = Some((wall, monotonic));
        wall
    }
}
