//! A call to an instance, from when it was let in to its end.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::instance_state::InstanceState;
use super::latency::nanos;
use crate::breaker::Ticket;
use crate::bulkhead::Full;
use crate::outcome::Declined;

/// A call that was let in: it counts as under way until it is dropped, and gives back then what it has, without an outcome unless it was ended. One reference
/// is counted for the instance, its breaker and its bulkhead together: there is one of these an attempt.
#[derive(Debug)]
pub(super) struct InFlight {
    state: Arc<InstanceState>,
    /// Until it has ended.
    ticket: Option<Ticket>,
    has_place: bool,
    /// When it was let in, or got its place.
    since: Duration,
}

impl InFlight {
    /// Asks the breaker of the instance.
    ///
    /// # Errors
    /// How long to wait.
    pub(super) fn admit(state: &Arc<InstanceState>, now: Duration) -> Result<Self, Duration> {
        Ok(Self::begin(state, state.breaker.admit(now)?, now))
    }

    /// The same, where an open breaker is to try a few calls before its time.
    pub(super) fn admit_early(state: &Arc<InstanceState>, now: Duration) -> Result<Self, Duration> {
        Ok(Self::begin(state, state.breaker.admit_early(now)?, now))
    }

    fn begin(state: &Arc<InstanceState>, ticket: Ticket, now: Duration) -> Self {
        state.in_flight.fetch_add(1, Ordering::Relaxed);
        Self {
            state: Arc::clone(state),
            ticket: Some(ticket),
            has_place: false,
            since: now,
        }
    }

    pub(super) const fn state(&self) -> &Arc<InstanceState> {
        &self.state
    }

    /// What time it is.
    pub(super) fn now(&self) -> Duration {
        self.state.common.clock.monotonic()
    }

    /// Takes a place in the bulkhead, waiting for one if need be.
    pub(super) async fn take_place(&mut self) -> Result<(), Full> {
        let has_waited = self.state.bulkhead.enter().await?;
        self.has_place = true;
        if has_waited {
            self.since = self.now();
        }
        Ok(())
    }

    /// When it was let in, or had waited for its place.
    pub(super) const fn since(&self) -> Duration {
        self.since
    }

    /// Ends the call at `now` with what it was worth.
    pub(super) fn settle(&mut self, failed: bool, took: Duration, now: Duration) {
        if let Some(ticket) = self.ticket.take() {
            self.state.breaker.settle(ticket, failed, took, now);
        }
        self.state.settle(failed, took, now);
    }

    /// Ends the call with a response that was not what was asked for.
    pub(super) fn decline(&mut self, declined: Declined, took: Duration) {
        let now = self.now();
        if let Some(ticket) = self.ticket.take() {
            self.state.breaker.settle(ticket, false, took, now);
        }
        self.state.decline(declined, took, now);
    }

    /// Ends a call, sent at `sent_at`, whose caller has gone.
    pub(super) fn abandon(&mut self, sent_at: Duration) {
        let now = self.now();
        if let Some(ticket) = self.ticket.take() {
            self.state.breaker.abandon(ticket, sent_at, now);
        }
        self.state.given_up(now.saturating_sub(sent_at), now);
    }

    /// Ends a call, sent at `sent_at`, whose answer nobody waits for any more. One that takes clearly longer than usual may hang,
    /// and where each of its calls is outrun nothing else tells: many in a row, no two of them under way together, without a good
    /// one between them.
    pub(super) fn outrun(&mut self, sent_at: Duration) {
        let now = self.now();
        let took = now.saturating_sub(sent_at);
        if nanos(took) >= self.state.common.usual.slow()
            && let Some(ticket) = self.ticket.take()
        {
            self.state.breaker.abandon(ticket, sent_at, now);
        }
        self.state.given_up(took, now);
    }

    /// Ends the call without an outcome.
    pub(super) fn give_back(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.state.breaker.take_back(ticket);
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.give_back();
        if self.has_place {
            self.state.bulkhead.leave();
        }
        self.state.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
