//! Statements for both databases, from one text: whole numbers of 64 bits and texts, `$1` for the first value, `on conflict`.

use std::marker::PhantomData;

use sqlx::postgres::PgRow;
use sqlx::query::{Query as Bound, QueryAs as BoundAs};
use sqlx::sqlite::SqliteRow;
use sqlx::{Database, Encode, FromRow, SqlSafeStr, SqlStr, Type};

use super::pg_transaction::within;
use super::transaction::{Of, Transaction};

/// A value of a statement; `None` is null.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Value {
    Text(Option<String>),
    Number(Option<i64>),
}

/// What a row can be read as, from either database: a tuple of `String`, `i64` and options of them, in the order of the columns.
pub(super) trait Columns:
    Send + Unpin + for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow>
{
}

impl<T> Columns for T where
    T: Send + Unpin + for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow>
{
}

/// A statement with its values.
#[must_use]
pub(super) struct Query<T> {
    sql: SqlStr,
    values: Vec<Value>,
    rows: PhantomData<fn() -> T>,
}

/// A statement that gives no rows.
pub(super) fn query(sql: impl SqlSafeStr) -> Query<()> {
    query_as(sql)
}

/// A statement whose rows are read as `T`.
pub(super) fn query_as<T>(sql: impl SqlSafeStr) -> Query<T> {
    Query {
        sql: sql.into_sql_str(),
        values: Vec::new(),
        rows: PhantomData,
    }
}

impl<T> Query<T> {
    /// The next value: `$1`, then `$2`.
    pub(super) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Does it.
    pub(super) async fn execute(self, transaction: &mut Transaction) -> Result<(), sqlx::Error> {
        let done = match &mut transaction.of {
            Of::Sqlite(it) => self.bound().execute(&mut **it).await.map(|_| ()),
            Of::Postgres(it) => {
                let executed = within(self.bound().execute(it.connection()?)).await;
                it.done(executed).map(|_| ())
            }
        };
        transaction.has_failed |= done.is_err();
        done
    }

    fn bound<DB: Database>(self) -> Bound<'static, DB, DB::Arguments>
    where
        Option<String>: Encode<'static, DB> + Type<DB>,
        Option<i64>: Encode<'static, DB> + Type<DB>,
    {
        let add = |query: Bound<'static, DB, _>, value| match value {
            Value::Text(text) => query.bind(text),
            Value::Number(number) => query.bind(number),
        };
        self.values.into_iter().fold(sqlx::query(self.sql), add)
    }
}

impl<T: Columns> Query<T> {
    /// All rows.
    pub(super) async fn fetch_all(
        self,
        transaction: &mut Transaction,
    ) -> Result<Vec<T>, sqlx::Error> {
        let found = match &mut transaction.of {
            Of::Sqlite(it) => self.bound_as().fetch_all(&mut **it).await,
            Of::Postgres(it) => {
                let fetched = within(self.bound_as().fetch_all(it.connection()?)).await;
                it.done(fetched)
            }
        };
        transaction.has_failed |= found.is_err();
        found
    }

    /// The first row, if there is one.
    pub(super) async fn fetch_optional(
        self,
        transaction: &mut Transaction,
    ) -> Result<Option<T>, sqlx::Error> {
        let found = match &mut transaction.of {
            Of::Sqlite(it) => self.bound_as().fetch_optional(&mut **it).await,
            Of::Postgres(it) => {
                let fetched = within(self.bound_as().fetch_optional(it.connection()?)).await;
                it.done(fetched)
            }
        };
        transaction.has_failed |= found.is_err();
        found
    }

    fn bound_as<DB: Database>(self) -> BoundAs<'static, DB, T, DB::Arguments>
    where
        T: for<'r> FromRow<'r, DB::Row>,
        Option<String>: Encode<'static, DB> + Type<DB>,
        Option<i64>: Encode<'static, DB> + Type<DB>,
    {
        let add = |query: BoundAs<'static, DB, T, _>, value| match value {
            Value::Text(text) => query.bind(text),
            Value::Number(number) => query.bind(number),
        };
        self.values.into_iter().fold(sqlx::query_as(self.sql), add)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::Text(Some(text.clone()))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<Option<String>> for Value {
    fn from(text: Option<String>) -> Self {
        Self::Text(text)
    }
}

impl From<&Option<String>> for Value {
    fn from(text: &Option<String>) -> Self {
        Self::Text(text.clone())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(Some(number))
    }
}

impl From<Option<i64>> for Value {
    fn from(number: Option<i64>) -> Self {
        Self::Number(number)
    }
}
