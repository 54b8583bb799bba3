//! Rows of `signing_keys`: how they are read, listed, and made into keys.

use hallpass_token::{Algorithm, Sealer};
use sqlx::sqlite::SqliteConnection;

use super::row_list::{RowList, json};
use crate::error::Error;
use crate::keys::record::{KeyOrigin, KeyRecord, KeyState};

/// `kid`, `algorithm`, `state`, `origin`, `public_jwk`, `sealed_private`, `created_at`, `announced_at`.
pub(super) type KeyRow = (
    String,
    String,
    String,
    String,
    String,
    Option<String>,
    i64,
    Option<i64>,
);

pub(super) async fn read(connection: &mut SqliteConnection) -> Result<Vec<KeyRow>, sqlx::Error> {
    sqlx::query_as(
        "select kid, algorithm, state, origin, public_jwk, sealed_private, created_at, announced_at \
         from signing_keys order by created_at, kid",
    )
    .fetch_all(connection)
    .await
}

/// Lays a row over those that are there: one key an algorithm signs, and what is known of a key stays.
pub(super) fn put(rows: &mut Vec<KeyRow>, new: KeyRow) {
    let signing = KeyState::Signing.as_str();
    if new.2 == signing {
        for row in rows.iter_mut().filter(|row| row.1 == new.1) {
            if row.2 == signing {
                KeyState::Published.as_str().clone_into(&mut row.2);
            }
        }
    }
    match rows.iter_mut().find(|row| row.0 == new.0) {
        Some(row) => {
            row.2 = new.2;
            row.5 = new.5.or_else(|| row.5.take());
            row.7 = new.7;
        }
        None => rows.push(new),
    }
}

pub(super) fn list(rows: &[KeyRow]) -> RowList {
    RowList::of(rows, |row| &row.0, json)
}

/// The key of a row. Its public half is made from the private one, and must be the one that stands there.
pub(super) fn record(store: &str, sealer: &Sealer, row: &KeyRow) -> Result<KeyRecord, Error> {
    let damaged = |problem| Error::StoreDamaged {
        store: store.to_owned(),
        problem,
    };
    let (kid, algorithm, state, origin, public_jwk, sealed, created_at, announced_at) = row;
    let algorithm: Algorithm = algorithm
        .parse()
        .map_err(|_| damaged(format!("key {kid:?} has an unknown algorithm")))?;
    let private = match sealed {
        Some(sealed) => Some(
            sealer
                .open(sealed, row_name(kid, algorithm).as_bytes())
                .ok_or_else(|| damaged(format!("the private key {kid:?} does not open")))?,
        ),
        None => None,
    };
    let mut record = KeyRecord {
        state: KeyState::named(state)
            .ok_or_else(|| damaged(format!("key {kid:?} has an unknown state")))?,
        origin: KeyOrigin::named(origin)
            .ok_or_else(|| damaged(format!("key {kid:?} has an unknown origin")))?,
        created_at: u64::try_from(*created_at).unwrap_or_default(),
        announced_at: announced_at.map(|begun| u64::try_from(begun).unwrap_or_default()),
        kid: kid.clone(),
        algorithm,
        public_jwk: public_jwk.clone(),
        private,
    };
    record.public_jwk = record.checked_public_half().map_err(damaged)?;
    Ok(record)
}

/// Ties a sealed key to its row: moved to another row, it does not open.
pub(super) fn row_name(kid: &str, algorithm: Algorithm) -> String {
    format!("signing key {algorithm} {kid}")
}
