//! The tables of a store, step by step.

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};

use super::database::Database;
use crate::error::Error;

/// Brings the tables up to date.
///
/// # Errors
/// [`Error::Migration`], and those of the store.
pub(super) async fn run(name: &str, database: &Database) -> Result<(), Error> {
    let migration = |version, description: &'static str, sql: &'static str| {
        Migration::new(
            version,
            description.into(),
            MigrationType::Simple,
            sql.into_sql_str(),
            false,
        )
    };
    let all = vec![
        migration(
            1,
            "first store",
            include_str!("../../migrations/0001_first_store.sql"),
        ),
        migration(
            2,
            "announced keys",
            include_str!("../../migrations/0002_announced_keys.sql"),
        ),
        migration(
            3,
            "key life",
            include_str!("../../migrations/0003_key_life.sql"),
        ),
        migration(
            4,
            "refresh tokens",
            include_str!("../../migrations/0004_refresh_tokens.sql"),
        ),
        migration(
            5,
            "revocations",
            include_str!("../../migrations/0005_revocations.sql"),
        ),
        migration(
            6,
            "client registrations",
            include_str!("../../migrations/0006_client_registrations.sql"),
        ),
        migration(
            7,
            "certificate authorities",
            include_str!("../../migrations/0007_certificate_authorities.sql"),
        ),
        migration(10, "uses", include_str!("../../migrations/0010_uses.sql")),
    ];
    database
        .migrate(&Migrator::with_migrations(all))
        .await
        .map_err(|source| Error::migration(name, source))
}
