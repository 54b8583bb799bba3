//! Signing keys in the store.

use sqlx::sqlite::SqliteConnection;

use super::key_rows::{self, KeyRow, row_name};
use super::row_list::{RowList, Table};
use super::{Store, seal};
use crate::error::Error;
use crate::keys::record::{KeyRecord, KeyState};

/// How often keys are read again because another process wrote some meanwhile.
pub(crate) const MAX_WRITES: usize = 10;

/// The keys of the store at one moment.
pub(crate) struct StoredKeys {
    /// Oldest first.
    pub(crate) records: Vec<KeyRecord>,
    /// What the rows were; the records may be changed meanwhile.
    rows: RowList,
}

impl Store {
    /// Every key, oldest first.
    ///
    /// # Errors
    /// [`Error::StoreDamaged`] when a row is not as this issuer wrote it.
    pub(crate) async fn keys(&self) -> Result<StoredKeys, Error> {
        let failed = |source| self.failed(source);
        let mut transaction = self.counted().begin().await.map_err(failed)?;
        let rows = self.checked_keys(&mut transaction).await?;
        transaction.rollback().await.map_err(failed)?;
        let records = rows
            .iter()
            .map(|row| key_rows::record(&self.name, &self.sealer, row));
        Ok(StoredKeys {
            records: records.collect::<Result<_, _>>()?,
            rows: key_rows::list(&rows),
        })
    }

    async fn checked_keys(&self, connection: &mut SqliteConnection) -> Result<Vec<KeyRow>, Error> {
        let rows = key_rows::read(connection)
            .await
            .map_err(|source| self.failed(source))?;
        let (table, found) = (Table::SigningKeys, key_rows::list(&rows));
        seal::check_list(&self.name, connection, &self.sealer, table, &found).await?;
        Ok(rows)
    }

    /// Adds `keys` in one transaction; one that signs turns the signing key of its algorithm into a published one.
    ///
    /// A key that is in the store already only takes the new state. Gives `false`, with nothing added, when the store
    /// does not have the keys of `known` any more: another process was faster, and what it did must be read first.
    ///
    /// # Errors
    /// [`Error::KeyIdTaken`] when the store has another key under the same name, [`Error::StoreDamaged`] when a row is
    /// not as this issuer wrote it; nothing is added then.
    pub(crate) async fn add_keys(
        &self,
        known: &StoredKeys,
        keys: impl IntoIterator<Item = &KeyRecord>,
    ) -> Result<bool, Error> {
        let mut transaction = self.begin_write().await?;
        // Before anything is listed anew: what somebody else wrote must not come onto the list with it.
        let mut rows = self.checked_keys(&mut transaction).await?;
        if key_rows::list(&rows) != known.rows {
            return Ok(false);
        }
        for key in keys {
            let row = self.sealed_row(key)?;
            if rows.iter().any(|it| it.0 == row.0 && it.4 != row.4) {
                return Err(Error::KeyIdTaken { kid: row.0 });
            }
            self.put_key(&mut transaction, &row).await?;
            key_rows::put(&mut rows, row);
        }
        let written = key_rows::read(&mut transaction).await;
        let written = key_rows::list(&written.map_err(|source| self.failed(source))?);
        let (table, meant) = (Table::SigningKeys, key_rows::list(&rows));
        self.list_what_was_meant(&mut transaction, table, &meant, &written)
            .await?;
        let committed = transaction.commit().await;
        committed.map_err(|source| self.failed(source))?;
        Ok(true)
    }

    fn sealed_row(&self, key: &KeyRecord) -> Result<KeyRow, Error> {
        let name = row_name(&key.kid, key.algorithm);
        let private = key.private.as_ref();
        let sealed = private.map(|private| self.sealer.seal(private, name.as_bytes()));
        let seconds = |at: u64| i64::try_from(at).unwrap_or(i64::MAX);
        Ok((
            key.kid.clone(),
            key.algorithm.as_str().to_owned(),
            key.state.as_str().to_owned(),
            key.origin.as_str().to_owned(),
            key.public_jwk.clone(),
            sealed.transpose()?,
            seconds(key.created_at),
            key.announced_at.map(seconds),
        ))
    }

    /// What [`key_rows::put`] does, in the file.
    async fn put_key(&self, connection: &mut SqliteConnection, row: &KeyRow) -> Result<(), Error> {
        let failed = |source| self.failed(source);
        let (kid, algorithm, state, origin, public_jwk, sealed, created_at, announced_at) = row;
        if state == KeyState::Signing.as_str() {
            sqlx::query("update signing_keys set state = 'published' where algorithm = $1 and state = 'signing'")
                .bind(algorithm)
                .execute(&mut *connection)
                .await
                .map_err(failed)?;
        }
        sqlx::query(
            "insert into signing_keys (kid, algorithm, state, origin, public_jwk, sealed_private, created_at, announced_at) \
             values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (kid) do update set state = excluded.state, \
             announced_at = excluded.announced_at, \
             sealed_private = coalesce(excluded.sealed_private, signing_keys.sealed_private)",
        )
        .bind(kid)
        .bind(algorithm)
        .bind(state)
        .bind(origin)
        .bind(public_jwk)
        .bind(sealed)
        .bind(created_at)
        .bind(announced_at)
        .execute(connection)
        .await
        .map(|_| ())
        .map_err(failed)
    }
}
