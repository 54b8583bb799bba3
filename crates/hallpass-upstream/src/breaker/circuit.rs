//! The state machine of the circuit breaker: no lock, no clock, no I/O; `now` is an argument.

use std::time::Duration;

use crate::settings::BreakerSettings;

use super::window::{CallRecord, Window};

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
#[derive(Debug, Default)]
struct Abandoned {
    calls: u32,
    /// When the last one of them was given up.
    at: Duration,
}

#[derive(Debug)]
enum State {
    Closed { window: Window },
    Open { until: Duration },
    HalfOpen { permits_left: u32, window: Window },
}

/// The right to make one call, to be given back with its outcome, or without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Admitted {
    generation: u64,
}

/// The circuit lets nothing through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// When it is worth asking again; zero when the half-open circuit waits for calls under way.
    pub(super) retry_after: Duration,
}

impl Circuit {
    pub(super) fn new(settings: BreakerSettings) -> Self {
        let window = Window::new(settings.window);
        Self {
            settings,
            state: State::Closed { window },
            generation: 0,
            abandoned: Abandoned::default(),
        }
    }

    /// Asks for one call at `now`; an open circuit whose wait is over becomes half-open by this.
    pub(super) fn admit(&mut self, now: Duration) -> Result<Admitted, Refused> {
        if let State::Open { until } = self.state {
            if now < until {
                return Err(Refused {
                    retry_after: until.saturating_sub(now),
                });
            }
            self.half_open();
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

    /// Whether [`Circuit::admit`] would be refused now; changes nothing.
    pub(super) fn refuses(&self, now: Duration) -> Option<Refused> {
        match self.state {
            State::Closed { .. } => None,
            State::Open { until } => (now < until).then(|| Refused {
                retry_after: until.saturating_sub(now),
            }),
            State::HalfOpen { permits_left, .. } => (permits_left == 0).then_some(Refused {
                retry_after: Duration::ZERO,
            }),
        }
    }

    /// Gives the permit back with what the call was worth.
    pub(super) fn settle(&mut self, admitted: Admitted, outcome: CallRecord, now: Duration) {
        if admitted.generation != self.generation {
            return;
        }
        if !outcome.failed {
            self.abandoned.calls = 0;
        }
        match &mut self.state {
            State::Closed { window } => {
                window.record(outcome);
                let seen = window.len() >= self.settings.minimum_calls.min(self.settings.window);
                if seen && is_exceeded(&self.settings, window) {
                    self.open(now);
                }
            }
            State::HalfOpen { window, .. } => {
                window.record(outcome);
                if window.len() >= self.settings.half_open_calls {
                    if is_exceeded(&self.settings, window) {
                        self.open(now);
                    } else {
                        self.close();
                    }
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
            self.open(now);
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

    fn open(&mut self, now: Duration) {
        self.abandoned.calls = 0;
        self.generation = self.generation.wrapping_add(1);
        self.state = State::Open {
            until: now.saturating_add(self.settings.open),
        };
    }

    fn half_open(&mut self) {
        self.abandoned.calls = 0;
        self.generation = self.generation.wrapping_add(1);
        self.state = State::HalfOpen {
            permits_left: self.settings.half_open_calls,
            window: Window::new(self.settings.half_open_calls),
        };
    }

    fn close(&mut self) {
        self.abandoned.calls = 0;
        self.generation = self.generation.wrapping_add(1);
        self.state = State::Closed {
            window: Window::new(self.settings.window),
        };
    }
}

/// Whether the share of failed or of slow calls has reached its threshold.
fn is_exceeded(settings: &BreakerSettings, window: &Window) -> bool {
    window.failed_share_reaches(settings.failure_rate)
        || window.slow_share_reaches(settings.slow_call_rate)
}

#[cfg(test)]
mod tests;
