//! Events of the certificate authority.

use super::origin::{AUDIT_TARGET, From};

/// A client got a certificate.
pub(super) fn write_issued(
    from: &From,
    (client_id, spiffe_id, serial): (&str, &str, &str),
    (expires_at, renewal): (u64, bool),
) {
    tracing::info!(
        target: AUDIT_TARGET,
        event = "certificate_issued",
        at = from.at,
        source = from.source.as_ref(),
        trace_id = from.trace_id.as_ref(),
        parent_span_id = from.parent_span_id.as_ref(),
        client_id,
        spiffe_id,
        serial,
        expires_at,
        renewal,
        "certificate issued"
    );
}

/// A client got none.
pub(super) fn write_not_issued(
    from: &From,
    reason: &str,
    (client_id, unverified_client_id): (Option<&str>, Option<&str>),
) {
    tracing::info!(
        target: AUDIT_TARGET,
        event = "certificate_refused",
        at = from.at,
        source = from.source.as_ref(),
        trace_id = from.trace_id.as_ref(),
        parent_span_id = from.parent_span_id.as_ref(),
        reason,
        client_id,
        unverified_client_id,
        "certificate refused"
    );
}
