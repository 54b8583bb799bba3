//! What limits a listener.

use std::time::Duration;

/// Longest time for a head: a day. It is added to the time of day.
const MAX_HEAD_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);
/// Shortest time without a write: each look takes one.
const MIN_WRITE_TIMEOUT: Duration = Duration::from_millis(1);
/// What hyper demands of a read buffer.
const MIN_BUFFER_BYTES: usize = 8 * 1024;

/// Limits of a listener. The defaults suit a service with small requests and quick responses.
///
/// ```
/// use hallpass_listen::ConnectionLimits;
///
/// let limits = ConnectionLimits {
///     connections: 100,
///     ..ConnectionLimits::default()
/// };
/// assert_eq!(limits.head_timeout.as_secs(), 60);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Connections open at once; one more is closed as it comes. Default 4096, and never more than three quarters of what
    /// the process may open (`ulimit -n`): the rest is for files and for calls to others.
    pub connections: usize,
    /// How long a TLS handshake may take; it holds a place meanwhile. Default 10 s.
    pub handshake_timeout: Duration,
    /// Connections open at once from one address, an IPv6 address being its /64 network; one more is closed as it comes.
    /// Behind a proxy all come from the proxy's address. Default 1024.
    pub connections_per_address: usize,
    /// How long the head of a request may take, and how long a connection may idle between requests; one that speaks HTTP/2
    /// at most twice of it. Default 60 s, at most a day.
    pub head_timeout: Duration,
    /// How long a peer may read nothing of what is written to it; after this time, and at most twice of it, its
    /// connection is closed. In HTTP/2 a single response of which it takes nothing ends after four times as long, while others on its connection go on. While the server stops it is one second. Default 30 s.
    pub write_timeout: Duration,
    /// Most bytes of a request's head; beyond, the response is 431 (RFC 6585 section 5). HTTP/2 counts 32 more for each
    /// field (RFC 9113 section 6.5.2). Default 16 KiB.
    pub head_bytes: usize,
    /// Most bytes of a connection's read buffer; less than 8 KiB counts as 8 KiB. No head can be longer, whatever `head_bytes`
    /// says. In HTTP/2 it is how much of one request's body may wait to be read; of all of a connection, four times that. Default 64 KiB.
    pub buffer_bytes: usize,
    /// Requests under way at once on one connection that speaks HTTP/2; one more is refused before anything is done for it.
    /// Default 100.
    pub streams: u32,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections: 4_096,
            handshake_timeout: Duration::from_secs(10),
            connections_per_address: 1_024,
            head_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(30),
            head_bytes: 16 * 1024,
            buffer_bytes: 64 * 1024,
            streams: 100,
        }
    }
}

impl ConnectionLimits {
    /// The same, with what is beyond anybody's need brought to where the parts below can still count and add (they would
    /// panic).
    pub(crate) fn within_reach(self) -> Self {
        Self {
            head_timeout: self.head_timeout.min(MAX_HEAD_TIMEOUT),
            write_timeout: self.write_timeout.max(MIN_WRITE_TIMEOUT),
            buffer_bytes: self.buffer_bytes.max(MIN_BUFFER_BYTES),
            ..self
        }
    }
}
