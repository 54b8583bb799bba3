//! What the store keeps of a client that was registered there.

use std::fmt;

use serde::Serialize;

/// What `issuer.clients` would say of one client, as text: it is read by the same parser. No secret stands in it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct StoredRegistration {
    /// YAML with the one client.
    pub(crate) settings: String,
    /// The digest of the secret that was made for it; `None` where `settings` say themselves how it proves who it is.
    pub(crate) secret_digest: Option<String>,
}

/// Who has the digest of a secret may try out guesses.
impl fmt::Debug for StoredRegistration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredRegistration").finish_non_exhaustive()
    }
}
