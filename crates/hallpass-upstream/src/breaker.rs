//! The circuit breaker of one instance, or of a whole service: stops calls where nothing responds, and finds out when it does
//! again.
//!
//! It works as Resilience4j's: a sliding window over a number of calls or over a span of time; it opens when the share of failed or of slow calls
//! reaches its threshold; after the open time it lets a fixed number of calls through and closes or opens again by
//! what comes of them.
//!
//! What counts: no response, a broken response, a deadline that ran out and 5xx are failures; every other response is a
//! success. A call that never reached the instance (no token, host refused) counts for nothing and gives its permit back.
//!
//! So does a call whose caller went away before its deadline: a caller in a hurry says nothing about the instance. Only
//! many of them in a row open it, without a good response between them, because an instance that hangs looks like that
//! when all its callers are in a hurry. Of calls that are under way together one counts.

mod circuit;
mod window;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::settings::{BreakerControl, BreakerSettings};

use circuit::{Admitted, Circuit, Refused};
use window::CallRecord;

pub use circuit::BreakerState;

/// Told of each change of a breaker's state, in the order of the changes and on the thread of the call that caused it, while that
/// breaker is locked: it must be quick, and ask nothing of the breaker.
pub type OnBreakerChange = Box<dyn Fn(BreakerState) + Send + Sync>;

/// A circuit that many calls share. `now` is the time of one clock, by which all of them go.
///
/// The lock is held for a few instructions and never across an await.
pub(crate) struct Breaker {
    control: BreakerControl,
    open: Duration,
    slow_call: Duration,
    circuit: Mutex<Circuit>,
    /// The generation of calls that are let in while the circuit is closed, so that they need no lock; [`NOT_CLOSED`]. It changes under the
    /// lock. Relaxed: who reads an old one is let in as if he had come a moment earlier, and his outcome counts as that of such a call.
    closed: AtomicU64,
    on_change: OnBreakerChange,
}

const NOT_CLOSED: u64 = u64::MAX;

impl Breaker {
    pub(crate) fn new(settings: BreakerSettings, on_change: OnBreakerChange) -> Self {
        let settings = BreakerSettings {
            window: settings.window.max(1),
            half_open_calls: settings.half_open_calls.max(1),
            abandoned_calls: settings.abandoned_calls.max(1),
            ..settings
        };
        let control = match settings.enabled {
            true => settings.state,
            false => BreakerControl::Disabled,
        };
        if control == BreakerControl::ForcedOpen {
            on_change(BreakerState::Open);
        }
        let circuit = Circuit::new(settings);
        Self {
            control,
            open: settings.open,
            slow_call: settings.slow_call,
            closed: AtomicU64::new(closed_generation(&circuit)),
            circuit: Mutex::new(circuit),
            on_change,
        }
    }

    /// Asks for one call.
    ///
    /// # Errors
    /// How long to wait when the breaker is open.
    pub(crate) fn admit(&self, now: Duration) -> Result<Ticket, Duration> {
        self.admit_by(|circuit| circuit.admit(now))
    }

    /// As [`admit`](Self::admit), where an open breaker is to try a few calls before its time.
    pub(crate) fn admit_early(&self, now: Duration) -> Result<Ticket, Duration> {
        self.admit_by(|circuit| circuit.admit_early(now))
    }

    fn admit_by(
        &self,
        admit: impl FnOnce(&mut Circuit) -> Result<Admitted, Refused>,
    ) -> Result<Ticket, Duration> {
        match self.control {
            BreakerControl::Auto => {}
            BreakerControl::ForcedOpen => return Err(self.open),
            BreakerControl::ForcedClosed | BreakerControl::Disabled => return Ok(Ticket(None)),
        }
        let admitted = match self.closed.load(Ordering::Relaxed) {
            NOT_CLOSED => self.with(admit).map_err(|refused| refused.retry_after)?,
            generation => Admitted { generation },
        };
        Ok(Ticket(Some(admitted)))
    }

    /// Ends a call with what it was worth.
    pub(crate) fn settle(
        &self,
        Ticket(admitted): Ticket,
        failed: bool,
        took: Duration,
        now: Duration,
    ) {
        if let Some(admitted) = admitted {
            let outcome = CallRecord {
                failed,
                slow: took >= self.slow_call,
            };
            let began = now.saturating_sub(took);
            self.with(|circuit| circuit.settle(admitted, outcome, (began, now)));
        }
    }

    /// Ends a call, sent at `sent_at` of the clock, whose caller has gone before a response came.
    pub(crate) fn abandon(&self, Ticket(admitted): Ticket, sent_at: Duration, now: Duration) {
        if let Some(admitted) = admitted {
            self.with(|circuit| circuit.abandon(admitted, sent_at, now));
        }
    }

    /// Ends a call without an outcome.
    pub(crate) fn take_back(&self, Ticket(admitted): Ticket) {
        if let Some(admitted) = admitted {
            self.with(|circuit| circuit.release(admitted));
        }
    }

    /// How long to wait when the breaker is open; `None` when the next call would be let in.
    pub(crate) fn refuses(&self, now: Duration) -> Option<Duration> {
        match self.control {
            BreakerControl::Auto => {}
            BreakerControl::ForcedOpen => return Some(self.open),
            BreakerControl::ForcedClosed | BreakerControl::Disabled => return None,
        }
        if self.closed.load(Ordering::Relaxed) != NOT_CLOSED {
            return None;
        }
        let refused = self.with(|circuit| circuit.refuses(now))?;
        Some(refused.retry_after)
    }

    /// What it does with the next call, as `on_change` was told last.
    pub(crate) fn state(&self) -> BreakerState {
        match self.control {
            BreakerControl::Auto => self.with(|circuit| circuit.state()),
            BreakerControl::ForcedOpen => BreakerState::Open,
            BreakerControl::ForcedClosed | BreakerControl::Disabled => BreakerState::Closed,
        }
    }

    /// Forgets the outcomes of before, while it is closed.
    pub(crate) fn forget(&self) {
        self.with(Circuit::forget);
    }

    /// Since when it refuses calls by itself, while it does: when the call began that opened it.
    pub(crate) fn opened_at(&self) -> Option<Duration> {
        match self.control {
            BreakerControl::Auto => self.with(|circuit| circuit.opened_at()),
            _ => None,
        }
    }

    /// Goes on with what another one of the same settings has counted, open if that is; calls that the other one has let in stay with it.
    pub(crate) fn begin_as(&self, other: &Self) {
        let state = other.with(|circuit| circuit.copy());
        self.with(|circuit| *circuit = state);
    }

    fn with<T>(&self, work: impl FnOnce(&mut Circuit) -> T) -> T {
        // A poisoned lock is only possible if the state machine panicked, and it has no panics; its state is sound.
        let mut circuit = self.circuit.lock().unwrap_or_else(PoisonError::into_inner);
        let before = circuit.state();
        let result = work(&mut circuit);
        let after = circuit.state();
        self.closed
            .store(closed_generation(&circuit), Ordering::Relaxed);
        // Under the lock, so that of two changes the later one is told last.
        if before != after {
            (self.on_change)(after);
        }
        result
    }
}

fn closed_generation(circuit: &Circuit) -> u64 {
    let admitted = circuit.while_closed();
    admitted.map_or(NOT_CLOSED, |admitted| admitted.generation)
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breaker")
            .field("state", &self.with(|circuit| circuit.state()))
            .finish_non_exhaustive()
    }
}

/// The right to make one call. Its breaker gets it back, by [`Breaker::settle`], [`Breaker::abandon`] or [`Breaker::take_back`]: it does not know its
/// breaker, so that it costs nothing.
#[derive(Debug)]
#[must_use = "its breaker waits for it"]
pub(crate) struct Ticket(Option<Admitted>);

/// A ticket with its breaker. Dropping it gives it back without an outcome.
#[derive(Debug)]
pub(crate) struct Permit {
    breaker: Arc<Breaker>,
    ticket: Option<Ticket>,
}

impl Permit {
    /// Asks `breaker` for one call.
    ///
    /// # Errors
    /// How long to wait when the breaker is open.
    pub(crate) fn ask(breaker: &Arc<Breaker>, now: Duration) -> Result<Self, Duration> {
        Ok(Self {
            ticket: Some(breaker.admit(now)?),
            breaker: Arc::clone(breaker),
        })
    }

    /// Ends the call with what it was worth to the breaker.
    pub(crate) fn settle(mut self, failed: bool, took: Duration, now: Duration) {
        if let Some(ticket) = self.ticket.take() {
            self.breaker.settle(ticket, failed, took, now);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.breaker.take_back(ticket);
        }
    }
}
