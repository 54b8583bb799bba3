//! What a listener counts.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

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
}

impl ConnectionMetrics {
    /// Adds `connections` and `connections_refused` to `registry`, whose prefix says whose connections they are.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("connections", "Open connections", self.open.clone());
        registry.register(
            "connections_refused",
            "Connections closed at once because too many were open",
            self.refused.clone(),
        );
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
}
