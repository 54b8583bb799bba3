//! Registered clients in the store.

use std::collections::BTreeSet;

use hallpass_token::UnixTime;

use super::Store;
use super::client_rows::{self, ClientRow};
use super::row_list::Table;
use super::transaction::Transaction;
use crate::clients::registration::Registration;
use crate::clients::stored_registration::StoredRegistration;
use crate::error::Error;

impl Store {
    /// The first client, if this issuer has made one, in six statements.
    ///
    /// # Errors
    /// [`Error::StoreDamaged`] when a client is not as this issuer wrote it.
    pub(crate) async fn clients(&self) -> Result<Vec<Registration>, Error> {
        let rows = self.client_rows().await?;
        let read = |row: ClientRow| {
            let damaged = self.damaged(format!("client {:?} cannot be read", row.id()));
            row.into_registration().ok_or(damaged)
        };
        let made_here = rows.into_iter().filter(|row| !row.is_registered());
        made_here.map(read).collect()
    }

    /// What was registered, by the name of the client, in six statements whatever their number.
    ///
    /// # Errors
    /// As [`clients`](Self::clients).
    pub(crate) async fn registrations(&self) -> Result<Vec<(String, StoredRegistration)>, Error> {
        let rows = self.client_rows().await?;
        Ok(rows
            .into_iter()
            .filter_map(ClientRow::into_stored)
            .collect())
    }

    /// The names of all.
    ///
    /// # Errors
    /// As [`clients`](Self::clients).
    pub(crate) async fn client_names(&self) -> Result<BTreeSet<String>, Error> {
        let rows = self.client_rows().await?;
        Ok(rows.iter().map(|row| row.id().to_owned()).collect())
    }

    pub(super) async fn client_rows(&self) -> Result<Vec<ClientRow>, Error> {
        let failed = |source| self.failed(source);
        let mut transaction = self.begin().await?;
        let rows = self.checked_clients(&mut transaction).await?;
        transaction.rollback().await.map_err(failed)?;
        Ok(rows)
    }

    pub(super) async fn checked_clients(
        &self,
        connection: &mut Transaction,
    ) -> Result<Vec<ClientRow>, Error> {
        let rows = client_rows::read(connection)
            .await
            .map_err(|source| self.failed(source))?;
        let (table, found) = (Table::Clients, client_rows::list(&rows));
        self.check_list(connection, table, &found).await?;
        Ok(rows)
    }

    /// Adds a client in one transaction.
    pub(crate) async fn add_client(
        &self,
        client: &Registration,
        now: UnixTime,
    ) -> Result<(), Error> {
        let row = ClientRow::of(client, seconds(now)).ok_or(Error::Internal {
            operation: "storing a secret of the settings",
        })?;
        self.add_row(row).await
    }

    async fn add_row(&self, row: ClientRow) -> Result<(), Error> {
        let mut transaction = self.begin_write().await?;
        // Before anything is listed anew: what somebody else wrote must not come onto the list with it.
        let mut rows = self.checked_clients(&mut transaction).await?;
        let failed = |source| self.failed(source);
        row.insert(&mut transaction).await.map_err(failed)?;
        rows.push(row);
        self.list_clients(&mut transaction, &rows).await?;
        transaction.commit().await.map_err(failed)
    }

    /// Seals the list of `meant`, if that is what is written.
    pub(super) async fn list_clients(
        &self,
        connection: &mut Transaction,
        meant: &[ClientRow],
    ) -> Result<(), Error> {
        let written = client_rows::read(connection).await;
        let written = written.map_err(|source| self.failed(source))?;
        let (meant, written) = (client_rows::list(meant), client_rows::list(&written));
        self.list_what_was_meant(connection, Table::Clients, &meant, &written)
            .await
    }
}

fn seconds(now: UnixTime) -> i64 {
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}
