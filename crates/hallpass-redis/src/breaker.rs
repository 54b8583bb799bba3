//! Stops calls to a Redis that does not respond: failures in a row open it, a single call after a moment tries again.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hallpass_clock::Clock;

use crate::metrics::BreakerMetrics;

/// Failures in a row that open it.
const FAILURES_TO_OPEN: u32 = 5;
/// How long no call is tried then, and after each failed trial.
const OPEN_FOR: Duration = Duration::from_secs(1);
/// A call that its caller gave up after this long has failed: it had the whole of its time.
const GIVEN_UP_AFTER: Duration = Duration::from_millis(15);

/// One breaker for all calls of one kind. The lock is held for a few instructions, never across an await.
pub(crate) struct Breaker {
    state: Mutex<State>,
    clock: Arc<dyn Clock>,
    metrics: BreakerMetrics,
    /// Told of each failure: the connection may be dead.
    on_silence: Box<dyn Fn() + Send + Sync>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed {
        failures: u32,
    },
    Open {
        until: Duration,
    },
    /// One call is under way to see whether Redis responds again.
    Trying,
}

/// The right to make one call. Dropped without an outcome it says that the caller has gone.
#[must_use]
pub(crate) struct Permit<'a> {
    breaker: &'a Breaker,
    began: Duration,
    is_settled: bool,
}

impl Breaker {
    pub(crate) fn new(
        clock: Arc<dyn Clock>,
        metrics: BreakerMetrics,
        on_silence: Box<dyn Fn() + Send + Sync>,
    ) -> Self {
        Self {
            state: Mutex::new(State::Closed { failures: 0 }),
            clock,
            metrics,
            on_silence,
        }
    }

    /// Asks for one call; `None` while it is open.
    pub(crate) fn admit(&self) -> Option<Permit<'_>> {
        let now = self.clock.monotonic();
        let admitted = self.with(|state| match *state {
            State::Closed { .. } => true,
            State::Open { until } if now >= until => {
                *state = State::Trying;
                true
            }
            State::Open { .. } | State::Trying => false,
        });
        // Made only when it is given out: dropping one says something.
        admitted.then(|| Permit {
            breaker: self,
            began: now,
            is_settled: false,
        })
    }

    /// Changes the state and shows whether it is open now.
    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        // A poisoned lock is only possible after a panic, and there is none here.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *state;
        let result = work(&mut state);
        let after = *state;
        drop(state);
        let is_open = |state| !matches!(state, State::Closed { .. });
        if is_open(before) != is_open(after) {
            self.metrics.is_open(is_open(after));
        }
        result
    }
}

impl Permit<'_> {
    /// How long the call has taken until now.
    pub(crate) fn elapsed(&self) -> Duration {
        self.breaker.clock.monotonic().saturating_sub(self.began)
    }

    /// Redis has responded.
    pub(crate) fn succeeded(mut self) {
        self.is_settled = true;
        self.breaker
            .with(|state| *state = State::Closed { failures: 0 });
    }

    /// Redis has not responded.
    pub(crate) fn failed(mut self) {
        self.settle_failed();
    }

    fn settle_failed(&mut self) {
        self.is_settled = true;
        let until = self.breaker.clock.monotonic().saturating_add(OPEN_FOR);
        self.breaker.with(|state| match state {
            State::Closed { failures } => {
                *failures = failures.saturating_add(1);
                if *failures >= FAILURES_TO_OPEN {
                    *state = State::Open { until };
                }
            }
            State::Trying => *state = State::Open { until },
            // A call that was under way when it opened.
            State::Open { .. } => {}
        });
        (self.breaker.on_silence)();
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.is_settled {
            return;
        }
        if self.elapsed() >= GIVEN_UP_AFTER {
            self.settle_failed();
            return;
        }
        // A caller in a hurry says nothing about Redis: the next call tries.
        let now = self.breaker.clock.monotonic();
        self.breaker.with(|state| {
            if *state == State::Trying {
                *state = State::Open { until: now };
            }
        });
    }
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.with(|state| *state);
        f.debug_tuple("Breaker").field(&state).finish()
    }
}

#[cfg(test)]
mod tests {
    use hallpass_clock::ManualClock;

    use super::*;

    fn breaker() -> (Breaker, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::default());
        let breaker = Breaker::new(
            Arc::clone(&clock) as _,
            BreakerMetrics::default(),
            Box::new(|| ()),
        );
        (breaker, clock)
    }

    fn fail(breaker: &Breaker, times: u32) {
        for _ in 0..times {
            breaker.admit().unwrap().failed();
        }
    }

    #[test]
    fn five_failures_in_a_row_open_it_for_a_second() {
        let (breaker, clock) = breaker();
        fail(&breaker, 4);
        breaker.admit().unwrap().succeeded();
        fail(&breaker, 5);
        assert!(breaker.admit().is_none());
        clock.advance(Duration::from_millis(999));
        assert!(breaker.admit().is_none());
        clock.advance(Duration::from_millis(1));
        assert!(breaker.admit().is_some());
    }

    #[test]
    fn one_call_tries_whether_redis_responds_again() {
        let (breaker, clock) = breaker();
        fail(&breaker, 5);
        clock.advance(OPEN_FOR);
        let trial = breaker.admit().unwrap();
        assert!(breaker.admit().is_none());
        trial.failed();
        assert!(breaker.admit().is_none());
        clock.advance(OPEN_FOR);
        breaker.admit().unwrap().succeeded();
        fail(&breaker, 4);
        assert!(breaker.admit().is_some());
    }

    #[test]
    fn a_caller_that_gives_up_late_is_a_failure_and_one_in_a_hurry_is_not() {
        let (breaker, clock) = breaker();
        for _ in 0..20 {
            drop(breaker.admit().unwrap());
        }
        for _ in 0..5 {
            let permit = breaker.admit().unwrap();
            clock.advance(GIVEN_UP_AFTER);
            drop(permit);
        }
        assert!(breaker.admit().is_none());
        clock.advance(OPEN_FOR);
        drop(breaker.admit().unwrap());
        assert!(breaker.admit().is_some());
    }
}
