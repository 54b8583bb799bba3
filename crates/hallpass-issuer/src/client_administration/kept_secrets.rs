//! The secrets of a client of the store, and its registration as the store keeps it.

use hallpass_token::UnixTime;
use serde_json::{Map, Value, json};

use crate::clients::client_document::ClientDocument;
use crate::clients::moment;
use crate::clients::secret_digest::SecretDigest;
use crate::clients::stored_registration::StoredRegistration;
use crate::settings::client::ClientSettings;
use crate::settings::client::secrets::ClientSecret;

pub(super) const PREVIOUS: &str = "previous-client-secret-digest";
pub(super) const UNTIL: &str = "previous-client-secret-until";

/// The digests of what a client proves itself with; none for one that does so otherwise.
#[derive(Clone, Debug, Default)]
pub(super) struct KeptSecrets {
    pub(super) current: Option<SecretDigest>,
    /// With its end.
    pub(super) previous: Option<(SecretDigest, UnixTime)>,
}

impl KeptSecrets {
    /// Those that `client` has.
    pub(super) fn of(client: &ClientSettings) -> Self {
        let digest = |secret: &ClientSecret| match secret {
            ClientSecret::Digest(digest) => Some(digest.clone()),
            ClientSecret::Clear(_) => None,
        };
        let secrets = client.authentication.secrets();
        let previous = secrets.and_then(|secrets| secrets.previous.as_ref());
        Self {
            current: secrets.and_then(|secrets| digest(&secrets.current)),
            previous: previous.and_then(|old| Some((digest(&old.secret)?, old.until))),
        }
    }

    /// The digests, and what belongs to them, by their keys in `issuer.clients`.
    pub(super) fn entries(&self) -> Vec<(&'static str, String)> {
        let current = self.current.iter();
        let mut entries: Vec<_> = current
            .map(|digest| ("client-secret-digest", digest.to_string()))
            .collect();
        if let Some((digest, until)) = &self.previous {
            entries.push((PREVIOUS, digest.to_string()));
            entries.push((UNTIL, moment::text(*until)));
        }
        entries
    }

    /// The same without one that has ended.
    pub(super) fn live(mut self, now: UnixTime) -> Self {
        self.previous = self.previous.filter(|(_, until)| now < *until);
        self
    }

    /// What the store keeps of a client that is registered for `document`.
    pub(super) fn registration(&self, document: &ClientDocument) -> StoredRegistration {
        let mut client: Map<String, Value> = document.as_map().clone();
        if let Some((digest, until)) = &self.previous {
            client.insert(PREVIOUS.to_owned(), digest.to_string().into());
            client.insert(UNTIL.to_owned(), moment::text(*until).into());
        }
        let settings = json!({ "hallpass": { "issuer": { "clients": [client] } } });
        StoredRegistration {
            settings: settings.to_string(),
            secret_digest: self.current.as_ref().map(ToString::to_string),
        }
    }
}
