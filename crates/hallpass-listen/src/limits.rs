//! Limits of one listener and of each of its connections.

use std::time::Duration;

/// Limits of a listener. The defaults suit a service that answers small requests quickly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Connections open at once; one more is closed as it comes. Default 4096.
    pub connections: usize,
    /// How long the head of a request may take, and how long a connection may idle between requests. Default 60 s.
    pub head_timeout: Duration,
    /// Most bytes of a request's head; beyond, the response is 431 (RFC 6585 section 5). Default 16 KiB.
    pub head_bytes: usize,
    /// Most bytes of a connection's read buffer; at least 8 KiB, and not less than `head_bytes`. Default 64 KiB.
    pub buffer_bytes: usize,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections: 4_096,
            head_timeout: Duration::from_secs(60),
            head_bytes: 16 * 1024,
            buffer_bytes: 64 * 1024,
        }
    }
}
