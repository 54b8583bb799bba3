//! The spans of requests.

use hallpass_upstream::{TraceContext, traced_method};
use http::StatusCode;
use http::request::Parts;
use tracing::{Span, field};

use crate::authorize::Authorized;

/// The span that all logs of the handler stand in. The path is left out on purpose: it may hold personal data, the route does not.
#[derive(Debug)]
pub(crate) struct RequestSpan {
    span: Span,
    has_ended: bool,
}

impl RequestSpan {
    /// Before the handler is called.
    pub(crate) fn of(parts: &Parts, authorized: &Authorized) -> Self {
        let trace = authorized.call_context().trace();
        let span = tracing::info_span!(
            "request",
            otel.kind = "server",
            http.request.method = traced_method(&parts.method),
            http.route = template(authorized.route()),
            http.response.status_code = field::Empty,
            error.type = field::Empty,
            trace_id = trace.map(|it| field::display(it.trace_id())),
            span_id = trace.map(|it| field::display(it.span_id())),
            parent_span_id = trace.and_then(|it| Some(field::display(it.parent_id()?))),
            trace_flags = trace.map(|it| u8::from(it.is_sampled())),
        );
        Self {
            span,
            has_ended: false,
        }
    }

    /// For what is done inside.
    pub(crate) fn span(&self) -> Span {
        self.span.clone()
    }

    /// Notes what came of it.
    pub(crate) fn ended(&mut self, status: StatusCode) {
        self.has_ended = true;
        self.span
            .record("http.response.status_code", status.as_u16());
    }

    /// Notes that the service behind gave no response but an error.
    pub(crate) fn failed(&mut self) {
        self.has_ended = true;
        self.span.record("error.type", "_OTHER");
    }
}

/// The path of a route. A rule for some methods, or for a host, is called by these as well, and the span has them already.
fn template(route: &str) -> &str {
    let path = route.find('/').and_then(|begin| route.get(begin..));
    path.unwrap_or(route)
}

/// A request whose sender has gone before there was a response is none that went well.
impl Drop for RequestSpan {
    fn drop(&mut self) {
        if !self.has_ended {
            self.span.record("error.type", "cancelled");
        }
    }
}

/// The span of a request that no handler saw, for an export of spans: its log lines are the audit events.
pub(crate) fn refused_span(parts: &Parts, trace: Option<&TraceContext>, status: StatusCode) {
    tracing::debug_span!(
        "request",
        otel.kind = "server",
        http.request.method = traced_method(&parts.method),
        http.response.status_code = status.as_u16(),
        trace_id = trace.map(|it| field::display(it.trace_id())),
        span_id = trace.map(|it| field::display(it.span_id())),
        parent_span_id = trace.and_then(|it| Some(field::display(it.parent_id()?))),
        trace_flags = trace.map(|it| u8::from(it.is_sampled())),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_the_path_of_its_route_and_not_its_method_twice() {
        for (route, path) in [
            ("GET /orders/{id}", "/orders/{id}"),
            ("/orders/**", "/orders/**"),
            ("none", "none"),
        ] {
            assert_eq!(template(route), path);
        }
    }
}
