//! The certificate that is held, and how old it is.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// The certificate that is held.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    since: Instant,
    /// The same moment by the clock of this machine.
    since_by_clock: SystemTime,
    /// For how long it counts from then on.
    pub(crate) life: Duration,
    /// At which age it is to be renewed.
    pub(crate) renew_at: Duration,
}

impl Held {
    pub(crate) fn new(now: (Instant, SystemTime), life: Duration, renew_at: Duration) -> Self {
        let (since, since_by_clock) = now;
        Self {
            since,
            since_by_clock,
            life,
            renew_at,
        }
    }

    /// When it is to be renewed, as long as this machine does not sleep.
    pub(crate) fn renewal(&self) -> Instant {
        self.since + self.renew_at
    }

    /// How old it is. A machine that has slept knows by its clock alone; where that is set back, what has passed since counts. How far the
    /// clock is off matters in neither case.
    pub(crate) fn age(&self, now: Instant, by_clock: SystemTime) -> Duration {
        let passed = now.saturating_duration_since(self.since);
        let by_clock = by_clock.duration_since(self.since_by_clock);
        passed.max(by_clock.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[tokio::test(start_paused = true)]
    async fn a_machine_that_has_slept_is_as_late_as_its_clock_says_and_a_clock_set_back_delays_nothing()
     {
        let (now, by_clock) = (Instant::now(), SystemTime::UNIX_EPOCH + 500_000 * HOUR);
        let held = Held::new((now, by_clock), HOUR, HOUR / 2);
        assert_eq!(held.renewal(), now + HOUR / 2);
        assert_eq!(held.age(now, by_clock), Duration::ZERO);
        let slept = held.age(now + HOUR / 60, by_clock + HOUR);
        assert_eq!(slept, HOUR);
        let set_back = held.age(now + HOUR / 3, by_clock - 10 * HOUR);
        assert_eq!(set_back, HOUR / 3);
    }
}
