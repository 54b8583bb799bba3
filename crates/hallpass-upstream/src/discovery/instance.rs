//! One address of a service.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use http::uri::{Authority, Scheme};

/// One address of a service: scheme, host and port, always valid in a URI.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Instance {
    scheme: Scheme,
    authority: Authority,
}

impl Instance {
    /// `http` or `https`.
    #[must_use]
    pub const fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    /// `host:port`, ready for a URI.
    #[must_use]
    pub const fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Host name or address; an IPv6 address keeps its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        self.authority.host()
    }

    /// The port; 80 or 443 by scheme when none was given.
    #[must_use]
    pub fn port(&self) -> u16 {
        let default = if self.is_https() { 443 } else { 80 };
        self.authority.port_u16().unwrap_or(default)
    }

    /// Whether its host is an address, so that no name is looked up.
    #[must_use]
    pub fn is_address(&self) -> bool {
        self.address().is_some()
    }

    /// Whether its host is a loopback address or `localhost`. What `localhost` resolves to is not looked at here; the
    /// transport does when it connects.
    #[must_use]
    pub fn is_named_loopback(&self) -> bool {
        match self.address() {
            Some(address) => address.to_canonical().is_loopback(),
            None => self.host().eq_ignore_ascii_case("localhost"),
        }
    }

    fn address(&self) -> Option<IpAddr> {
        let host = self.host();
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        bare.unwrap_or(host).parse().ok()
    }

    /// Whether calls to it use TLS.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

/// Reads `host:port` (http) or `http://host:port` or `https://host:port`; with a scheme the port may be left out. A path,
/// a user name or anything else is refused, and so are port 0 and what is neither a host name nor an address.
impl FromStr for Instance {
    type Err = InvalidInstance;

    fn from_str(text: &str) -> Result<Self, InvalidInstance> {
        let invalid = || InvalidInstance { text: text.into() };
        let (scheme, rest) = match text.split_once("://") {
            None => (Scheme::HTTP, text),
            Some(("http", rest)) => (Scheme::HTTP, rest),
            Some(("https", rest)) => (Scheme::HTTPS, rest),
            Some(_) => return Err(invalid()),
        };
        if rest.contains('@') {
            return Err(InvalidInstance {
                text: "(hidden: it holds a user name)".into(),
            });
        }
        let authority =
            Authority::from_str(rest.strip_suffix('/').unwrap_or(rest)).map_err(|_| invalid())?;
        let port = authority
            .as_str()
            .strip_prefix(authority.host())
            .unwrap_or_default();
        // Without a scheme nothing says which port is meant.
        let port_is_sound = match authority.port_u16() {
            Some(port) => port != 0,
            None => port.is_empty() && text.contains("://"),
        };
        if !is_host(authority.host()) || !port_is_sound {
            return Err(invalid());
        }
        Ok(Self { scheme, authority })
    }
}

/// Plain http to that address.
impl TryFrom<std::net::SocketAddr> for Instance {
    type Error = InvalidInstance;

    fn try_from(address: std::net::SocketAddr) -> Result<Self, InvalidInstance> {
        address.to_string().parse()
    }
}

/// Text that names no instance.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an instance: expected host:port, http://host:port or https://host:port")]
pub struct InvalidInstance {
    text: Box<str>,
}

fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[') {
        let address = address.strip_suffix(']').map(str::parse::<Ipv6Addr>);
        return matches!(address, Some(Ok(_)));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    !host.is_empty() && host.len() <= 253 && host.chars().all(allowed)
}
