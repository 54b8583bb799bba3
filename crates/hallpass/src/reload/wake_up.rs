//! What a reloader waits for.

use std::io;

/// Why a reloader looks at its sources.
pub(super) enum WakeUp {
    /// Somebody sent SIGHUP.
    Hangup,
    /// A document that is no file has changed.
    Documents,
    /// It is time again.
    Tick,
}

/// SIGHUP, where there is such a thing.
#[derive(Debug)]
pub(super) struct Hangup {
    #[cfg(unix)]
    signal: tokio::signal::unix::Signal,
}

impl Hangup {
    pub(super) fn install() -> io::Result<Self> {
        // Without this look, tokio panics outside of a runtime.
        tokio::runtime::Handle::try_current().map_err(io::Error::other)?;
        #[cfg(unix)]
        let signal = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?;
        Ok(Self {
            #[cfg(unix)]
            signal,
        })
    }

    /// Waits for the next one; several at once count as one.
    pub(super) async fn received(&mut self) {
        #[cfg(unix)]
        if self.signal.recv().await.is_some() {
            return;
        }
        std::future::pending().await
    }
}
