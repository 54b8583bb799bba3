//! One question about a token (RFC 7662 section 2.1).

use std::time::Duration;

use bytes::Bytes;
use hallpass_upstream::Network;

use crate::asked_form::AskedForm;
use crate::credential::Credential;
use crate::error::IntrospectionError;

/// Asks the introspection endpoint of an issuer about tokens (RFC 7662), as the client of a [`Credential`] whose endpoint that is.
///
/// It holds nothing back and keeps nothing: who asks does (`hallpass-resource`). What is said comes from the endpoint over a connection of
/// the network, so over TLS unless the endpoint is on this machine.
#[derive(Debug)]
pub struct TokenIntrospector(AskedForm);

impl TokenIntrospector {
    /// `limit` is the longest time of one question, all instances and the body included. Opens no connection.
    #[must_use]
    pub fn new(credential: Credential, network: &Network, limit: Duration) -> Self {
        Self(AskedForm::new(credential, network, limit))
    }

    /// The same for an endpoint that says all by its status (RFC 7009 section 2.2).
    pub(crate) fn for_any_body(self) -> Self {
        Self(self.0.for_any_body())
    }

    /// The body of the response with status 200, at most 64 KiB of JSON by its content type. **Not checked**: what it says.
    ///
    /// Behind `lb://` up to three instances are asked, one after the other. A secret that the endpoint refuses (401) is read again where
    /// it stands in a file, and the other one is tried.
    ///
    /// # Errors
    /// [`IntrospectionError`].
    pub async fn ask(&self, token: &str) -> Result<Bytes, IntrospectionError> {
        let form = [("token", token), ("token_type_hint", "access_token")];
        self.0.ask(&form).await
    }
}
