//! Audit events of what operators change by commands, beside a running issuer or without one.

use hallpass_clock::Clock;
use hallpass_token::UnixTime;

use crate::admin::fault::AdminFault;
use crate::audit::administration::Administration;
use crate::audit::at_once::write_at_once;
use crate::audit::{AuditEvent, Decision};
use crate::error::Error;
use crate::settings::audit::AuditSettings;

/// What stands in audit events in place of a grant.
const COMMAND: &str = "command";
/// By what it is proven who it was.
const OPERATING_SYSTEM: &str = "operating_system";

/// A change that somebody made, or tried to make, at the machine of the issuer.
#[derive(Clone, Copy, Debug)]
pub struct OperatorChange<'a> {
    /// Who, as the operating system says: `uid 1000`.
    pub operator: &'a str,
    /// What was done, by the name that the interface for administrators has for it where it has one: `key_taint`.
    pub action: &'static str,
    /// To what: the name of a client or of a key, say. Never a secret. It is cut to 200 characters.
    pub object: Option<&'a str>,
}

/// Leaves the audit event of a change, which has ended with `result`: at the end of the file of `issuer.audit`, where events go into one, or else in the
/// log. A running issuer may write that file at the same time, and rotates it; this does not. It blocks.
///
/// Not checked: who it was.
///
/// # Errors
/// [`Error::File`] when the file cannot be written; the event is in the log then. What was changed stays changed.
pub fn audit_operator(
    settings: &AuditSettings,
    clock: &dyn Clock,
    change: OperatorChange<'_>,
    result: Result<(), &Error>,
) -> Result<(), Error> {
    let event = Administration {
        actor: Some(change.operator.to_owned()),
        proof: Some(OPERATING_SYSTEM),
        ..Administration::new(change.action, result.map_or_else(outcome, |()| "done"))
    };
    let event = AuditEvent {
        at: UnixTime::from(clock.now()),
        source: None,
        trace: None,
        grant: COMMAND,
        decision: Decision::Administration(Box::new(event.of(change.object))),
    };
    write_at_once(&settings.to, &event)
}

/// The code of what stood in the way: that of the interface for administrators, and some of what only commands can meet.
fn outcome(error: &Error) -> &'static str {
    match error {
        Error::Import { .. } => "invalid_import",
        Error::KeyIdTaken { .. } => "key_id_taken",
        Error::Backup { .. } => "invalid_backup",
        Error::StoreNotEmpty { .. } => "store_not_empty",
        Error::StoreMissing { .. } => "store_missing",
        Error::IssuerOnOtherFile { .. } => "store_replaced",
        Error::NoSealingKey
        | Error::WrongSealingKey { .. }
        | Error::SealingKeyTooShort { .. }
        | Error::SealingKeyMissing { .. }
        | Error::SealingKeyFile { .. } => "wrong_sealing_key",
        Error::FirstClientNotShown { .. } => "not_shown",
        error => AdminFault::from(error).told().code,
    }
}
