//! A store looked at as a whole: what stands in it, and what is wrong with that. Nothing is changed.

use hallpass_token::UnixTime;
use sqlx::AssertSqlSafe;

use super::Store;
use super::dump::TABLES;
use super::known_revocations::StoredRevocations;
use super::query::query_as;
use super::refresh_families::KnownFamilies;
use crate::error::Error;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreContents {
    /// Signing keys, in whatever state.
    pub keys: usize,
    /// Clients, the first one among them.
    pub clients: usize,
    /// Certificate authorities, in whatever state.
    pub authorities: usize,
    /// Entries of the deny-list.
    pub revocations: usize,
    /// Refresh tokens that count.
    pub refresh_tokens: usize,
    /// Verifiers that gave their name.
    pub verifiers: usize,
    /// What is wrong; empty when all of it is as an issuer wrote it.
    pub problems: Vec<String>,
}

impl Store {
    /// Whether all its tables together have more rows than this. No more of them are counted.
    pub(crate) async fn has_more_rows_than(&self, most: u32) -> Result<bool, Error> {
        let (mut transaction, mut rows) = (self.begin().await?, 0);
        for table in TABLES {
            let limit = u64::from(most) + 1;
            let some =
                format!("select count(*) from (select 1 from {table} limit {limit}) as counted");
            let some = query_as(AssertSqlSafe(some));
            let counted: Result<Option<(i64,)>, _> = some.fetch_optional(&mut transaction).await;
            let counted = counted.map_err(|source| self.failed(source))?;
            rows += counted.map_or(0, |(count,)| count);
        }
        let ended = transaction.rollback().await;
        ended.map_err(|source| self.failed(source))?;
        Ok(rows > i64::from(most))
    }

    /// Reads everything, opens what is sealed, and holds all rows against their seals.
    pub(crate) async fn contents(&self, now: UnixTime) -> StoreContents {
        let mut contents = StoreContents::default();
        let problems = &mut contents.problems;
        let keys = self.keys().await.map(|keys| keys.records.len());
        contents.keys = note(problems, keys);
        // Both: names are those of all, and the first one's rights stand in the tables.
        let clients = self.client_names().await.map(|names| names.len());
        contents.clients = note(problems, clients);
        note(problems, self.clients().await.map(|_| 0));
        let authorities = self.authorities().await.map(|it| it.records.len());
        contents.authorities = note(problems, authorities);
        let mut revocations = StoredRevocations::default();
        let read = self.read_revocations(&mut revocations, now).await;
        contents.revocations = note(problems, read.map(|()| revocations.take_new().len()));
        let mut families = KnownFamilies::default();
        let read = self.see_families(&mut families).await.map(|_| ());
        contents.refresh_tokens = note(problems, read.map(|()| families.len()));
        let verifiers = self.verifiers().await.map(|it| it.len());
        contents.verifiers = note(problems, verifiers);
        let found = self.database.damage().await;
        let found = found.map_err(|source| self.failed(source));
        match found {
            Ok(found) => problems.extend(found),
            Err(error) => problems.push(error.to_string()),
        }
        problems.sort();
        // One seal over all is wrong for each of them.
        problems.dedup();
        contents
    }
}

fn note(problems: &mut Vec<String>, counted: Result<usize, Error>) -> usize {
    counted.unwrap_or_else(|error| {
        problems.push(error.to_string());
        0
    })
}
