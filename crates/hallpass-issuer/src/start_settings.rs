//! The settings that an issuer takes only when it starts.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use aws_lc_rs::hmac;
use hallpass_token::Issuer;
use url::Url;

use crate::settings::IssuerSettings;
use crate::settings::audit::AuditSettings;
use crate::settings::database::DatabaseSettings;
use crate::settings::dpop::DpopSettings;
use crate::settings::sources::SourceSettings;

/// What an issuer was started with and cannot change while it runs.
#[derive(Debug)]
pub(crate) struct StartSettings {
    listen: SocketAddr,
    management_listen: Option<SocketAddr>,
    connections_per_address: u32,
    /// Whose word counts about where a request comes from.
    pub(crate) sources: SourceSettings,
    drain_delay: Duration,
    name: Issuer,
    base_url: Option<Url>,
    /// Whether the listener speaks TLS; by which files may change.
    has_tls: bool,
    store: PathBuf,
    database: Option<DatabaseSettings>,
    jwks_max_age: Duration,
    audit: AuditSettings,
    dpop: DpopSettings,
    /// Where the interface for administrators is, and whether it speaks TLS.
    admin: Option<(SocketAddr, bool)>,
    /// HMAC of the key-encryption key: enough to see that it was changed.
    sealing_key: Option<hmac::Tag>,
}

impl StartSettings {
    pub(crate) fn new(settings: &IssuerSettings, process_key: &hmac::Key) -> Self {
        Self {
            listen: settings.listen,
            management_listen: settings.management_listen,
            connections_per_address: settings.connections_per_address,
            sources: settings.sources.clone(),
            drain_delay: settings.drain_delay,
            name: settings.name.clone(),
            base_url: settings.base_url.clone(),
            has_tls: settings.tls.is_some(),
            store: settings.store.clone(),
            database: settings.database.clone(),
            jwks_max_age: settings.jwks_max_age,
            audit: settings.audit.clone(),
            dpop: settings.dpop.clone(),
            admin: settings
                .admin
                .as_ref()
                .map(|admin| (admin.listen, admin.tls.is_some())),
            sealing_key: settings
                .sealing_keys()
                .current
                .map(|key| hmac::sign(process_key, key.as_bytes())),
        }
    }

    /// The keys whose values in `other` are not those of the start: they need a restart.
    pub(crate) fn changed_in(&self, other: &Self) -> Vec<&'static str> {
        let tag = |settings: &Self| settings.sealing_key.map(|tag| tag.as_ref().to_vec());
        let changes = [
            ("listen", self.listen != other.listen),
            (
                "management.listen",
                self.management_listen != other.management_listen,
            ),
            (
                "connections-per-address",
                self.connections_per_address != other.connections_per_address,
            ),
            (
                "proxy-protocol",
                self.sources.proxies != other.sources.proxies,
            ),
            (
                "forwarded",
                (&self.sources.forwarders, self.sources.header)
                    != (&other.sources.forwarders, other.sources.header),
            ),
            ("drain-delay-seconds", self.drain_delay != other.drain_delay),
            ("name", self.name != other.name),
            ("base-url", self.base_url != other.base_url),
            ("tls", self.has_tls != other.has_tls),
            ("store", self.store != other.store),
            ("database", self.database != other.database),
            (
                "jwks-max-age-seconds",
                self.jwks_max_age != other.jwks_max_age,
            ),
            ("audit", self.audit != other.audit),
            ("dpop", self.dpop != other.dpop),
            ("admin", self.admin != other.admin),
            ("key-encryption-key", tag(self) != tag(other)),
        ];
        let changed = changes.into_iter().filter(|(_, is_changed)| *is_changed);
        changed.map(|(key, _)| key).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::secret::process_key;

    #[test]
    fn what_needs_a_restart_is_named_and_clients_are_not() {
        let key = process_key().unwrap();
        let of = |settings: &IssuerSettings| StartSettings::new(settings, &key);
        let before = IssuerSettings::default();
        assert!(of(&before).changed_in(&of(&before)).is_empty());
        let after = IssuerSettings {
            listen: "127.0.0.1:1".parse().unwrap(),
            name: "other".parse().unwrap(),
            key_encryption_key: Some(hallpass_config::Secret::new("other")),
            token_life: Duration::from_secs(60),
            ..IssuerSettings::default()
        };
        let changed = of(&before).changed_in(&of(&after));
        assert_eq!(changed, ["listen", "name", "key-encryption-key"]);
    }

    #[test]
    fn what_needs_a_restart_is_in_the_documents() {
        let (_, changes) = include_str!("start_settings.rs")
            .split_once("let changes = [")
            .unwrap();
        let (changes, _) = changes.split_once("];").unwrap();
        let keys: Vec<&str> = changes.split('"').skip(1).step_by(2).collect();
        assert!(keys.len() > 10, "{keys:?}");
        let page = include_str!("../../../docs/operations.md");
        let mut paragraphs = page.split("\n\n");
        let paragraph = paragraphs.find(|it| it.starts_with("**These need a restart**"));
        for key in keys {
            let is_there = paragraph.is_some_and(|it| it.contains(&format!("`{key}`")));
            assert!(is_there, "docs/operations.md: {key}");
        }
    }
}
