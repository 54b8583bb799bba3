//! Rows of `signing_keys`: how they are read, listed, and made into keys.

use hallpass_token::{Algorithm, Sealer};

use super::query::{query, query_as};
use super::row_list::{RowList, json};
use super::transaction::Transaction;
use crate::error::Error;
use crate::keys::record::{KeyOrigin, KeyRecord, KeyState};

/// What `awaits` says of a key that does not sign before verifiers have it.
const ADOPTION: &str = "adoption";

/// A row as it stands in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyRow {
    pub(super) kid: String,
    algorithm: String,
    state: String,
    origin: String,
    public_jwk: String,
    sealed_private: Option<String>,
    created_at: i64,
    since: Option<i64>,
    awaits: Option<String>,
}

/// The columns in their order.
type Columns = (
    String,
    String,
    String,
    String,
    String,
    Option<String>,
    i64,
    Option<i64>,
    Option<String>,
);

/// All rows, the oldest key first.
pub(super) async fn read(connection: &mut Transaction) -> Result<Vec<KeyRow>, sqlx::Error> {
    let rows: Vec<Columns> = query_as(
        "select kid, algorithm, state, origin, public_jwk, sealed_private, created_at, since, awaits \
         from signing_keys order by created_at, kid",
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(KeyRow::from).collect())
}

impl From<Columns> for KeyRow {
    fn from(columns: Columns) -> Self {
        Self {
            kid: columns.0,
            algorithm: columns.1,
            state: columns.2,
            origin: columns.3,
            public_jwk: columns.4,
            sealed_private: columns.5,
            created_at: columns.6,
            since: columns.7,
            awaits: columns.8,
        }
    }
}

impl KeyRow {
    /// The row of `key`, its private half sealed.
    ///
    /// # Errors
    /// The error of the sealer.
    pub(super) fn of(key: &KeyRecord, sealer: &Sealer) -> Result<Self, Error> {
        let name = row_name(&key.kid, key.algorithm);
        let private = key.private.as_ref();
        let sealed = private.map(|private| sealer.seal(private, name.as_bytes()));
        let seconds = |at: u64| i64::try_from(at).unwrap_or(i64::MAX);
        Ok(Self {
            kid: key.kid.clone(),
            algorithm: key.algorithm.as_str().to_owned(),
            state: key.state.as_str().to_owned(),
            origin: key.origin.as_str().to_owned(),
            public_jwk: key.public_jwk.clone(),
            sealed_private: sealed.transpose()?,
            created_at: seconds(key.created_at),
            since: key.since.map(seconds),
            awaits: key.awaits_adoption.then(|| ADOPTION.to_owned()),
        })
    }

    /// Whether both are the same key, in whatever state.
    pub(super) fn is_key_of(&self, other: &Self) -> bool {
        self.kid == other.kid && self.public_jwk == other.public_jwk
    }

    pub(super) fn signs(&self) -> bool {
        self.state == KeyState::Signing.as_str()
    }

    /// The key of the row. Its public half is made from the private one, and must be the one that stands there.
    pub(super) fn record(&self, store: &str, sealer: &Sealer) -> Result<KeyRecord, Error> {
        let damaged = |problem| Error::StoreDamaged {
            store: store.to_owned(),
            problem,
        };
        let kid = &self.kid;
        let algorithm: Algorithm = self
            .algorithm
            .parse()
            .map_err(|_| damaged(format!("key {kid:?} has an unknown algorithm")))?;
        let private = match &self.sealed_private {
            Some(sealed) => Some(
                sealer
                    .open(sealed, row_name(kid, algorithm).as_bytes())
                    .ok_or_else(|| damaged(format!("the private key {kid:?} does not open")))?,
            ),
            None => None,
        };
        let mut record = KeyRecord {
            state: KeyState::named(&self.state)
                .ok_or_else(|| damaged(format!("key {kid:?} has an unknown state")))?,
            origin: KeyOrigin::named(&self.origin)
                .ok_or_else(|| damaged(format!("key {kid:?} has an unknown origin")))?,
            created_at: u64::try_from(self.created_at).unwrap_or_default(),
            since: self
                .since
                .map(|since| u64::try_from(since).unwrap_or_default()),
            awaits_adoption: self.awaits.as_deref() == Some(ADOPTION),
            kid: kid.clone(),
            algorithm,
            public_jwk: self.public_jwk.clone(),
            private,
        };
        record.public_jwk = record.checked_public_half().map_err(damaged)?;
        Ok(record)
    }

    /// Writes the row, in the place of the one of its key.
    pub(super) async fn put(&self, connection: &mut Transaction) -> Result<(), sqlx::Error> {
        query(
            "insert into signing_keys (kid, algorithm, state, origin, public_jwk, sealed_private, created_at, since, awaits) \
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict (kid) do update set state = excluded.state, \
             sealed_private = excluded.sealed_private, since = excluded.since, awaits = excluded.awaits",
        )
        .bind(&self.kid)
        .bind(&self.algorithm)
        .bind(&self.state)
        .bind(&self.origin)
        .bind(&self.public_jwk)
        .bind(&self.sealed_private)
        .bind(self.created_at)
        .bind(self.since)
        .bind(&self.awaits)
        .execute(connection)
        .await
    }
}

/// What [`KeyRow::put`] does in the file, for the rows in memory.
pub(super) fn put(rows: &mut Vec<KeyRow>, new: KeyRow) {
    match rows.iter_mut().find(|row| row.kid == new.kid) {
        Some(row) => {
            row.state = new.state;
            row.sealed_private = new.sealed_private;
            row.since = new.since;
            row.awaits = new.awaits;
        }
        None => rows.push(new),
    }
}

pub(super) fn list(rows: &[KeyRow]) -> RowList {
    RowList::of(rows, |row| &row.kid, content)
}

/// All of a row that is believed. A row that awaits nothing reads as it did before keys could: lists of then stay true.
fn content(row: &KeyRow) -> String {
    let before = (
        &row.kid,
        &row.algorithm,
        &row.state,
        &row.origin,
        &row.public_jwk,
        &row.sealed_private,
        row.created_at,
        row.since,
    );
    match &row.awaits {
        None => json(&before),
        Some(awaits) => json(&(before, awaits)),
    }
}

/// Ties a sealed key to its row: moved to another row, it does not open.
fn row_name(kid: &str, algorithm: Algorithm) -> String {
    format!("signing key {algorithm} {kid}")
}
