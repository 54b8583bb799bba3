//! What became of a transaction of PostgreSQL whose commit got no response: the server knows, by the number of the transaction.

use std::time::Duration;

use sqlx::PgConnection;
use tokio::time::{Instant, sleep, timeout};

use super::postgres::connections::{Connections, late};
use crate::error::outcome_unknown;

/// For how long it is asked: a server that is started again, or another one that takes its place, is there within that time. Requests have less patience.
const ASK_FOR: Duration = Duration::from_secs(60);
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// How long one question may take.
const QUESTION_LIMIT: Duration = Duration::from_secs(2);

/// The number of the transaction that is under way; `None` for one that has written nothing.
pub(super) async fn number(connection: &mut PgConnection) -> Result<Option<i64>, sqlx::Error> {
    let number = sqlx::query_scalar("select txid_current_if_assigned()");
    number.fetch_one(connection).await
}

/// Whether the transaction of this number counts.
///
/// # Errors
/// `lost`, with which its commit ended, when it does not; [`outcome_unknown`] when the server does not say.
pub(super) async fn ask(
    connections: &Connections,
    number: i64,
    lost: sqlx::Error,
) -> Result<(), sqlx::Error> {
    tracing::warn!(number, error = %lost, "a commit got no response: the database is asked what became of it");
    let until = Instant::now() + ASK_FOR;
    loop {
        match status(connections, number)
            .await
            .as_ref()
            .map(Option::as_deref)
        {
            Ok(Some("committed")) => {
                tracing::info!(number, "it counts");
                return Ok(());
            }
            Ok(Some("aborted")) => {
                tracing::info!(number, "it does not count");
                return Err(lost);
            }
            // The server has not seen yet that nobody is there any more, or is not there itself.
            Ok(_) | Err(_) if Instant::now() < until => sleep(ASK_AGAIN).await,
            Ok(_) | Err(_) => return Err(outcome_unknown()),
        }
    }
}

async fn status(connections: &Connections, number: i64) -> Result<Option<String>, sqlx::Error> {
    let mut connection = connections.open().await?;
    let status = sqlx::query_scalar("select txid_status($1)").bind(number);
    let status = status.fetch_one(&mut connection);
    timeout(QUESTION_LIMIT, status).await.map_err(late)?
}
