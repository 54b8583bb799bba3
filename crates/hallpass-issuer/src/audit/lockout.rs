//! Events about those who are told to wait.

use super::origin::{AUDIT_TARGET, From};
use crate::token::throttle::lockouts::Lockout;

/// It has begun, or ended.
pub(super) fn write_lockout(from: &From, event: &str, lockout: &Lockout) {
    tracing::info!(
        target: AUDIT_TARGET,
        event,
        at = from.at,
        source = from.source.as_ref(),
        limit = lockout.by.as_str(),
        unverified_client_id = lockout.unverified_client_id.as_deref(),
        since = lockout.since.as_secs(),
        refused = lockout.refused,
        "lockout"
    );
}
