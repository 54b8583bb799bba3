//! One request for a certificate, at the authority of the issuer.

use std::time::Duration;

use bytes::Bytes;
use hallpass_upstream::{EndpointUrl, Network};

use crate::asked_form::AskedForm;
use crate::credential::Credential;
use crate::error::IntrospectionError;

/// Asks the certificate authority of an issuer (`/ca/v1/certificate`) for certificates, as the client of a [`Credential`].
///
/// What is said comes from the endpoint over a connection of the network, so over TLS unless the endpoint is on this machine.
#[derive(Debug)]
pub struct CertificateAsker(AskedForm);

/// Why there is no certificate. No text holds a secret or a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the certificate authority gives none: {0}")]
pub struct CertificateAskError(IntrospectionError);

impl CertificateAsker {
    /// Asks at `authority`, and proves who the client is as `credential` does, whose own endpoint is not used. `limit` is the longest time
    /// of one request, all instances and the body included. Opens no connection.
    #[must_use]
    pub fn new(
        credential: &Credential,
        authority: EndpointUrl,
        network: &Network,
        limit: Duration,
    ) -> Self {
        let mut credential = credential.clone();
        credential.endpoint = authority;
        Self(AskedForm::new(credential, network, limit))
    }

    /// The same by the certificate that the connections of `network` show, which is to be renewed.
    #[must_use]
    pub fn by_certificate(
        credential: &Credential,
        authority: EndpointUrl,
        network: &Network,
        limit: Duration,
    ) -> Self {
        let client_id = credential.client_id.clone();
        let credential = Credential::with_certificate_of_connection(client_id, authority);
        Self(AskedForm::new(credential, network, limit))
    }

    /// The body of the response with status 200, at most 64 KiB of JSON by its content type, to `csr`, a request of PKCS#10 in PEM.
    /// **Not checked**: what it says.
    ///
    /// # Errors
    /// [`CertificateAskError`].
    pub async fn ask(&self, csr: &str) -> Result<Bytes, CertificateAskError> {
        let asked = self.0.ask(&[("csr", csr)]).await;
        asked.map_err(CertificateAskError)
    }
}

impl CertificateAskError {
    /// The status of a response that is none of success: 401 where the proof is not taken, 403 where the client is registered for no
    /// certificate.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        match &self.0 {
            IntrospectionError::Status { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// For how long the authority asks to be left alone, where it does.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after()
    }
}
