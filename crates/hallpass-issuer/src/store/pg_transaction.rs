//! A transaction of PostgreSQL, with its connection.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{AssertSqlSafe, PgConnection, SqlSafeStr};
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::pg_outcome;
use super::postgres::connections::{Connections, Open, late};

/// How long one statement may take; reading a million clients takes seconds. Requests have less patience, and leave.
const STATEMENT_LIMIT: Duration = Duration::from_secs(30);
/// How long a commit may take, with its mark: after that the server is asked by another connection.
const COMMIT_LIMIT: Duration = Duration::from_secs(5);
/// How long taking back may take that nobody waits for.
const ROLLBACK_LIMIT: Duration = Duration::from_secs(2);

/// Dropped in the middle of a statement, it takes its connection with it: that is how the server learns that nobody waits any more.
pub(super) struct PgTransaction {
    /// `None` once it cannot be used any more.
    open: Option<Open>,
    connections: Arc<Connections>,
    place: Option<OwnedSemaphorePermit>,
    /// It has the lock of all writers.
    has_turn: bool,
    /// A statement has begun, and not come to its end.
    is_busy: bool,
    has_ended: bool,
}

impl PgTransaction {
    /// Begins with the statements `sql`, which take the lock of all writers or do not, in a [place](Connections::place) for it. A connection that the server has closed meanwhile is left for a new one.
    pub(super) async fn begin(
        connections: &Arc<Connections>,
        place: OwnedSemaphorePermit,
        (sql, has_turn): (&'static str, bool),
    ) -> Result<Self, sqlx::Error> {
        let mut place = Some(place);
        loop {
            let open = connections.take().await?;
            let is_used = open.is_used;
            let mut transaction = Self {
                open: Some(open),
                connections: Arc::clone(connections),
                place: place.take(),
                has_turn,
                is_busy: false,
                has_ended: false,
            };
            match transaction.raw(sql, STATEMENT_LIMIT).await {
                Err(error) if is_used && is_lost(&error) => {
                    connections.idle().forget();
                    place = transaction.place.take();
                }
                Err(error) => return Err(error),
                Ok(()) => return Ok(transaction),
            }
        }
    }

    /// The connection, for one statement whose result is handed to [`done`](Self::done).
    pub(super) fn connection(&mut self) -> Result<&mut PgConnection, sqlx::Error> {
        self.is_busy = true;
        let open = self.open.as_mut().ok_or(sqlx::Error::WorkerCrashed)?;
        Ok(&mut open.connection)
    }

    /// What a statement gave.
    pub(super) fn done<T>(&mut self, result: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        self.is_busy = false;
        if result.as_ref().is_err_and(is_lost) {
            self.open = None;
        }
        result
    }

    /// When the connection ends before the response comes, the server is asked by another one what became of it. Of notes it is not: they are
    /// written anew, and say the same.
    pub(super) async fn commit(mut self) -> Result<(), sqlx::Error> {
        if !self.has_turn {
            return self.end("commit", COMMIT_LIMIT).await;
        }
        let mark = self.connections.marks().next();
        let sql = AssertSqlSafe(mark.commit());
        match self.end(sql, COMMIT_LIMIT).await {
            Err(lost) if is_lost(&lost) => {
                self.connections.idle().forget();
                // It has no connection any more, and others may have one.
                self.place = None;
                pg_outcome::ask(&self.connections, &mark, lost).await
            }
            ended => ended,
        }
    }

    pub(super) async fn rollback(mut self) -> Result<(), sqlx::Error> {
        self.end("rollback", STATEMENT_LIMIT).await
    }

    async fn end(&mut self, sql: impl SqlSafeStr, limit: Duration) -> Result<(), sqlx::Error> {
        self.raw(sql, limit).await?;
        self.has_ended = true;
        Ok(())
    }

    async fn raw(&mut self, sql: impl SqlSafeStr, limit: Duration) -> Result<(), sqlx::Error> {
        let execute = sqlx::raw_sql(sql).execute(self.connection()?);
        let executed = timeout(limit, execute).await;
        let executed = executed.unwrap_or_else(|elapsed| Err(late(elapsed)));
        self.done(executed).map(|_| ())
    }
}

impl Drop for PgTransaction {
    fn drop(&mut self) {
        let Some(mut open) = self.open.take().filter(|_| !self.is_busy) else {
            return;
        };
        let connections = Arc::clone(&self.connections);
        if self.has_ended {
            return connections.idle().put(open);
        }
        let (Ok(runtime), place) = (Handle::try_current(), self.place.take()) else {
            return;
        };
        runtime.spawn(async move {
            let rollback = sqlx::raw_sql("rollback").execute(&mut open.connection);
            if let Ok(Ok(_)) = timeout(ROLLBACK_LIMIT, rollback).await {
                connections.idle().put(open);
            }
            drop(place);
        });
    }
}

/// The longest that a statement may take.
pub(super) async fn within<T>(
    statement: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    let done = timeout(STATEMENT_LIMIT, statement).await;
    done.unwrap_or_else(|elapsed| Err(late(elapsed)))
}

/// Whether the connection cannot be used any more. What the server refuses leaves it as it was, unless the server ends it with that.
fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(refused) => {
            let code = refused.code().unwrap_or_default();
            // Connection exceptions, the operator, and one that was idle in its transaction.
            code.starts_with("08") || code.starts_with("57P") || code == "25P03"
        }
        sqlx::Error::RowNotFound
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::ColumnIndexOutOfBounds { .. } => false,
        _ => true,
    }
}
