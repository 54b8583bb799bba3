//! Events of the interface for administrators and of commands: every change, and everybody who was kept from one or from looking.

use super::actions::is_action;
use super::origin::{AUDIT_TARGET, From};

/// Most characters of what somebody calls a thing that go into an event.
const MAX_OBJECT_CHARS: usize = 200;

/// What an administrator did, or was kept from.
#[derive(Debug)]
pub(crate) struct Administration {
    /// Who, as far as that is proven: a client by its id, the name of a certificate, or a user of this machine.
    pub(crate) actor: Option<String>,
    /// By what it is proven: `token`, `certificate` or `operating_system`.
    pub(crate) proof: Option<&'static str>,
    /// The token that it came with.
    pub(crate) jti: Option<String>,
    /// What was to be done, such as `key_rotate`.
    pub(crate) action: &'static str,
    /// To what. It is what the request says, and need not be there.
    pub(crate) object: Option<String>,
    /// `done`, `repeated` where the response of the first time was given once more, or the code of the refusal.
    pub(crate) outcome: &'static str,
}

impl Administration {
    /// Nobody in particular, and to nothing in particular.
    pub(crate) fn new(action: &'static str, outcome: &'static str) -> Self {
        debug_assert!(is_action(action), "{action} can be asked for");
        Self {
            actor: None,
            proof: None,
            jti: None,
            action,
            object: None,
            outcome,
        }
    }

    /// To this, cut to a length that is safe in a log.
    pub(crate) fn of(mut self, object: Option<&str>) -> Self {
        self.object = object.map(|object| object.chars().take(MAX_OBJECT_CHARS).collect());
        self
    }
}

pub(super) fn write_administration(from: &From, it: &Administration) {
    tracing::info!(
        target: AUDIT_TARGET,
        event = "administration",
        at = from.at,
        source = from.source.as_ref(),
        trace_id = from.trace_id.as_ref(),
        parent_span_id = from.parent_span_id.as_ref(),
        actor = it.actor.as_deref(),
        proof = it.proof,
        jti = it.jti.as_deref(),
        action = it.action,
        object = it.object.as_deref(),
        outcome = it.outcome,
        "administration"
    );
}
