//! Hosts: of rules, and of requests.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use http::header::HOST;
use http::request::Parts;
use http::uri::Authority;
use thiserror::Error;

/// Longest name of a host, in bytes (RFC 1035 section 2.3.4).
const MAX_HOST_BYTES: usize = 253;

/// The host that a rule is for: a name (`shop.example`), all names below one (`*.shop.example`), or an address
/// (`192.0.2.1`, `[2001:db8::1]`). Without a port; the case of letters and a dot at the end do not count.
///
/// ```
/// use hallpass_resource::HostPattern;
///
/// let below: HostPattern = "*.shop.example".parse()?;
/// assert_eq!(below.to_string(), "*.shop.example");
/// assert!("shop.example:8443".parse::<HostPattern>().is_err(), "a port is no part of it");
/// # Ok::<(), hallpass_resource::HostPatternFault>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPattern {
    /// In lower case, without the star.
    name: Box<str>,
    is_below: bool,
}

/// The text is no host of a rule.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error(
    "must be a host without a port, such as `shop.example`, `*.shop.example` or `[2001:db8::1]`"
)]
pub struct HostPatternFault;

impl HostPattern {
    pub(super) fn matches(&self, host: &RequestHost) -> bool {
        self.matches_name(&host.name)
    }

    /// Whether it stands for a host by this name: in lower case, without a port and without a dot at the end. Other spellings are not known
    /// here, so no host may be compared as its sender wrote it.
    #[must_use]
    pub fn matches_name(&self, name: &str) -> bool {
        if !self.is_below {
            return name == &*self.name;
        }
        // `*.shop.example` is for `a.shop.example` and `a.b.shop.example`, and not for `shop.example`.
        let before = name.strip_suffix(&*self.name);
        before.is_some_and(|before| before.len() > 1 && before.ends_with('.'))
    }

    /// Sorts the more specific first: a host of its own before all below one, and of these the longest name first.
    pub(super) fn rank(&self) -> (bool, std::cmp::Reverse<usize>) {
        (self.is_below, std::cmp::Reverse(self.name.len()))
    }
}

impl FromStr for HostPattern {
    type Err = HostPatternFault;

    fn from_str(text: &str) -> Result<Self, HostPatternFault> {
        let (name, is_below) = match text.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (text, false),
        };
        let host = RequestHost::named(name).ok_or(HostPatternFault)?;
        Ok(Self {
            name: host.name,
            is_below,
        })
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let star = if self.is_below { "*." } else { "" };
        write!(f, "{star}{}", self.name)
    }
}

/// The one host that a request is for, in lower case, without port and without a dot at the end.
///
/// Its sender has chosen it: it says for whom a request is, never who sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestHost {
    name: Box<str>,
}

/// Why it is not known which host a request is for.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostFault {
    /// No `Host` header and no authority in the request target.
    #[error("the request names no host")]
    Missing,
    /// Several `Host` headers, or one that differs from the authority of the request target.
    #[error("the request names several hosts")]
    Several,
    /// Not a host with or without a port (RFC 9110 section 7.2).
    #[error("the request names a host that is none")]
    Malformed,
}

/// The one host that a request is for, as [`HostPattern::matches_name`] compares it: in lower case, without port and without a dot at the end.
///
/// Its sender has chosen it: it says for whom a request is, never who sent it.
///
/// # Errors
/// [`HostFault`]: the request names none, several, or something that is none.
pub fn named_host(request: &Parts) -> Result<Box<str>, HostFault> {
    RequestHost::of(request).map(|host| host.name)
}

impl RequestHost {
    /// Reads the authority of the request target and the `Host` header; both where both are there (RFC 9112 section 3.2.2
    /// lets the target win, but a program behind may read the other).
    pub(crate) fn of(parts: &Parts) -> Result<Self, HostFault> {
        let mut hosts = parts.headers.get_all(HOST).iter();
        let header = hosts.next().map(|it| it.to_str().unwrap_or_default());
        if hosts.next().is_some() {
            return Err(HostFault::Several);
        }
        let header = header.map(Self::with_port).transpose()?;
        let target = parts.uri.authority().map(Authority::as_str);
        let target = target.map(Self::with_port).transpose()?;
        match (target, header) {
            (None, None) => Err(HostFault::Missing),
            (Some(target), Some(header)) if target != header => Err(HostFault::Several),
            (Some(host), _) | (None, Some(host)) => Ok(host),
        }
    }

    fn with_port(text: &str) -> Result<Self, HostFault> {
        let host = match text.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => {
                let is_port = port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
                is_port.then_some(host).ok_or(HostFault::Malformed)?
            }
            _ => text,
        };
        Self::named(host).ok_or(HostFault::Malformed)
    }

    /// A name or an address without a port.
    fn named(text: &str) -> Option<Self> {
        let address = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        if let Some(address) = address {
            // One address has many spellings (RFC 5952 section 1), and is one host.
            let address: Ipv6Addr = address.parse().ok()?;
            let name = format!("[{address}]").into();
            return Some(Self { name });
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        is_name(name).then(|| Self {
            name: name.to_ascii_lowercase().into(),
        })
    }
}

/// Letters, digits, hyphens and underscores, in labels that are not empty. No escape, which two programs may read differently.
fn is_name(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    text.len() <= MAX_HOST_BYTES && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn read(target: &str, hosts: &[&str]) -> Result<String, HostFault> {
        let mut request = Request::get(target);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        RequestHost::of(&parts).map(|it| it.name.into())
    }

    #[test]
    fn a_host_is_read_without_port_case_and_last_dot() {
        for text in [
            "shop.example",
            "SHOP.Example",
            "shop.example.",
            "shop.example:8443",
            "Shop.example.:1",
        ] {
            assert_eq!(read("/", &[text]).as_deref(), Ok("shop.example"), "{text}");
        }
        assert_eq!(
            read("/", &["[2001:DB8::1]:443"]).as_deref(),
            Ok("[2001:db8::1]")
        );
        assert_eq!(
            read("/", &["[2001:0db8:0:0::0001]"]).as_deref(),
            Ok("[2001:db8::1]")
        );
        assert_eq!(
            read("http://shop.example/x", &["shop.example:80"]).as_deref(),
            Ok("shop.example")
        );
    }

    #[test]
    fn a_request_of_no_or_several_or_odd_hosts_has_none() {
        assert_eq!(read("/", &[]), Err(HostFault::Missing));
        assert_eq!(
            read("/", &["a.example", "a.example"]),
            Err(HostFault::Several)
        );
        assert_eq!(
            read("http://a.example/", &["b.example"]),
            Err(HostFault::Several)
        );
        for text in [
            "",
            ".",
            "a..b",
            "a.example:x",
            "a.example:999999",
            "user@a.example",
            "a.example/",
            "a%2eexample",
            "a b",
            "a,b",
            "[::1",
            "::1",
            "[zz]",
            "a.example..",
        ] {
            assert_eq!(read("/", &[text]), Err(HostFault::Malformed), "{text}");
        }
    }

    #[test]
    fn a_star_stands_for_names_below_and_not_for_the_name_itself() {
        let fits = |pattern: &str, host: &str| {
            let pattern: HostPattern = pattern.parse().unwrap();
            pattern.matches(&RequestHost::named(host).unwrap())
        };
        assert!(fits("*.shop.example", "a.shop.example"));
        assert!(fits("*.shop.example", "a.b.SHOP.example."));
        assert!(!fits("*.shop.example", "shop.example"));
        assert!(!fits("*.shop.example", "ashop.example"));
        assert!(!fits("*.shop.example", "shop.example.evil"));
        assert!(fits("Shop.Example", "shop.example"));
        for wrong in [
            "*",
            "*.",
            "a.*",
            "a.example:1",
            "http://a",
            "**.a",
            "",
            "*.*.a",
        ] {
            assert_eq!(
                wrong.parse::<HostPattern>(),
                Err(HostPatternFault),
                "{wrong}"
            );
        }
    }
}
