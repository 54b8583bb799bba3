//! Everything that one issuer counts, under the prefix `hallpass_`, and the text of `/metrics`.
//!
//! Each metric is registered in the file that counts it. Labels come from the configuration or from closed sets.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use hallpass_listen::ConnectionMetrics;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::clients::registry::ClientMetrics;
use crate::http::jwks::JwksMetrics;
use crate::keys::metrics::KeyMetrics;
use crate::token::metrics::TokenMetrics;

/// The content type of `/metrics` (OpenMetrics 1.0 text, which Prometheus reads).
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the names of the issuer's own metrics begin with.
const PREFIX: &str = "hallpass";

/// The counts of one issuer.
pub(crate) struct Metrics {
    /// Locked while `/metrics` is written or something is added; no request for a token needs it.
    registry: Mutex<Registry>,
    pub(crate) tokens: TokenMetrics,
    pub(crate) clients: ClientMetrics,
    pub(crate) jwks: JwksMetrics,
    pub(crate) keys: KeyMetrics,
    pub(crate) connections: ConnectionMetrics,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::default();
        let ours = registry.sub_registry_with_prefix(PREFIX);
        ours.register(
            "build",
            "Version of this program",
            Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]),
        );
        let tokens = TokenMetrics::default();
        let clients = ClientMetrics::default();
        let jwks = JwksMetrics::default();
        let keys = KeyMetrics::default();
        let connections = ConnectionMetrics::default();
        tokens.register(ours);
        clients.register(ours);
        jwks.register(ours);
        keys.register(ours);
        connections.register(ours.sub_registry_with_prefix("issuer"));
        Self {
            registry: Mutex::new(registry),
            tokens,
            clients,
            jwks,
            keys,
            connections,
        }
    }

    /// Adds what another type of this crate counts, below the prefix.
    pub(crate) fn add(&self, register: impl FnOnce(&mut Registry)) {
        self.add_named(|registry| register(registry.sub_registry_with_prefix(PREFIX)));
    }

    /// Adds what somebody else counts, under its full names.
    pub(crate) fn add_named(&self, register: impl FnOnce(&mut Registry)) {
        register(&mut self.registry.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// All metrics as text.
    pub(crate) fn text(&self) -> String {
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::with_capacity(4 * 1_024);
        // Writing into a String does not fail; a failed encode would leave a text without its end mark.
        if encode(&mut text, &registry).is_err() {
            tracing::error!("the metrics could not be encoded");
        }
        text
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}
