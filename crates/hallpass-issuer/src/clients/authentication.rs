//! How a client proves who it is: the one method that it is registered for.

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
        }
    }

    /// Whether a secret may stand there.
    pub(crate) fn takes_secret(&self, found: SecretPlace) -> bool {
        match self {
            Self::Secrets { place, .. } => place.is_none_or(|place| place == found),
        }
    }

    /// The same, where secrets that `before` knows keep what is remembered of them.
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
        }
    }
}
