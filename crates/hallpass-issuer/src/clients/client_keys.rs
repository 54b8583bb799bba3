//! The public keys of a client that signs what proves who it is.

use std::path::PathBuf;
use std::sync::Arc;

use hallpass_resource::{KeyLimits, KeySnapshot, KeySource, KeysError};
use hallpass_token::{Algorithm, ClientId, JwkSet, KeyId, Thumbprint};
use hallpass_upstream::{EndpointUrl, Reminders};

use crate::clients::key_network::{KeyNetwork, Made};

/// What clients may sign with.
pub(crate) const ASSERTION_ALGORITHMS: [Algorithm; 5] = [
    Algorithm::Es256,
    Algorithm::EdDsa,
    Algorithm::Rs256,
    Algorithm::Ps256,
    Algorithm::Es384,
];

/// Where the public keys of a client are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientKeys {
    /// `jwks`: in the settings.
    Inline(JwkSet),
    /// `jwks-url`: fetched, and again when they are old or when one is missing.
    Url(EndpointUrl),
    /// `jwks-file`: read, and again when it may have changed.
    File(PathBuf),
}

/// The keys of one client, as far as they are known.
#[derive(Debug)]
pub(crate) struct ClientKeySource(Source);

#[derive(Debug)]
enum Source {
    /// Without anything around them: an issuer may have a million clients.
    Inline(Arc<JwkSet>),
    Followed(Followed),
}

/// Keys as they are at one moment.
#[derive(Debug)]
pub(crate) enum KeysAtHand {
    Inline(Arc<JwkSet>),
    Fetched(Arc<KeySnapshot>),
}

impl KeysAtHand {
    pub(crate) fn set(&self) -> &JwkSet {
        match self {
            Self::Inline(keys) => keys,
            Self::Fetched(snapshot) => snapshot.keys(),
        }
    }
}

#[derive(Clone, Debug)]
struct Followed {
    place: ClientKeys,
    /// The connections that they are fetched over; none for a file.
    by: Option<Arc<Made>>,
    keys: KeySource,
    said: Arc<Reminders>,
}

impl ClientKeySource {
    /// Nothing is fetched or read before a request needs it. `None` for a URL while the network is not made.
    pub(crate) fn new(place: &ClientKeys, network: &KeyNetwork) -> Option<Self> {
        let limits = KeyLimits::default();
        let by = network.made().cloned();
        let (by, keys) = match (place, by) {
            (ClientKeys::Inline(keys), _) => {
                return Some(Self(Source::Inline(Arc::new(keys.clone()))));
            }
            (ClientKeys::Url(url), Some(by)) => {
                let keys = KeySource::http(url.clone(), &by.network, limits);
                (Some(by), keys)
            }
            (ClientKeys::Url(_), None) => return None,
            (ClientKeys::File(path), _) => {
                let clock = Arc::clone(network.clock());
                (None, KeySource::file(path.clone(), clock, limits))
            }
        };
        Some(Self(Source::Followed(Followed {
            place: place.clone(),
            by,
            keys,
            said: Arc::default(),
        })))
    }

    /// The keys to hold a signature by the key `kid` against. That one may be missing in them all the same.
    ///
    /// # Errors
    /// Why they cannot be had, or why the fetch failed that could have brought this one.
    pub(crate) async fn keys_for(&self, kid: Option<&KeyId>) -> Result<KeysAtHand, KeysError> {
        match &self.0 {
            Source::Inline(keys) => Ok(KeysAtHand::Inline(Arc::clone(keys))),
            Source::Followed(Followed { keys, .. }) => {
                keys.keys_for(kid).await.map(KeysAtHand::Fetched)
            }
        }
    }

    /// Whether one of the keys has this certificate. Where they are fetched, one that is missing is looked for once more, as often
    /// as a missing key is.
    ///
    /// # Errors
    /// As [`keys_for`](Self::keys_for).
    pub(crate) async fn has_certificate(&self, shown: &Thumbprint) -> Result<bool, KeysError> {
        let keys = self.keys_for(None).await?;
        if keys.set().certificates().contains(shown) {
            return Ok(true);
        }
        let Ok(name) = shown.to_string().parse() else {
            return Ok(false);
        };
        let newer = self.keys_for(Some(&name)).await?;
        Ok(newer.set().certificates().contains(shown))
    }

    /// Says that those of `client` cannot be had: once and then every ten minutes. Who names a client, without any proof, makes it be
    /// said.
    pub(crate) fn say_unavailable(&self, client: &ClientId, error: &KeysError) {
        let (client_id, code) = (client.as_str(), error.code());
        let times = match &self.0 {
            Source::Inline(_) => None,
            Source::Followed(followed) => followed.said.times(code),
        };
        if let Some(times) = times {
            tracing::warn!(client_id, code, %error, times, "the public keys of a client cannot be had");
        } else {
            tracing::debug!(client_id, code, %error, "the public keys of a client cannot be had");
        }
    }

    /// Takes over what `before` has fetched, if it has its keys from the same place.
    pub(crate) fn know(&mut self, before: &Self) {
        if let (Source::Followed(own), Source::Followed(known)) = (&self.0, &before.0)
            && own.is_alike(known)
        {
            self.0 = Source::Followed(known.clone());
        }
    }
}

impl Followed {
    fn is_alike(&self, other: &Self) -> bool {
        let by = match (&self.by, &other.by) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        };
        by && self.place == other.place
    }
}
