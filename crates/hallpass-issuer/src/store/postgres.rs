//! PostgreSQL: one database that any number of issuers share.
//!
//! Each write begins with the lock of one row, which all writers take first: so what a writer reads stays true until it commits, as under
//! SQLite's `begin immediate`, and readers wait for nobody. The lock ends with the connection, whatever ends that: a process that is killed
//! leaves nothing behind, and one that has stopped in the middle is thrown out by the server.

pub(super) mod connections;

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{Connection as _, PgConnection};
use tokio::time::{Instant, sleep, timeout};

use self::connections::Connections;
use super::pg_transaction::PgTransaction;
use super::query::query_as;
use super::transaction::Transaction;
use super::written::Written;
use crate::error::Error;
use crate::settings::database::DatabaseSettings;

/// For how long the beginning of a transaction may take, the wait for another writer among it; and for how long it waits for a connection before.
const BEGIN_LIMIT: Duration = Duration::from_secs(8);
/// The same in an issuer that runs, where requests wait behind it.
const BEGIN_LIMIT_RUNNING: Duration = Duration::from_millis(1_500);
/// How long a start waits for a database that does not respond: as long as one takes that is started beside it, and no longer than those
/// have patience who supervise processes. Then it ends, and says so.
const OPEN_PATIENCE: Duration = Duration::from_secs(15);
const OPEN_AGAIN: Duration = Duration::from_millis(500);
/// How long bringing the tables up to date may take.
const MIGRATE_LIMIT: Duration = Duration::from_secs(120);
/// How long the last words to the server may take.
const CLOSE_LIMIT: Duration = Duration::from_millis(500);

const BEGIN: &str = "begin isolation level repeatable read read only";
/// Statements of one message: the server does them in one round. How long a lock is waited for, and how long a writer that says nothing
/// keeps others from writing, ends with the transaction.
const BEGIN_WRITE: &str = "begin isolation level read committed read write; \
     set local lock_timeout = '5s'; set local idle_in_transaction_session_timeout = '5s'; \
     select 1 from store_meta where name = 'seal_salt' for update";
/// The same in an issuer that runs.
const BEGIN_WRITE_RUNNING: &str = "begin isolation level read committed read write; \
     set local lock_timeout = '750ms'; set local idle_in_transaction_session_timeout = '5s'; \
     select 1 from store_meta where name = 'seal_salt' for update";
/// A writer of what nothing seals, who needs no turn.
const BEGIN_NOTES: &str = "begin isolation level read committed read write; \
     set local lock_timeout = '750ms'; set local idle_in_transaction_session_timeout = '5s'";
/// Only one process at a time makes the tables, or finds them made. The number is "hallpass" in ASCII. From a machine that lost its power no word
/// comes, and by itself the server would ask after two hours: half a minute later the lock is free.
const START_LOCK: &str = "set lock_timeout = '10s'; \
     set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 4; \
     select pg_advisory_lock(7521412065683141491)";

/// A database that is open.
#[derive(Debug)]
pub(super) struct PostgresDatabase {
    connections: Arc<Connections>,
    /// Whether an issuer runs on it.
    is_serving: AtomicBool,
}

/// Keeps other processes from opening the database while it lives: the connection that has the lock.
pub(super) struct StartLock {
    pub(super) _connection: PgConnection,
}

/// Opens the one that is called `name`. Whoever starts beside a database waits until that is there.
///
/// # Errors
/// [`Error::StoreAway`] when it does not respond in time, [`Error::StoreBusy`] when another process opens it for so long, and those of the
/// store.
pub(super) async fn open(
    name: &str,
    settings: &DatabaseSettings,
) -> Result<(PostgresDatabase, StartLock), Error> {
    let until = Instant::now() + OPEN_PATIENCE;
    loop {
        let opened = PostgresDatabase::open(settings).await;
        // What is wrong with a certificate does not pass.
        let may_pass = match &opened {
            Err(sqlx::Error::Io(error)) => error.kind() != ErrorKind::InvalidData,
            _ => true,
        };
        match opened.map_err(|source| Error::store(name, source)) {
            Err(error @ Error::StoreAway { .. }) if may_pass && Instant::now() < until => {
                tracing::info!(%error, "waiting for the database");
                sleep(OPEN_AGAIN).await;
            }
            opened => return opened,
        }
    }
}

impl PostgresDatabase {
    /// Connects, and waits until no other process opens the same database.
    ///
    /// # Errors
    /// Those of connecting and of the server.
    async fn open(settings: &DatabaseSettings) -> Result<(Self, StartLock), sqlx::Error> {
        let connections = Arc::new(Connections::new(settings)?);
        let mut connection = connections.open().await?;
        let lock = sqlx::raw_sql(START_LOCK).execute(&mut connection);
        // The server ends the wait; this is for one that does not respond.
        timeout(BEGIN_LIMIT * 2, lock)
            .await
            .map_err(connections::late)??;
        let database = Self {
            connections,
            is_serving: AtomicBool::new(false),
        };
        let lock = StartLock {
            _connection: connection,
        };
        Ok((database, lock))
    }

    pub(super) async fn begin(&self) -> Result<Transaction, sqlx::Error> {
        self.begin_with((BEGIN, false)).await
    }

    pub(super) async fn begin_write(&self) -> Result<Transaction, sqlx::Error> {
        match self.is_serving.load(Ordering::Relaxed) {
            true => self.begin_with((BEGIN_WRITE_RUNNING, true)).await,
            false => self.begin_with((BEGIN_WRITE, true)).await,
        }
    }

    pub(super) async fn begin_notes(&self) -> Result<Transaction, sqlx::Error> {
        self.begin_with((BEGIN_NOTES, false)).await
    }

    /// Whether the statements take the lock of all writers is said beside them.
    async fn begin_with(&self, sql: (&'static str, bool)) -> Result<Transaction, sqlx::Error> {
        let limit = match self.is_serving.load(Ordering::Relaxed) {
            true => BEGIN_LIMIT_RUNNING,
            false => BEGIN_LIMIT,
        };
        // That others of this process use all connections says nothing of the database.
        let place = timeout(limit, self.connections.place()).await;
        let place = place.map_err(|_| sqlx::Error::PoolTimedOut)??;
        let begun = PgTransaction::begin(&self.connections, place, sql);
        let begun = timeout(limit, begun).await.map_err(connections::late)??;
        Ok(Transaction::from(begun))
    }

    /// By the transaction that has written each of the rows last: it is another one after each write, whatever was written, and reading
    /// it costs the same however long the lists are.
    pub(super) async fn written(&self) -> Result<Written, sqlx::Error> {
        let mut transaction = self.begin().await?;
        let rows: Vec<(String, String)> = query_as(
            "select name, xmin::text from store_meta where name in ('rows_of_signing_keys', 'rows_of_clients', \
             'rows_of_certificate_authorities', 'revocations') order by name",
        )
        .fetch_all(&mut transaction)
        .await?;
        transaction.rollback().await?;
        let mut written = Written::default();
        for (name, by) in rows {
            match name.as_str() {
                "revocations" => written.revocations = by,
                _ => written.registry.extend([name, by]),
            }
        }
        Ok(written)
    }

    pub(super) fn serve(&self) {
        self.is_serving.store(true, Ordering::Relaxed);
    }

    /// Takes the lock that writing needs, which is a write by itself, and gives it back.
    pub(super) async fn try_writing(&self) -> Result<(), sqlx::Error> {
        self.begin_write().await?.rollback().await
    }

    pub(super) async fn migrate(&self, migrator: &Migrator) -> Result<(), MigrateError> {
        let mut connection = self.connections.open().await?;
        // Else the server would say each time that a table is there, and that would stand in the log of each start.
        let quiet = sqlx::raw_sql("set client_min_messages = warning");
        timeout(BEGIN_LIMIT, quiet.execute(&mut connection))
            .await
            .map_err(connections::late)??;
        // Not `run`: the compiler cannot tell that what it gives may be sent to another thread.
        let run = migrator.run_direct(None, &mut connection, false);
        timeout(MIGRATE_LIMIT, run)
            .await
            .map_err(connections::late)??;
        let _unheard = timeout(CLOSE_LIMIT, connection.close()).await;
        Ok(())
    }

    pub(super) async fn close(&self) {
        for connection in self.connections.close() {
            // A server that is gone learns it by itself.
            let _unheard = timeout(CLOSE_LIMIT, connection.close()).await;
        }
    }
}
