//! The section `discovery`, with what this process was built with.

#[cfg(feature = "dns")]
use hallpass_config::Section;
use hallpass_config::{Key, Kind};
#[cfg(feature = "dns")]
use hallpass_dns::{DnsScheme, DnsSettings};
#[cfg(feature = "nacos")]
use hallpass_nacos::DiscoverySettings as NacosDiscoverySettings;
use hallpass_upstream::DiscoverySettings;

const KEYS: &[Key] = {
    let [listed, memory, gray, stable] = DiscoverySettings::KEYS;
    &[
        listed,
        memory,
        gray,
        stable,
        #[cfg(feature = "nacos")]
        NacosDiscoverySettings::KEY,
        #[cfg(feature = "dns")]
        DnsSettings::KEY,
    ]
};

/// The section with all keys that count.
pub(super) const KEY: Key = Key::new(
    "discovery",
    Kind::Section(KEYS),
    "Where the services live. What stands in `static` is not looked for; Nacos is asked before the domain name system, which \
    is asked for what Nacos answers to know no instance of.",
)
.shared();

/// `discovery.dns`.
#[cfg(feature = "dns")]
pub(super) fn read_dns(root: &Section<'_>) -> Option<DnsSettings> {
    DnsSettings::read(&root.section("discovery"))
}

/// As for the instances in `static`, of which more is known.
#[cfg(feature = "dns")]
pub(super) fn warn_of_plain_http(root: &Section<'_>, settings: &DnsSettings) {
    if settings.enabled && settings.scheme == DnsScheme::Http {
        root.section("discovery").section("dns").warn(
            "scheme",
            "only calls without an identity can reach instances that speak plain http and are not on loopback; no token and \
            no key is fetched there; use `https`, or see `tls.dangerous-plain-http`",
        );
    }
}
