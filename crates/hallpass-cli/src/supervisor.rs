//! What systemd is told, or whoever else names a socket in `NOTIFY_SOCKET`: that the start is over, that settings are read anew, and that the end
//! has begun. Nobody is told where nobody asks.

use std::io;

use sd_notify::NotifyState;

/// It serves; after a reload too.
pub(crate) fn ready() {
    tell(sd_notify::notify(&[NotifyState::Ready]));
}

/// Settings are read anew; [`ready`] follows.
pub(crate) fn reloading() {
    // Which moment this was: a `ready` that was on its way before does not end the reload.
    let told = NotifyState::monotonic_usec_now()
        .and_then(|now| sd_notify::notify(&[NotifyState::Reloading, now]));
    tell(told);
}

/// It takes its time to end, and does so in order.
pub(crate) fn stopping() {
    tell(sd_notify::notify(&[NotifyState::Stopping]));
}

/// Without an ear the work goes on: who waits for a word ends the process after a while, and says so.
fn tell(told: io::Result<()>) {
    if let Err(error) = told {
        tracing::warn!(%error, "the supervisor that NOTIFY_SOCKET names cannot be told");
    }
}
