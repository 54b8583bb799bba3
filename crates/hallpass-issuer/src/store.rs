//! The embedded store: one SQLite file with the sealed signing keys and the registered clients.
//!
//! It is read at start, at a reload and by an import, never for a token: [`Store::queries`] counts what it is
//! asked, and a test holds that number still while tokens are issued.

mod clients;
mod key_file;
mod keys;
mod private_file;

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use hallpass_token::Sealer;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use crate::error::Error;

/// How long a statement waits for another process that holds the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a task waits for the one connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// The purpose that the sealing key is derived for.
const SEALING_LABEL: &str = "hallpass issuer store v1";
/// The text of the sealed check value. If it opens, the sealing key is the right one.
const CHECK_TEXT: &[u8] = b"hallpass issuer store";
const CHECK_ROW: &[u8] = b"store check";

/// An open store with the right sealing key.
#[derive(Debug)]
pub(crate) struct Store {
    /// How errors call it.
    name: String,
    pool: SqlitePool,
    sealer: Sealer,
    queries: Counter,
}

impl Store {
    /// Opens the store at `path`, creating it (file mode 0600) when there is none.
    ///
    /// Without `key_encryption_key` the sealing key is a file beside the store, `<path>.key`, created with it.
    /// The sealing key is proven before anything is written.
    ///
    /// # Errors
    /// [`Error::WrongSealingKey`] or [`Error::SealingKeyMissing`], with the store untouched; [`Error::File`],
    /// [`Error::Store`] and [`Error::Migration`] from the system.
    pub(crate) async fn open(path: &Path, key_encryption_key: Option<&str>) -> Result<Self, Error> {
        let exists = std::fs::metadata(path).is_ok_and(|file| file.len() > 0);
        let key_material = match key_encryption_key {
            Some(configured) => configured.to_owned().into(),
            None => key_file::read_or_create(path, exists)?,
        };
        if !exists {
            // Checked before the file exists, so that a bad key leaves nothing behind.
            Sealer::derive(&key_material, b"", SEALING_LABEL)?;
            private_file::create(path)?;
        }
        let name = path.display().to_string();
        let pool = connect(path, &name).await?;
        let sealer = match read_seal(&name, &pool).await? {
            Some(seal) => seal.prove(&name, &key_material)?,
            None => initialise(&name, &pool, &key_material).await?,
        };
        migrate(&name, &pool).await?;
        Ok(Self {
            name,
            pool,
            sealer,
            queries: Counter::default(),
        })
    }

    /// How many statements the store was asked since it was opened.
    pub(crate) fn queries(&self) -> u64 {
        self.queries.get()
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "store_queries",
            "Statements that the store was asked; none of them for a token",
            self.queries.clone(),
        );
    }

    /// Closes the file; later statements fail.
    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    /// The one way to the database, so that every use is counted.
    fn counted(&self) -> &SqlitePool {
        self.queries.inc();
        &self.pool
    }

    fn failed(&self, source: sqlx::Error) -> Error {
        failed(&self.name, source)
    }

    pub(crate) fn damaged(&self, problem: impl Into<String>) -> Error {
        Error::StoreDamaged {
            store: self.name.clone(),
            problem: problem.into(),
        }
    }
}

/// The values by which a store recognises its sealing key.
struct Seal {
    salt: Vec<u8>,
    check: String,
}

impl Seal {
    fn prove(&self, name: &str, key_material: &str) -> Result<Sealer, Error> {
        let sealer = Sealer::derive(key_material, &self.salt, SEALING_LABEL)?;
        match sealer.open(&self.check, CHECK_ROW) {
            Some(text) if text.as_slice() == CHECK_TEXT => Ok(sealer),
            _ => Err(Error::WrongSealingKey {
                store: name.to_owned(),
            }),
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
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_with(options)
        .await
        .map_err(|source| failed(name, source))
}

/// The seal of an initialised store; `None` for an empty file or one whose creation was cut off.
async fn read_seal(name: &str, pool: &SqlitePool) -> Result<Option<Seal>, Error> {
    let read = |source| failed(name, source);
    let tables: i64 =
        sqlx::query_scalar("select count(*) from sqlite_master where name = 'store_meta'")
            .fetch_one(pool)
            .await
            .map_err(read)?;
    if tables == 0 {
        return Ok(None);
    }
    let rows: Vec<(String, String)> = sqlx::query_as("select name, value from store_meta")
        .fetch_all(pool)
        .await
        .map_err(read)?;
    let value = |wanted: &str| {
        rows.iter()
            .find(|(key, _)| key == wanted)
            .map(|(_, value)| value.clone())
    };
    let (Some(salt), Some(check)) = (value("seal_salt"), value("seal_check")) else {
        return Ok(None);
    };
    let salt = BASE64.decode(salt).map_err(|_| Error::StoreDamaged {
        store: name.to_owned(),
        problem: "store_meta.seal_salt is not base64".into(),
    })?;
    Ok(Some(Seal { salt, check }))
}

/// Creates the tables and the seal, before a key can be stored.
async fn initialise(name: &str, pool: &SqlitePool, key_material: &str) -> Result<Sealer, Error> {
    let salt = Sealer::generate_salt()?;
    let sealer = Sealer::derive(key_material, &salt, SEALING_LABEL)?;
    let check = sealer.seal(CHECK_TEXT, CHECK_ROW)?;
    migrate(name, pool).await?;
    sqlx::query(
        "insert into store_meta (name, value) values ('seal_salt', $1), ('seal_check', $2)",
    )
    .bind(BASE64.encode(salt))
    .bind(check)
    .execute(pool)
    .await
    .map_err(|source| failed(name, source))?;
    Ok(sealer)
}

async fn migrate(name: &str, pool: &SqlitePool) -> Result<(), Error> {
    let migration = |version, description: &'static str, sql: &'static str| {
        Migration::new(
            version,
            description.into(),
            MigrationType::Simple,
            sql.into_sql_str(),
            false,
        )
    };
    let all = vec![migration(
        1,
        "first store",
        include_str!("../migrations/0001_first_store.sql"),
    )];
    Migrator::with_migrations(all)
        .run(pool)
        .await
        .map_err(|source| Error::Migration {
            store: name.to_owned(),
            source,
        })
}

fn failed(name: &str, source: sqlx::Error) -> Error {
    Error::Store {
        store: name.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests;
