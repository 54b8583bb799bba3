//! What a panic leaves in the log.

use tokio::task::JoinError;

/// A panic ends one connection, or one request of HTTP/2, and no other; the log must show it.
pub(crate) fn note(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a connection ended in a panic");
    }
}
