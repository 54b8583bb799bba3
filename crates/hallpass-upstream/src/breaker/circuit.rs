//! The state machine of the circuit breaker: no lock, no clock, no I/O; `now` is an argument.

use std::time::Duration;

use crate::settings::{BreakerSettings, WindowType};

use super::window::{CallRecord, Tally, Window};

/// So long a half-open circuit waits for its calls before it lets in others, where it is asked to be early.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a breaker does with the next call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BreakerState {
    /// Lets it through.
    Closed,
    /// Lets a fixed number of calls through, to see what comes of them.
    HalfOpen,
    /// Refuses it.
    Open,
}

/// Closed, open or half-open, with what each of them has to remember.
#[derive(Debug)]
pub(super) struct Circuit {
    settings: BreakerSettings,
    state: State,
    /// Counts the changes of state. A call that was let in before the last change says nothing about
    /// the state after it, so its outcome is dropped.
    generation: u64,
    abandoned: Abandoned,
}

/// Calls in a row that were given up before a response came.
#[derive(Clone, Copy, Debug, Default)]
struct Abandoned {
    calls: u32,
    /// When the last one of them was given up.
    at: Duration,
}

#[derive(Debug)]
enum State {
    Closed {
        window: Window,
    },
    Open {
        /// When the call began that opened it.
        since: Duration,
        until: Duration,
    },
    HalfOpen {
        /// Since when.
        since: Duration,
        permits_left: u32,
        window: Window,
        /// Until when it would be open, were it not asked to be early.
        early: Option<Duration>,
    },
}

/// The right to make one call, to be given back with its outcome, or without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Admitted {
    pub(super) generation: u64,
}

/// The circuit lets nothing through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// When it is worth asking again; zero when the half-open circuit waits for calls under way.
    pub(super) retry_after: Duration,
}

impl Circuit {
    pub(super) fn new(settings: BreakerSettings) -> Self {
        Self {
            settings,
            state: closed(&settings),
            generation: 0,
            abandoned: Abandoned::default(),
        }
    }

    /// One that has counted the same, and has let nothing in.
    pub(super) fn copy(&self) -> Self {
        let state = match &self.state {
            State::Closed { window } => State::Closed {
                window: window.clone(),
            },
            State::Open { since, until } => State::Open {
                since: *since,
                until: *until,
            },
            State::HalfOpen { since, early, .. } => State::HalfOpen {
                since: *since,
                early: *early,
                permits_left: self.settings.half_open_calls,
                window: Window::count(self.settings.half_open_calls),
            },
        };
        Self {
            settings: self.settings,
            state,
            generation: self.generation,
            abandoned: self.abandoned,
        }
    }

    /// Asks for one call at `now`; an open circuit whose wait is over becomes half-open by this, and a half-open one whose
    /// wait is over becomes open.
    pub(super) fn admit(&mut self, now: Duration) -> Result<Admitted, Refused> {
        if let Some(end) = self.end_of_half_open()
            && now >= end
        {
            self.open(end, end.saturating_add(self.settings.open));
        }
        if let State::Open { until, .. } = self.state {
            if now < until {
                return Err(Refused {
                    retry_after: until.saturating_sub(now),
                });
            }
            self.half_open(now, None);
        }
        if let State::HalfOpen { permits_left, .. } = &mut self.state {
            let Some(left) = permits_left.checked_sub(1) else {
                return Err(Refused {
                    retry_after: Duration::ZERO,
                });
            };
            *permits_left = left;
        }
        Ok(Admitted {
            generation: self.generation,
        })
    }

    /// What [`admit`](Self::admit) answers as long as nothing changes, where that is the same for every call: while it is closed.
    pub(super) fn while_closed(&self) -> Option<Admitted> {
        let generation = self.generation;
        matches!(self.state, State::Closed { .. }).then_some(Admitted { generation })
    }

    /// As [`admit`](Self::admit), and an open circuit becomes half-open before its time. One that is half-open, and has waited for
    /// its calls for [`PATIENCE`], lets in as many more: those may find out what these do not, since they hang. When the first call of
    /// an early one fails, it is open as it was, and for no longer than it would have been.
    pub(super) fn admit_early(&mut self, now: Duration) -> Result<Admitted, Refused> {
        let again = self.settings.half_open_calls;
        match &mut self.state {
            State::Open { until, .. } => {
                let until = *until;
                self.half_open(now, (now < until).then_some(until));
            }
            State::HalfOpen {
                since,
                permits_left: none @ 0,
                ..
            } if self.settings.half_open_wait.is_zero()
                && now.saturating_sub(*since) >= PATIENCE =>
            {
                *since = now;
                *none = again;
            }
            State::HalfOpen { .. } | State::Closed { .. } => {}
        }
        self.admit(now)
    }

    /// A closed circuit begins anew.
    pub(super) fn forget(&mut self) {
        if matches!(self.state, State::Closed { .. }) {
            self.close();
        }
    }

    /// Since when it is open, by the beginning of the call that opened it, or waits for the calls that it has let in.
    pub(super) fn opened_at(&self) -> Option<Duration> {
        match self.state {
            State::Open { since, .. } => Some(since),
            State::HalfOpen {
                since,
                permits_left: 0,
                ..
            } => Some(since),
            State::Closed { .. } | State::HalfOpen { .. } => None,
        }
    }

    /// Whether [`Circuit::admit`] would be refused now; changes nothing.
    pub(super) fn refuses(&self, now: Duration) -> Option<Refused> {
        let open_until = match self.state {
            State::Closed { .. } => return None,
            State::Open { until, .. } => until,
            State::HalfOpen { permits_left, .. } => match self.end_of_half_open() {
                Some(end) if now >= end => end.saturating_add(self.settings.open),
                _ => {
                    return (permits_left == 0).then_some(Refused {
                        retry_after: Duration::ZERO,
                    });
                }
            },
        };
        (now < open_until).then(|| Refused {
            retry_after: open_until.saturating_sub(now),
        })
    }

    /// When a half-open circuit becomes open again though its calls have not come back; `None` when it waits for them.
    fn end_of_half_open(&self) -> Option<Duration> {
        let wait = self.settings.half_open_wait;
        match self.state {
            State::HalfOpen { since, .. } if !wait.is_zero() => Some(since.saturating_add(wait)),
            _ => None,
        }
    }

    /// Gives the permit back with what the call was worth that began and ended at those times.
    pub(super) fn settle(
        &mut self,
        admitted: Admitted,
        outcome: CallRecord,
        (began, now): (Duration, Duration),
    ) {
        if admitted.generation != self.generation {
            return;
        }
        if !outcome.failed {
            self.abandoned.calls = 0;
        }
        let open_until = now.saturating_add(self.settings.open);
        match &mut self.state {
            State::Closed { window } => {
                let tally = window.record(outcome, now);
                let seen = tally.calls >= minimum_calls(&self.settings);
                if seen && is_exceeded(&self.settings, tally, self.settings.failures) {
                    self.open(began, open_until);
                }
            }
            State::HalfOpen { window, early, .. } => {
                let tally = window.record(outcome, now);
                let early = early.filter(|until| now < *until);
                if tally.calls >= self.settings.half_open_calls {
                    // As many failures as calls that are tried are enough, where more are needed otherwise.
                    let failures = self.settings.failures.min(self.settings.half_open_calls);
                    if is_exceeded(&self.settings, tally, failures) {
                        self.open(began, early.unwrap_or(open_until));
                    } else {
                        self.close();
                    }
                } else if let Some(until) = early
                    && self.settings.counts_failures
                    && tally.failed == tally.calls
                {
                    self.open(began, until);
                }
            }
            // Nothing is let in while open, so no permit has this generation.
            State::Open { .. } => {}
        }
    }

    /// Gives the permit back of a call that was sent at `sent_at` and whose caller has gone. Of those that were under way
    /// together only the first one counts: they tell one and the same thing.
    pub(super) fn abandon(&mut self, admitted: Admitted, sent_at: Duration, now: Duration) {
        self.release(admitted);
        if admitted.generation != self.generation || sent_at < self.abandoned.at {
            return;
        }
        self.abandoned.calls = self.abandoned.calls.saturating_add(1);
        self.abandoned.at = now;
        if self.abandoned.calls >= self.settings.abandoned_calls {
            self.open(sent_at, now.saturating_add(self.settings.open));
        }
    }

    /// Gives the permit back without an outcome: the call never reached the instance.
    pub(super) fn release(&mut self, admitted: Admitted) {
        if admitted.generation != self.generation {
            return;
        }
        if let State::HalfOpen { permits_left, .. } = &mut self.state {
            *permits_left = permits_left.saturating_add(1);
        }
    }

    pub(super) fn state(&self) -> BreakerState {
        match self.state {
            State::Closed { .. } => BreakerState::Closed,
            State::Open { .. } => BreakerState::Open,
            State::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    fn open(&mut self, since: Duration, until: Duration) {
        self.abandoned.calls = 0;
        self.generation = self.generation.wrapping_add(1);
        self.state = State::Open { since, until };
    }

    fn half_open(&mut self, now: Duration, early: Option<Duration>) {
        self.abandoned.calls = 0;
        self.generation = self.generation.wrapping_add(1);
        self.state = State::HalfOpen {
            since: now,
            permits_left: self.settings.half_open_calls,
            window: Window::count(self.settings.half_open_calls),
            early,
        };
    }

    fn close(&mut self) {
        self.abandoned.calls = 0;
        self.generation = self.generation.wrapping_add(1);
        self.state = closed(&self.settings);
    }
}

fn closed(settings: &BreakerSettings) -> State {
    let window = match settings.window_type {
        WindowType::Count => Window::count(settings.window),
        WindowType::Time => Window::time(settings.window_time),
    };
    State::Closed { window }
}

/// More calls than a window holds are never seen.
fn minimum_calls(settings: &BreakerSettings) -> u32 {
    match settings.window_type {
        WindowType::Count => settings.minimum_calls.min(settings.window),
        WindowType::Time => settings.minimum_calls,
    }
}

/// Whether the share of failed or of slow calls has reached its threshold, or there were so many `failures`; 0: that many
/// are never too many.
fn is_exceeded(settings: &BreakerSettings, tally: Tally, failures: u32) -> bool {
    let by_failures = || {
        tally.failed_share_reaches(settings.failure_rate)
            || (failures > 0 && tally.failed >= failures)
    };
    (settings.counts_failures && by_failures()) || tally.slow_share_reaches(settings.slow_call_rate)
}

#[cfg(test)]
mod tests;
