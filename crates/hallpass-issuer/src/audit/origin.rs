//! When a decision was made, and where its request came from.

use std::net::IpAddr;

use hallpass_token::UnixTime;
use hallpass_upstream::{SpanId, TraceId};
use tracing::field::{self, DisplayValue};

/// The `tracing` target of audit events.
pub const AUDIT_TARGET: &str = "hallpass::audit";

/// The same as it is written.
pub(super) struct From {
    pub(super) at: u64,
    pub(super) source: Option<DisplayValue<IpAddr>>,
    pub(super) trace_id: Option<DisplayValue<TraceId>>,
    pub(super) parent_span_id: Option<DisplayValue<SpanId>>,
}

impl From {
    pub(super) fn of(
        at: UnixTime,
        source: Option<IpAddr>,
        trace: Option<(TraceId, SpanId)>,
    ) -> Self {
        let (trace_id, parent_span_id) = trace.unzip();
        Self {
            at: at.as_secs(),
            source: source.map(field::display),
            trace_id: trace_id.map(field::display),
            parent_span_id: parent_span_id.map(field::display),
        }
    }
}
