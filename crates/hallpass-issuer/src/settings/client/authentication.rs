//! `token-endpoint-auth-method`: how a client proves who it is, and the keys that belong to it.

use hallpass_config::{Secret, Section};
use hallpass_tls::CertificateName;

use crate::clients::assertion_rule::AssertionRule;
use crate::clients::authentication::SecretPlace;
use crate::clients::client_keys::ClientKeys;
use crate::settings::client::keys::Purpose;
use crate::settings::client::secrets::{ClientSecrets, SecretKind};
use crate::settings::client::{assertions, certificate, keys};
use crate::settings::exchange::Issuers;

pub(crate) const METHOD: &str = "token-endpoint-auth-method";
pub(crate) const TOKEN_ENDPOINT_AUDIENCE: &str = "dangerous-token-endpoint-audience";
/// What only a client with secrets has.
const SECRET_KEYS: &[&str] = &[
    "client-secret",
    "client-secret-file",
    "client-secret-digest",
    "previous-client-secret",
    "previous-client-secret-file",
    "previous-client-secret-digest",
    "previous-client-secret-until",
    "secret-kind",
];
/// What a client has that signs, or whose certificates are registered.
const JWKS_KEYS: &[&str] = &["jwks", "jwks-url", "jwks-file"];
/// What only a client that signs has.
const KEY_KEYS: &[&str] = &[TOKEN_ENDPOINT_AUDIENCE];
/// What only a client has that comes with tokens of trusted issuers.
const RULE_KEYS: &[&str] = &["assertions"];

/// How a client proves who it is (RFC 7591 section 2, `token_endpoint_auth_method`).
#[derive(Clone, Debug)]
pub enum ClientAuthentication {
    /// `client_secret_basic`, `client_secret_post`, or either of them, which is the default.
    Secret(ClientSecrets),
    /// `private_key_jwt`: by a JWT that its private key has signed (OpenID Connect Core section 9).
    PrivateKeyJwt(PrivateKeyJwt),
    /// `tls_client_auth`: by a certificate of an authority that the listener trusts, with this name (RFC 8705 section 2.1).
    TlsClientAuth(CertificateName),
    /// `self_signed_tls_client_auth`: by a certificate that one of these keys has in `x5c` or `x5t#S256` (RFC 8705 section 2.2).
    SelfSignedTlsClientAuth(ClientKeys),
    /// `federated_jwt`: by a token of a trusted issuer that fits one of these rules (RFC 7523 section 2.2).
    FederatedJwt(Vec<AssertionRule>),
}

/// A client that signs what proves who it is.
#[derive(Clone, Debug)]
pub struct PrivateKeyJwt {
    /// `jwks`, `jwks-url` or `jwks-file`: its public keys.
    pub keys: ClientKeys,
    /// `dangerous-token-endpoint-audience`: whether what it signs may be addressed to the URL of the token endpoint.
    pub dangerous_token_endpoint_audience: bool,
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
            Self::PrivateKeyJwt(_)
            | Self::TlsClientAuth(_)
            | Self::SelfSignedTlsClientAuth(_)
            | Self::FederatedJwt(_) => None,
        }
    }

    /// `issuers` are those whose tokens may be the proof, when they can be read.
    pub(super) fn read(section: &Section<'_>, issuers: Issuers<'_>) -> Option<Self> {
        let method = match section.has(METHOD) {
            true => section.choice(METHOD, Method::named)?,
            false => Method::Secret(None),
        };
        let used = method.keys();
        let every = [
            SECRET_KEYS,
            JWKS_KEYS,
            KEY_KEYS,
            RULE_KEYS,
            certificate::NAME_KEYS,
        ];
        let every = every.into_iter().flatten();
        for key in every.filter(|key| section.has(key) && !used.iter().any(|it| it.contains(key))) {
            let message = format!("is of no use with `{METHOD}: {}`", method.as_str());
            section.problem(key, message);
        }
        match method {
            Method::Secret(place) => ClientSecrets::read(section, place).map(Self::Secret),
            Method::PrivateKeyJwt => PrivateKeyJwt::read(section).map(Self::PrivateKeyJwt),
            Method::TlsClientAuth => certificate::read_name(section).map(Self::TlsClientAuth),
            Method::SelfSignedTlsClientAuth => {
                let keys = keys::read(section, Purpose::Certificates);
                keys.map(Self::SelfSignedTlsClientAuth)
            }
            Method::FederatedJwt => assertions::read(section, issuers).map(Self::FederatedJwt),
        }
    }
}

impl PrivateKeyJwt {
    fn read(section: &Section<'_>) -> Option<Self> {
        let keys = keys::read(section, Purpose::Signatures);
        let dangerous_token_endpoint_audience = section.flag(TOKEN_ENDPOINT_AUDIENCE);
        Some(Self {
            keys: keys?,
            dangerous_token_endpoint_audience: dangerous_token_endpoint_audience?,
        })
    }
}

/// `token-endpoint-auth-method`.
#[derive(Clone, Copy)]
enum Method {
    Secret(Option<SecretPlace>),
    PrivateKeyJwt,
    TlsClientAuth,
    SelfSignedTlsClientAuth,
    FederatedJwt,
}

impl Method {
    fn named(name: &str) -> Option<Self> {
        [
            Self::Secret(Some(SecretPlace::Header)),
            Self::Secret(Some(SecretPlace::Form)),
            Self::PrivateKeyJwt,
            Self::TlsClientAuth,
            Self::SelfSignedTlsClientAuth,
            Self::FederatedJwt,
        ]
        .into_iter()
        .find(|method| method.as_str() == name)
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Secret(Some(SecretPlace::Form)) => "client_secret_post",
            Self::Secret(_) => "client_secret_basic",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::TlsClientAuth => "tls_client_auth",
            Self::SelfSignedTlsClientAuth => "self_signed_tls_client_auth",
            Self::FederatedJwt => "federated_jwt",
        }
    }

    /// The keys of the section that belong to it.
    const fn keys(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::Secret(_) => &[SECRET_KEYS],
            Self::PrivateKeyJwt => &[JWKS_KEYS, KEY_KEYS],
            Self::TlsClientAuth => &[certificate::NAME_KEYS],
            Self::SelfSignedTlsClientAuth => &[JWKS_KEYS],
            Self::FederatedJwt => &[RULE_KEYS],
        }
    }
}
