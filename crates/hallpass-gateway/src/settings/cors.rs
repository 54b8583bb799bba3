//! `cors`: which pages of other origins may call.

use std::time::Duration;

use hallpass_config::{Key, Kind, Section, strict_url};
use http::{HeaderName, Method};

use super::header;

/// `cors`: which pages of other origins browsers let call (the CORS protocol of the Fetch standard).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorsSettings {
    /// `origins`: the origins of those pages.
    pub origins: CorsOrigins,
    /// `methods`: what they may use beside `GET`, `HEAD` and `POST`, which browsers always allow.
    pub methods: Vec<Method>,
    /// `headers`: which headers they may set.
    pub headers: Vec<HeaderName>,
    /// `expose`: which headers of responses they may read.
    pub expose: Vec<HeaderName>,
    /// `credentials`: whether browsers send cookies and client certificates along.
    pub has_credentials: bool,
    /// `max-age-seconds`: how long browsers remember a preflight.
    pub max_age: Duration,
}

/// The origins of `cors`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CorsOrigins {
    /// `*`: every one; not with credentials.
    Any,
    /// These.
    These(Vec<OriginPattern>),
}

/// One origin, as browsers write it in `Origin`: scheme, host and, unless it is the scheme's own, port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginPattern {
    /// `https://`; in lower case.
    pub(crate) scheme: String,
    /// `shop.example`, `shop.example:8443`; in lower case.
    pub(crate) authority: String,
    /// Whether it stands for all below it (`https://*.shop.example`), and not for itself.
    pub(crate) is_below: bool,
}

impl CorsSettings {
    /// The keys of the section.
    pub const KEYS: &'static [Key] = &[
        Key::new(
            "enabled",
            Kind::Flag,
            "Whether it counts. `cors: off` on a route lets its upstream answer for itself.",
        )
        .or("true"),
        Key::new(
            "origins",
            Kind::Texts {
                what: "`https://shop.example`, `https://*.shop.example`, or `*`",
            },
            "The origins of pages that may call, as browsers write them. `*.` stands for all names below, and not for the name itself.",
        )
        .or(""),
        Key::new(
            "methods",
            Kind::Texts {
                what: "HTTP methods",
            },
            "What pages may use.",
        )
        .or("GET, HEAD, POST"),
        Key::new(
            "headers",
            Kind::Texts {
                what: "names of headers",
            },
            "Which headers pages may set.",
        )
        .or("Authorization, Content-Type"),
        Key::new(
            "expose",
            Kind::Texts {
                what: "names of headers",
            },
            "Which headers of responses pages may read, beside those that every page may.",
        )
        .or(""),
        Key::new(
            "credentials",
            Kind::Flag,
            "Whether browsers send cookies and client certificates along. Not beside `origins: *`.",
        )
        .or("false"),
        Key::new(
            "max-age-seconds",
            Kind::seconds(0, 86_400),
            "How long browsers remember what they were told.",
        )
        .or("600"),
        Key::not_ours("allowed-origins", "here it is `origins`"),
        Key::not_ours("allowed-origin-patterns", "here it is `origins`, with `https://*.` before a domain"),
        Key::not_ours("allowed-methods", "here it is `methods`"),
        Key::not_ours("allowed-headers", "here it is `headers`"),
        Key::not_ours("exposed-headers", "here it is `expose`"),
        Key::not_ours("allow-credentials", "here it is `credentials`"),
        Key::not_ours("max-age", "here it is `max-age-seconds`"),
        Key::not_ours("allow-private-network", "leave it out: browsers are not told that pages may call private networks"),
        Key::not_ours("add-to-simple-url-handler-mapping", "leave it out: the route of the request that is asked about answers"),
        Key::not_ours("cors-configurations", "here routes have a section `cors` each"),
    ];

    /// `Some(None)` where it is not given, or switched off.
    pub(super) fn read(section: &Section<'_>) -> Option<Option<Self>> {
        if !section.is_given() {
            return Some(None);
        }
        let enabled = section.flag("enabled");
        let origins = section.texts("origins", |text| match text {
            "*" => Ok(None),
            text => OriginPattern::parse(text).map(Some),
        });
        let methods = section.texts("methods", header::method);
        let headers = section.texts("headers", header::name);
        let expose = section.texts("expose", header::name);
        let has_credentials = section.flag("credentials");
        let max_age = section.seconds("max-age-seconds");
        let (enabled, origins) = (enabled?, origins?);
        let is_any = origins.contains(&None);
        if enabled && origins.is_empty() {
            section.missing("origins", "must name an origin, or `*`");
        }
        if is_any && origins.len() > 1 {
            section.problem(
                "origins",
                "has `*` beside others: one of the two means nothing",
            );
        }
        if is_any && has_credentials == Some(true) {
            section.problem(
                "credentials",
                "must not go with `origins: *`: every page could act as its visitor",
            );
        }
        let settings = Self {
            origins: match is_any {
                true => CorsOrigins::Any,
                false => CorsOrigins::These(origins.into_iter().flatten().collect()),
            },
            methods: methods?,
            headers: headers?,
            expose: expose?,
            has_credentials: has_credentials?,
            max_age: max_age?,
        };
        Some(enabled.then_some(settings))
    }
}

impl OriginPattern {
    fn parse(text: &str) -> Result<Self, &'static str> {
        const WRONG: &str = "must be an origin such as https://shop.example or https://*.shop.example: scheme and host, no path";
        let (scheme, host) = text.split_once("://").ok_or(WRONG)?;
        let (host, is_below) = match host.strip_prefix("*.") {
            Some(domain) => (domain, true),
            None => (host, false),
        };
        let url = strict_url(&format!("{scheme}://{host}")).ok_or(WRONG)?;
        let is_bare = !host.is_empty() && !host.contains(['/', '?', '#', '@', '*']);
        // What browsers write: in lower case, and without a port that is the scheme's own.
        let origin = url.origin().ascii_serialization();
        let (scheme, authority) = origin.split_once("://").filter(|_| is_bare).ok_or(WRONG)?;
        // Below an address there is nothing.
        let is_address = authority.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok();
        if is_below && is_address {
            return Err(WRONG);
        }
        Ok(Self {
            scheme: scheme.to_owned(),
            authority: authority.to_owned(),
            is_below,
        })
    }

    /// Whether `origin` is one of these, as a browser writes it. Anything else in it, such as `null`, is none.
    #[must_use]
    pub fn matches(&self, origin: &str) -> bool {
        let Some((scheme, authority)) = origin.split_once("://") else {
            return false;
        };
        if scheme != self.scheme {
            return false;
        }
        if !self.is_below {
            return authority == self.authority;
        }
        let below = authority.strip_suffix(self.authority.as_str());
        let is_plain =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        below.is_some_and(|it| it.len() > 1 && it.ends_with('.') && it.bytes().all(is_plain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_matched_whole() {
        for (pattern, origin, matches) in [
            ("https://shop.example", "https://shop.example", true),
            ("https://Shop.Example:443", "https://shop.example", true),
            ("https://shop.example", "http://shop.example", false),
            ("https://shop.example", "https://shop.example:8443", false),
            ("https://shop.example", "https://shop.example.evil", false),
            ("https://shop.example", "https://evil.shop.example", false),
            ("https://shop.example", "null", false),
            ("https://*.shop.example", "https://a.shop.example", true),
            ("https://*.shop.example", "https://a.b.shop.example", true),
            ("https://*.shop.example", "https://shop.example", false),
            ("https://*.shop.example", "https://.shop.example", false),
            ("https://*.shop.example", "https://evilshop.example", false),
            (
                "https://*.shop.example",
                "https://evil/.shop.example",
                false,
            ),
            (
                "https://*.shop.example",
                "https://evil@a.shop.example",
                false,
            ),
            (
                "https://*.shop.example:8443",
                "https://a.shop.example:8443",
                true,
            ),
            (
                "https://*.shop.example:8443",
                "https://a.shop.example",
                false,
            ),
            ("http://[::1]:3000", "http://[::1]:3000", true),
        ] {
            let parsed = OriginPattern::parse(pattern).unwrap();
            assert_eq!(parsed.matches(origin), matches, "{pattern} {origin}");
        }
        for wrong in [
            "shop.example",
            "https://",
            "https://*",
            "https://*.",
            "https://a/b",
            "https://a/",
            "https://u@a",
            "https://a.*.example",
            "https://*.127.0.0.1",
            "null",
        ] {
            assert!(OriginPattern::parse(wrong).is_err(), "{wrong}");
        }
    }
}
