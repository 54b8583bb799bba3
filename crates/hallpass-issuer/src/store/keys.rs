//! Signing keys in the store.

use super::Store;
use super::key_rows::{self, KeyRow};
use super::query::query;
use super::row_list::{RowList, Table};
use super::transaction::Transaction;
use crate::error::Error;
use crate::keys::record::KeyRecord;

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
        let mut transaction = self.begin().await?;
        let rows = self.checked_keys(&mut transaction).await?;
        transaction.rollback().await.map_err(failed)?;
        let records = rows.iter().map(|row| row.record(&self.name, &self.sealer));
        Ok(StoredKeys {
            records: records.collect::<Result<_, _>>()?,
            rows: key_rows::list(&rows),
        })
    }

    async fn checked_keys(&self, connection: &mut Transaction) -> Result<Vec<KeyRow>, Error> {
        let rows = key_rows::read(connection)
            .await
            .map_err(|source| self.failed(source))?;
        let (table, found) = (Table::SigningKeys, key_rows::list(&rows));
        self.check_list(connection, table, &found).await?;
        Ok(rows)
    }

    /// Puts `changed` into the place of the keys of their names, new ones beside them, and deletes those that `deleted` names,
    /// in one transaction.
    ///
    /// Of an algorithm one key signs; `changed` has the one that signed before, in its new state. Gives `false`, with nothing
    /// written, when the store does not have the keys of `known` any more: another process was faster, and what it did must
    /// be read first.
    ///
    /// # Errors
    /// [`Error::KeyIdTaken`] when the store has another key under the same name, [`Error::StoreDamaged`] when a row is
    /// not as this issuer wrote it; nothing is written then.
    pub(crate) async fn write_keys(
        &self,
        known: &StoredKeys,
        changed: impl IntoIterator<Item = &KeyRecord>,
        deleted: &[String],
    ) -> Result<bool, Error> {
        let failed = |source| self.failed(source);
        let mut transaction = self.begin_write().await?;
        // Before anything is listed anew: what somebody else wrote must not come onto the list with it.
        let mut rows = self.checked_keys(&mut transaction).await?;
        if key_rows::list(&rows) != known.rows {
            return Ok(false);
        }
        for kid in deleted {
            query("delete from signing_keys where kid = $1")
                .bind(kid)
                .execute(&mut transaction)
                .await
                .map_err(failed)?;
        }
        rows.retain(|row| !deleted.contains(&row.kid));
        let of = |key| KeyRow::of(key, &self.sealer);
        let mut changed: Vec<KeyRow> = changed.into_iter().map(of).collect::<Result<_, _>>()?;
        // The one that signed makes place before another one signs.
        changed.sort_by_key(KeyRow::signs);
        for row in changed {
            if rows
                .iter()
                .any(|it| it.kid == row.kid && !it.is_key_of(&row))
            {
                return Err(Error::KeyIdTaken { kid: row.kid });
            }
            row.put(&mut transaction).await.map_err(failed)?;
            key_rows::put(&mut rows, row);
        }
        let written = key_rows::read(&mut transaction).await.map_err(failed)?;
        let (table, meant) = (Table::SigningKeys, key_rows::list(&rows));
        self.list_what_was_meant(&mut transaction, table, &meant, &key_rows::list(&written))
            .await?;
        transaction.commit().await.map_err(failed)?;
        Ok(true)
    }
}
