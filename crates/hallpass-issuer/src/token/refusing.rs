//! A refused request: its response, counted and audited.

use bytes::Bytes;
use http::Response;
use http::header::RETRY_AFTER;
use http_body_util::Full;

use crate::audit::{AuditEvent, Caller, Decision};
use crate::clients::registration::GrantType;
use crate::core::Core;
use crate::token::attempt::Attempt;
use crate::token::claimed_issuer::ClaimedIssuer;
use crate::token::message::{error_response, retry_after};
use crate::token::refusal::Refusal;
use crate::token::request::TokenRequest;

/// RFC 6749 section 5.2, counted and audited.
pub(super) fn refuse(
    core: &Core,
    refusal: Refusal,
    asked: Option<(&TokenRequest<'_>, Caller)>,
    attempt: Attempt,
) -> Response<Full<Bytes>> {
    crate::lockout_events::refused(core, refusal);
    let audit = core.audit();
    if audit.is_read() {
        let grant = grant_name(asked.as_ref().map(|(request, _)| *request));
        let claimed = asked.as_ref().and_then(|(request, _)| {
            ClaimedIssuer::of(refusal, request, &core.trust().at_once(), core.issuer())
        });
        let caller = asked.map_or(Caller::Unnamed, |(_, caller)| caller);
        let decision = Decision::Refused {
            refusal,
            caller,
            claimed,
        };
        audit.record(AuditEvent {
            at: attempt.now,
            source: attempt.source,
            trace: attempt.trace,
            grant,
            decision,
        });
    }
    let mut response = error_response(refusal.wire());
    if let Some(wait) = refusal.retry_after() {
        response
            .headers_mut()
            .insert(RETRY_AFTER, retry_after(wait));
    }
    response
}

/// A grant type on offer goes into the log; any other is text of the caller and does not.
pub(super) fn grant_name(request: Option<&TokenRequest<'_>>) -> &'static str {
    request
        .and_then(|request| request.grant_type)
        .map_or("unknown", GrantType::as_str)
}
