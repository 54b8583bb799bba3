//! The circuit breaker and the bulkhead of the chosen instance, and the task of an isolated call.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use hallpass_client::context;
use hallpass_clock::Clock;
use hallpass_upstream::{Admitted, Body, Chosen, Outcome};
use http::Request;
use tokio::task::JoinHandle;

use super::{CallResult, Layer, says_too_late};
use crate::error::FeignError;
use crate::ongoing_attempt::OngoingAttempt;

/// Lets a call through to its instance and tells the instance's breaker what came of it.
#[derive(Clone, Debug)]
pub(crate) struct Admission<L> {
    inner: L,
    isolate: bool,
    clock: Arc<dyn Clock>,
}

impl<L> Admission<L> {
    pub(crate) fn new(inner: L, isolate: bool, clock: Arc<dyn Clock>) -> Self {
        Self {
            inner,
            isolate,
            clock,
        }
    }
}

impl<L: Layer<Arc<OngoingAttempt>>> Admission<L> {
    /// Sends a request to the instance that was chosen for it.
    pub(super) async fn send(
        &self,
        attempt: &Arc<OngoingAttempt>,
        request: &mut Request<Body>,
        chosen: Chosen,
    ) -> CallResult {
        let under_way = UnderWay {
            admitted: Some(chosen.enter().await?),
            clock: &self.clock,
            attempt,
        };
        let result = if self.isolate {
            let request = std::mem::take(request);
            Box::pin(isolated(self.inner.clone(), attempt, request)).await
        } else {
            pin!(self.inner.send(attempt, request)).await
        };
        under_way.settle(&result);
        result
    }
}

/// Runs the call on a task of its own, as breakers with an executor do.
///
/// The identity goes with it: it is in the call since that began, and is put around the new task
/// as well, for whatever a layer below may read there.
async fn isolated<L: Layer<Arc<OngoingAttempt>>>(
    inner: L,
    attempt: &Arc<OngoingAttempt>,
    mut request: Request<Body>,
) -> CallResult {
    let (context, attempt) = (attempt.context.clone(), Arc::clone(attempt));
    let own = Arc::clone(&attempt);
    let sending = async move { telling(&own, inner.send(&own, &mut request)).await };
    let sending = context::scope_all(context, sending);
    let mut task = AbortOnDrop(tokio::spawn(sending));
    let ended = poll_fn(|context| {
        // The times of an attempt begin when it is sent.
        attempt.watch(context);
        Pin::new(&mut task.0).poll(context)
    });
    // A task that panicked or was stopped with its runtime has no answer.
    ended.await.unwrap_or(Err(FeignError::Interrupted))
}

/// Wakes whoever watches the attempt when it is sent.
async fn telling(
    attempt: &OngoingAttempt,
    sending: impl Future<Output = CallResult>,
) -> CallResult {
    let mut sending = pin!(sending);
    let mut told = None;
    poll_fn(|context| {
        let ended = sending.as_mut().poll(context);
        let sent = attempt.sent_at();
        if sent != told {
            told = sent;
            attempt.wake_watcher();
        }
        ended
    })
    .await
}

/// A caller that goes away, or whose deadline passes, does not leave its call running.
struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// An attempt under way; settled at the end, or when the call is dropped.
struct UnderWay<'a> {
    admitted: Option<Admitted>,
    clock: &'a Arc<dyn Clock>,
    attempt: &'a OngoingAttempt,
}

impl UnderWay<'_> {
    fn settle(mut self, result: &CallResult) {
        match result.instance_failed() {
            // The callee was told when its caller stops waiting: nobody could have been faster than that.
            _ if self.attempt.is_hurried_out() && says_too_late(result) => {
                drop(self.admitted.take())
            }
            Some(failed) => match result.declined() {
                Some(declined) if !failed => {
                    self.conclude(|admitted, took, _| admitted.decline(declined, took));
                }
                _ => self.end(failed),
            },
            // Dropping it gives everything back without an outcome.
            None => drop(self.admitted.take()),
        }
    }

    /// Counts from the moment at which the request went out: waiting for a token is not the instance's fault, and a
    /// call that never went out counts for nothing.
    fn end(&mut self, failed: bool) {
        self.conclude(|admitted, took, now| admitted.settle_at(failed, took, now));
    }

    /// With how long it took, and what time it is.
    fn conclude(&mut self, conclude: impl FnOnce(Admitted, Duration, Duration)) {
        if let (Some(admitted), Some(sent_at)) = (self.admitted.take(), self.attempt.sent_at()) {
            let now = self.clock.monotonic();
            let ended = self.attempt.rejected_at().unwrap_or(now);
            conclude(admitted, ended.saturating_sub(sent_at), now);
        }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if self.admitted.is_none() {
            // It has been settled, and nobody asks what time it is.
            return;
        }
        if self.attempt.is_rejected() {
            // The instance has answered, and a new token was waited for.
            drop(self.admitted.take());
            return;
        }
        if self.attempt.has_lost() {
            // A lost race says that the instance takes at least so long; one that was not sent yet says nothing.
            if let (Some(admitted), Some(sent_at)) = (self.admitted.take(), self.attempt.sent_at())
            {
                admitted.outrun(sent_at);
            }
            return;
        }
        // Dropped before its end: by the deadline, which the instance has failed to meet, or by a caller that lost interest or
        // had little time to begin with, which is not the instance's fault unless it happens all the time.
        if self.attempt.is_late() {
            self.end(true);
        } else if let (Some(admitted), Some(sent_at)) =
            (self.admitted.take(), self.attempt.sent_at())
        {
            admitted.abandon(sent_at);
        }
    }
}
