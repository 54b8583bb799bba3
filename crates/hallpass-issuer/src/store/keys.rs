//! Signing keys in the store.

use hallpass_token::Algorithm;

use super::Store;
use crate::error::Error;
use crate::keys::record::{KeyOrigin, KeyRecord, KeyState};

type KeyRow = (String, String, String, String, String, Option<String>, i64);

impl Store {
    /// Every key, oldest first.
    pub(crate) async fn keys(&self) -> Result<Vec<KeyRecord>, Error> {
        let rows: Vec<KeyRow> = sqlx::query_as(
            "select kid, algorithm, state, origin, public_jwk, sealed_private, created_at \
             from signing_keys order by created_at, kid",
        )
        .fetch_all(self.counted())
        .await
        .map_err(|source| self.failed(source))?;
        rows.into_iter().map(|row| self.key(row)).collect()
    }

    /// Adds `keys` in one transaction; one that signs turns the signing key of its algorithm into a published one.
    ///
    /// A key that is in the store already only takes the new state.
    pub(crate) async fn add_keys(&self, keys: &[KeyRecord]) -> Result<(), Error> {
        let failed = |source| self.failed(source);
        let mut transaction = self.counted().begin().await.map_err(failed)?;
        for key in keys {
            let sealed = match &key.private {
                Some(private) => Some(
                    self.sealer
                        .seal(private, row_name(&key.kid, key.algorithm).as_bytes())?,
                ),
                None => None,
            };
            if key.state == KeyState::Signing {
                sqlx::query("update signing_keys set state = 'published' where algorithm = $1 and state = 'signing'")
                    .bind(key.algorithm.as_str())
                    .execute(&mut *transaction)
                    .await
                    .map_err(failed)?;
            }
            sqlx::query(
                "insert into signing_keys (kid, algorithm, state, origin, public_jwk, sealed_private, created_at) \
                 values ($1, $2, $3, $4, $5, $6, $7) on conflict (kid) do update set state = excluded.state, \
                 sealed_private = coalesce(excluded.sealed_private, signing_keys.sealed_private)",
            )
            .bind(&key.kid)
            .bind(key.algorithm.as_str())
            .bind(key.state.as_str())
            .bind(key.origin.as_str())
            .bind(&key.public_jwk)
            .bind(sealed)
            .bind(i64::try_from(key.created_at).unwrap_or(i64::MAX))
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)
    }

    fn key(&self, row: KeyRow) -> Result<KeyRecord, Error> {
        let (kid, algorithm, state, origin, public_jwk, sealed, created_at) = row;
        let algorithm: Algorithm = algorithm
            .parse()
            .map_err(|_| self.damaged(format!("key {kid:?} has an unknown algorithm")))?;
        let private = match sealed {
            Some(sealed) => Some(
                self.sealer
                    .open(&sealed, row_name(&kid, algorithm).as_bytes())
                    .ok_or_else(|| {
                        self.damaged(format!("the private key {kid:?} does not open"))
                    })?,
            ),
            None => None,
        };
        Ok(KeyRecord {
            state: if state == KeyState::Signing.as_str() {
                KeyState::Signing
            } else {
                KeyState::Published
            },
            origin: if origin == KeyOrigin::Imported.as_str() {
                KeyOrigin::Imported
            } else {
                KeyOrigin::Generated
            },
            created_at: u64::try_from(created_at).unwrap_or_default(),
            kid,
            algorithm,
            public_jwk,
            private,
        })
    }
}

/// Ties a sealed key to its row: moved to another row, it does not open.
fn row_name(kid: &str, algorithm: Algorithm) -> String {
    format!("signing key {algorithm} {kid}")
}
