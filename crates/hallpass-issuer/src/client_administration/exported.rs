//! Clients of the store in the form of the configuration.

use serde_json::{Map, Value, json};

use crate::client_administration::changes::ClientAdministration;
use crate::client_administration::kept_secrets::KeptSecrets;
use crate::client_administration::view::StoredClient;
use crate::clients::client_fault::ClientFault;
use crate::error::Error;

/// Clients of the store as a text that can be registered again. There is no secret in it; digests of them where they were asked for.
#[derive(Clone, Debug)]
pub struct ExportedClients {
    clients: Vec<StoredClient>,
    with_digests: bool,
}

impl ExportedClients {
    /// Those called `client_ids`, or all.
    ///
    /// # Errors
    /// [`Error::Client`] when one is not there, and those of reading the store.
    pub(super) async fn of(
        clients: &ClientAdministration<'_>,
        client_ids: &[String],
        with_digests: bool,
    ) -> Result<Self, Error> {
        let mut all = clients.page(None, usize::MAX).await?;
        let missing = client_ids
            .iter()
            .find(|id| !all.iter().any(|client| client.client_id == **id));
        if let Some(id) = missing {
            return Err(Error::Client {
                client_id: id.clone(),
                fault: ClientFault::Unknown,
            });
        }
        all.retain(|client| client_ids.is_empty() || client_ids.contains(&client.client_id));
        Ok(Self {
            clients: all,
            with_digests,
        })
    }

    /// Clients that are not in the text, since what the store has of them cannot be read any more.
    pub fn unreadable(&self) -> impl Iterator<Item = &StoredClient> {
        let mut all = self.clients.iter();
        std::iter::from_fn(move || all.find(|client| client.document.is_none()))
    }

    /// As YAML, of which each client is an entry of `issuer.clients`.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let mut text = "hallpass:\n  issuer:\n    clients:\n".to_owned();
        for client in &self.clients {
            if let Some(document) = &client.document {
                text.push_str(&document.to_yaml(6, &self.digests(client)));
            }
        }
        if self.clients.iter().all(|client| client.document.is_none()) {
            text = "hallpass:\n  issuer:\n    clients: []\n".to_owned();
        }
        text
    }

    /// The same as JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let client = |client: &StoredClient| {
            let mut entry: Map<String, Value> = client.document.as_ref()?.as_map().clone();
            let digests = self.digests(client).into_iter();
            entry.extend(digests.map(|(key, text)| (key.to_owned(), text.into())));
            Some(entry)
        };
        let clients: Vec<_> = self.clients.iter().filter_map(client).collect();
        json!({ "hallpass": { "issuer": { "clients": clients } } }).to_string()
    }

    fn digests(&self, client: &StoredClient) -> Vec<(&'static str, String)> {
        let settings = client.settings.as_ref().filter(|_| self.with_digests);
        settings
            .map(|settings| KeptSecrets::of(settings).entries())
            .unwrap_or_default()
    }
}
