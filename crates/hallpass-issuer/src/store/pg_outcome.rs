//! What became of a transaction of PostgreSQL whose commit got no response: its [mark](super::pg_marks) says it.

use std::time::Duration;

use sqlx::{Connection as _, PgConnection};
use tokio::time::{Instant, sleep, timeout};

use super::asking;
use super::pg_marks::Mark;
use super::postgres::connections::{Connections, late};
use crate::error::outcome_unknown;

/// For how long it is asked: the way to a server, or a server that was started again or has taken over, is there within that time. Requests have less patience.
const ASK_FOR: Duration = Duration::from_secs(60);
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// The same of one that is asked about for longer, after so long.
const ASK_SELDOM: Duration = Duration::from_secs(5);
/// How long one question may take.
const QUESTION_LIMIT: Duration = Duration::from_secs(2);
/// How long the last words to the server may take.
const CLOSE_LIMIT: Duration = Duration::from_millis(500);

/// As a writer begins. A server that cannot be written refuses it: a standby that has not taken over may lack what is still to come to it.
const BEGIN: &str = "begin isolation level read committed read write; \
     set local lock_timeout = '750ms'; set local idle_in_transaction_session_timeout = '5s'";
/// The lock of all writers, the one in question among them: who has got it knows that that one has ended, whichever way.
const TURN: &str = "select name from store_meta where name = 'seal_salt' for update";
/// A statement of its own, which sees all that had ended before it began.
const MARK: &str = "select value from store_meta where name = $1";

/// Whether the transaction counts that has written `mark`. It is asked for as long as [`asking`] says.
///
/// # Errors
/// `lost`, with which its commit ended, when it does not; [`outcome_unknown`] when the server cannot be asked.
pub(super) async fn ask(
    connections: &Connections,
    mark: &Mark,
    lost: sqlx::Error,
) -> Result<(), sqlx::Error> {
    tracing::warn!(error = %lost, "a commit got no response: the database is asked whether it counts");
    let (begun, limit) = (Instant::now(), asking::begin(ASK_FOR));
    loop {
        match counts(connections, mark).await {
            Ok(true) => {
                tracing::info!("it counts");
                return Ok(());
            }
            Ok(false) => {
                tracing::info!("it does not count");
                return Err(lost);
            }
            // It is not there, or has not seen yet that nobody is there any more; or others write.
            Err(_) if begun.elapsed() < limit && !connections.is_closed() => {
                let is_new = begun.elapsed() < ASK_FOR;
                sleep(if is_new { ASK_AGAIN } else { ASK_SELDOM }).await;
            }
            Err(_) => return Err(outcome_unknown()),
        }
    }
}

async fn counts(connections: &Connections, mark: &Mark) -> Result<bool, sqlx::Error> {
    let mut connection = connections.open().await?;
    let found = timeout(QUESTION_LIMIT, find(&mut connection, mark)).await;
    // That gives the lock back.
    let _unheard = timeout(CLOSE_LIMIT, connection.close()).await;
    Ok(found.map_err(late)??.is_some_and(|found| mark.is(&found)))
}

/// What the row of `mark` has, once the transaction has ended that was to write it.
async fn find(connection: &mut PgConnection, mark: &Mark) -> Result<Option<String>, sqlx::Error> {
    sqlx::raw_sql(BEGIN).execute(&mut *connection).await?;
    // Without that row nobody has the lock: one that makes a store may be under way still.
    let _turn: String = sqlx::query_scalar(TURN).fetch_one(&mut *connection).await?;
    let value = sqlx::query_scalar(MARK).bind(mark.name());
    value.fetch_optional(connection).await
}
