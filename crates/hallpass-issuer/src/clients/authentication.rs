//! How a client proves who it is: the one method that it is registered for.

use hallpass_tls::CertificateName;

use crate::clients::assertion_rule::AssertionRule;
use crate::clients::client_keys::ClientKeySource;
use crate::clients::secret::LiveSecret;

/// The method of one client, and what its proof is held against.
#[derive(Debug)]
pub(crate) enum Authentication {
    /// `client_secret_basic` and `client_secret_post` (RFC 6749 section 2.3.1).
    Secrets {
        /// The current secret first.
        secrets: Box<[LiveSecret]>,
        /// The one place where it may stand; `None`: either.
        place: Option<SecretPlace>,
    },
    /// `private_key_jwt` (OpenID Connect Core section 9).
    Key(Box<KeyAuthentication>),
    /// `tls_client_auth` and `self_signed_tls_client_auth` (RFC 8705 section 2).
    Certificate(Box<CertificateAuthentication>),
    /// Tokens of trusted issuers (RFC 7523 section 2.2) that fit one of these rules.
    Federated(Box<[AssertionRule]>),
}

/// What the certificate of a client's connection is held against.
#[derive(Debug)]
pub(crate) enum CertificateAuthentication {
    /// One of an authority that the listener trusts, and with this name.
    Named(CertificateName),
    /// One of those in its JWK set, whoever made it.
    Registered(ClientKeySource),
}

/// What a client's assertions are held against.
#[derive(Debug)]
pub(crate) struct KeyAuthentication {
    pub(crate) keys: ClientKeySource,
    /// Whether they may name the token endpoint in place of the issuer.
    pub(crate) takes_token_endpoint: bool,
}

/// Where a secret stands in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SecretPlace {
    /// `client_secret_basic`: in the header `Authorization`.
    Header,
    /// `client_secret_post`: in the form.
    Form,
}

impl Authentication {
    /// By secrets, which may stand in either place.
    pub(crate) fn by_secrets(secrets: Vec<LiveSecret>) -> Self {
        Self::Secrets {
            secrets: secrets.into(),
            place: None,
        }
    }

    /// The secrets; none for a client that has another method.
    pub(crate) fn secrets(&self) -> &[LiveSecret] {
        match self {
            Self::Secrets { secrets, .. } => secrets,
            Self::Key(_) | Self::Certificate(_) | Self::Federated(_) => &[],
        }
    }

    /// What its assertions are held against, if it sends such.
    pub(crate) fn key(&self) -> Option<&KeyAuthentication> {
        match self {
            Self::Key(key) => Some(key),
            Self::Secrets { .. } | Self::Certificate(_) | Self::Federated(_) => None,
        }
    }

    /// What its certificate is held against, if it shows one.
    pub(crate) fn certificate(&self) -> Option<&CertificateAuthentication> {
        match self {
            Self::Certificate(certificate) => Some(certificate),
            Self::Secrets { .. } | Self::Key(_) | Self::Federated(_) => None,
        }
    }

    /// Which tokens of trusted issuers are its proof.
    pub(crate) fn assertion_rules(&self) -> &[AssertionRule] {
        match self {
            Self::Federated(rules) => rules,
            Self::Secrets { .. } | Self::Certificate(_) | Self::Key(_) => &[],
        }
    }

    /// Whether a secret may stand there.
    pub(crate) fn takes_secret(&self, found: SecretPlace) -> bool {
        match self {
            Self::Secrets { place, .. } => place.is_none_or(|place| place == found),
            Self::Key(_) | Self::Certificate(_) | Self::Federated(_) => false,
        }
    }

    /// The same, where secrets that `before` knows keep what is remembered of them, and keys that are where they were
    /// what was fetched of them.
    pub(crate) fn or_known(self, before: Option<&Self>) -> Self {
        match self {
            Self::Secrets { secrets, place } => {
                let known = before.map_or(&[][..], Self::secrets);
                let secrets = secrets.into_iter().map(|secret| secret.or_known(known));
                Self::Secrets {
                    secrets: secrets.collect(),
                    place,
                }
            }
            Self::Federated(_) => self,
            Self::Certificate(mut certificate) => {
                if let CertificateAuthentication::Registered(keys) = &mut *certificate
                    && let Some(Self::Certificate(before)) = before
                    && let CertificateAuthentication::Registered(before) = &**before
                {
                    keys.know(before);
                }
                Self::Certificate(certificate)
            }
            Self::Key(mut key) => {
                if let Some(Self::Key(before)) = before {
                    key.keys.know(&before.keys);
                }
                Self::Key(key)
            }
        }
    }
}
