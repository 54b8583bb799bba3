//! The embedded database: one SQLite file, which several processes may have open.

mod issuer_mark;
mod key_file;
mod private_file;
mod start_lock;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hallpass_token::Sealer;
use sqlx::Connection as _;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use zeroize::Zeroizing;

use super::transaction::Transaction;
use super::written::Written;
use crate::error::Error;

/// How long a statement waits for another process that holds the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one of an issuer that runs does, behind which requests wait.
const BUSY_TIMEOUT_RUNNING: Duration = Duration::from_millis(750);
/// How long a task waits for the one connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// A file that is open.
#[derive(Debug)]
pub(super) struct SqliteFile {
    path: PathBuf,
    /// Which file was opened.
    file: (u64, u64),
    pool: SqlitePool,
    /// Says to commands that an issuer runs on this file.
    mark: Mutex<Option<File>>,
}

/// What opening a file has found.
pub(super) struct Opened {
    pub(super) file: SqliteFile,
    /// What the sealing key is derived from.
    pub(super) key_material: Zeroizing<String>,
    /// How errors call that.
    pub(super) key: String,
    /// Keeps other processes from opening it while it lives.
    pub(super) alone: Option<File>,
}

/// Opens the file at `path`, creating it (mode 0600) when there is none. Without `key` the sealing key is a file beside it,
/// `<path>.key`, created with it.
///
/// # Errors
/// [`Error::SealingKeyMissing`], [`Error::SealingKeyFile`], [`Error::SealingKeyTooShort`], [`Error::File`], and those of the store.
pub(super) async fn open(path: &Path, key: Option<&str>) -> Result<Opened, Error> {
    private_file::check(path)?;
    let alone = start_lock::take(path).await?;
    let exists = has_content(path);
    let (key_material, key) = match key {
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
        Sealer::derive(&key_material, b"", "a check of its length")?;
        private_file::create(path)?;
    }
    Ok(Opened {
        file: SqliteFile::connect(path).await?,
        key_material,
        key,
        alone,
    })
}

/// Whether there is a store: an empty file is none.
fn has_content(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|file| file.len() > 0)
}

/// Whether what is written into the file at `path` reaches the issuer that runs, as far as that can be told.
///
/// # Errors
/// [`Error::IssuerOnOtherFile`].
pub(super) fn check_reaches_issuer(path: &Path) -> Result<(), Error> {
    issuer_mark::check(path)
}

/// Whether the sealing key is there that is in a file beside the store, which a backup is restored into.
///
/// # Errors
/// [`Error::SealingKeyMissing`], and [`Error::Backup`] where there is no store either.
pub(super) fn check_key_file(path: &Path) -> Result<(), Error> {
    let key_file = key_file::beside(path);
    match key_file.exists() {
        true => Ok(()),
        false if has_content(path) => Err(Error::SealingKeyMissing {
            store: path.to_owned(),
            key_file,
        }),
        false => Err(Error::Backup {
            problem: format!(
                "there is no key to open it with: put the sealing key of the store that it was made of at {}, or configure key-encryption-key",
                key_file.display()
            ),
        }),
    }
}

impl SqliteFile {
    async fn connect(path: &Path) -> Result<Self, Error> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(false)
            .foreign_keys(true)
            // One file and nothing beside it between writes: simple to back up. Writes are rare here.
            .journal_mode(SqliteJournalMode::Delete)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT);
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            // The file that was opened stays the one in use, whatever its path means later.
            .idle_timeout(None)
            .max_lifetime(None)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .after_release(|connection, _| Box::pin(is_usable(connection)))
            .connect_with(options)
            .await
            .map_err(|source| {
                let closed = private_file::why_closed(path);
                closed.unwrap_or_else(|| Error::store(&path.display().to_string(), source))
            })?;
        Ok(Self {
            file: private_file::identity(path).map_err(private_file::io_error(path))?,
            path: path.to_owned(),
            pool,
            mark: Mutex::default(),
        })
    }

    pub(super) const fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    pub(super) async fn begin(&self) -> Result<Transaction, sqlx::Error> {
        self.pool.begin().await.map(Transaction::from)
    }

    pub(super) async fn begin_write(&self) -> Result<Transaction, sqlx::Error> {
        let begun = self.pool.begin_with("begin immediate").await;
        begun.map(Transaction::from)
    }

    /// A number that changes whenever another connection has written, whatever that was.
    pub(super) async fn written(&self) -> Result<Written, sqlx::Error> {
        let version = sqlx::query_scalar("pragma data_version");
        let version: i64 = version.fetch_one(&self.pool).await?;
        let version = version.to_string();
        Ok(Written {
            registry: version.clone(),
            revocations: version,
        })
    }

    /// From now on an issuer runs on it: commands can tell, and no statement waits for longer than a request may.
    pub(super) async fn serve(&self) -> Result<(), sqlx::Error> {
        self.put_mark().await;
        let options = self.pool.connect_options();
        let options = options.as_ref().clone().busy_timeout(BUSY_TIMEOUT_RUNNING);
        // For a connection that takes the place of this one, and for this one.
        self.pool.set_connect_options(options);
        let millis = BUSY_TIMEOUT_RUNNING.as_millis();
        let pragma = sqlx::AssertSqlSafe(format!("pragma busy_timeout = {millis}"));
        let set = sqlx::query(pragma).execute(&self.pool).await;
        set.map(|_| ())
    }

    async fn put_mark(&self) {
        let put = issuer_mark::put(&self.path, self.file).await;
        *self.mark.lock().unwrap_or_else(PoisonError::into_inner) = put;
    }

    /// Whether the path still means the file that was opened: what others write, or restore, goes to that of the path.
    pub(super) async fn is_in_place(&self) -> Option<bool> {
        let path = self.path.clone();
        // The file system may have stalled.
        let found = tokio::task::spawn_blocking(move || private_file::identity(&path)).await;
        // A task that failed is a runtime that is ending.
        let found = found.ok()?;
        Some(found.is_ok_and(|file| file == self.file))
    }

    pub(super) async fn try_writing(&self) -> Result<(), sqlx::Error> {
        let mut transaction = self.pool.begin_with("begin exclusive").await?;
        // A value that nobody uses: what was on its page goes into the journal, for which a full disk has no room.
        let write = sqlx::query("pragma user_version = 0");
        write.execute(&mut *transaction).await?;
        transaction.rollback().await
    }

    /// What SQLite finds to be damaged in its file.
    pub(super) async fn damage(&self) -> Result<Vec<String>, sqlx::Error> {
        let check = sqlx::query_scalar("pragma integrity_check(20)");
        let mut found: Vec<String> = check.fetch_all(&self.pool).await?;
        found.retain(|line| line != "ok");
        Ok(found)
    }

    /// Closes the file; no issuer runs on it any more.
    pub(super) async fn close(&self) {
        self.pool.close().await;
        *self.mark.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Whether the connection can be used again. A full disk ends a transaction of SQLite by itself; the driver goes on counting it,
/// and no other one could begin.
async fn is_usable(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    // Only after what was left to be done before it.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}
