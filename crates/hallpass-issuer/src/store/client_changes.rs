//! Changes of registered clients in the store: all of them or none, and each only of the state that it was made for.

use hallpass_token::{ClientId, Revocation, RevocationList, UnixTime};

use super::Store;
use super::client_rows::ClientRow;
use super::client_writing::{ClientWriting, MAX_CLIENTS};
use crate::clients::client_fault::ClientFault;
use crate::clients::revision::Revision;
use crate::clients::stored_registration::StoredRegistration;
use crate::error::Error;

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
    /// Every client by its name. All are read, and proven.
    ///
    /// # Errors
    /// [`Error::StoreDamaged`] when a client is not as this issuer wrote it.
    pub(crate) async fn kept_clients(&self) -> Result<Vec<KeptClient>, Error> {
        let kept = self.every_client(|row| self.kept(&row).map(Some));
        Ok(kept.await?.into_values().collect())
    }

    /// The client of this name: it alone is read. That it is not an older state of itself is not proven; a change that is made of such a one
    /// comes under no seal that fits.
    ///
    /// # Errors
    /// [`Error::StoreDamaged`] when it is not as this issuer wrote it at some time.
    pub(crate) async fn kept_client(&self, client_id: &str) -> Result<Option<KeptClient>, Error> {
        let mut transaction = self.begin().await?;
        let seal = self.client_seal(&mut transaction).await?;
        let found = self.proven_client(&mut transaction, &seal, client_id);
        let found = found.await?;
        let ended = transaction.rollback().await;
        ended.map_err(|source| self.failed(source))?;
        found.map(|found| self.kept(&found.row)).transpose()
    }

    /// Those of `client_ids` that there are: they alone are read, as [`kept_client`](Self::kept_client) does.
    ///
    /// # Errors
    /// As [`kept_client`](Self::kept_client).
    pub(crate) async fn kept_named(
        &self,
        client_ids: impl Iterator<Item = &ClientId>,
    ) -> Result<Vec<KeptClient>, Error> {
        let mut transaction = self.begin().await?;
        let seal = self.client_seal(&mut transaction).await?;
        let mut kept = Vec::new();
        for client_id in client_ids {
            let found = self.proven_client(&mut transaction, &seal, client_id.as_str());
            if let Some(found) = found.await? {
                kept.push(self.kept(&found.row)?);
            }
        }
        let ended = transaction.rollback().await;
        ended.map_err(|source| self.failed(source))?;
        Ok(kept)
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
        let mut writing = ClientWriting::begin(self, &mut transaction).await?;
        for change in changes {
            let ClientChange {
                client_id,
                from,
                to,
            } = change;
            let found = writing.find(&mut transaction, client_id.as_str()).await?;
            let revision = found.as_ref().map(|found| found.row.revision());
            check(&client_id, from, revision)?;
            match (to, found) {
                (Some(registration), found) => {
                    if found.is_none() && writing.is_full() {
                        let fault = ClientFault::TooMany { most: MAX_CLIENTS };
                        return Err(Error::client(&client_id, fault));
                    }
                    let created_at = found.as_ref().map(|found| found.row.created_at());
                    let created_at = created_at.unwrap_or_else(|| seconds(now));
                    let row = ClientRow::registered(&client_id, registration, created_at);
                    writing.put(&mut transaction, &row, found.as_ref()).await?;
                }
                (None, Some(found)) => writing.remove(&mut transaction, &found).await?,
                (None, None) => {}
            }
        }
        writing.finish(&mut transaction).await?;
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
