//! What is taken back, in the store.

use std::collections::{HashMap, HashSet};
use std::mem;

use hallpass_token::{Revocation, RevocationDigest, RevocationKind, UnixTime};

use super::Store;
use super::query::{query, query_as};
use super::row_seal::{RowSeal, Sum};
use super::sealed_rows::SealedRows;
use super::transaction::Transaction;
use crate::error::Error;

/// The columns of a row in their order: `seq`, `digest`, `kind`, `issued_before`, `ends_at`.
type Row = (i64, String, String, Option<i64>, i64);

/// What is taken back at one moment, as it was proven.
#[derive(Debug, Default)]
pub(crate) struct StoredRevocations {
    /// With the `seq` of their rows.
    entries: HashMap<RevocationDigest, (i64, Revocation)>,
    /// Those that [`take_new`](Self::take_new) has not given yet.
    new: HashSet<RevocationDigest>,
    sum: Sum,
    version: u64,
}

impl StoredRevocations {
    /// The entries that it has not given yet, also those that have ended.
    pub(crate) fn take_new(&mut self) -> Vec<Revocation> {
        let new = mem::take(&mut self.new).into_iter();
        let entry = |digest| self.entries.get(&digest).map(|(_, entry)| *entry);
        new.filter_map(entry).collect()
    }

    /// Whether some have ended.
    pub(crate) fn has_ended(&self, now: UnixTime) -> bool {
        let mut entries = self.entries.values();
        entries.any(|(_, entry)| entry.ends_at <= now)
    }

    fn take(&mut self, seal: &RowSeal, row: &Row) -> Option<()> {
        let digest = row.1.parse().ok()?;
        // What is kept says all that the row does.
        let entry = entry(digest, row).filter(|entry| *row == row_of(row.0, entry))?;
        self.sum.add(&seal.mac(row));
        if let Some((seq, before)) = self.entries.insert(digest, (row.0, entry)) {
            self.sum.subtract(&seal.mac(&row_of(seq, &before)));
        }
        self.new.insert(digest);
        Some(())
    }

    /// Goes on as if the entries that have ended were deleted.
    fn forget_ended(&mut self, seal: &RowSeal, now: UnixTime) {
        let (entries, sum) = (&mut self.entries, &mut self.sum);
        entries.retain(|_, (seq, entry)| {
            let is_alive = now < entry.ends_at;
            if !is_alive {
                sum.subtract(&seal.mac(&row_of(*seq, entry)));
            }
            is_alive
        });
    }

    fn fits(&self, seal: &RowSeal) -> bool {
        let count = u64::try_from(self.entries.len()).unwrap_or(u64::MAX);
        self.sum == seal.sum && count == seal.count
    }
}

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
                *known = StoredRevocations {
                    version: known.version,
                    ..StoredRevocations::default()
                };
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
        Err(self.damaged("its revocations were changed from outside"))
    }

    /// Adds `entries`, of which none weakens one that is there for the same. Gives `false`, with nothing written, when what is
    /// there says as much already.
    ///
    /// # Errors
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
        let row: Option<Row> = query_as(
            "select seq, digest, kind, issued_before, ends_at from revocations where digest = $1",
        )
        .bind(digest.to_string())
        .fetch_optional(&mut transaction)
        .await
        .map_err(|source| self.failed(source))?;
        let ended = transaction.rollback().await;
        ended.map_err(|source| self.failed(source))?;
        Ok(row.and_then(|row| entry(digest, &row)))
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
        for entry in entries {
            match self.add(connection, &mut seal, entry, most).await {
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

    async fn add(
        &self,
        connection: &mut Transaction,
        seal: &mut RowSeal,
        entry: &Revocation,
        most: usize,
    ) -> Result<bool, Error> {
        let failed = |source| self.failed(source);
        let digest = entry.digest.to_string();
        let before: Option<Row> = query_as(
            "select seq, digest, kind, issued_before, ends_at from revocations where digest = $1",
        )
        .bind(&digest)
        .fetch_optional(&mut *connection)
        .await
        .map_err(failed)?;
        let mut issued_before = entry.issued_before.map(seconds);
        let mut ends_at = seconds(entry.ends_at);
        if let Some(row) = before {
            issued_before = issued_before.zip(row.3).map(|(one, other)| one.max(other));
            ends_at = ends_at.max(row.4);
            if (issued_before, ends_at) == (row.3, row.4) {
                return Ok(false);
            }
            query("delete from revocations where seq = $1")
                .bind(row.0)
                .execute(&mut *connection)
                .await
                .map_err(failed)?;
            deleted(seal, &row);
        }
        if seal.count >= u64::try_from(most).unwrap_or(u64::MAX) {
            return Err(Error::TooManyRevocations { most });
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
        Ok(true)
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

/// `None` when the row does not say what a row says.
fn entry(digest: RevocationDigest, row: &Row) -> Option<Revocation> {
    let (_, _, kind, issued_before, ends_at) = row;
    let mut kinds = RevocationKind::EVERY.into_iter();
    let moment = |seconds: i64| u64::try_from(seconds).ok().map(UnixTime::from_secs);
    Some(Revocation {
        kind: kinds.find(|it| it.as_str() == kind)?,
        digest,
        issued_before: match issued_before {
            Some(before) => Some(moment(*before)?),
            None => None,
        },
        ends_at: moment(*ends_at)?,
    })
}

/// The other way round.
fn row_of(seq: i64, entry: &Revocation) -> Row {
    (
        seq,
        entry.digest.to_string(),
        entry.kind.as_str().to_owned(),
        entry.issued_before.map(seconds),
        seconds(entry.ends_at),
    )
}

fn seconds(moment: UnixTime) -> i64 {
    number(moment.as_secs())
}

fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
