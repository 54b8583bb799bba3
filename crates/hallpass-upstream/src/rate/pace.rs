//! Turns at even intervals.

use std::time::Duration;

/// Turns that follow each other at an interval; no clock, `now` is an argument.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    interval: Duration,
    /// How long before its time a turn is given out.
    patience: Duration,
    /// The turn that was given out last.
    last: Option<Duration>,
}

impl Pace {
    pub(super) fn new(interval: Duration, patience: Duration) -> Self {
        Self {
            interval,
            patience,
            last: None,
        }
    }

    /// Another interval from now on.
    pub(super) fn set_interval(&mut self, interval: Duration) {
        self.interval = interval;
    }

    /// Takes the next turn, and says how far away it is.
    pub(super) fn take(&mut self, now: Duration) -> Result<Duration, Duration> {
        let next = self.last.map(|last| last.saturating_add(self.interval));
        let turn = next.map_or(now, |next| next.max(now));
        let wait = turn.saturating_sub(now);
        if wait > self.patience {
            return Err(wait.saturating_sub(self.patience));
        }
        self.last = Some(turn);
        Ok(wait)
    }

    /// One turn fewer was used. Those who have taken later ones keep them.
    pub(super) fn give_back(&mut self) {
        self.last = self.last.and_then(|last| last.checked_sub(self.interval));
    }
}
