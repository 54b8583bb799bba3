//! `authz.upstreams`: whose identity the proxied request bears.

use std::fmt;
use std::str::FromStr;

use hallpass_client::Identity;
use hallpass_config::{Section, check_service_name};
use hallpass_resource::PathPattern;
use hallpass_token::{Audience, Scope};
use thiserror::Error;

/// Most bytes of a host name (RFC 1035 section 2.3.4, without the last dot).
const MAX_HOST_BYTES: usize = 253;

/// One entry of `upstreams`: what the requests that go there bear in `Authorization`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamSettings {
    /// `hosts`: which hosts it is for; empty: all.
    pub hosts: Vec<HostPattern>,
    /// `paths`: which paths; empty: all.
    pub paths: Vec<PathPattern>,
    /// `identity`: whose token is sent.
    pub identity: Identity,
    /// `audience`: whom a token of `service` and `exchange` is for; always there with these.
    pub audience: Option<Audience>,
    /// `scope`: what it is asked for; empty: as `internal-token` says.
    pub scope: Scope,
    /// `credential`: the entry of `internal-token.clients` that asks for it.
    pub credential: Option<String>,
}

/// A host by its name, or all below a domain.
///
/// ```
/// use hallpass_gateway::HostPattern;
///
/// let shops: HostPattern = "*.shop.example".parse()?;
/// assert!(shops.matches("api.shop.example:8443"));
/// assert!(!shops.matches("shop.example"));
/// assert!(!shops.matches("api.shop.example.evil.test"));
/// # Ok::<(), hallpass_gateway::HostFault>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern {
    /// In lower case.
    name: String,
    is_domain: bool,
}

/// Why a text is no host.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("must be a host name or IP address without port, or `*.` and a domain")]
pub struct HostFault;

impl HostPattern {
    /// Whether it stands for `host`, as a request names it: the port does not count, nor letter case, nor a dot at the end.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        let name = without_port(host);
        let name = name.strip_suffix('.').unwrap_or(name);
        if !self.is_domain {
            return name.eq_ignore_ascii_case(&self.name);
        }
        let Some(at) = name.len().checked_sub(self.name.len()) else {
            return false;
        };
        let (Some(below), Some(domain)) = (name.get(..at), name.get(at..)) else {
            return false;
        };
        let is_below = below.len() > 1 && below.ends_with('.');
        is_below && domain.eq_ignore_ascii_case(&self.name)
    }
}

impl FromStr for HostPattern {
    type Err = HostFault;

    fn from_str(text: &str) -> Result<Self, HostFault> {
        let (name, is_domain) = match text.strip_prefix("*.") {
            Some(domain) => (domain, true),
            None => (text, false),
        };
        let is_label = |label: &str| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            !label.is_empty() && label.bytes().all(is_plain)
        };
        let is_name = name.len() <= MAX_HOST_BYTES && name.split('.').all(is_label);
        let inner = name.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        let is_v6 = inner.is_some_and(|it| it.parse::<std::net::Ipv6Addr>().is_ok()) && !is_domain;
        match is_name || is_v6 {
            true => Ok(Self {
                name: name.to_ascii_lowercase(),
                is_domain,
            }),
            false => Err(HostFault),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let domain = if self.is_domain { "*." } else { "" };
        write!(f, "{domain}{}", self.name)
    }
}

/// The host of an authority, brackets included.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // The colons of an address stand within brackets.
        Some((name, port)) if port.bytes().all(|it| it.is_ascii_digit()) => name,
        _ => host,
    }
}

impl UpstreamSettings {
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let hosts = section.texts("hosts", HostPattern::from_str);
        let paths = section.texts("paths", PathPattern::from_str);
        let identity = section.required("identity", |section, key| {
            section.choice(key, Identity::named)
        });
        let audience = section.parsed::<Audience>("audience");
        let scope = section.parsed::<Scope>("scope");
        let credential = section.checked("credential", check_service_name);
        let identity = identity?;
        let needs_token = matches!(identity, Identity::Service | Identity::Exchange);
        if needs_token && !section.has("audience") {
            section.missing("audience", "is required with `service` and `exchange`");
            return None;
        }
        for key in ["audience", "scope", "credential"] {
            if !needs_token && section.has_own(key) {
                section.problem(
                    key,
                    "has no effect without `service` or `exchange`; say which is meant",
                );
            }
        }
        Some(Self {
            hosts: hosts?,
            paths: paths?,
            identity,
            audience: match needs_token {
                true => Some(audience?),
                false => None,
            },
            scope: scope?,
            credential,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_told_from_its_neighbours() {
        for (pattern, host, matches) in [
            ("shop.example", "shop.example", true),
            ("Shop.example", "SHOP.EXAMPLE:8443", true),
            ("shop.example", "shop.example.", true),
            ("shop.example", "shop.example.:80", true),
            ("shop.example", "api.shop.example", false),
            ("shop.example", "shop.example.evil.test", false),
            ("*.shop.example", "a.b.shop.example", true),
            ("*.shop.example", ".shop.example", false),
            ("*.shop.example", "evilshop.example", false),
            ("[2001:db8::1]", "[2001:db8::1]:80", true),
            ("[2001:db8::1]", "[2001:db8::1]", true),
            ("10.0.0.7", "10.0.0.7:80", true),
        ] {
            let host_pattern: HostPattern = pattern.parse().unwrap();
            assert_eq!(host_pattern.matches(host), matches, "{pattern} {host}");
        }
        for text in [
            "",
            "*",
            "*.",
            "a..b",
            "a.example:80",
            "https://a",
            "a/b",
            "*.[::1]",
            "a.*",
        ] {
            assert_eq!(text.parse::<HostPattern>(), Err(HostFault), "{text}");
        }
    }
}
