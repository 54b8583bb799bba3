//! What errors of a database mean.

use std::io;

use sqlx::migrate::MigrateError;

use super::Error;

/// Nobody can say whether a transaction counts.
#[derive(Debug, thiserror::Error)]
#[error("whether the transaction counts is not known")]
struct OutcomeUnknown;

/// In the words of the driver, for [`Error::store`].
pub(crate) fn outcome_unknown() -> sqlx::Error {
    sqlx::Error::Io(io::Error::other(OutcomeUnknown))
}

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

fn is_unknown(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.get_ref().is_some_and(|it| it.is::<OutcomeUnknown>()),
        _ => false,
    }
}

/// Whether another process holds a lock: of an SQLite file (`SQLITE_BUSY`, the lower byte of its extended forms), or of a row of
/// PostgreSQL (`lock_not_available`). The codes of that have five characters, those of SQLite fewer.
fn is_busy(error: &sqlx::Error) -> bool {
    const SQLITE_BUSY: u32 = 5;
    const LOCK_NOT_AVAILABLE: &str = "55P03";
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| match code.len() {
        ..5 => (code.parse::<u32>()).is_ok_and(|code| code & 0xff == SQLITE_BUSY),
        _ => code == LOCK_NOT_AVAILABLE,
    })
}

/// Whether a database in the network does not respond, or says that it cannot for now: it starts, stops, or has too many connections.
fn is_away(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(refused) => {
            let code = refused.code().unwrap_or_default();
            let is_code = code.len() == 5;
            is_code
                && ["08", "57P", "53300", "25P03"]
                    .into_iter()
                    .any(|it| code.starts_with(it))
        }
        _ => false,
    }
}

/// What names the process that holds the store which is called so.
pub(super) fn who_holds(store: &str) -> String {
    match store.contains("://") {
        true => "`select pid, client_addr, state, query from pg_stat_activity` there".to_owned(),
        false => format!("`fuser {store}`"),
    }
}

#[cfg(test)]
mod tests {
    use crate::error::Error;

    #[test]
    fn what_names_the_holder_of_a_lock_is_said_of_a_file_and_of_a_database() {
        let busy = |store: &str| {
            let store = store.to_owned();
            Error::StoreBusy { store }.to_string()
        };
        assert!(busy("/var/lib/hallpass.db").contains("`fuser /var/lib/hallpass.db` names"));
        let database = busy("postgres://db.example:5432/hallpass");
        assert!(database.contains("pg_stat_activity` there names it"));
        assert!(!database.contains("fuser"));
    }
}
