//! What errors of a database mean.

use std::io;

/// Nobody can say whether a transaction counts.
#[derive(Debug, thiserror::Error)]
#[error("whether the transaction counts is not known")]
struct OutcomeUnknown;

/// In the words of the driver, for what makes an error of the store of it.
pub(crate) fn outcome_unknown() -> sqlx::Error {
    sqlx::Error::Io(io::Error::other(OutcomeUnknown))
}

/// Whether it is [`outcome_unknown`].
pub(super) fn is_unknown(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.get_ref().is_some_and(|it| it.is::<OutcomeUnknown>()),
        _ => false,
    }
}

/// Whether another process holds a lock: of an SQLite file (`SQLITE_BUSY`, the lower byte of its extended forms), or of a row of
/// PostgreSQL (`lock_not_available`). The codes of that have five characters, those of SQLite fewer.
pub(super) fn is_busy(error: &sqlx::Error) -> bool {
    const SQLITE_BUSY: u32 = 5;
    const LOCK_NOT_AVAILABLE: &str = "55P03";
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| match code.len() {
        ..5 => (code.parse::<u32>()).is_ok_and(|code| code & 0xff == SQLITE_BUSY),
        _ => code == LOCK_NOT_AVAILABLE,
    })
}

/// Whether a database in the network does not respond, or says that it cannot for now: it starts, stops, or has too many connections.
pub(super) fn is_away(error: &sqlx::Error) -> bool {
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
