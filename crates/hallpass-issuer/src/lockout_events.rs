//! What is said of clients that are told to wait, and how an operator ends that.

use std::net::IpAddr;

use hallpass_token::UnixTime;

use crate::audit::{AuditEvent, Decision};
use crate::core::Core;
use crate::token::refusal::Refusal;

/// Counts a refusal of a token, or of a question about one, and says whom it has locked out.
pub(crate) fn refused(core: &Core, refusal: Refusal) {
    core.metrics().tokens.refused(refusal.reason());
    say(core, refusal);
}

/// Puts those that have begun with this refusal among the audit events: one event each, however many requests are refused after it.
pub(crate) fn say(core: &Core, refusal: Refusal) {
    if !matches!(refusal, Refusal::TooManyAttempts { .. }) {
        return;
    }
    for lockout in core.authenticator().throttle().lockouts().take_new() {
        record(core, lockout.since, Decision::LockedOut(lockout));
    }
}

/// Ends what keeps `client_id` waiting, and says so; how many lockouts that were.
pub(crate) fn unlock(core: &Core, client_id: &str, source: Option<IpAddr>) -> usize {
    let ended = core.authenticator().throttle().unlock(client_id, source);
    let (count, now) = (ended.len(), UnixTime::from(core.clock().now()));
    for lockout in ended {
        record(core, now, Decision::Unlocked(lockout));
    }
    count
}

fn record(core: &Core, at: UnixTime, decision: Decision) {
    let audit = core.audit();
    if audit.is_read() {
        let (Decision::LockedOut(lockout) | Decision::Unlocked(lockout)) = &decision else {
            return;
        };
        audit.record(AuditEvent {
            at,
            source: lockout.source,
            trace: None,
            grant: "unknown",
            decision,
        });
    }
}
