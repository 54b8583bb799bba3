//! Clients as they are found, with what stands beside each: the number of the change that wrote it, and its HMAC.

use super::{AUDIENCES, ClientRow, GRANTS, lists, secrets};
use crate::clients::stored_registration::StoredRegistration;
use crate::store::query::query_as;
use crate::store::transaction::Transaction;

const AFTER: &str = "select c.client_id, c.scope, c.token_life_seconds, c.created_at, c.seq, c.mac, r.settings, r.secret_digest \
     from clients c left join client_registrations r on r.client_id = c.client_id where c.seq > $1 order by c.seq limit $2";
const ONE: &str = "select c.client_id, c.scope, c.token_life_seconds, c.created_at, c.seq, c.mac, r.settings, r.secret_digest \
     from clients c left join client_registrations r on r.client_id = c.client_id where c.client_id = $1";

/// A client as it was found, with the number of the change that wrote it and its HMAC, as they stand beside it.
pub(in crate::store) struct FoundClient {
    pub(in crate::store) row: ClientRow,
    pub(in crate::store) seq: i64,
    pub(in crate::store) mac: Option<String>,
}

/// The columns of [`AFTER`] and [`ONE`] in their order.
type Found = (
    String,
    String,
    i64,
    i64,
    i64,
    Option<String>,
    Option<String>,
    Option<String>,
);

/// The clients that later changes than `after` have written, in the order of those, at most so many.
pub(in crate::store) async fn read_after(
    connection: &mut Transaction,
    after: i64,
    most: i64,
) -> Result<Vec<FoundClient>, sqlx::Error> {
    let found = query_as(AFTER).bind(after).bind(most);
    let found: Vec<Found> = found.fetch_all(connection).await?;
    if found.is_empty() {
        return Ok(Vec::new());
    }
    // Of clients that the issuer has made itself: there are few.
    let mut audiences = lists(connection, AUDIENCES).await?;
    let mut grants = lists(connection, GRANTS).await?;
    let mut secrets = secrets(connection).await?;
    let with_all = |found: Found| {
        let mut found = FoundClient::of(found);
        let id = &found.row.client_id;
        found.row.audiences = audiences.remove(id).unwrap_or_default();
        found.row.grants = grants.remove(id).unwrap_or_default();
        found.row.secrets = secrets.remove(id).unwrap_or_default();
        found
    };
    Ok(found.into_iter().map(with_all).collect())
}

/// The client of this name.
pub(in crate::store) async fn read_one(
    connection: &mut Transaction,
    client_id: &str,
) -> Result<Option<FoundClient>, sqlx::Error> {
    let found = query_as(ONE).bind(client_id);
    let found: Option<Found> = found.fetch_optional(connection).await?;
    let Some(found) = found else {
        return Ok(None);
    };
    let mut found = FoundClient::of(found);
    // Of clients that the issuer has made itself: there are few.
    let mut audiences = lists(connection, AUDIENCES).await?;
    let mut grants = lists(connection, GRANTS).await?;
    let mut secrets = secrets(connection).await?;
    found.row.audiences = audiences.remove(client_id).unwrap_or_default();
    found.row.grants = grants.remove(client_id).unwrap_or_default();
    found.row.secrets = secrets.remove(client_id).unwrap_or_default();
    Ok(Some(found))
}

/// How many rows there are.
pub(in crate::store) async fn count(connection: &mut Transaction) -> Result<i64, sqlx::Error> {
    let count = query_as("select count(*) from clients");
    let count: Option<(i64,)> = count.fetch_optional(connection).await?;
    Ok(count.map_or(0, |(count,)| count))
}

impl FoundClient {
    /// Without what stands in other tables.
    fn of(found: Found) -> Self {
        let (client_id, scope, token_life_seconds, created_at, seq, mac, settings, secret_digest) =
            found;
        let registration = settings.map(|settings| StoredRegistration {
            settings,
            secret_digest,
        });
        Self {
            row: ClientRow {
                client_id,
                scope,
                token_life_seconds,
                created_at,
                audiences: Vec::new(),
                grants: Vec::new(),
                secrets: Vec::new(),
                registration,
            },
            seq,
            mac,
        }
    }
}
