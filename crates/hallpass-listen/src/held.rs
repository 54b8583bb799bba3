//! What a connection is held by.

use std::convert::Infallible;

use hallpass_tls::Caller;
use tokio::sync::{mpsc, watch};

use crate::limits::ConnectionLimits;
use crate::metrics::ConnectionMetrics;

/// What limits a connection, and what ends it.
pub(crate) struct Held {
    pub(crate) limits: ConnectionLimits,
    /// Whether a line of a head must end with CR LF.
    pub(crate) strict_lines: bool,
    pub(crate) metrics: ConnectionMetrics,
    pub(crate) draining: watch::Receiver<bool>,
    /// Who has called, where TLS is spoken.
    pub(crate) caller: Option<Caller>,
    /// Held by each task that works for the connection: who has the other end knows when the last is gone.
    pub(crate) working: mpsc::Sender<Infallible>,
}
