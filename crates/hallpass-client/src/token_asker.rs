//! Token requests that are made each time, for who measures the issuer.

use std::sync::Arc;
use std::time::Duration;

use hallpass_token::{Audience, Scope};
use hallpass_upstream::Network;

use crate::auth_token_service::obtain::ClientCredentials;
use crate::credential::Credential;
use crate::error::TokenError;
use crate::grant::{Issuers, TokenClient, TokenTransport};

/// Asks an issuer for a service token each time it is told to, as the client of a [`Credential`].
///
/// For measurements and probes. [`AuthTokenService`](crate::AuthTokenService) is what a service has: that one keeps tokens, asks once however many wait,
/// and leaves an issuer alone that has failed. This one does none of it, makes a single attempt, and follows no revocations. A second request
/// is made only where the protocol wants it (`use_dpop_nonce`), and where a secret that was refused has changed in its file.
#[derive(Debug)]
pub struct TokenAsker {
    credential: ClientCredentials,
    scope: Scope,
}

impl TokenAsker {
    /// `limit` is the longest time of one request, finding the issuer and the whole response included. Opens no connection.
    #[must_use]
    pub fn new(mut credential: Credential, network: &Network, limit: Duration) -> Self {
        credential.revocations = None;
        let issuers = Issuers::new(
            Some(Arc::clone(&network.discovery)),
            Arc::clone(&network.clock),
        );
        let client = TokenClient::new(
            TokenTransport::new(network.transport.clone()),
            issuers,
            limit,
        );
        let client = client.once().showing(Some(network.transport.clone()));
        let client = client.with_endpoints(std::iter::once(&credential.endpoint));
        Self {
            scope: credential.scope.clone(),
            credential: ClientCredentials::new(credential, Arc::new(client)),
        }
    }

    /// Returns when a token for `audience` has come and could be used; it is dropped. An empty `scope` stands for the credential's own.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn ask(&self, audience: &Audience, scope: &Scope) -> Result<(), TokenError> {
        let scope = if scope.is_empty() { &self.scope } else { scope };
        match self.credential.own(audience, scope).await {
            Ok(_token) => Ok(()),
            Err(not_granted) => Err(not_granted.error),
        }
    }
}
