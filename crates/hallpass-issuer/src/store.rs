//! The store: the sealed signing keys, the registered clients, and what is revoked, in one SQLite file or in a PostgreSQL that issuers share.
//!
//! It is read at start, at a reload and by an import, never for a token: [`Store::queries`] counts what it is
//! asked, and a test holds that number still while tokens are issued.

pub(crate) mod asking;
pub(crate) mod authorities;
mod authority_rows;
mod backup;
pub(crate) mod checking;
pub(crate) mod client_changes;
mod client_rows;
mod client_writing;
mod clients;
mod database;
mod dump;
mod in_use;
mod key_rows;
pub(crate) mod keys;
pub(crate) mod known_clients;
pub(crate) mod known_revocations;
mod migrations;
pub(crate) mod moving;
mod old_rows;
mod opening;
mod pg_marks;
mod pg_outcome;
mod pg_transaction;
pub(crate) mod place;
mod postgres;
mod query;
pub(crate) mod refresh_families;
mod refresh_rows;
mod reseal;
pub(crate) mod revocations;
mod row_list;
mod row_seal;
mod seal;
mod sealed_clients;
mod sealed_rows;
mod sqlite;
pub(crate) mod standing;
mod transaction;
pub(crate) mod uses;
mod verifiers;
pub(crate) mod written;

use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::hmac::{self, Tag};
use database::Database;
use hallpass_token::Sealer;
use known_revocations::StoredRevocations;
use opening::Opening;
use place::{Place, SealingKeys};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use row_list::{RowList, Table};
use seal::Seal;
use sealed_rows::SealedRows;
use standing::{Access, Standing};
use transaction::Transaction;
use written::Written;

use crate::error::Error;

/// How errors call the key of a store that is to be sealed anew.
const PREVIOUS_KEY: &str = "key-encryption-key, and previous-key-encryption-key,";

/// An open store with the right sealing key.
#[derive(Debug)]
pub(crate) struct Store {
    /// How errors call it.
    name: String,
    database: Database,
    sealer: Sealer,
    /// Issuers that have the same sealing key have it too.
    shared_secret: Tag,
    queries: Counter,
    standing: Standing,
    known_revocations: Mutex<StoredRevocations>,
}

impl Store {
    /// Opens the store at `place`, creating it (a file with mode 0600) when there is none.
    ///
    /// Without a current key the sealing key is a file beside the store, `<path>.key`, created with it. The previous one is
    /// tried when the current one is wrong, and when it is right, everything is sealed anew.
    /// The sealing key is proven before anything is written; then every row is held against the sealed list of rows
    /// whenever it is read.
    ///
    /// # Errors
    /// [`Error::StoreTooNew`], [`Error::WrongSealingKey`] or [`Error::SealingKeyMissing`], with the store untouched; [`Error::File`],
    /// [`Error::Store`], [`Error::StoreBusy`], [`Error::StoreAway`] and [`Error::Migration`] from the system.
    pub(crate) async fn open(
        place: impl Into<Place<'_>>,
        keys: impl Into<SealingKeys<'_>>,
    ) -> Result<Self, Error> {
        let keys = keys.into();
        let opening = Opening::begin(place.into(), keys.current).await?;
        Self::proven(opening, keys.previous).await
    }

    /// The store that is being opened, once its key is proven.
    async fn proven(opening: Opening, previous: Option<&str>) -> Result<Self, Error> {
        let Opening { name, database, .. } = &opening;
        let (key_material, key) = (&*opening.key_material, opening.key.clone());
        // What a newer version has sealed in its own way must not be taken for a wrong key.
        Self::missing_steps(&opening).await?;
        let mut is_outgoing = false;
        let proven = match Seal::read(name, database).await? {
            Some(found) => {
                let proven = match (found.prove(name, key_material, key), previous) {
                    (Err(Error::WrongSealingKey { .. }), Some(previous)) => {
                        is_outgoing = true;
                        found.prove(name, previous, PREVIOUS_KEY.to_owned())?
                    }
                    (proven, _) => proven?,
                };
                migrations::run(name, database).await?;
                proven
            }
            None => {
                migrations::run(name, database).await?;
                seal::create(name, database, key_material).await?
            }
        };
        let sealer = up_to_date(name, database, proven, key_material, is_outgoing).await?;
        sealed_clients::begin(name, database, &sealer).await?;
        Ok(Self {
            name: opening.name,
            database: opening.database,
            sealer,
            shared_secret: shared_secret(&opening.key_material),
            queries: Counter::default(),
            standing: Standing::default(),
            known_revocations: Mutex::default(),
        })
    }

    /// [`open`](Self::open) for those who do not want an empty store made.
    ///
    /// # Errors
    /// [`Error::StoreMissing`] when there is none, and those of opening.
    pub(crate) async fn open_existing(
        place: Place<'_>,
        keys: SealingKeys<'_>,
    ) -> Result<Self, Error> {
        Opening::check_exists(place)?;
        let opening = Opening::begin(place, keys.current).await?;
        let Opening { name, database, .. } = &opening;
        // A database is there before any issuer has made its tables.
        if matches!(place, Place::Postgres(_)) && Seal::read(name, database).await?.is_none() {
            let store = name.clone();
            return Err(Error::StoreMissing { store });
        }
        Self::proven(opening, keys.previous).await
    }

    /// The last step that the tables of a store go through.
    pub(crate) fn last_step() -> i64 {
        migrations::steps()
            .last()
            .map_or(0, |(version, _)| *version)
    }

    /// A secret that other issuers with the same sealing key have too, and that does not open the store.
    pub(crate) fn shared_secret(&self) -> &[u8] {
        self.shared_secret.as_ref()
    }

    /// What was read last of the revocations, for who follows them; none where nobody does. Taken out while it is brought up to date.
    pub(crate) fn known_revocations(&self) -> MutexGuard<'_, StoredRevocations> {
        let known = self.known_revocations.lock();
        known.unwrap_or_else(PoisonError::into_inner)
    }

    /// How many statements the store was asked since it was opened.
    pub(crate) fn queries(&self) -> u64 {
        self.queries.get()
    }

    /// What others have written. It is asked often and beside the tokens, so it is not counted.
    pub(crate) async fn written(&self) -> Result<Written, Error> {
        self.check_in_place()?;
        let written = self.database.written().await;
        let written = written.map_err(|source| self.failed(source));
        self.note_reading(written.as_ref().err());
        written
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "store_queries",
            "Statements that the store was asked; none of them for a token",
            self.queries.clone(),
        );
        self.standing.register(registry);
    }

    /// How it stands, as far as is known.
    pub(crate) const fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Closes the file; later statements fail.
    pub(crate) async fn close(&self) {
        self.database.close().await;
    }

    /// The one way to the database, so that every use is counted. A file that is not in its place any more is not touched: SQLite would take
    /// the journal of the one that is there for its own, and undo in the one what was changed in the other.
    fn counted(&self) -> Result<&Database, Error> {
        self.check_in_place()?;
        self.queries.inc();
        Ok(&self.database)
    }

    /// A transaction that only reads, all of it as it was at one moment.
    async fn begin(&self) -> Result<Transaction, Error> {
        let begun = self.counted()?.begin().await;
        begun.map_err(|source| self.failed(source))
    }

    /// A transaction that will write: it waits for its turn now, so that what it reads first stays true. Nobody waits for a process
    /// that others have just waited for in vain.
    async fn begin_write(&self) -> Result<Transaction, Error> {
        self.check_not_locked()?;
        let begun = self.counted()?.begin_write().await;
        let transaction = begun.map_err(|source| self.failed(source))?;
        self.look_at_place().await?;
        Ok(transaction)
    }

    /// A transaction that writes rows that nothing seals; it is to be short.
    async fn begin_notes(&self) -> Result<Transaction, Error> {
        let begun = self.counted()?.begin_notes().await;
        let transaction = begun.map_err(|source| self.failed(source))?;
        self.look_at_place().await?;
        Ok(transaction)
    }

    /// Holds the rows `found` against their sealed list, and that against the rest of the store.
    async fn check_list(
        &self,
        connection: &mut Transaction,
        table: Table,
        found: &RowList,
    ) -> Result<(), Error> {
        let Self { name, sealer, .. } = self;
        seal::check_whole(name, connection, sealer).await?;
        seal::check_list(name, connection, sealer, table, found).await
    }

    /// Seals a new list, when the table is what was meant: a file can hold triggers and generated columns of somebody
    /// else, which write more than they are told.
    async fn list_what_was_meant(
        &self,
        connection: &mut Transaction,
        table: Table,
        meant: &RowList,
        written: &RowList,
    ) -> Result<(), Error> {
        if let Some(problem) = meant.problem(written, table) {
            return Err(self.damaged(problem));
        }
        let Self { name, sealer, .. } = self;
        seal::put_list(name, connection, sealer, table, meant).await?;
        seal::put_whole(name, connection, sealer).await
    }

    pub(crate) fn busy(&self) -> Error {
        Error::StoreBusy {
            store: self.name.clone(),
        }
    }

    pub(crate) fn away(&self) -> Error {
        Error::StoreAway {
            store: self.name.clone(),
            problem: "it did not respond a moment ago".to_owned(),
        }
    }

    pub(crate) fn slow(&self) -> Error {
        Error::StoreSlow {
            store: self.name.clone(),
        }
    }

    /// Nobody has waited until it said whether a change counts.
    pub(crate) fn unheard(&self) -> Error {
        Error::StoreOutcomeUnknown {
            store: self.name.clone(),
        }
    }

    fn failed(&self, source: sqlx::Error) -> Error {
        let error = Error::store(&self.name, source);
        if let Some(found) = Access::of(&error) {
            self.standing.found_writing(found);
        }
        error
    }

    pub(crate) fn damaged(&self, problem: impl Into<String>) -> Error {
        Error::StoreDamaged {
            store: self.name.clone(),
            problem: problem.into(),
        }
    }
}

/// Lists and seals what an older version, or the sealing key before this one, did not. Gives what seals it from now on.
async fn up_to_date(
    name: &str,
    database: &Database,
    proven: seal::Proven,
    key_material: &str,
    is_outgoing: bool,
) -> Result<Sealer, Error> {
    let sealer = proven.sealer;
    if !proven.is_listed {
        old_rows::list(name, database, &sealer).await?;
    }
    let is_missing = |rows: &SealedRows| !proven.sealed_rows.contains(rows);
    let missing = || SealedRows::EVERY.into_iter().filter(is_missing);
    if missing().next().is_some() {
        row_seal::begin(name, database, &sealer, missing()).await?;
    }
    if !is_outgoing && proven.is_whole {
        return Ok(sealer);
    }
    // Of a store whose parts were sealed apart none may be put back to then either.
    let outgoing = (&sealer, proven.is_whole);
    let sealer = reseal::seal_anew(name, database, outgoing, key_material).await?;
    if is_outgoing {
        tracing::info!(
            store = name,
            "the store is sealed with the new key: previous-key-encryption-key is not needed any more"
        );
    }
    Ok(sealer)
}

fn shared_secret(key_material: &str) -> Tag {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key_material.trim().as_bytes());
    hmac::sign(&key, b"hallpass issuer, shared secret v1")
}

#[cfg(test)]
impl Store {
    /// For what SQLite alone does.
    fn pool(&self) -> &sqlx::SqlitePool {
        match &self.database {
            Database::Sqlite(file) => file.pool(),
            Database::Postgres(_) => unreachable!("a test of SQLite"),
        }
    }
}

#[cfg(test)]
mod tests;
