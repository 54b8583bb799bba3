//! A span around each request, for an export of spans: what the log tells of requests are the audit events.

use hallpass_upstream::TraceContext;
use http::{Request, StatusCode};
use tracing::{Span, field};

use crate::core::Core;
use crate::http::public_urls::{
    INTROSPECT_PATH, JWKS_PATH, REVOCATIONS_PATH, REVOKE_PATH, TOKEN_PATH,
};

/// The span of one request. Of the level `DEBUG`: it costs a token request nothing where nobody exports it.
#[derive(Debug)]
pub(crate) struct RequestSpan(Span);

impl RequestSpan {
    /// Below that of its sender, or the first one of a trace.
    pub(crate) fn of<B>(request: &Request<B>, core: &Core) -> Self {
        let span = tracing::debug_span!(
            "request",
            otel.kind = "server",
            http.request.method = request.method().as_str(),
            http.route = route(request.uri().path()),
            http.response.status_code = field::Empty,
            trace_id = field::Empty,
            span_id = field::Empty,
            parent_span_id = field::Empty,
            trace_flags = field::Empty,
        );
        if !span.is_disabled() {
            let trace = TraceContext::received(request.headers(), core.settings().sampled);
            span.record("trace_id", field::display(trace.trace_id()));
            span.record("span_id", field::display(trace.span_id()));
            if let Some(parent) = trace.parent_id() {
                span.record("parent_span_id", field::display(parent));
            }
            span.record("trace_flags", u8::from(trace.is_sampled()));
        }
        Self(span)
    }

    /// For what is done inside.
    pub(crate) fn span(&self) -> Span {
        self.0.clone()
    }

    /// Notes what came of it.
    pub(crate) fn ended(&self, status: StatusCode) {
        self.0.record("http.response.status_code", status.as_u16());
    }
}

/// A path as sent says anything; these are ours.
fn route(path: &str) -> Option<&'static str> {
    let known = [
        TOKEN_PATH,
        JWKS_PATH,
        REVOKE_PATH,
        INTROSPECT_PATH,
        REVOCATIONS_PATH,
    ];
    known.into_iter().find(|known| *known == path)
}
