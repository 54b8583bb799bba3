//! What a listener counts.

use std::fmt;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::framing::Fault;
use crate::proxy_header::HeaderFault;

/// Counts of one listener. A clone shares them.
///
/// ```
/// use hallpass_listen::ConnectionMetrics;
/// use prometheus_client::registry::Registry;
///
/// let mut registry = Registry::with_prefix("my_service");
/// let metrics = ConnectionMetrics::default();
/// metrics.register(&mut registry);
/// // Then `HttpServer::metrics(metrics.clone())`.
/// assert_eq!((metrics.open(), metrics.refused()), (0, 0));
/// ```
#[derive(Clone, Debug, Default)]
pub struct ConnectionMetrics {
    pub(crate) open: Gauge,
    pub(crate) refused: Counter,
    pub(crate) over_share: Counter,
    pub(crate) stalled: Counter,
    handshakes_failed: Family<FailedHandshake, Counter>,
    misframed: Family<Misframed, Counter>,
    without_source: Family<WithoutSource, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FailedHandshake {
    reason: HandshakeFailure,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Misframed {
    fault: Fault,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WithoutSource {
    fault: HeaderFault,
}

impl EncodeLabelValue for HeaderFault {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        self.name().encode(encoder)
    }
}

impl EncodeLabelValue for Fault {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        self.name().encode(encoder)
    }
}

/// Why a TLS handshake failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum HandshakeFailure {
    /// It took too long.
    Timeout,
    /// The caller's certificate was refused, or missing.
    Certificate,
    /// Anything else: no TLS, no common version, a caller that does not trust this server.
    Other,
}

impl EncodeLabelValue for HandshakeFailure {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        let text = match self {
            Self::Timeout => "timeout",
            Self::Certificate => "certificate",
            Self::Other => "other",
        };
        text.encode(encoder)
    }
}

impl ConnectionMetrics {
    /// Adds `connections`, `connections_refused`, `connections_over_share`, `connections_stalled`,
    /// `connections_framing`, `connections_proxy_header` and `tls_handshakes_failed` to `registry`, whose prefix says whose connections they are.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("connections", "Open connections", self.open.clone());
        registry.register(
            "connections_refused",
            "Connections closed at once because too many were open",
            self.refused.clone(),
        );
        registry.register(
            "connections_over_share",
            "Connections closed at once because too many of their address were open",
            self.over_share.clone(),
        );
        registry.register(
            "connections_stalled",
            "Connections closed because the peer did not read",
            self.stalled.clone(),
        );
        registry.register(
            "connections_framing",
            "Connections closed because a request could be read as ending in two places, by fault",
            self.misframed.clone(),
        );
        registry.register(
            "connections_proxy_header",
            "Connections of proxies closed because no header of the PROXY protocol came, by fault",
            self.without_source.clone(),
        );
        registry.register(
            "tls_handshakes_failed",
            "TLS handshakes that failed, by reason",
            self.handshakes_failed.clone(),
        );
    }

    pub(crate) fn proxy_header_failed(&self, fault: HeaderFault) {
        self.without_source
            .get_or_create(&WithoutSource { fault })
            .inc();
    }

    pub(crate) fn handshake_failed(&self, reason: HandshakeFailure) {
        self.handshakes_failed
            .get_or_create(&FailedHandshake { reason })
            .inc();
    }

    pub(crate) fn misframed(&self, fault: Fault) {
        self.misframed.get_or_create(&Misframed { fault }).inc();
    }

    /// Connections that are open now.
    #[must_use]
    pub fn open(&self) -> u64 {
        u64::try_from(self.open.get()).unwrap_or_default()
    }

    /// Connections closed as they came, because too many were open.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.get()
    }

    /// Connections closed as they came, because too many of their address were open.
    #[must_use]
    pub fn over_share(&self) -> u64 {
        self.over_share.get()
    }

    /// Connections closed because the peer did not read what was written to it.
    #[must_use]
    pub fn stalled(&self) -> u64 {
        self.stalled.get()
    }

    /// Connections closed because of a request whose end could be read in two ways.
    #[must_use]
    pub fn framing_refused(&self) -> u64 {
        let of = |fault| self.misframed.get_or_create(&Misframed { fault }).get();
        Fault::ALL.map(of).iter().sum()
    }

    /// TLS handshakes that failed, for whatever reason.
    #[must_use]
    pub fn handshakes_failed(&self) -> u64 {
        let reasons = [
            HandshakeFailure::Timeout,
            HandshakeFailure::Certificate,
            HandshakeFailure::Other,
        ];
        let of = |reason| {
            self.handshakes_failed
                .get_or_create(&FailedHandshake { reason })
                .get()
        };
        reasons.map(of).iter().sum()
    }
}
