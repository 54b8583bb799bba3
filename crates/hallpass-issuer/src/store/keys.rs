//! Signing keys in the store.

use hallpass_token::Algorithm;
use zeroize::Zeroizing;

use super::Store;
use crate::error::Error;

/// A key as the store keeps it, its private half opened.
pub(crate) struct StoredKey {
    pub(crate) kid: String,
    pub(crate) algorithm: Algorithm,
    pub(crate) state: KeyState,
    pub(crate) origin: KeyOrigin,
    /// The public JWK as JSON.
    pub(crate) public_jwk: String,
    /// PKCS #8; `None` when only the public half is known.
    pub(crate) private: Option<Zeroizing<Vec<u8>>>,
    pub(crate) created_at: u64,
}

/// What a key is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyState {
    /// Signs new tokens of its algorithm, and is published.
    Signing,
    /// Published only, so that verifiers accept what it signed.
    Published,
}

/// Where a key comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyOrigin {
    Generated,
    Imported,
}

type KeyRow = (String, String, String, String, String, Option<String>, i64);

impl Store {
    /// Every key, oldest first.
    pub(crate) async fn keys(&self) -> Result<Vec<StoredKey>, Error> {
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
    pub(crate) async fn add_keys(&self, keys: &[StoredKey]) -> Result<(), Error> {
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

    fn key(&self, row: KeyRow) -> Result<StoredKey, Error> {
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
        Ok(StoredKey {
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

impl KeyState {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Signing => "signing",
            Self::Published => "published",
        }
    }
}

impl KeyOrigin {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Generated => "generated",
            Self::Imported => "imported",
        }
    }
}

/// Ties a sealed key to its row: moved to another row, it does not open.
fn row_name(kid: &str, algorithm: Algorithm) -> String {
    format!("signing key {algorithm} {kid}")
}
