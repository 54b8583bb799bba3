//! Changes of registered clients in the store: all of them or none, and each only of the state that it was made for.

use std::collections::BTreeMap;

use hallpass_token::{ClientId, Revocation, RevocationList, UnixTime};

use super::Store;
use super::client_rows::ClientRow;
use crate::clients::client_fault::ClientFault;
use crate::clients::revision::Revision;
use crate::clients::stored_registration::StoredRegistration;
use crate::error::Error;

/// Most clients that a store has, those of the configuration not counted.
const MAX_CLIENTS: usize = 1_000;

/// A client as the store has it.
#[derive(Debug)]
pub(crate) struct KeptClient {
    pub(crate) client_id: String,
    pub(crate) registration: StoredRegistration,
    pub(crate) revision: Revision,
    /// In seconds since 1970.
    pub(crate) created_at: u64,
    /// Whether the issuer has made it itself at its first start, and nobody has changed it since.
    pub(crate) is_first: bool,
}

/// What one client is to become.
#[derive(Debug)]
pub(crate) struct ClientChange {
    pub(crate) client_id: ClientId,
    /// What it must be until then; `None`: there must be none.
    pub(crate) from: Option<Revision>,
    /// `None`: it is taken away.
    pub(crate) to: Option<StoredRegistration>,
}

impl Store {
    /// Every client by its name, in six statements whatever their number.
    ///
    /// # Errors
    /// [`Error::StoreDamaged`] when a client is not as this issuer wrote it.
    pub(crate) async fn kept_clients(&self) -> Result<Vec<KeptClient>, Error> {
        let rows = self.client_rows().await?;
        rows.iter().map(|row| self.kept(row)).collect()
    }

    /// The client of this name.
    ///
    /// # Errors
    /// As [`kept_clients`](Self::kept_clients).
    pub(crate) async fn kept_client(&self, client_id: &str) -> Result<Option<KeptClient>, Error> {
        let rows = self.client_rows().await?;
        let row = rows.iter().find(|row| row.id() == client_id);
        row.map(|row| self.kept(row)).transpose()
    }

    fn kept(&self, row: &ClientRow) -> Result<KeptClient, Error> {
        let damaged = || self.damaged(format!("client {:?} cannot be read", row.id()));
        Ok(KeptClient {
            client_id: row.id().to_owned(),
            registration: row.to_registration().ok_or_else(damaged)?,
            revision: row.revision(),
            created_at: u64::try_from(row.created_at()).unwrap_or_default(),
            is_first: !row.is_registered(),
        })
    }

    /// Makes all of `changes`, and puts `revoked` onto the deny-list, in one transaction.
    ///
    /// # Errors
    /// [`Error::Client`] when a client is not what a change was made for, or there would be too many; [`Error::TooManyRevocations`]; nothing
    /// is written then.
    pub(crate) async fn change_clients(
        &self,
        changes: Vec<ClientChange>,
        revoked: &[Revocation],
        now: UnixTime,
    ) -> Result<(), Error> {
        let failed = |source| self.failed(source);
        let mut transaction = self.begin_write().await?;
        // Before anything is listed anew: what somebody else wrote must not come onto the list with it.
        let rows = self.checked_clients(&mut transaction).await?;
        let mut rows: BTreeMap<String, ClientRow> = rows
            .into_iter()
            .map(|row| (row.id().to_owned(), row))
            .collect();
        for change in changes {
            let ClientChange {
                client_id,
                from,
                to,
            } = change;
            let found = rows.remove(client_id.as_str());
            check(&client_id, from, found.as_ref().map(ClientRow::revision))?;
            if found.is_some() {
                let deleted = ClientRow::delete(client_id.as_str(), &mut transaction).await;
                deleted.map_err(failed)?;
            }
            if let Some(registration) = to {
                if found.is_none() && rows.len() >= MAX_CLIENTS {
                    let fault = ClientFault::TooMany { most: MAX_CLIENTS };
                    return Err(Error::client(&client_id, fault));
                }
                let created_at = found.map_or_else(|| seconds(now), |row| row.created_at());
                let row = ClientRow::registered(&client_id, registration, created_at);
                row.insert(&mut transaction).await.map_err(failed)?;
                rows.insert(client_id.to_string(), row);
            }
        }
        let rows: Vec<_> = rows.into_values().collect();
        self.list_clients(&mut transaction, &rows).await?;
        if !revoked.is_empty() {
            let most = RevocationList::MAX_ENTRIES;
            self.add_revocations(&mut transaction, revoked, most)
                .await?;
        }
        transaction.commit().await.map_err(failed)
    }
}

/// Whether what is found is what was meant.
fn check(
    client_id: &ClientId,
    from: Option<Revision>,
    found: Option<Revision>,
) -> Result<(), Error> {
    let fault = match (from, found) {
        (None, Some(_)) => ClientFault::Taken,
        (Some(_), None) => ClientFault::Unknown,
        (from, found) if from != found => ClientFault::Changed,
        _ => return Ok(()),
    };
    Err(Error::client(client_id, fault))
}

fn seconds(now: UnixTime) -> i64 {
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}
