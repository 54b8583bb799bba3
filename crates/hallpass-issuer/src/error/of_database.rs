//! What errors of a database mean.

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
