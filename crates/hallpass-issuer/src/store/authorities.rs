//! Certificate authorities in the store.

use super::Store;
use super::authority_rows::{self, AuthorityRow};
use super::query::query;
use super::row_list::{RowList, Table};
use super::transaction::Transaction;
use crate::authority::record::AuthorityRecord;
use crate::error::Error;

/// The authorities of the store at one moment.
pub(crate) struct StoredAuthorities {
    /// Oldest first.
    pub(crate) records: Vec<AuthorityRecord>,
    /// What the rows were; the records may be changed meanwhile.
    rows: RowList,
}

impl Store {
    /// Every authority, oldest first.
    ///
    /// # Errors
    /// [`Error::StoreDamaged`] when a row is not as this issuer wrote it.
    pub(crate) async fn authorities(&self) -> Result<StoredAuthorities, Error> {
        let failed = |source| self.failed(source);
        let mut transaction = self.begin().await?;
        let rows = self.checked_authorities(&mut transaction).await?;
        transaction.rollback().await.map_err(failed)?;
        let records = rows.iter().map(|row| row.record(&self.name, &self.sealer));
        Ok(StoredAuthorities {
            records: records.collect::<Result<_, _>>()?,
            rows: authority_rows::list(&rows),
        })
    }

    async fn checked_authorities(
        &self,
        connection: &mut Transaction,
    ) -> Result<Vec<AuthorityRow>, Error> {
        let rows = authority_rows::read(connection)
            .await
            .map_err(|source| self.failed(source))?;
        let (table, found) = (Table::CertificateAuthorities, authority_rows::list(&rows));
        self.check_list(connection, table, &found).await?;
        Ok(rows)
    }

    /// Puts `changed` into the place of those of their names, new ones beside them, and deletes those that `deleted` names, in one
    /// transaction. Gives `false`, with nothing written, when the store does not have those of `known` any more: another process was
    /// faster, and what it did must be read first.
    ///
    /// # Errors
    /// [`Error::StoreDamaged`] when a row is not as this issuer wrote it; nothing is written then.
    pub(crate) async fn write_authorities(
        &self,
        known: &StoredAuthorities,
        changed: impl IntoIterator<Item = &AuthorityRecord>,
        deleted: &[String],
    ) -> Result<bool, Error> {
        let failed = |source| self.failed(source);
        let mut transaction = self.begin_write().await?;
        // Before anything is listed anew: what somebody else wrote must not come onto the list with it.
        let mut rows = self.checked_authorities(&mut transaction).await?;
        if authority_rows::list(&rows) != known.rows {
            return Ok(false);
        }
        for id in deleted {
            query("delete from certificate_authorities where id = $1")
                .bind(id)
                .execute(&mut transaction)
                .await
                .map_err(failed)?;
        }
        rows.retain(|row| !deleted.contains(&row.id));
        let of = |authority| AuthorityRow::of(authority, &self.sealer);
        let mut changed: Vec<_> = changed.into_iter().map(of).collect::<Result<_, _>>()?;
        // The one that signed makes place before another one signs.
        changed.sort_by_key(AuthorityRow::signs);
        for row in changed {
            row.put(&mut transaction).await.map_err(failed)?;
            authority_rows::put(&mut rows, row);
        }
        let written = authority_rows::read(&mut transaction)
            .await
            .map_err(failed)?;
        let (meant, written) = (authority_rows::list(&rows), authority_rows::list(&written));
        let table = Table::CertificateAuthorities;
        self.list_what_was_meant(&mut transaction, table, &meant, &written)
            .await?;
        transaction.commit().await.map_err(failed)?;
        Ok(true)
    }
}
