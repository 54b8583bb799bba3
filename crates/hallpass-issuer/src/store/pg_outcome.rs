//! What became of a transaction of PostgreSQL whose commit got no response: the server knows, by the number of the transaction.

use std::time::Duration;

use sqlx::PgConnection;
use tokio::time::{Instant, sleep, timeout};

use super::postgres::connections::{Connections, late};
use crate::error::outcome_unknown;

/// For how long it is asked: the way to a server is there again within that time, or it was started again, and says at least what does not count. Requests have less patience.
const ASK_FOR: Duration = Duration::from_secs(60);
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// How long one question may take.
const QUESTION_LIMIT: Duration = Duration::from_secs(2);

/// Of a transaction that is under way: by what the server knows it.
#[derive(Debug)]
pub(super) struct Known {
    number: i64,
    /// When the server was started.
    server: String,
}

/// `None` for a transaction that has written nothing.
pub(super) async fn known(connection: &mut PgConnection) -> Result<Option<Known>, sqlx::Error> {
    const SQL: &str = "select txid_current_if_assigned(), pg_postmaster_start_time()::text";
    let (number, server) = sqlx::query_as::<_, (Option<i64>, String)>(SQL)
        .fetch_one(connection)
        .await?;
    Ok(number.map(|number| Known { number, server }))
}

/// Whether the transaction counts. A server that has crashed may give a number that was not on its disk yet to somebody else: what it says of one that counts is
/// believed of the same start alone. One that does not count was not this one, or has not counted either.
///
/// # Errors
/// `lost`, with which its commit ended, when it does not; [`outcome_unknown`] when the server does not say.
pub(super) async fn ask(
    connections: &Connections,
    known: &Known,
    lost: sqlx::Error,
) -> Result<(), sqlx::Error> {
    let Known { number, server } = known;
    tracing::warn!(number, error = %lost, "a commit got no response: the database is asked what became of it");
    let until = Instant::now() + ASK_FOR;
    loop {
        match status(connections, *number).await {
            Ok((Some(status), now)) if status == "committed" => {
                if now != *server {
                    return Err(outcome_unknown());
                }
                tracing::info!(number, "it counts");
                return Ok(());
            }
            Ok((Some(status), _)) if status == "aborted" => {
                tracing::info!(number, "it does not count");
                return Err(lost);
            }
            // The server has not seen yet that nobody is there any more, or is not there itself.
            Ok(_) | Err(_) if Instant::now() < until => sleep(ASK_AGAIN).await,
            Ok(_) | Err(_) => return Err(outcome_unknown()),
        }
    }
}

/// What the server says of the transaction, and when it was started.
async fn status(
    connections: &Connections,
    number: i64,
) -> Result<(Option<String>, String), sqlx::Error> {
    const SQL: &str = "select txid_status($1), pg_postmaster_start_time()::text";
    let mut connection = connections.open().await?;
    let status = sqlx::query_as(SQL).bind(number).fetch_one(&mut connection);
    timeout(QUESTION_LIMIT, status).await.map_err(late)?
}
