//! What the issuer counts: fixed names with the prefix `hallpass_`, labels from the configuration only.

use std::fmt;

use hallpass_listen::ConnectionMetrics;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

/// The content type of `/metrics` (OpenMetrics 1.0 text, which Prometheus reads).
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Clients that get a label of their own; the tokens of all others are counted under [`OTHER_CLIENTS`].
pub(crate) const MAX_CLIENT_LABELS: usize = 1_000;
/// The label of clients beyond [`MAX_CLIENT_LABELS`].
pub(crate) const OTHER_CLIENTS: &str = "_other";

/// From 5 microseconds: a token takes tens of them, a chosen secret's first check tens of milliseconds.
const DURATION_BUCKETS_SECONDS: [f64; 14] = [
    5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 5e-2, 0.25, 1.0,
];

/// Every counter of one issuer. Handles are cheap to clone and to use.
pub(crate) struct Metrics {
    registry: Registry,
    issued: Family<IssuedLabels, Counter>,
    refused: Family<ReasonLabel, Counter>,
    jwks: Family<ResultLabel, Counter>,
    pub(crate) jwks_full: Counter,
    pub(crate) jwks_not_modified: Counter,
    pub(crate) token_duration: Histogram,
    /// All tokens of all clients; read by the program itself and not exported.
    pub(crate) tokens_issued: Counter,
    pub(crate) costly_checks: Counter,
    pub(crate) audit_dropped: Counter,
    pub(crate) connections: ConnectionMetrics,
    pub(crate) clients: Gauge,
    keys: Family<KeyLabels, Gauge>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct IssuedLabels {
    grant: &'static str,
    client: String,
    audience: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KeyLabels {
    kid: String,
    algorithm: &'static str,
    state: &'static str,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let jwks = Family::<ResultLabel, Counter>::default();
        let mut metrics = Self {
            registry: Registry::with_prefix("hallpass"),
            issued: Family::default(),
            refused: Family::default(),
            jwks_full: jwks.get_or_create_owned(&ResultLabel { result: "full" }),
            jwks_not_modified: jwks.get_or_create_owned(&ResultLabel {
                result: "not_modified",
            }),
            jwks,
            token_duration: Histogram::new(DURATION_BUCKETS_SECONDS),
            tokens_issued: Counter::default(),
            costly_checks: Counter::default(),
            audit_dropped: Counter::default(),
            connections: ConnectionMetrics::default(),
            clients: Gauge::default(),
            keys: Family::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let Self { registry, .. } = self;
        registry.register(
            "build",
            "Version of this program",
            Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]),
        );
        registry.register("tokens_issued", "Tokens issued", self.issued.clone());
        registry.register(
            "token_requests_refused",
            "Token requests refused",
            self.refused.clone(),
        );
        registry.register(
            "token_endpoint_duration_seconds",
            "Time from a complete request to its response",
            self.token_duration.clone(),
        );
        registry.register(
            "costly_secret_checks",
            "argon2id runs for client secrets that a person chose",
            self.costly_checks.clone(),
        );
        registry.register(
            "jwks_requests",
            "Responses with the key set",
            self.jwks.clone(),
        );
        registry.register(
            "audit_dropped",
            "Audit events lost because the writer could not keep up",
            self.audit_dropped.clone(),
        );
        self.connections
            .register(registry.sub_registry_with_prefix("issuer"));
        registry.register("issuer_clients", "Registered clients", self.clients.clone());
        registry.register(
            "signing_key_created_timestamp_seconds",
            "When each published key was created or imported",
            self.keys.clone(),
        );
    }

    /// Adds a counter that another type holds.
    pub(crate) fn register_counter(
        &mut self,
        name: &'static str,
        help: &'static str,
        counter: Counter,
    ) {
        self.registry.register(name, help, counter);
    }

    /// The counter of tokens for one grant, client and audience, resolved once per registration.
    pub(crate) fn issued(&self, grant: &'static str, client: &str, audience: &str) -> Counter {
        self.issued.get_or_create_owned(&IssuedLabels {
            grant,
            client: client.to_owned(),
            audience: audience.to_owned(),
        })
    }

    /// Counts one refusal by its stable name.
    pub(crate) fn refused(&self, reason: &'static str) {
        self.refused.get_or_create(&ReasonLabel { reason }).inc();
    }

    /// Replaces the gauges of the published keys.
    pub(crate) fn set_keys<'a>(
        &self,
        keys: impl Iterator<Item = (&'a str, &'static str, &'static str, u64)>,
    ) {
        self.keys.clear();
        for (kid, algorithm, state, created_at) in keys {
            let gauge = self.keys.get_or_create_owned(&KeyLabels {
                kid: kid.to_owned(),
                algorithm,
                state,
            });
            gauge.set(i64::try_from(created_at).unwrap_or(i64::MAX));
        }
    }

    /// All metrics as text.
    pub(crate) fn text(&self) -> String {
        let mut text = String::with_capacity(4 * 1_024);
        // Writing into a String does not fail; a failed encode would leave a text without its end mark.
        if encode(&mut text, &self.registry).is_err() {
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
