//! Everything that a service counts, in one call.

use hallpass_client::ClientMetrics;
#[cfg(feature = "feign")]
use hallpass_feign::FeignMetrics;
use hallpass_listen::ConnectionMetrics;
#[cfg(feature = "redis")]
use hallpass_redis::RedisMetrics;
#[cfg(feature = "resource")]
use hallpass_resource::ResourceMetrics;
use hallpass_tls::TlsMetrics;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::reload::ReloadMetrics;

/// Everything that one [`Hallpass`](crate::Hallpass) counts: tokens and identities of calls, calls, decisions about
/// callers, connections, reloads. Cheap to clone; clones show the same. `docs/metrics.md` lists every name and label.
///
/// ```
/// use axum::{Router, routing::get};
/// use hallpass::{Hallpass, Settings};
///
/// let hallpass = Hallpass::from_settings(&Settings::default())?;
/// let metrics = hallpass.metrics();
/// assert!(metrics.text().ends_with("# EOF\n"));
/// let app: Router = Router::new().route("/metrics", get(async move || metrics.text()));
/// # let _ = app;
/// # Ok::<(), hallpass::BoxError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Metrics {
    pub(crate) tokens: ClientMetrics,
    /// `None` without the section `redis`.
    #[cfg(feature = "redis")]
    pub(crate) redis: Option<RedisMetrics>,
    #[cfg(feature = "feign")]
    pub(crate) feign: FeignMetrics,
    #[cfg(feature = "resource")]
    pub(crate) resource: ResourceMetrics,
    pub(crate) reloads: ReloadMetrics,
    pub(crate) plain_http: PlainHttpMetric,
    pub(crate) tls: TlsMetrics,
    /// `None` without the section `certificates`.
    #[cfg(feature = "certificates")]
    pub(crate) certificates: Option<hallpass_certificates::CertificateMetrics>,
    pub(crate) connections: ConnectionMetrics,
    /// `None` without `discovery.dns`.
    #[cfg(feature = "dns")]
    pub(crate) dns: Option<hallpass_dns::DnsMetrics>,
    /// `None` without an export of spans.
    #[cfg(feature = "otlp")]
    pub(crate) otlp: Option<crate::otlp::OtlpMetrics>,
    #[cfg(feature = "nacos")]
    pub(crate) nacos: Option<hallpass_nacos::NacosMetrics>,
}

/// `hallpass_dangerous_plain_http`, a gauge: 1 while secrets may leave without TLS, else 0.
#[derive(Clone, Debug)]
pub(crate) struct PlainHttpMetric(Gauge);

impl PlainHttpMetric {
    pub(crate) fn new(is_allowed: bool) -> Self {
        let gauge = Gauge::default();
        gauge.set(i64::from(is_allowed));
        Self(gauge)
    }

    fn register(&self, registry: &mut Registry) {
        registry.register(
            "hallpass_dangerous_plain_http",
            "Whether client secrets, tokens and keys may go over plain http to other hosts",
            self.0.clone(),
        );
    }
}

impl Metrics {
    /// The content type of [`text`](Self::text).
    pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// Adds all of them to a registry that has no prefix: for a service that counts something itself.
    pub fn register(&self, registry: &mut Registry) {
        self.tokens.register(registry);
        #[cfg(feature = "redis")]
        if let Some(redis) = &self.redis {
            redis.register(registry);
        }
        #[cfg(feature = "feign")]
        self.feign.register(registry);
        #[cfg(feature = "resource")]
        self.resource.register(registry);
        self.reloads.register(registry);
        self.plain_http.register(registry);
        #[cfg(feature = "dns")]
        if let Some(dns) = &self.dns {
            dns.register(registry);
        }
        #[cfg(feature = "otlp")]
        if let Some(otlp) = &self.otlp {
            otlp.register(registry);
        }
        #[cfg(feature = "nacos")]
        if let Some(nacos) = &self.nacos {
            nacos.register(registry);
        }
        #[cfg(feature = "certificates")]
        if let Some(certificates) = &self.certificates {
            certificates.register(registry.sub_registry_with_prefix("hallpass"));
        }
        self.tls
            .register(registry.sub_registry_with_prefix("hallpass"));
        self.connections
            .register(registry.sub_registry_with_prefix("hallpass_service"));
    }

    /// What they show now, as OpenMetrics text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut registry = Registry::default();
        self.register(&mut registry);
        let mut text = String::new();
        // Writing into a String does not fail.
        let _written = encode(&mut text, &registry);
        text
    }
}
