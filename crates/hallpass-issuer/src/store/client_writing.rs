//! Changes of clients, within one transaction: what each of them costs does not depend on how many clients there are.

use std::collections::HashMap;

use super::Store;
use super::client_rows::ClientRow;
use super::client_rows::found::{self, FoundClient};
use super::query::query;
use super::row_seal::RowSeal;
use super::sealed_clients::{RowMac, check_written, number};
use super::sealed_rows::SealedRows;
use super::transaction::Transaction;
use crate::error::Error;

/// Most clients that a store has, those of the configuration not counted.
pub(super) const MAX_CLIENTS: usize = 2_000_000;
/// How many changes the names of clients that were taken away are kept for. Who follows and has missed more reads all clients anew.
const REMOVALS_KEPT: u64 = 10_000;

/// A client that is there, as this issuer has written it.
pub(super) struct ProvenClient {
    pub(super) row: ClientRow,
    mac: RowMac,
}

/// Changes that are being made.
pub(super) struct ClientWriting<'s> {
    store: &'s Store,
    seal: RowSeal,
    /// The number of the last change before these.
    before: u64,
    /// What must stand there at the end, of what was changed.
    meant: HashMap<String, RowMac>,
    removed: Vec<String>,
}

impl<'s> ClientWriting<'s> {
    /// Begins within a transaction that will write.
    ///
    /// # Errors
    /// [`Error::StoreDamaged`] when the seal does not open, or is of another moment than the rest of the store.
    pub(super) async fn begin(
        store: &'s Store,
        connection: &mut Transaction,
    ) -> Result<Self, Error> {
        let seal = store.client_seal(connection).await?;
        Ok(Self {
            store,
            before: seal.version,
            seal,
            meant: HashMap::new(),
            removed: Vec::new(),
        })
    }

    /// Whether there is room for no client more.
    pub(super) const fn is_full(&self) -> bool {
        self.seal.count >= MAX_CLIENTS as u64
    }

    /// The client of this name.
    ///
    /// # Errors
    /// [`Error::StoreDamaged`] when this issuer did not write it so.
    pub(super) async fn find(
        &self,
        connection: &mut Transaction,
        client_id: &str,
    ) -> Result<Option<ProvenClient>, Error> {
        self.store
            .proven_client(connection, &self.seal, client_id)
            .await
    }

    /// Writes a client, in the place of the one that was `found`.
    pub(super) async fn put(
        &mut self,
        connection: &mut Transaction,
        row: &ClientRow,
        found: Option<&ProvenClient>,
    ) -> Result<(), Error> {
        if let Some(found) = found {
            self.delete(connection, found).await?;
        }
        let (seq, mac) = self.seal.add_client(row);
        let inserted = row.insert(connection, (seq, mac.to_text())).await;
        inserted.map_err(|source| self.store.failed(source))?;
        self.meant.insert(row.id().to_owned(), mac);
        Ok(())
    }

    /// Takes away the client that was `found`.
    pub(super) async fn remove(
        &mut self,
        connection: &mut Transaction,
        found: &ProvenClient,
    ) -> Result<(), Error> {
        self.delete(connection, found).await?;
        self.seal.version += 1;
        let id = found.row.id();
        query("insert into removed_clients (seq, client_id) values ($1, $2)")
            .bind(number(self.seal.version))
            .bind(id)
            .execute(connection)
            .await
            .map_err(|source| self.store.failed(source))?;
        self.removed.push(id.to_owned());
        Ok(())
    }

    async fn delete(
        &mut self,
        connection: &mut Transaction,
        found: &ProvenClient,
    ) -> Result<(), Error> {
        let id = found.row.id();
        let deleted = ClientRow::delete(id, connection).await;
        deleted.map_err(|source| self.store.failed(source))?;
        self.seal.take_client(id, found.mac);
        self.meant.remove(id);
        Ok(())
    }

    /// Seals what was changed, if it is what was meant.
    ///
    /// # Errors
    /// [`Error::StoreDamaged`] when somebody else's trigger wrote more, or less.
    pub(super) async fn finish(self, connection: &mut Transaction) -> Result<(), Error> {
        let Self {
            store,
            seal,
            before,
            meant,
            removed,
        } = self;
        check_written(&store.name, connection, (&seal, before), &meant).await?;
        for id in removed.iter().filter(|id| !meant.contains_key(*id)) {
            let found = found::read_one(connection, id).await;
            if found.map_err(|source| store.failed(source))?.is_some() {
                return Err(store.damaged(format!("client {id:?} was brought back from outside")));
            }
        }
        query("delete from removed_clients where seq <= $1")
            .bind(number(seal.version.saturating_sub(REMOVALS_KEPT)))
            .execute(connection)
            .await
            .map_err(|source| store.failed(source))?;
        seal.write(&store.name, connection, &store.sealer).await
    }
}

impl Store {
    /// What is sealed of the clients.
    pub(super) async fn client_seal(&self, connection: &mut Transaction) -> Result<RowSeal, Error> {
        let of = SealedRows::Clients;
        RowSeal::read(&self.name, connection, &self.sealer, of).await
    }

    /// The client of this name, if it is as this issuer has written it. That it is not an older state of itself is not looked at: that
    /// would be found with all clients, and nothing that is written after it comes under a seal that fits.
    pub(super) async fn proven_client(
        &self,
        connection: &mut Transaction,
        seal: &RowSeal,
        client_id: &str,
    ) -> Result<Option<ProvenClient>, Error> {
        let found = found::read_one(connection, client_id).await;
        let Some(found) = found.map_err(|source| self.failed(source))? else {
            return Ok(None);
        };
        let mac = self.proven_mac(seal, &found)?;
        let row = found.row;
        Ok(Some(ProvenClient { row, mac }))
    }

    /// # Errors
    /// [`Error::StoreDamaged`].
    pub(super) fn proven_mac(&self, seal: &RowSeal, found: &FoundClient) -> Result<RowMac, Error> {
        let id = found.row.id();
        seal.proven_mac(found)
            .ok_or_else(|| self.damaged(format!("client {id:?} was changed from outside")))
    }
}
