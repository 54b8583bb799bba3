//! What the gateway counts, below the prefix `hallpass_gateway_`, and each side of a sidecar below its own.

use hallpass_listen::ConnectionMetrics;
use http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::identity::StrippedCounts;
use super::rates::RateMetrics;

/// From what is answered from memory to what waits for a slow service.
const BUCKETS: [f64; 11] = [
    0.000_25, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 5.0, 15.0,
];
/// The route of a request that has none.
pub(crate) const NO_ROUTE: &str = "none";
/// The classes of statuses, by their first digit.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusedLabels {
    route: String,
    by: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ServiceLabels {
    service: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CutLabels {
    service: String,
    by: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct GrayLabels {
    service: String,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TokenLabels {
    identity: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DirectionLabels {
    direction: &'static str,
}

/// Counts of the gateway. Clones share the numbers.
#[derive(Clone, Debug)]
pub(crate) struct ProxyMetrics {
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Histogram, fn() -> Histogram>,
    upstream: Family<ServiceLabels, Histogram, fn() -> Histogram>,
    refused: Family<RefusedLabels, Counter>,
    retries: Family<ServiceLabels, Counter>,
    cut: Family<CutLabels, Counter>,
    gray: Family<GrayLabels, Counter>,
    tokens: Family<TokenLabels, Counter>,
    bytes: Family<DirectionLabels, Counter>,
    /// Bytes of bodies that went to upstreams.
    pub(crate) uploaded: Counter,
    /// Bytes of bodies that went to callers.
    pub(crate) downloaded: Counter,
    pub(crate) stripped: StrippedCounts,
    pub(crate) rates: RateMetrics,
    pub(crate) access_log_dropped: Counter,
    pub(crate) open_tunnels: Gauge,
    pub(crate) connections: ConnectionMetrics,
}

impl Default for ProxyMetrics {
    fn default() -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(BUCKETS);
        let bytes = Family::<DirectionLabels, Counter>::default();
        let of = |direction| bytes.get_or_create_owned(&DirectionLabels { direction });
        Self {
            requests: Family::default(),
            durations: Family::new_with_constructor(histogram),
            upstream: Family::new_with_constructor(histogram),
            refused: Family::default(),
            retries: Family::default(),
            cut: Family::default(),
            gray: Family::default(),
            tokens: Family::default(),
            uploaded: of("up"),
            downloaded: of("down"),
            bytes,
            stripped: StrippedCounts::default(),
            rates: RateMetrics::default(),
            access_log_dropped: Counter::default(),
            open_tunnels: Gauge::default(),
            connections: ConnectionMetrics::default(),
        }
    }
}

impl ProxyMetrics {
    /// Below the name of what counts.
    pub(crate) fn register(&self, gateway: &mut Registry) {
        let it = self.clone();
        gateway.register(
            "requests",
            "Requests by the class of the status that was answered",
            it.requests,
        );
        gateway.register_with_unit(
            "request_duration",
            "From the head of a request to the head of its response",
            Unit::Seconds,
            it.durations,
        );
        gateway.register_with_unit(
            "upstream_duration",
            "From the first attempt at a service to the head of its response",
            Unit::Seconds,
            it.upstream,
        );
        gateway.register(
            "refused",
            "Requests that no upstream has answered, by what refuses",
            it.refused,
        );
        gateway.register("retries", "Attempts beyond the first", it.retries);
        gateway.register(
            "responses_cut",
            "Responses that ended before their end, after a head that said nothing of it",
            it.cut,
        );
        gateway.register(
            "gray",
            "Attempts that wished for a tag, by where they went",
            it.gray,
        );
        gateway.register(
            "upstream_tokens",
            "Tokens for upstreams that were sent, or not",
            it.tokens,
        );
        gateway.register(
            "body_bytes",
            "Bytes of bodies that were handed on, by direction",
            it.bytes,
        );
        gateway.register(
            "headers_stripped",
            "Identity headers that callers sent",
            it.stripped,
        );
        gateway.register(
            "open_tunnels",
            "Connections that have become something else, such as WebSockets",
            it.open_tunnels,
        );
        gateway.register(
            "access_log_dropped",
            "Lines of the access log that were not written",
            it.access_log_dropped,
        );
        self.rates.register(gateway);
        self.connections.register(gateway);
    }

    /// The counters of a route, to be kept: no request looks for them.
    pub(crate) fn of_route(&self, route: &str) -> RouteCounters {
        let route = route.to_owned();
        let labels = RouteLabels {
            route: route.clone(),
        };
        RouteCounters {
            requests: CLASSES.map(|status| {
                let route = route.clone();
                self.requests
                    .get_or_create_owned(&RequestLabels { route, status })
            }),
            duration: self.durations.get_or_create_owned(&labels),
            refused: self.refused.clone(),
            route,
        }
    }

    /// The counters of a service, to be kept.
    pub(crate) fn of_service(&self, service: &str) -> ServiceCounters {
        let labels = ServiceLabels {
            service: service.to_owned(),
        };
        ServiceCounters {
            duration: self.upstream.get_or_create_owned(&labels),
            retries: self.retries.get_or_create_owned(&labels),
            cut: self.cut.clone(),
            gray: self.gray.clone(),
            service: labels.service,
        }
    }

    /// A token was sent, or not.
    pub(crate) fn token(&self, identity: &'static str, result: &'static str) {
        self.tokens
            .get_or_create(&TokenLabels { identity, result })
            .inc();
    }
}

/// The counters of one route.
#[derive(Clone, Debug)]
pub(crate) struct RouteCounters {
    route: String,
    requests: [Counter; 5],
    duration: Histogram,
    refused: Family<RefusedLabels, Counter>,
}

impl RouteCounters {
    /// A request was answered after so many seconds.
    pub(crate) fn answered(&self, status: StatusCode, seconds: f64) {
        let class = usize::from(status.as_u16() / 100).wrapping_sub(1);
        if let Some(counter) = self.requests.get(class) {
            counter.inc();
        }
        self.duration.observe(seconds);
    }

    /// A request was refused on this side.
    pub(crate) fn refused(&self, by: &'static str) {
        let route = self.route.clone();
        self.refused
            .get_or_create(&RefusedLabels { route, by })
            .inc();
    }
}

/// The counters of one service.
#[derive(Clone, Debug)]
pub(crate) struct ServiceCounters {
    pub(crate) duration: Histogram,
    pub(crate) retries: Counter,
    cut: Family<CutLabels, Counter>,
    gray: Family<GrayLabels, Counter>,
    service: String,
}

impl ServiceCounters {
    /// A response ended before its end.
    pub(crate) fn cut(&self, by: &'static str) {
        let service = self.service.clone();
        self.cut.get_or_create(&CutLabels { service, by }).inc();
    }

    /// An attempt that wished for a tag has gone to an instance with it, or to one without.
    pub(crate) fn wish_met(&self, was_met: bool) {
        let (service, result) = (
            self.service.clone(),
            if was_met { "tagged" } else { "fallback" },
        );
        let labels = GrayLabels { service, result };
        self.gray.get_or_create(&labels).inc();
    }
}
