//! Tells an issuer that a token is not to count any more (RFC 7009).

use std::time::Duration;

use hallpass_upstream::Network;
use thiserror::Error;

use crate::credential::Credential;
use crate::error::IntrospectionError;
use crate::introspector::TokenIntrospector;

/// Tells the revocation endpoint of an issuer that tokens are not to count any more (RFC 7009), as the client of a [`Credential`] whose endpoint that is.
///
/// **What it does not do**: a response of 200 says that the issuer has heard it, and not that there was such a token, nor that this client may take it
/// back (RFC 7009 section 2.2).
#[derive(Debug)]
pub struct TokenRevoker(TokenIntrospector);

/// The issuer has not taken it.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum RevokeError {
    /// It responded with something else than 200.
    #[error("the revocation endpoint responded with status {status}")]
    Status {
        /// The status.
        status: u16,
    },
    /// It could not be asked, or has not responded in time.
    #[error(transparent)]
    NotAsked(IntrospectionError),
}

impl TokenRevoker {
    /// `limit` is the longest time of one request, all instances included. Opens no connection.
    #[must_use]
    pub fn new(credential: Credential, network: &Network, limit: Duration) -> Self {
        let asks = TokenIntrospector::new(credential, network, limit);
        Self(asks.for_any_body())
    }

    /// Returns when the issuer has taken it. Behind `lb://` up to three instances are asked, one after the other.
    ///
    /// # Errors
    /// [`RevokeError`]: the token may count still.
    pub async fn revoke(&self, token: &str) -> Result<(), RevokeError> {
        match self.0.ask(token).await {
            Ok(_said) => Ok(()),
            Err(IntrospectionError::Status { status, .. }) => Err(RevokeError::Status { status }),
            Err(error) => Err(RevokeError::NotAsked(error)),
        }
    }
}
