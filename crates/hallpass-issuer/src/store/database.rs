//! The database below the store: what each kind does in its own way.

use sqlx::migrate::{MigrateError, Migrator};

use super::postgres::PostgresDatabase;
use super::query::query_as;
use super::sqlite::SqliteFile;
use super::transaction::Transaction;
use super::written::Written;
use crate::error::Error;

/// One that is open.
#[derive(Debug)]
pub(super) enum Database {
    /// Embedded: one file.
    Sqlite(SqliteFile),
    /// Shared by any number of issuers.
    Postgres(PostgresDatabase),
}

impl Database {
    /// A transaction that only reads, all of it as it was at one moment.
    pub(super) async fn begin(&self) -> Result<Transaction, sqlx::Error> {
        match self {
            Self::Sqlite(file) => file.begin().await,
            Self::Postgres(database) => database.begin().await,
        }
    }

    /// A transaction that will write: it waits for its turn now, so that what it reads first stays true.
    pub(super) async fn begin_write(&self) -> Result<Transaction, sqlx::Error> {
        match self {
            Self::Sqlite(file) => file.begin_write().await,
            Self::Postgres(database) => database.begin_write().await,
        }
    }

    /// A transaction that writes rows that nothing seals: where writers of the others take turns, it keeps none of them waiting.
    pub(super) async fn begin_notes(&self) -> Result<Transaction, sqlx::Error> {
        match self {
            Self::Sqlite(file) => file.begin_write().await,
            Self::Postgres(database) => database.begin_notes().await,
        }
    }

    /// Changes whenever another process has written.
    pub(super) async fn written(&self) -> Result<Written, sqlx::Error> {
        match self {
            Self::Sqlite(file) => file.written().await,
            Self::Postgres(database) => database.written().await,
        }
    }

    /// An issuer runs on it from now on: no statement waits for longer than a request may.
    pub(super) async fn serve(&self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(file) => file.serve().await,
            Self::Postgres(database) => {
                database.serve();
                Ok(())
            }
        }
    }

    /// Whether it is still the one that was opened; `None` where that cannot be known now.
    pub(super) async fn is_in_place(&self) -> Option<bool> {
        match self {
            Self::Sqlite(file) => file.is_in_place().await,
            Self::Postgres(_) => Some(true),
        }
    }

    /// Takes every lock that writing needs, writes, and takes it back.
    pub(super) async fn try_writing(&self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(file) => file.try_writing().await,
            Self::Postgres(database) => database.try_writing().await,
        }
    }

    /// Later statements fail.
    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite(file) => file.close().await,
            Self::Postgres(database) => database.close().await,
        }
    }

    /// Brings the tables up to date.
    pub(super) async fn migrate(&self, migrator: &Migrator) -> Result<(), MigrateError> {
        match self {
            Self::Sqlite(file) => migrator.run(file.pool()).await,
            Self::Postgres(database) => database.migrate(migrator).await,
        }
    }

    /// Whether it has a table of that name.
    pub(super) async fn has_table(
        &self,
        transaction: &mut Transaction,
        name: &str,
    ) -> Result<bool, sqlx::Error> {
        let sql = match self {
            Self::Sqlite(_) => "select count(*) from sqlite_master where name = $1",
            Self::Postgres(_) => "select count(to_regclass($1))",
        };
        let found: Vec<(i64,)> = query_as(sql).bind(name).fetch_all(transaction).await?;
        Ok(found.iter().any(|(count,)| *count > 0))
    }
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    /// A whole number; else a text.
    pub(super) is_number: bool,
}

impl Database {
    /// The columns of a table, in their order; none when there is no such table.
    pub(super) async fn columns(
        &self,
        transaction: &mut Transaction,
        table: &str,
    ) -> Result<Vec<Column>, sqlx::Error> {
        let sql = match self {
            Self::Sqlite(_) => "select name, lower(type) from pragma_table_info($1) order by cid",
            Self::Postgres(_) => {
                "select column_name::text, data_type::text from information_schema.columns \
                 where table_schema = current_schema() and table_name = $1 order by ordinal_position"
            }
        };
        let rows: Vec<(String, String)> = query_as(sql).bind(table).fetch_all(transaction).await?;
        let column = |(name, kind): (String, String)| Column {
            name,
            is_number: kind == "bigint",
        };
        Ok(rows.into_iter().map(column).collect())
    }

    /// The statement that gives each row of a table as an array in JSON.
    pub(super) fn rows_as_json(&self, table: &str, columns: &[String]) -> String {
        let array = match self {
            Self::Sqlite(_) => "json_array",
            Self::Postgres(_) => "json_build_array",
        };
        format!(
            "select cast({array}({}) as text) from {table}",
            columns.join(", ")
        )
    }

    /// What the database itself finds to be damaged. PostgreSQL says it when the damage is read.
    pub(super) async fn damage(&self) -> Result<Vec<String>, sqlx::Error> {
        match self {
            Self::Sqlite(file) => file.damage().await,
            Self::Postgres(_) => Ok(Vec::new()),
        }
    }
}

/// A transaction for what is begun before the store is open.
///
/// # Errors
/// Those of the store that is called `name`.
pub(super) async fn begin_write(name: &str, database: &Database) -> Result<Transaction, Error> {
    let begun = database.begin_write().await;
    begun.map_err(|source| Error::store(name, source))
}
