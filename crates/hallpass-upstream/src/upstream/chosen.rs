//! One attempt at one instance, from its choice to its end.

use std::sync::Arc;
use std::time::Duration;

use super::destination::Destination;
use super::in_flight::InFlight;
use crate::bulkhead::Full;
use crate::discovery::Instance;
use crate::outcome::{Declined, Outcome, Refusal};

/// An instance that was chosen for an attempt, and the right to call it. Counts as a call under way until dropped.
#[derive(Debug)]
pub struct Chosen {
    in_flight: InFlight,
}

impl Chosen {
    pub(super) const fn new(in_flight: InFlight) -> Self {
        Self { in_flight }
    }

    /// Where the attempt goes.
    #[must_use]
    pub fn instance(&self) -> &Instance {
        &self.in_flight.state().instance
    }

    /// The same, with the name of the service, to keep.
    #[must_use]
    pub fn destination(&self) -> Destination {
        Destination::of(self.in_flight.state())
    }

    /// Takes a place in the instance's bulkhead, waiting for one if need be.
    ///
    /// # Errors
    /// [`Refusal::BulkheadFull`] when none became free in time. The breaker's permit is then given back without an
    /// outcome: a queue on this side says nothing about the instance.
    pub async fn enter(mut self) -> Result<Admitted, Refusal> {
        match self.in_flight.take_place().await {
            Ok(()) => Ok(Admitted {
                in_flight: self.in_flight,
            }),
            Err(Full) => Err(Refusal::BulkheadFull {
                service: Arc::clone(self.in_flight.state().service()),
            }),
        }
    }
}

/// An attempt that may be sent now. Dropping it gives everything back without an outcome.
#[derive(Debug)]
pub struct Admitted {
    in_flight: InFlight,
}

/// A response whose head counts already and whose body is still on its way: until it is dropped, its instance has one call more under way,
/// for the choice of the next ones and for its bulkhead.
#[derive(Debug)]
#[must_use = "dropped, the call is not under way any more"]
pub struct BodyUnderWay {
    _in_flight: InFlight,
}

impl Admitted {
    /// Since when it may be sent, by the upstream's clock: for who sends it at once, and need not look at the clock.
    #[must_use]
    pub const fn since(&self) -> Duration {
        self.in_flight.since()
    }

    /// Ends the attempt: whether the instance failed, and how long it took, for its breaker, its ejection and its latency.
    pub fn settle(self, failed: bool, took: Duration) {
        let now = self.in_flight.now();
        self.settle_at(failed, took, now);
    }

    /// As [`settle`](Self::settle), for who has just looked at the upstream's clock: it is `now`.
    pub fn settle_at(mut self, failed: bool, took: Duration, now: Duration) {
        self.in_flight.settle(failed, took, now);
    }

    /// Ends the attempt, which went out at `sent_at` by the upstream's clock, with the head of its response (or with why there is none): breaker, ejection
    /// and latency know of it from now on. The call stays under way until what this gives is dropped: for who hands a body on as it comes.
    pub fn settle_head(self, outcome: &impl Outcome, sent_at: Duration) -> BodyUnderWay {
        let now = self.in_flight.now();
        let took = now.saturating_sub(sent_at);
        let Self { mut in_flight } = self;
        match (outcome.instance_failed(), outcome.declined()) {
            (Some(false), Some(declined)) => in_flight.decline(declined, took),
            (Some(failed), _) => in_flight.settle(failed, took, now),
            (None, _) => in_flight.give_back(),
        }
        BodyUnderWay {
            _in_flight: in_flight,
        }
    }

    /// Ends the attempt with a response that came after `took` and did not do what was asked. The instance works, for its breaker and
    /// its ejection; how long it takes to do what is asked, this does not say.
    pub fn decline(mut self, declined: Declined, took: Duration) {
        self.in_flight.decline(declined, took);
    }

    /// Ends an attempt that went out at `sent_at`, by the upstream's clock, and whose caller has gone before a response
    /// came. Many of those in a row count against the instance; see
    /// [`BreakerSettings::abandoned_calls`](crate::BreakerSettings::abandoned_calls).
    pub fn abandon(mut self, sent_at: Duration) {
        self.in_flight.abandon(sent_at);
    }

    /// Ends an attempt that went out at `sent_at` and whose answer is not wanted any more, because another attempt of the same
    /// call was faster. It says nothing against the instance but that it takes at least so long; where that is clearly longer than
    /// usual, as if its caller had gone: see [`abandon`](Self::abandon).
    pub fn outrun(mut self, sent_at: Duration) {
        self.in_flight.outrun(sent_at);
    }
}
