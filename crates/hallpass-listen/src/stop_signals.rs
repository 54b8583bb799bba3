//! How a process is told to end.

use std::io;

/// Who asks for the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopSignal {
    /// A person at the terminal: SIGINT, Ctrl-C.
    Interrupt,
    /// The system: SIGTERM, as `docker stop`, Kubernetes and systemd send it. Never on a system without it.
    Terminate,
}

/// SIGTERM and Ctrl-C, kept from the making of this value on.
///
/// Make it first, so that a signal during the start is not lost. From then on these signals do not end the process by
/// themselves; without it SIGTERM cuts off the requests in flight, and the first process of a container does not hear it at all.
#[derive(Debug)]
pub struct StopSignals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl StopSignals {
    /// Listens from here on.
    ///
    /// # Errors
    /// Outside of a tokio runtime with I/O, or when the system takes no handler.
    pub fn install() -> io::Result<Self> {
        // Without this look, tokio panics outside of a runtime.
        tokio::runtime::Handle::try_current().map_err(io::Error::other)?;
        #[cfg(unix)]
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            #[cfg(unix)]
            interrupt: signal(SignalKind::interrupt())?,
            #[cfg(unix)]
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for the next of them. Nothing is lost when the future is dropped before its end.
    pub async fn received(&mut self) -> StopSignal {
        #[cfg(unix)]
        tokio::select! {
            _ = self.interrupt.recv() => StopSignal::Interrupt,
            _ = self.terminate.recv() => StopSignal::Terminate,
        }
        #[cfg(not(unix))]
        {
            let _heard = tokio::signal::ctrl_c().await;
            StopSignal::Interrupt
        }
    }
}
