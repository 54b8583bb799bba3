//! A span around each attempt of a call: what the callee sees as the span above its own.

use std::sync::Arc;

use hallpass_upstream::{Instance, Upstream, traced_method};
use http::Method;
use tracing::{Span, field};

use super::CallResult;
use crate::ongoing_attempt::OngoingAttempt;
use crate::ongoing_call::OngoingCall;

/// What became of a call, or of one attempt of it, that was given up.
pub(super) const CANCELLED: &str = "cancelled";

/// The span of one attempt. Of the level `DEBUG`: it is for an export of spans rather than for the log, and costs a call nothing where neither wants it.
#[derive(Debug)]
pub(crate) struct AttemptSpan {
    /// Where somebody wants it; in a box, so that an attempt is no larger for it where nobody does.
    span: Option<Box<Span>>,
    has_ended: bool,
}

impl AttemptSpan {
    /// Before the attempt begins, so that it does so inside.
    pub(crate) fn of(upstream: &Upstream, instance: &Instance, method: &Method) -> Self {
        let span = tracing::debug_span!(
            "attempt",
            otel.kind = "client",
            service = &**upstream.name(),
            http.request.method = traced_method(method),
            http.request.resend_count = field::Empty,
            http.response.status_code = field::Empty,
            server.address = instance.host(),
            server.port = instance.port(),
            error.type = field::Empty,
            trace_id = field::Empty,
            span_id = field::Empty,
            parent_span_id = field::Empty,
            trace_flags = field::Empty,
        );
        Self {
            span: (!span.is_disabled()).then(|| Box::new(span)),
            has_ended: false,
        }
    }

    pub(crate) fn in_scope<T>(&self, begin: impl FnOnce() -> T) -> T {
        match &self.span {
            Some(span) => span.in_scope(begin),
            None => begin(),
        }
    }

    /// For what is done inside; `None` where neither the log nor an export wants it.
    pub(crate) fn wanted(&self) -> Option<&Span> {
        self.span.as_deref()
    }

    /// Notes which span of which trace it is.
    pub(crate) fn began(&self, call: &OngoingCall, attempt: &OngoingAttempt) {
        let Some(span) = self.wanted() else {
            return;
        };
        let resends = call.attempts().saturating_sub(1);
        if resends > 0 {
            span.record("http.request.resend_count", resends);
        }
        if let Some(trace) = attempt.context.trace() {
            span.record("trace_id", field::display(trace.trace_id()));
            span.record("span_id", field::display(trace.span_id()));
            if let Some(parent) = trace.parent_id() {
                span.record("parent_span_id", field::display(parent));
            }
            span.record("trace_flags", u8::from(trace.is_sampled()));
        }
    }

    /// Notes what came of it.
    pub(crate) fn ended(mut self, attempt: &Arc<OngoingAttempt>, result: &CallResult) {
        self.has_ended = true;
        let Some(span) = self.wanted() else {
            return;
        };
        if let Some(status) = attempt.status() {
            span.record("http.response.status_code", status.as_u16());
        }
        if let Err(error) = result {
            span.record("error.type", error.code());
        }
    }
}

/// One that was given up, as another was faster or nobody waits any more, is none that went well.
impl Drop for AttemptSpan {
    fn drop(&mut self) {
        if let Some(span) = self.wanted()
            && !self.has_ended
        {
            span.record("error.type", CANCELLED);
        }
    }
}
