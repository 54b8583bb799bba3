//! What is taken back, in the store.

use hallpass_token::{Revocation, RevocationDigest, UnixTime};

use super::Store;
use super::known_revocations::{ProvenRows, Row, StoredRevocations, entry, number, seconds};
use super::query::{query, query_as};
use super::row_seal::RowSeal;
use super::sealed_rows::SealedRows;
use super::transaction::Transaction;
use crate::error::Error;

/// What is wrong with rows that no issuer wrote.
const CHANGED: &str = "its revocations were changed from outside";

impl Store {
    /// Brings `known` up to what is taken back at `now`, and reads only what is new, unless something else was deleted than what
    /// has ended. After an error `known` must not be used but for the next call.
    ///
    /// # Errors
    /// [`Error::StoreDamaged`] when the rows are not those that this issuer wrote, or are older than `known`.
    pub(crate) async fn read_revocations(
        &self,
        known: &mut StoredRevocations,
        now: UnixTime,
    ) -> Result<(), Error> {
        let failed = |source| self.failed(source);
        let mut transaction = self.begin().await?;
        let seal = self.row_seal(&mut transaction).await?;
        if seal.version < known.version {
            return Err(self.damaged("its revocations were put back to those of before"));
        }
        if seal.version == known.version && known.fits(&seal) {
            return Ok(());
        }
        for version in [known.version, 0] {
            let rows: Vec<Row> = query_as(
                "select seq, digest, kind, issued_before, ends_at from revocations where seq > $1",
            )
            .bind(number(version))
            .fetch_all(&mut transaction)
            .await
            .map_err(failed)?;
            if version == 0 {
                *known = StoredRevocations::of_version(known.version);
            }
            let taken = rows.iter().try_for_each(|row| known.take(&seal, row));
            if taken.is_some() && !known.fits(&seal) && version > 0 {
                known.forget_ended(&seal, now);
            }
            if taken.is_some() && known.fits(&seal) {
                known.version = seal.version;
                return Ok(());
            }
        }
        Err(self.damaged(CHANGED))
    }

    /// Adds `entries`, of which none weakens one that is there for the same. Gives `false`, with nothing written, when what is
    /// there says as much already, and an issuer has written it: rows of others are written over.
    ///
    /// # Errors
    /// [`Error::StoreDamaged`] when what is there cannot be told from what others have written;
    /// [`Error::TooManyRevocations`] when there would be more than `most`; nothing is written then.
    pub(crate) async fn revoke(&self, entries: &[Revocation], most: usize) -> Result<bool, Error> {
        let mut transaction = self.begin_write().await?;
        let is_new = self
            .add_revocations(&mut transaction, entries, most)
            .await?;
        if is_new {
            let commit = transaction.commit().await;
            commit.map_err(|source| self.failed(source))?;
        }
        Ok(is_new)
    }

    /// What is there for `digest`, as it was written; not proven.
    ///
    /// # Errors
    /// Those of reading.
    pub(crate) async fn revocation(
        &self,
        digest: RevocationDigest,
    ) -> Result<Option<Revocation>, Error> {
        let mut transaction = self.begin().await?;
        let row = self.row(&mut transaction, digest).await?;
        let ended = transaction.rollback().await;
        ended.map_err(|source| self.failed(source))?;
        Ok(row.and_then(|row| entry(digest, &row)))
    }

    async fn row(
        &self,
        connection: &mut Transaction,
        digest: RevocationDigest,
    ) -> Result<Option<Row>, Error> {
        query_as(
            "select seq, digest, kind, issued_before, ends_at from revocations where digest = $1",
        )
        .bind(digest.to_string())
        .fetch_optional(connection)
        .await
        .map_err(|source| self.failed(source))
    }

    /// [`revoke`](Self::revoke) as a part of what else `connection` writes. After [`Error::TooManyRevocations`] those stay that
    /// had room.
    pub(super) async fn add_revocations(
        &self,
        connection: &mut Transaction,
        entries: &[Revocation],
        most: usize,
    ) -> Result<bool, Error> {
        let mut seal = self.row_seal(connection).await?;
        let mut is_new = Ok(false);
        let mut proven = self.known_revocations().rows_of(entries, &seal);
        for entry in entries {
            let added = self.add(connection, &mut seal, (entry, entries, &mut proven), most);
            match added.await {
                Ok(added) => is_new = is_new.map(|before| before || added),
                Err(error) => {
                    is_new = Err(error);
                    break;
                }
            }
        }
        // After an error too: what was added until then may be kept.
        self.put_row_seal(connection, &seal).await?;
        is_new
    }

    /// Adds `entry`, which is one of `entries`; `proven` has their rows, where these are known.
    async fn add(
        &self,
        connection: &mut Transaction,
        seal: &mut RowSeal,
        (entry, entries, proven): (&Revocation, &[Revocation], &mut Option<ProvenRows>),
        most: usize,
    ) -> Result<bool, Error> {
        let found = self.row(connection, entry.digest).await?;
        if let (Some(row), None) = (&found, &proven) {
            let all = self.prove(connection, seal, row).await?;
            *proven = all.rows_of(entries, seal);
        }
        let before = proven.as_ref().and_then(|rows| rows.get(&entry.digest));
        let rows = (before, found.as_ref());
        let written = self.write(connection, seal, (entry, rows), most).await?;
        let is_new = written.is_some();
        if let (Some(row), Some(proven)) = (written, proven) {
            proven.insert(entry.digest, row);
        }
        Ok(is_new)
    }

    /// All that is sealed. Whoever can write rows can add one for what is about to be revoked, or change the one that there is, so that it seems to be
    /// done already: `found`, the row for that, is left out when the others are all that is sealed.
    ///
    /// # Errors
    /// [`Error::StoreDamaged`] when other rows are not those that an issuer wrote, or the one that it wrote cannot be told any more.
    async fn prove(
        &self,
        connection: &mut Transaction,
        seal: &RowSeal,
        found: &Row,
    ) -> Result<StoredRevocations, Error> {
        let rows: Vec<Row> =
            query_as("select seq, digest, kind, issued_before, ends_at from revocations")
                .fetch_all(connection)
                .await
                .map_err(|source| self.failed(source))?;
        let others = || rows.iter().filter(|row| *row != found);
        let proven = StoredRevocations::proven(seal, &rows);
        let proven = proven.or_else(|| StoredRevocations::proven(seal, others()));
        proven.ok_or_else(|| self.damaged(CHANGED))
    }

    /// Writes `entry`, merged with the row that is proven for the same, and gives what it has written; what was found in its place is gone then, whoever
    /// wrote it. Gives `None` when what is proven says as much, and is there.
    async fn write(
        &self,
        connection: &mut Transaction,
        seal: &mut RowSeal,
        (entry, (before, found)): (&Revocation, (Option<&Row>, Option<&Row>)),
        most: usize,
    ) -> Result<Option<Row>, Error> {
        let failed = |source| self.failed(source);
        let digest = entry.digest.to_string();
        let mut issued_before = entry.issued_before.map(seconds);
        let mut ends_at = seconds(entry.ends_at);
        if let Some(row) = before {
            issued_before = issued_before.zip(row.3).map(|(one, other)| one.max(other));
            ends_at = ends_at.max(row.4);
            if found == before && (issued_before, ends_at) == (row.3, row.4) {
                return Ok(None);
            }
            deleted(seal, row);
        } else if seal.count >= u64::try_from(most).unwrap_or(u64::MAX) {
            // Before anything is deleted: what the transaction has written is kept. What takes the place of another needs no room.
            return Err(Error::TooManyRevocations { most });
        }
        if found.is_some() {
            query("delete from revocations where digest = $1")
                .bind(&digest)
                .execute(&mut *connection)
                .await
                .map_err(failed)?;
        }
        seal.version += 1;
        let kind = entry.kind.as_str().to_owned();
        let row = (number(seal.version), digest, kind, issued_before, ends_at);
        query(
            "insert into revocations (seq, digest, kind, issued_before, ends_at) values ($1, $2, $3, $4, $5)",
        )
        .bind(row.0)
        .bind(&row.1)
        .bind(&row.2)
        .bind(row.3)
        .bind(row.4)
        .execute(&mut *connection)
        .await
        .map_err(failed)?;
        seal.sum.add(&seal.mac(&row));
        seal.count += 1;
        Ok(Some(row))
    }

    /// Deletes the entries that have ended at `now`.
    pub(crate) async fn forget_ended_revocations(&self, now: UnixTime) -> Result<(), Error> {
        let failed = |source| self.failed(source);
        let mut transaction = self.begin_write().await?;
        let mut seal = self.row_seal(&mut transaction).await?;
        let rows: Vec<Row> = query_as(
            "select seq, digest, kind, issued_before, ends_at from revocations where ends_at <= $1",
        )
        .bind(seconds(now))
        .fetch_all(&mut transaction)
        .await
        .map_err(failed)?;
        // In one statement: of many that end together each would cost the others that wait.
        query("delete from revocations where ends_at <= $1")
            .bind(seconds(now))
            .execute(&mut transaction)
            .await
            .map_err(failed)?;
        rows.iter().for_each(|row| deleted(&mut seal, row));
        seal.version += 1;
        self.put_row_seal(&mut transaction, &seal).await?;
        transaction.commit().await.map_err(failed)
    }

    async fn row_seal(&self, connection: &mut Transaction) -> Result<RowSeal, Error> {
        let of = SealedRows::Revocations;
        RowSeal::read(&self.name, connection, &self.sealer, of).await
    }

    async fn put_row_seal(
        &self,
        connection: &mut Transaction,
        seal: &RowSeal,
    ) -> Result<(), Error> {
        seal.write(&self.name, connection, &self.sealer).await
    }
}

fn deleted(seal: &mut RowSeal, row: &Row) {
    // That of a row which somebody else wrote was never added: the sum fits no more, and that is noticed.
    seal.sum.subtract(&seal.mac(row));
    seal.count = seal.count.saturating_sub(1);
}
