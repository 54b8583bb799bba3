//! From an accepted socket to a TLS connection.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hallpass_tls::{Caller, ServerTls};
use rustls::Error;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::metrics::{ConnectionMetrics, HandshakeFailure};

/// A refused certificate is an event for the log, but whoever connects can cause any number of them.
const SAID_AT_MOST_EVERY: Duration = Duration::from_secs(1);

/// The TLS of one listener. A clone shares its state.
#[derive(Clone, Debug)]
pub(crate) struct Handshake {
    tls: ServerTls,
    limit: Duration,
    stopping: watch::Receiver<bool>,
    metrics: ConnectionMetrics,
    said: Arc<Said>,
}

/// When the log last said something; in milliseconds since the start, and 0 for never.
#[derive(Debug)]
struct Said {
    since: Instant,
    last: AtomicU64,
}

impl Handshake {
    pub(crate) fn new(
        tls: ServerTls,
        limit: Duration,
        stopping: watch::Receiver<bool>,
        metrics: ConnectionMetrics,
    ) -> Self {
        Self {
            tls,
            limit,
            stopping,
            metrics,
            said: Arc::new(Said {
                since: Instant::now(),
                last: AtomicU64::new(0),
            }),
        }
    }

    /// Shakes hands within the limit, and gives who has called; `None` when it failed, which is counted, or when the
    /// server is to stop.
    pub(crate) async fn accept(
        mut self,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> Option<(TlsStream<TcpStream>, Caller)> {
        let listening = self.tls.listening();
        let accept = TlsAcceptor::from(listening.config()).accept(stream);
        let accepted = tokio::select! {
            accepted = tokio::time::timeout(self.limit, accept) => accepted,
            // An error means that the server is gone.
            _stopping = self.stopping.wait_for(|stopping| *stopping) => return None,
        };
        let error = match accepted {
            Ok(Ok(stream)) => {
                let shown = stream.get_ref().1.peer_certificates();
                let caller = Caller::new(&self.tls, listening, shown);
                return Some((stream, caller));
            }
            Ok(Err(error)) => error,
            Err(_elapsed) => {
                self.metrics.handshake_failed(HandshakeFailure::Timeout);
                return None;
            }
        };
        if is_about_the_certificate(&error) {
            self.metrics.handshake_failed(HandshakeFailure::Certificate);
            if self.said.may_say() {
                tracing::warn!(%peer, %error, "a caller's certificate was refused");
            }
        } else {
            // Whoever scans a network causes these.
            self.metrics.handshake_failed(HandshakeFailure::Other);
            tracing::debug!(%peer, %error, "a TLS handshake failed");
        }
        None
    }
}

impl Said {
    fn may_say(&self) -> bool {
        let now = millis(self.since.elapsed()).saturating_add(1);
        let last = self.last.load(Ordering::Relaxed);
        let is_due = last == 0 || now.saturating_sub(last) >= millis(SAID_AT_MOST_EVERY);
        is_due
            && self
                .last
                .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Whether the caller's certificate was refused, or missing.
fn is_about_the_certificate(error: &io::Error) -> bool {
    let error = error.get_ref().and_then(|error| error.downcast_ref());
    matches!(
        error,
        Some(Error::InvalidCertificate(_) | Error::NoCertificatesPresented)
    )
}
