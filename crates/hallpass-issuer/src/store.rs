//! The embedded store: one SQLite file with the sealed signing keys, the registered clients, and what is revoked.
//!
//! It is read at start, at a reload and by an import, never for a token: [`Store::queries`] counts what it is
//! asked, and a test holds that number still while tokens are issued.

pub(crate) mod authorities;
mod authority_rows;
mod client_rows;
mod clients;
mod file_in_use;
mod key_rows;
pub(crate) mod keys;
mod migrations;
mod old_rows;
pub(crate) mod refresh_families;
mod refresh_rows;
mod reseal;
pub(crate) mod revocations;
mod row_list;
mod row_seal;
mod seal;
mod sealed_rows;
mod sqlite;
pub(crate) mod standing;
mod verifiers;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use aws_lc_rs::hmac::{self, Tag};
use hallpass_token::Sealer;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use row_list::{RowList, Table};
use seal::Seal;
use sealed_rows::SealedRows;
use sqlite::{key_file, private_file, start_lock};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{Connection as _, Sqlite, Transaction};
use standing::{Access, Standing};

use crate::error::Error;

/// How long a statement waits for another process that holds the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one of an issuer that runs does, behind which requests wait.
const BUSY_TIMEOUT_RUNNING: Duration = Duration::from_millis(750);
/// How long a task waits for the one connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// How errors call the key of a store that is to be sealed anew.
const PREVIOUS_KEY: &str = "key-encryption-key, and previous-key-encryption-key,";

/// What seals a store, and what may have sealed it before.
#[derive(Clone, Copy)]
pub(crate) struct SealingKeys<'a> {
    /// `None`: the file beside the store.
    pub(crate) current: Option<&'a str>,
    pub(crate) previous: Option<&'a str>,
}

/// An open store with the right sealing key.
#[derive(Debug)]
pub(crate) struct Store {
    /// How errors call it.
    name: String,
    path: PathBuf,
    /// Which file was opened.
    file: (u64, u64),
    pool: SqlitePool,
    sealer: Sealer,
    /// Issuers that have the same sealing key have it too.
    shared_secret: Tag,
    queries: Counter,
    standing: Standing,
    /// Says to commands that an issuer runs on this file.
    mark: Mutex<Option<File>>,
}

impl Store {
    /// Opens the store at `path`, creating it (file mode 0600) when there is none.
    ///
    /// Without a current key the sealing key is a file beside the store, `<path>.key`, created with it. The previous one is
    /// tried when the current one is wrong, and when it is right, everything is sealed anew.
    /// The sealing key is proven before anything is written; then every row is held against the sealed list of rows
    /// whenever it is read.
    ///
    /// # Errors
    /// [`Error::WrongSealingKey`] or [`Error::SealingKeyMissing`], with the store untouched; [`Error::File`],
    /// [`Error::Store`], [`Error::StoreBusy`] and [`Error::Migration`] from the system.
    pub(crate) async fn open(path: &Path, keys: impl Into<SealingKeys<'_>>) -> Result<Self, Error> {
        let keys = keys.into();
        private_file::check(path)?;
        let _alone = start_lock::take(path).await?;
        let exists = std::fs::metadata(path).is_ok_and(|file| file.len() > 0);
        let (key_material, key) = match keys.current {
            Some(configured) => (
                configured.to_owned().into(),
                "key-encryption-key".to_owned(),
            ),
            None => (
                key_file::read_or_create(path, exists)?,
                format!("key in {}", key_file::beside(path).display()),
            ),
        };
        if !exists {
            // Checked before the file exists, so that a bad key leaves nothing behind.
            Sealer::derive(&key_material, b"", seal::LABEL)?;
            private_file::create(path)?;
        }
        let name = path.display().to_string();
        let pool = connect(path, &name).await?;
        let mut is_outgoing = false;
        let proven = match Seal::read(&name, &pool).await? {
            Some(found) => {
                let proven = match (found.prove(&name, &key_material, key), keys.previous) {
                    (Err(Error::WrongSealingKey { .. }), Some(previous)) => {
                        is_outgoing = true;
                        found.prove(&name, previous, PREVIOUS_KEY.to_owned())?
                    }
                    (proven, _) => proven?,
                };
                migrations::run(&name, &pool).await?;
                proven
            }
            None => {
                migrations::run(&name, &pool).await?;
                seal::create(&name, &pool, &key_material).await?
            }
        };
        let sealer = up_to_date(&name, &pool, proven, &key_material, is_outgoing).await?;
        Ok(Self {
            name,
            file: private_file::identity(path).map_err(private_file::io_error(path))?,
            path: path.to_owned(),
            pool,
            sealer,
            shared_secret: shared_secret(&key_material),
            queries: Counter::default(),
            standing: Standing::default(),
            mark: Mutex::default(),
        })
    }

    /// [`open`](Self::open) for those who do not want an empty store made.
    ///
    /// # Errors
    /// [`Error::StoreMissing`] when there is none, and those of opening.
    pub(crate) async fn open_existing(path: &Path, keys: SealingKeys<'_>) -> Result<Self, Error> {
        if !path.exists() {
            let store = path.display().to_string();
            return Err(Error::StoreMissing { store });
        }
        Self::open(path, keys).await
    }

    /// A secret that other issuers with the same sealing key have too, and that does not open the store.
    pub(crate) fn shared_secret(&self) -> &[u8] {
        self.shared_secret.as_ref()
    }

    /// How many statements the store was asked since it was opened.
    pub(crate) fn queries(&self) -> u64 {
        self.queries.get()
    }

    /// Changes whenever another connection, of whatever process, has written. It is asked often and beside the tokens, so it
    /// is not counted.
    pub(crate) async fn version(&self) -> Result<i64, Error> {
        self.check_in_place()?;
        let version = sqlx::query_scalar("pragma data_version");
        let version = version.fetch_one(&self.pool).await;
        let version = version.map_err(|source| self.failed(source));
        self.note_reading(version.as_ref().err());
        version
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
        self.pool.close().await;
        self.take_mark_away();
    }

    /// The one way to the database, so that every use is counted. A file that is not in its place any more is not touched: SQLite would take
    /// the journal of the one that is there for its own, and undo in the one what was changed in the other.
    fn counted(&self) -> Result<&SqlitePool, Error> {
        self.check_in_place()?;
        self.queries.inc();
        Ok(&self.pool)
    }

    /// A transaction that will write: it waits for its turn now, so that what it reads first stays true. Nobody waits for a process
    /// that others have just waited for in vain.
    async fn begin_write(&self) -> Result<Transaction<'static, Sqlite>, Error> {
        self.check_not_locked()?;
        let begun = self.counted()?.begin_with("begin immediate").await;
        let transaction = begun.map_err(|source| self.failed(source))?;
        self.look_at_place().await?;
        Ok(transaction)
    }

    /// Holds the rows `found` against their sealed list, and that against the rest of the store.
    async fn check_list(
        &self,
        connection: &mut SqliteConnection,
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
        connection: &mut SqliteConnection,
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

    pub(crate) fn slow(&self) -> Error {
        Error::StoreSlow {
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
    pool: &SqlitePool,
    proven: seal::Proven,
    key_material: &str,
    is_outgoing: bool,
) -> Result<Sealer, Error> {
    let sealer = proven.sealer;
    if !proven.is_listed {
        old_rows::list(name, pool, &sealer).await?;
    }
    let is_missing = |rows: &SealedRows| !proven.sealed_rows.contains(rows);
    let missing = || SealedRows::EVERY.into_iter().filter(is_missing);
    if missing().next().is_some() {
        row_seal::begin(name, pool, &sealer, missing()).await?;
    }
    if !is_outgoing && proven.is_whole {
        return Ok(sealer);
    }
    // Of a store whose parts were sealed apart none may be put back to then either.
    let outgoing = (&sealer, proven.is_whole);
    let sealer = reseal::seal_anew(name, pool, outgoing, key_material).await?;
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

impl<'a> From<Option<&'a str>> for SealingKeys<'a> {
    fn from(current: Option<&'a str>) -> Self {
        Self {
            current,
            previous: None,
        }
    }
}

async fn connect(path: &Path, name: &str) -> Result<SqlitePool, Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .foreign_keys(true)
        // One file and nothing beside it between writes: simple to back up. Writes are rare here.
        .journal_mode(SqliteJournalMode::Delete)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT);
    SqlitePoolOptions::new()
        .max_connections(1)
        // The file that was opened stays the one in use, whatever its path means later.
        .idle_timeout(None)
        .max_lifetime(None)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .after_release(|connection, _| Box::pin(is_usable(connection)))
        .connect_with(options)
        .await
        .map_err(|source| Error::store(name, source))
}

/// Whether the connection can be used again. A full disk ends a transaction of SQLite by itself; the driver goes on counting it,
/// and no other one could begin.
async fn is_usable(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    // Only after what was left to be done before it.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

#[cfg(test)]
mod tests;
