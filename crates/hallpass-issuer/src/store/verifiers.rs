//! Which verifiers fetched which keys, as it was when the issuer last wrote it down.
//!
//! These rows are on no sealed list: they decide nothing but when a key that awaits adoption signs.

use super::Store;
use super::query::{query, query_as};
use crate::error::Error;
use crate::keys::adoption::Verifier;

/// What stands between two names of keys.
const SEPARATOR: char = '\n';

impl Store {
    /// Every verifier, by name.
    pub(crate) async fn verifiers(&self) -> Result<Vec<Verifier>, Error> {
        let failed = |source| self.failed(source);
        let mut transaction = self.begin().await?;
        let rows: Vec<(String, i64, String)> =
            query_as("select name, seen_at, kids from verifiers")
                .fetch_all(&mut transaction)
                .await
                .map_err(failed)?;
        transaction.rollback().await.map_err(failed)?;
        let verifier = |(name, seen_at, kids): (String, i64, String)| Verifier {
            name,
            seen_at: u64::try_from(seen_at).unwrap_or_default(),
            key_ids: kids.split(SEPARATOR).map(str::to_owned).collect(),
        };
        let mut verifiers: Vec<_> = rows.into_iter().map(verifier).collect();
        // Not by the database, each of which sorts texts in its own order.
        verifiers.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(verifiers)
    }

    /// Writes `verifiers`, and forgets those that were not seen since `seen_before`, in seconds since 1970.
    pub(crate) async fn put_verifiers(
        &self,
        verifiers: &[Verifier],
        seen_before: u64,
    ) -> Result<(), Error> {
        let failed = |source| self.failed(source);
        let seconds = |at: u64| i64::try_from(at).unwrap_or(i64::MAX);
        let mut transaction = self.begin_write().await?;
        for verifier in verifiers {
            query(
                "insert into verifiers (name, seen_at, kids) values ($1, $2, $3) \
                 on conflict (name) do update set seen_at = excluded.seen_at, kids = excluded.kids \
                 where excluded.seen_at >= verifiers.seen_at",
            )
            .bind(&verifier.name)
            .bind(seconds(verifier.seen_at))
            .bind(verifier.key_ids.join(&SEPARATOR.to_string()))
            .execute(&mut transaction)
            .await
            .map_err(failed)?;
        }
        query("delete from verifiers where seen_at < $1")
            .bind(seconds(seen_before))
            .execute(&mut transaction)
            .await
            .map_err(failed)?;
        transaction.commit().await.map_err(failed)
    }
}
