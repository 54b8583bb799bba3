//! What a whole service, or one method of it, allows: rate, circuit breaker and bulkhead over calls.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hallpass_clock::Clock;
use hallpass_upstream::{Body, GuardPass, Outcome};
use http::Request;
use prometheus_client::metrics::gauge::Gauge;

use super::{CallResult, Layer, says_too_late};
use crate::error::FeignError;
use crate::ongoing_call::OngoingCall;
use crate::upstreams::guards::CallGuard;

/// Lets a call through, and tells the guards what came of it.
#[derive(Clone, Debug)]
pub(crate) struct Guarded<L> {
    inner: L,
    guards: CallGuards,
}

/// The guards of a method, each where there is one.
#[derive(Clone, Debug)]
pub(crate) struct CallGuards {
    pub(crate) method: Option<Arc<CallGuard>>,
    pub(crate) service: Option<Arc<CallGuard>>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl<L> Guarded<L> {
    pub(crate) fn new(inner: L, guards: CallGuards) -> Self {
        Self { inner, guards }
    }
}

impl<L: Layer> Layer for Guarded<L> {
    async fn send(&self, call: &OngoingCall, request: &mut Request<Body>) -> CallResult {
        let CallGuards {
            method, service, ..
        } = &self.guards;
        let pass = match method.is_none() && service.is_none() {
            true => None,
            // In a box, so that a call that nothing guards is no larger for it.
            false => {
                let entered = Box::pin(self.guards.enter(call)).await?;
                // It may have waited.
                _ = call.now();
                Some(Box::new(entered))
            }
        };
        let result = pin!(self.inner.send(call, request)).await;
        if let Some(pass) = pass {
            pass.settle(&result);
        }
        result
    }
}

impl CallGuards {
    /// The method first: a call that it refuses has cost the service nothing.
    async fn enter<'a>(&'a self, call: &'a OngoingCall) -> Result<Passed<'a>, FeignError> {
        let method = OneSide {
            pass: enter(self.method.as_deref()).await?,
            guard: self.method.as_deref(),
        };
        let service = enter(self.service.as_deref()).await?;
        Ok(Passed {
            passes: [method.keep(), service],
            since: self.clock.monotonic(),
            clock: &self.clock,
            call,
        })
    }
}

async fn enter(guard: Option<&CallGuard>) -> Result<Option<Pass>, FeignError> {
    let Some(CallGuard { guard, metrics, .. }) = guard else {
        return Ok(None);
    };
    let waiting = Counted::one(&metrics.waiting);
    let entered = guard.enter().await;
    drop(waiting);
    match entered {
        Ok(pass) => Ok(Some(Pass {
            pass,
            _in_use: Counted::one(&metrics.in_use),
        })),
        Err(refusal) => {
            metrics.refused(&refusal);
            Err(refusal.into())
        }
    }
}

/// A call that one guard has let through.
struct Pass {
    pass: GuardPass,
    _in_use: Counted,
}

/// A call that the guard of its method has let through and that of the service has not yet. Dropping it, because the service
/// refuses or while it waits there, gives its turn back.
struct OneSide<'a> {
    pass: Option<Pass>,
    guard: Option<&'a CallGuard>,
}

impl OneSide<'_> {
    fn keep(mut self) -> Option<Pass> {
        self.pass.take()
    }
}

impl Drop for OneSide<'_> {
    fn drop(&mut self) {
        if let (Some(pass), Some(CallGuard { guard, .. })) = (self.pass.take(), self.guard) {
            guard.take_back(pass.pass);
        }
    }
}

/// One more in a gauge, until it is dropped.
struct Counted(Gauge);

impl Counted {
    fn one(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// A call under way; settled at its end, or when it is dropped.
struct Passed<'a> {
    passes: [Option<Pass>; 2],
    since: Duration,
    clock: &'a Arc<dyn Clock>,
    call: &'a OngoingCall,
}

impl Passed<'_> {
    fn settle(mut self, result: &CallResult) {
        self.end(failed(result, self.call));
    }

    fn end(&mut self, failed: Option<bool>) {
        let took = self.clock.monotonic().saturating_sub(self.since);
        for pass in self.passes.iter_mut().filter_map(Option::take) {
            pass.pass.settle(failed, took);
        }
    }
}

impl Drop for Passed<'_> {
    fn drop(&mut self) {
        // By its deadline, which the service has failed to meet, or by a caller that lost interest or had little time to begin
        // with, which says nothing.
        if self.passes.iter().any(Option::is_some) {
            self.end(self.call.is_late().then_some(true));
        }
    }
}

/// Whether the service failed: no response, a broken one, 5xx, or none in time. What it refuses (401, 403, 404) it has
/// responded to; a call without a token, or that an instance's own breaker or bulkhead stopped, says nothing.
fn failed(result: &CallResult, call: &OngoingCall) -> Option<bool> {
    match result {
        // That of an attempt: the call's own is kept above, and drops this.
        Err(FeignError::Deadline { .. }) => call.has_run_out_of_time().then_some(true),
        result if says_too_late(result) && call.is_hurried_out() => None,
        result => result.instance_failed(),
    }
}
