//! A client proves itself with the certificate of its connection (`tls_client_auth` and `self_signed_tls_client_auth`, RFC 8705
//! section 2): the handshake has shown that it has the private key.
//!
//! A name counts in a certificate of an authority that the listener trusts, and in no other. A registered certificate counts
//! whoever made it, since the whole of it is compared. Neither can be guessed, and neither check costs more than the handshake
//! before it, so nothing is throttled here; a certificate that is looked for behind a URL is looked for as seldom as a missing
//! key is.

use std::sync::Arc;

use crate::clients::authentication::CertificateAuthentication;
use crate::clients::registry::{Client, Registry};
use crate::token::refusal::Refusal;
use crate::token::refusal::assertion::AssertionRefusal;
use crate::token::shown::Shown;

/// The client that `unverified_client_id` names, when the connection shows its certificate.
///
/// # Errors
/// [`Refusal::NoCredentials`] without a certificate; [`Refusal::BadCredentials`] with another one, for a client that is not there,
/// and for one that proves itself otherwise; [`AssertionRefusal::KeysUnavailable`].
pub(super) async fn authenticate(
    registry: &Registry,
    unverified_client_id: &str,
    shown: Shown<'_>,
) -> Result<Arc<Client>, Refusal> {
    let thumbprint = shown.thumbprint().ok_or(Refusal::NoCredentials)?;
    let client = registry.find(unverified_client_id);
    let client = client.and_then(|client| Some((client, client.certificate()?)));
    let (client, certificate) = client.ok_or(Refusal::BadCredentials)?;
    let is_it = match certificate {
        CertificateAuthentication::Named(name) => {
            shown.verified().is_some_and(|it| name.is_of(it.own()))
        }
        CertificateAuthentication::Registered(keys) => {
            keys.has_certificate(&thumbprint).await.map_err(|error| {
                keys.say_unavailable(&client.id, &error);
                Refusal::Assertion(AssertionRefusal::KeysUnavailable)
            })?
        }
    };
    match is_it {
        true => Ok(Arc::clone(client)),
        false => Err(Refusal::BadCredentials),
    }
}
