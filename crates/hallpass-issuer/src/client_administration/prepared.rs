//! Changes that are not made yet.

use std::time::Duration;

use hallpass_config::Secret;
use hallpass_token::{ClientId, UnixTime};

use crate::clients::client_document::ClientDocument;
use crate::store::client_changes::ClientChange;

/// How a secret is followed by another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretRotation {
    /// How long the present secret counts beside the new one; none: it ends at once.
    pub old_lives_for: Duration,
    /// Ends a secret from before the present one, where that still counts: two are the most. Otherwise the rotation is refused then.
    pub end_previous: bool,
}

impl SecretRotation {
    /// How long a secret counts usually beside the one that follows it: a day.
    pub const USUAL: Duration = Duration::from_secs(24 * 60 * 60);
    /// How long at most: 90 days.
    pub const LONGEST: Duration = Duration::from_secs(90 * 24 * 60 * 60);
}

impl Default for SecretRotation {
    fn default() -> Self {
        Self {
            old_lives_for: Self::USUAL,
            end_previous: false,
        }
    }
}

/// A change that is not made yet.
#[derive(Debug)]
#[must_use]
pub(crate) struct PreparedChange {
    pub(crate) client_id: ClientId,
    /// What it is registered for now, and after the change.
    pub(crate) before: Option<ClientDocument>,
    pub(crate) after: Option<ClientDocument>,
    /// The secret that was made for it, in clear for the only time.
    pub(crate) secret: Option<Secret>,
    /// Until when the secret before that one counts.
    pub(crate) previous_until: Option<UnixTime>,
    /// Whether digests of secrets change.
    pub(crate) changes_secrets: bool,
    pub(super) change: ClientChange,
    /// Whether what it has got until then ends with the change.
    pub(super) ends_tokens: bool,
}

impl PreparedChange {
    /// One of which nothing is known yet but what it does.
    pub(super) fn of(change: ClientChange) -> Self {
        Self {
            client_id: change.client_id.clone(),
            before: None,
            after: None,
            secret: None,
            previous_until: None,
            changes_secrets: false,
            change,
            ends_tokens: false,
        }
    }

    /// Whether it would leave everything as it is. What ends tokens does something, whatever the registration is already: those of a client that
    /// was disabled before and kept them, too.
    pub(crate) fn is_nothing(&self) -> bool {
        let documents = self.before.as_ref().zip(self.after.as_ref());
        let is_same = |(before, after): (&ClientDocument, &ClientDocument)| {
            before.changes_to(after).is_empty()
        };
        documents.is_some_and(is_same) && !self.changes_secrets && !self.ends_tokens
    }
}
