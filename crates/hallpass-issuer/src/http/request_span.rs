//! A span around each request, for an export of spans: what the log tells of requests are the audit events.

use hallpass_config::Percent;
use hallpass_upstream::{TraceContext, TrustSampled, traced_method};
use http::{Request, StatusCode};
use tracing::{Span, field};

use crate::core::Core;
use crate::http::public_urls::{
    BUNDLE_PATH, CERTIFICATE_PATH, INTROSPECT_PATH, JWKS_PATH, REVOCATIONS_PATH, REVOKE_PATH,
    TOKEN_PATH,
};

/// The span of one request. Of the level `DEBUG`: it costs a token request nothing where nobody exports it.
#[derive(Debug)]
pub(crate) struct RequestSpan {
    span: Span,
    /// What is known once the request is over, and whom it came from; nothing where nobody exports it.
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    trace: TraceContext,
    /// Whether nobody is answered well who has not shown who he is.
    is_for_known: bool,
    trust: TrustSampled,
    sampled: Percent,
}

impl RequestSpan {
    /// Below that of its sender, or the first one of a trace.
    pub(crate) fn of<B>(request: &Request<B>, core: &Core) -> Self {
        let route = route(request.uri().path());
        let span = tracing::debug_span!(
            "request",
            otel.kind = "server",
            http.request.method = traced_method(request.method()),
            http.route = route,
            http.response.status_code = field::Empty,
            error.type = field::Empty,
            trace_id = field::Empty,
            span_id = field::Empty,
            parent_span_id = field::Empty,
            trace_flags = field::Empty,
        );
        if span.is_disabled() {
            return Self { span, open: None };
        }
        let settings = core.settings();
        let trace = TraceContext::received(request.headers(), settings.sampled);
        span.record("trace_id", field::display(trace.trace_id()));
        span.record("span_id", field::display(trace.span_id()));
        if let Some(parent) = trace.parent_id() {
            span.record("parent_span_id", field::display(parent));
        }
        let open = Open {
            trace,
            is_for_known: matches!(
                route,
                Some(TOKEN_PATH | REVOKE_PATH | INTROSPECT_PATH | CERTIFICATE_PATH)
            ),
            trust: settings.trust_sampled,
            sampled: settings.sampled,
        };
        let open = Some(open);
        Self { span, open }
    }

    /// For what is done inside.
    pub(crate) fn span(&self) -> Span {
        self.span.clone()
    }

    /// Notes what came of it.
    pub(crate) fn ended(mut self, status: StatusCode) {
        self.span
            .record("http.response.status_code", status.as_u16());
        self.settle(status.is_success());
    }

    /// Notes whether it is exported: that is the choice of senders who are known.
    fn settle(&mut self, is_success: bool) {
        if let Some(open) = self.open.take() {
            let is_trusted = open.trust.trusts(is_success && open.is_for_known);
            let trace = open.trace.marked_by_sender(is_trusted, open.sampled);
            self.span
                .record("trace_flags", u8::from(trace.is_sampled()));
        }
    }
}

/// A request whose sender has gone before there was a response is none that went well.
impl Drop for RequestSpan {
    fn drop(&mut self) {
        if self.open.is_some() {
            self.span.record("error.type", "cancelled");
            self.settle(false);
        }
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
        CERTIFICATE_PATH,
        BUNDLE_PATH,
    ];
    known.into_iter().find(|known| *known == path)
}
