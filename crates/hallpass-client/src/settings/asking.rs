//! A client that asks an issuer something else than for tokens, such as about them.

use hallpass_config::{Secret, Section};
use hallpass_upstream::EndpointUrl;

use super::proof::{
    ClientAssertionSettings, PrivateKeySettings, Proof, authentication, needs_secret, proving,
    report_unused, secret_file,
};
use crate::credential::Credential;
use crate::credential::request::ClientAuthentication;

impl Credential {
    /// Reads who asks at `endpoint`, and how it proves that, from a section that has the keys `client-id`, `client-secret`,
    /// `client-secret-file`, `client-authentication`, `private-key-file`, `key-id`, `assertion-audience`, `assertion-typ`,
    /// `client-assertion-file` and `client-assertion-type`. They mean what they mean in `internal-token`. All problems are reported.
    pub fn read_asking(section: &Section<'_>, endpoint: &EndpointUrl) -> Option<Self> {
        let client_id = section.required("client-id", Section::parsed);
        let client_authentication = section.choice("client-authentication", authentication);
        let has_secret = needs_secret(client_authentication);
        let client_secret = match has_secret {
            true => section.required("client-secret", Section::secret),
            false => Some(Secret::new("")),
        };
        let client_secret_file = client_secret
            .as_ref()
            .filter(|_| has_secret)
            .and_then(|_| secret_file(section));
        report_unused(section, client_authentication);
        let private_key = match client_authentication {
            Some(ClientAuthentication::PrivateKeyJwt) => {
                PrivateKeySettings::read(section).map(Some)
            }
            _ => Some(None),
        };
        let client_assertion = match client_authentication {
            Some(ClientAuthentication::FederatedJwt) => {
                ClientAssertionSettings::read(section).map(Some)
            }
            _ => Some(None),
        };
        let (private_key, assertion) = (private_key?, client_assertion?);
        let credential = proving(Proof {
            client_id: client_id?,
            endpoint: endpoint.clone(),
            authentication: client_authentication?,
            secret: client_secret?,
            private_key: private_key.as_ref(),
            assertion: assertion.as_ref(),
        });
        Some(match client_secret_file {
            Some(file) => credential.with_secret_file(file),
            None => credential,
        })
    }
}
