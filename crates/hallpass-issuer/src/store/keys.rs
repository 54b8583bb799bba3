//! Signing keys in the store.

use sqlx::sqlite::SqliteConnection;

use super::key_rows::{self, KeyRow, row_name};
use super::row_list::Table;
use super::{Store, seal};
use crate::error::Error;
use crate::keys::record::{KeyRecord, KeyState};

impl Store {
    /// Every key, oldest first.
    ///
    /// # Errors
    /// [`Error::StoreDamaged`] when a row is not as this issuer wrote it.
    pub(crate) async fn keys(&self) -> Result<Vec<KeyRecord>, Error> {
        let failed = |source| self.failed(source);
        let mut transaction = self.counted().begin().await.map_err(failed)?;
        let rows = self.checked_keys(&mut transaction).await?;
        transaction.rollback().await.map_err(failed)?;
        rows.iter()
            .map(|row| key_rows::record(&self.name, &self.sealer, row))
            .collect()
    }

    async fn checked_keys(&self, connection: &mut SqliteConnection) -> Result<Vec<KeyRow>, Error> {
        let rows = key_rows::read(connection)
            .await
            .map_err(|source| self.failed(source))?;
        let (table, found) = (Table::SigningKeys, key_rows::list(&rows));
        seal::check_list(&self.name, connection, &self.sealer, table, &found).await?;
        Ok(rows)
    }

    /// Adds `keys` in one transaction; one that signs turns the signing key of its algorithm into a published one.
    ///
    /// A key that is in the store already only takes the new state.
    ///
    /// # Errors
    /// [`Error::KeyIdTaken`] when the store has another key under the same name, [`Error::StoreDamaged`] when a row is
    /// not as this issuer wrote it; nothing is added then.
    pub(crate) async fn add_keys(
        &self,
        keys: impl IntoIterator<Item = &KeyRecord>,
    ) -> Result<(), Error> {
        let failed = |source| self.failed(source);
        let mut transaction = self.begin_write().await?;
        // Before anything is listed anew: what somebody else wrote must not come onto the list with it.
        let known = self.checked_keys(&mut transaction).await?;
        for key in keys {
            let taken = known
                .iter()
                .any(|(kid, _, _, _, public, ..)| *kid == key.kid && *public != key.public_jwk);
            if taken {
                let kid = key.kid.clone();
                return Err(Error::KeyIdTaken { kid });
            }
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
                "insert into signing_keys (kid, algorithm, state, origin, public_jwk, sealed_private, created_at, announced_at) \
                 values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (kid) do update set state = excluded.state, \
                 announced_at = excluded.announced_at, \
                 sealed_private = coalesce(excluded.sealed_private, signing_keys.sealed_private)",
            )
            .bind(&key.kid)
            .bind(key.algorithm.as_str())
            .bind(key.state.as_str())
            .bind(key.origin.as_str())
            .bind(&key.public_jwk)
            .bind(sealed)
            .bind(i64::try_from(key.created_at).unwrap_or(i64::MAX))
            .bind(key.announced_at.map(|begun| i64::try_from(begun).unwrap_or(i64::MAX)))
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        }
        let rows = key_rows::read(&mut transaction).await.map_err(failed)?;
        let (table, rows) = (Table::SigningKeys, key_rows::list(&rows));
        seal::put_list(&self.name, &mut transaction, &self.sealer, table, &rows).await?;
        transaction.commit().await.map_err(failed)
    }
}
