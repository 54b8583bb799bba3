//! A token as a secret.

use std::fmt;
use std::sync::Arc;

/// An access token in the form that is sent. Anybody who has it can use it, so `Debug` hides it and there is no `Display`
/// and no `Serialize`. Cheap to clone.
///
/// Nothing is checked: a token that was received from an issuer is opaque to its client (RFC 6749 section 1.4).
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken(Arc<str>);

impl AccessToken {
    /// Wraps a token.
    #[must_use]
    pub fn new(token: impl Into<Arc<str>>) -> Self {
        Self(token.into())
    }

    /// The token itself. For the `Authorization` header, never for a log.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(***)")
    }
}
