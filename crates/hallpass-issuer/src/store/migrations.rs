//! The tables of a store, step by step.

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};

use super::database::Database;
use crate::error::Error;

/// Each with its number, with what it brings, and with what it does, which must never change.
#[rustfmt::skip]
const STEPS: &[(i64, &str, &str)] = &[
    (1, "first store", include_str!("../../migrations/0001_first_store.sql")),
    (2, "announced keys", include_str!("../../migrations/0002_announced_keys.sql")),
    (3, "key life", include_str!("../../migrations/0003_key_life.sql")),
    (4, "refresh tokens", include_str!("../../migrations/0004_refresh_tokens.sql")),
    (5, "revocations", include_str!("../../migrations/0005_revocations.sql")),
    (6, "client registrations", include_str!("../../migrations/0006_client_registrations.sql")),
    (7, "certificate authorities", include_str!("../../migrations/0007_certificate_authorities.sql")),
    (10, "uses", include_str!("../../migrations/0010_uses.sql")),
    (15, "sealed clients", include_str!("../../migrations/0015_sealed_clients.sql")),
];

/// All steps, in their order: the number of each, and what it brings.
pub(super) fn steps() -> Vec<(i64, &'static str)> {
    let steps = STEPS.iter();
    steps
        .map(|(version, brings, _)| (*version, *brings))
        .collect()
}

/// Brings the tables up to date.
///
/// # Errors
/// [`Error::Migration`], [`Error::StoreTooNew`], and those of the store.
pub(super) async fn run(name: &str, database: &Database) -> Result<(), Error> {
    run_those(name, database, |_| true).await
}

/// Goes through some steps only, as the tables of another store have.
///
/// # Errors
/// As [`run`].
pub(super) async fn run_only(name: &str, database: &Database, only: &[i64]) -> Result<(), Error> {
    run_those(name, database, |version| only.contains(&version)).await
}

async fn run_those(
    name: &str,
    database: &Database,
    is_one: impl Fn(i64) -> bool,
) -> Result<(), Error> {
    let migration = |(version, brings, sql): &(i64, &'static str, &'static str)| {
        Migration::new(
            *version,
            (*brings).into(),
            MigrationType::Simple,
            sql.into_sql_str(),
            false,
        )
    };
    let chosen = STEPS.iter().filter(|(version, ..)| is_one(*version));
    let migrator = Migrator::with_migrations(chosen.map(migration).collect());
    let migrated = database.migrate(&migrator).await;
    migrated.map_err(|source| Error::migration(name, source))
}
