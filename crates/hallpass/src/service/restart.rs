//! What a running service keeps of its settings.

use crate::Settings;

/// Puts back into `settings` what only a restart can change, and names it in the log.
pub(super) fn keep_until_restart(current: &Settings, settings: &mut Settings) {
    if settings.service.listen != current.service.listen {
        tracing::warn!("`service.listen` has changed: it needs a restart");
        settings.service.listen = current.service.listen;
    }
    if settings.service.zone != current.service.zone {
        tracing::warn!("`service.zone` has changed: it needs a restart");
        settings.service.zone.clone_from(&current.service.zone);
    }
    if settings.discovery.gray != current.discovery.gray {
        tracing::warn!("`discovery.gray-metadata` has changed: it needs a restart");
        settings.discovery.gray.clone_from(&current.discovery.gray);
    }
    if settings.discovery.gray_stable != current.discovery.gray_stable {
        tracing::warn!("`discovery.gray-stable` has changed: it needs a restart");
        let stable = &current.discovery.gray_stable;
        settings.discovery.gray_stable.clone_from(stable);
    }
    if settings.service.tls.is_some() != current.service.tls.is_some() {
        tracing::warn!("`service.tls` was added or removed: it needs a restart");
        settings.service.tls.clone_from(&current.service.tls);
    }
    if settings.tls.dangerous_plain_http != current.tls.dangerous_plain_http {
        tracing::warn!("`tls.dangerous-plain-http` has changed: it needs a restart");
        settings.tls.dangerous_plain_http = current.tls.dangerous_plain_http;
    }
    #[cfg(feature = "nacos")]
    if settings.nacos.differs_from(&current.nacos)
        || settings.discovery_nacos != current.discovery_nacos
    {
        tracing::warn!("`nacos` or `discovery.nacos` has changed: it needs a restart");
        settings.nacos = current.nacos.clone();
        settings.discovery_nacos = current.discovery_nacos.clone();
    }
    #[cfg(feature = "dns")]
    if settings.discovery_dns != current.discovery_dns {
        tracing::warn!("`discovery.dns` has changed: it needs a restart");
        settings.discovery_dns = current.discovery_dns.clone();
    }
    if settings.transport != current.transport {
        tracing::warn!("the section `transport` has changed: it needs a restart");
        settings.transport = current.transport.clone();
    }
    #[cfg(feature = "otlp")]
    if settings.telemetry != current.telemetry {
        tracing::warn!("the section `telemetry` has changed: it needs a restart");
        settings.telemetry = current.telemetry.clone();
    }
    #[cfg(feature = "certificates")]
    if settings.certificates != current.certificates {
        tracing::warn!("the section `certificates` has changed: it needs a restart");
        settings.certificates.clone_from(&current.certificates);
    }
    #[cfg(feature = "redis")]
    if settings.redis != current.redis {
        tracing::warn!("the section `redis` has changed: it needs a restart");
        settings.redis = current.redis.clone();
    }
}
