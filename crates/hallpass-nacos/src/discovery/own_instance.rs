//! This process, as others reach it.

use std::collections::BTreeMap;

use crate::messages::{Host, SECURE, ZONE};
use crate::settings::RegisterSettings;

/// What Spring Cloud Alibaba writes, and what tools of its estates look for.
const SOURCE: (&str, &str) = ("preserved.register.source", "SPRING_CLOUD");

/// This process, as others reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OwnInstance {
    /// The name others call it by.
    pub service: String,
    /// The port of its listener.
    pub port: u16,
    /// Whether it speaks TLS there: `secure=true` among the metadata.
    pub is_secure: bool,
    /// The zone it runs in: `zone` among the metadata.
    pub zone: Option<String>,
}

impl OwnInstance {
    /// A service that speaks plain http on `port`.
    #[must_use]
    pub fn new(service: impl Into<String>, port: u16) -> Self {
        Self {
            service: service.into(),
            port,
            is_secure: false,
            zone: None,
        }
    }

    /// The same, in a zone.
    #[must_use]
    pub fn in_zone(mut self, zone: Option<&str>) -> Self {
        self.zone = zone.map(ToOwned::to_owned);
        self
    }

    /// The same, which speaks TLS there or not.
    #[must_use]
    pub fn secure(mut self, is_secure: bool) -> Self {
        self.is_secure = is_secure;
        self
    }

    /// As Nacos keeps it, without an address if none is set. What the settings say wins.
    pub(super) fn host(&self, cluster: &str, settings: &RegisterSettings) -> Host {
        let mut metadata = BTreeMap::from([(SOURCE.0.to_owned(), SOURCE.1.to_owned())]);
        if self.is_secure {
            metadata.insert(SECURE.to_owned(), "true".to_owned());
        }
        if let Some(zone) = &self.zone {
            metadata.insert(ZONE.to_owned(), zone.clone());
        }
        metadata.extend(settings.metadata.clone());
        Host {
            ip: settings.ip.clone().unwrap_or_default(),
            port: settings.port.unwrap_or(self.port),
            weight: f64::from(settings.weight),
            cluster_name: cluster.to_owned(),
            metadata,
            ..Host::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_zone_is_told_and_what_the_settings_say_wins() {
        let own = OwnInstance::new("orders", 8080).in_zone(Some("hz-a"));
        let mut settings = RegisterSettings::default();
        let zone = |settings: &RegisterSettings| own.host("HZ", settings).metadata[ZONE].clone();
        assert_eq!(zone(&settings), "hz-a");
        settings.metadata.insert(ZONE.to_owned(), "hz-b".to_owned());
        assert_eq!(zone(&settings), "hz-b");
    }
}
