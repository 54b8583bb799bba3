//! When and from where a request comes.

use std::net::IpAddr;
use std::time::Duration;

use hallpass_token::UnixTime;
use hallpass_upstream::{SpanId, TraceContext, TraceId};
use http::HeaderMap;

/// When and from where an attempt comes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    pub(crate) source: Option<IpAddr>,
    pub(crate) now: UnixTime,
    /// For the buckets; never steps back.
    pub(crate) monotonic: Duration,
    /// The trace that the sender says it belongs to (W3C Trace Context), and its span there. For the log alone.
    pub(crate) trace: Option<(TraceId, SpanId)>,
}

impl Attempt {
    /// The same, of a request with these headers.
    pub(crate) fn with(self, headers: &HeaderMap) -> Self {
        let sender = TraceContext::of(headers);
        Self {
            trace: sender.map(|it| (it.trace_id(), it.span_id())),
            ..self
        }
    }
}
