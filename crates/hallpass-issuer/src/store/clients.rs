//! Registered clients in the store.

use hallpass_token::UnixTime;
use sqlx::sqlite::SqliteConnection;

use super::Store;
use super::client_rows::{self, ClientRow};
use super::row_list::Table;
use crate::clients::registration::Registration;
use crate::error::Error;

impl Store {
    /// Every client, in five statements whatever their number.
    ///
    /// # Errors
    /// [`Error::StoreDamaged`] when a client is not as this issuer wrote it.
    pub(crate) async fn clients(&self) -> Result<Vec<Registration>, Error> {
        let failed = |source| self.failed(source);
        let mut transaction = self.counted().begin().await.map_err(failed)?;
        let rows = self.checked_clients(&mut transaction).await?;
        transaction.rollback().await.map_err(failed)?;
        let read = |row: ClientRow| {
            let damaged = self.damaged(format!("client {:?} cannot be read", row.id()));
            row.into_registration().ok_or(damaged)
        };
        rows.into_iter().map(read).collect()
    }

    async fn checked_clients(
        &self,
        connection: &mut SqliteConnection,
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
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let client = ClientRow::of(client, now).ok_or(Error::Internal {
            operation: "storing a secret of the settings",
        })?;
        let mut transaction = self.begin_write().await?;
        // Before anything is listed anew: what somebody else wrote must not come onto the list with it.
        let mut rows = self.checked_clients(&mut transaction).await?;
        let failed = |source| self.failed(source);
        client.insert(&mut transaction).await.map_err(failed)?;
        rows.push(client);
        let written = client_rows::read(&mut transaction).await.map_err(failed)?;
        let (meant, written) = (client_rows::list(&rows), client_rows::list(&written));
        self.list_what_was_meant(&mut transaction, Table::Clients, &meant, &written)
            .await?;
        transaction.commit().await.map_err(failed)
    }
}
