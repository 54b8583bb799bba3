//! Errors of the store, from those of the database below it.

use sqlx::migrate::MigrateError;

use super::Error;
use super::of_database::{is_away, is_busy, is_unknown};

impl Error {
    /// What the database said of the store that is called `name`.
    pub(crate) fn store(name: &str, source: sqlx::Error) -> Self {
        let store = name.to_owned();
        if is_busy(&source) {
            return Self::StoreBusy { store };
        }
        if is_unknown(&source) {
            return Self::StoreOutcomeUnknown { store };
        }
        if is_away(&source) {
            let problem = source.to_string();
            return Self::StoreAway { store, problem };
        }
        match source {
            sqlx::Error::PoolTimedOut => Self::StoreSlow { store },
            source => Self::Store { store, source },
        }
    }

    /// What stood in the way of bringing the tables of the store that is called `name` up to date.
    pub(crate) fn migration(name: &str, source: MigrateError) -> Self {
        let store = name.to_owned();
        match source {
            MigrateError::Execute(source) => Self::store(name, source),
            MigrateError::VersionMissing(version) => Self::StoreTooNew { store, version },
            source => Self::Migration { store, source },
        }
    }
}
