//! Which secrets and which ways from clients to services are used, as it was last written down.
//!
//! These rows are on no sealed list: they decide nothing, and whoever writes them can only mislead a person who looks.

use hallpass_token::UnixTime;
use sqlx::AssertSqlSafe;

use super::Store;
use super::query::{Query, Value, query, query_as};
use crate::error::Error;
use crate::uses::{EdgeUse, SecretUse};

/// How long a use is remembered: what was not used for longer was never used.
const KEPT_SECONDS: u64 = 400 * 24 * 60 * 60;
/// Stands for all clients: when uses were noted first.
const SINCE: &str = "";

/// How many rows one statement writes: others who write the same file wait no longer than for that.
const ROWS_AT_ONCE: usize = 200;
/// What stands before the rows, and what behind.
const PUT_SECRETS: (&str, &str) = (
    "insert into secret_uses (client_id, secret, used_at)",
    "on conflict (client_id, secret) do update set used_at = excluded.used_at where secret_uses.used_at < excluded.used_at",
);
const PUT_EDGES: (&str, &str) = (
    "insert into edge_uses (client_id, audience, scope, first_used, last_used)",
    "on conflict (client_id, audience, scope) do update set last_used = excluded.last_used \
     where edge_uses.last_used < excluded.last_used",
);

/// What was written down of ways from clients to services.
#[derive(Debug, Default)]
pub(crate) struct KeptEdges {
    pub(crate) edges: Vec<EdgeUse>,
    /// From when on uses are noted; `None`: never yet.
    pub(crate) since: Option<UnixTime>,
}

impl Store {
    /// Writes down what was used, of each thing one note. Of two notes of one thing that were written the later counts.
    ///
    /// In many transactions, none of which keeps other writers waiting. After an error some of it is written; to write all of it again does no harm.
    pub(crate) async fn put_uses(
        &self,
        secrets: &[SecretUse],
        edges: &[EdgeUse],
        now: UnixTime,
    ) -> Result<(), Error> {
        let mut secrets: Vec<[Value; 3]> = secrets.iter().map(secret_values).collect();
        secrets.sort_unstable();
        for rows in secrets.chunks(ROWS_AT_ONCE) {
            self.put_rows(PUT_SECRETS, rows).await?;
        }
        let since = EdgeUse {
            client_id: SINCE.to_owned(),
            audience: SINCE.to_owned(),
            scope: SINCE.to_owned(),
            first_used: now,
            last_used: now,
        };
        let edges = edges.iter().chain([&since]);
        let mut edges: Vec<[Value; 5]> = edges.map(edge_values).collect();
        // Whoever writes the same rows at the same time takes them in the same order, and neither waits for the other without an end.
        edges.sort_unstable();
        for rows in edges.chunks(ROWS_AT_ONCE) {
            self.put_rows(PUT_EDGES, rows).await?;
        }
        self.forget_uses(now).await
    }

    /// One statement in a transaction of its own.
    async fn put_rows<const N: usize>(
        &self,
        (insert, on_conflict): (&str, &str),
        rows: &[[Value; N]],
    ) -> Result<(), Error> {
        let places = (0..rows.len()).map(|row| {
            let places: Vec<_> = (1..=N).map(|at| format!("${}", row * N + at)).collect();
            format!("({})", places.join(", "))
        });
        let places: Vec<_> = places.collect();
        let sql = format!("{insert} values {} {on_conflict}", places.join(", "));
        let values = rows.iter().flatten().cloned();
        let put = values.fold(query(AssertSqlSafe(sql)), Query::bind);
        let failed = |source| self.failed(source);
        let mut transaction = self.begin_notes().await?;
        put.execute(&mut transaction).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)
    }

    async fn forget_uses(&self, now: UnixTime) -> Result<(), Error> {
        let failed = |source| self.failed(source);
        let forgotten = UnixTime::from_secs(now.as_secs().saturating_sub(KEPT_SECONDS));
        let mut transaction = self.begin_notes().await?;
        for sql in [
            "delete from secret_uses where used_at < $1",
            "delete from edge_uses where last_used < $1",
        ] {
            let delete = query(sql).bind(seconds(forgotten));
            delete.execute(&mut transaction).await.map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)
    }

    /// When the secrets of `client_id`, or of all clients, were used last.
    pub(crate) async fn secret_uses(
        &self,
        client_id: Option<&str>,
    ) -> Result<Vec<SecretUse>, Error> {
        let failed = |source| self.failed(source);
        let mut transaction = self.begin().await?;
        let all = "select client_id, secret, used_at from secret_uses";
        let of_one = "select client_id, secret, used_at from secret_uses where client_id = $1";
        let asked = match client_id {
            Some(client_id) => query_as(of_one).bind(client_id),
            None => query_as(all),
        };
        let rows: Vec<(String, String, i64)> =
            asked.fetch_all(&mut transaction).await.map_err(failed)?;
        transaction.rollback().await.map_err(failed)?;
        let secret = |(client_id, secret, used_at): (String, String, i64)| {
            Some(SecretUse {
                client_id,
                secret: secret.parse().ok()?,
                used_at: moment(used_at),
            })
        };
        Ok(rows.into_iter().filter_map(secret).collect())
    }

    /// Which ways were used.
    pub(crate) async fn edge_uses(&self) -> Result<KeptEdges, Error> {
        let failed = |source| self.failed(source);
        let mut transaction = self.begin().await?;
        let rows: Vec<(String, String, String, i64, i64)> =
            query_as("select client_id, audience, scope, first_used, last_used from edge_uses")
                .fetch_all(&mut transaction)
                .await
                .map_err(failed)?;
        transaction.rollback().await.map_err(failed)?;
        let mut kept = KeptEdges::default();
        for (client_id, audience, scope, first_used, last_used) in rows {
            if client_id == SINCE {
                kept.since = Some(moment(first_used));
                continue;
            }
            kept.edges.push(EdgeUse {
                client_id,
                audience,
                scope,
                first_used: moment(first_used),
                last_used: moment(last_used),
            });
        }
        Ok(kept)
    }
}

fn secret_values(secret: &SecretUse) -> [Value; 3] {
    [
        Value::from(&secret.client_id),
        secret.secret.to_string().into(),
        seconds(secret.used_at).into(),
    ]
}

fn edge_values(edge: &EdgeUse) -> [Value; 5] {
    [
        Value::from(&edge.client_id),
        Value::from(&edge.audience),
        Value::from(&edge.scope),
        seconds(edge.first_used).into(),
        seconds(edge.last_used).into(),
    ]
}

fn seconds(moment: UnixTime) -> i64 {
    i64::try_from(moment.as_secs()).unwrap_or(i64::MAX)
}

fn moment(seconds: i64) -> UnixTime {
    UnixTime::from_secs(u64::try_from(seconds).unwrap_or_default())
}
