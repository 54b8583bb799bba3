//! `token-endpoint-auth-method`: how a client proves who it is, and the keys that belong to it.

use hallpass_config::{Secret, Section};

use crate::settings::client::secrets::{ClientSecrets, SecretKind};

/// How a client proves who it is (RFC 7591 section 2, `token_endpoint_auth_method`).
#[derive(Clone, Debug)]
pub enum ClientAuthentication {
    /// `client_secret_basic`, `client_secret_post`, or either of them, which is the default.
    Secret(ClientSecrets),
}

impl ClientAuthentication {
    /// By a secret that a person may have chosen, in the header or in the form.
    #[must_use]
    pub fn chosen_secret(secret: Secret) -> Self {
        Self::Secret(ClientSecrets {
            current: secret.into(),
            previous: None,
            kind: SecretKind::Chosen,
            place: None,
        })
    }

    /// The secrets, of a client that proves itself by them.
    #[must_use]
    pub fn secrets(&self) -> Option<&ClientSecrets> {
        match self {
            Self::Secret(secrets) => Some(secrets),
        }
    }

    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        ClientSecrets::read(section, None).map(Self::Secret)
    }
}
