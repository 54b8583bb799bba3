//! Registered clients in the store.

use std::collections::BTreeSet;

use hallpass_token::UnixTime;

use super::Store;
use super::client_rows::ClientRow;
use super::client_writing::ClientWriting;
use crate::clients::registration::Registration;
use crate::error::Error;

impl Store {
    /// The first client, if this issuer has made one. All clients are read, and proven.
    ///
    /// # Errors
    /// [`Error::StoreDamaged`] when a client is not as this issuer wrote it.
    pub(crate) async fn clients(&self) -> Result<Vec<Registration>, Error> {
        let made_here = |row: ClientRow| {
            let id = row.id().to_owned();
            let damaged = || self.damaged(format!("client {id:?} cannot be read"));
            let is_wanted = !row.is_registered();
            let made_here = is_wanted.then(|| row.into_registration().ok_or_else(damaged));
            made_here.transpose()
        };
        Ok(self.every_client(made_here).await?.into_values().collect())
    }

    /// The names of all. All clients are read, and proven.
    ///
    /// # Errors
    /// As [`clients`](Self::clients).
    pub(crate) async fn client_names(&self) -> Result<BTreeSet<String>, Error> {
        let names = self.every_client(|_| Ok(Some(()))).await?;
        Ok(names.into_keys().collect())
    }

    /// How many clients there are, by the seal.
    ///
    /// # Errors
    /// [`Error::StoreDamaged`] when that does not open.
    pub(crate) async fn client_count(&self) -> Result<u64, Error> {
        let mut transaction = self.begin().await?;
        let seal = self.client_seal(&mut transaction).await?;
        let ended = transaction.rollback().await;
        ended.map_err(|source| self.failed(source))?;
        Ok(seal.count)
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
        let mut writing = ClientWriting::begin(self, &mut transaction).await?;
        writing.put(&mut transaction, &row, None).await?;
        writing.finish(&mut transaction).await?;
        let committed = transaction.commit().await;
        committed.map_err(|source| self.failed(source))
    }
}

fn seconds(now: UnixTime) -> i64 {
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}
