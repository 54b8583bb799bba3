//! Where a server of Redis listens.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Host and port of one server: `redis-1:6379`, `10.0.0.7:6379`, `[::1]:6379`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeAddress {
    host: String,
    port: u16,
}

/// A text that is not host and port. It does not repeat the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be host and port, such as redis-1:6379 or [::1]:6379")]
pub struct InvalidNodeAddress;

impl NodeAddress {
    /// A host and a port; an IPv6 address stands without brackets here.
    ///
    /// # Errors
    /// When `host` is empty or has characters that neither a name nor an address has.
    pub fn new(host: &str, port: u16) -> Result<Self, InvalidNodeAddress> {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        let is_name = !host.is_empty() && host.len() <= 255 && host.chars().all(is_allowed);
        if !is_name && host.parse::<IpAddr>().is_err() {
            return Err(InvalidNodeAddress);
        }
        let host = host.to_ascii_lowercase();
        Ok(Self { host, port })
    }

    /// Name or address, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Whether it is this machine itself: `localhost`, `127.0.0.0/8` or `::1`. No name is looked up.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let address: Result<IpAddr, _> = self.host.parse();
        self.host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }
}

impl FromStr for NodeAddress {
    type Err = InvalidNodeAddress;

    fn from_str(text: &str) -> Result<Self, InvalidNodeAddress> {
        let (host, port) = text.rsplit_once(':').ok_or(InvalidNodeAddress)?;
        let port: u16 = port.parse().map_err(|_| InvalidNodeAddress)?;
        let bracketed = host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        if bracketed.is_none() && host.contains(':') {
            return Err(InvalidNodeAddress);
        }
        Self::new(bracketed.unwrap_or(host), port)
    }
}

impl fmt::Display for NodeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') {
            write!(f, "[{host}]:{port}")
        } else {
            write!(f, "{host}:{port}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_they_are_shown() {
        for text in ["redis-1:6379", "10.0.0.7:1", "[::1]:6379", "a_b.c:65535"] {
            let address: NodeAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_host_and_port_is_refused() {
        for text in [
            "",
            "redis",
            ":6379",
            "redis:",
            "redis:65536",
            "::1:6379",
            "re dis:1",
            "u:p@redis:1",
            "redis://r:1",
            "[redis]x:1",
        ] {
            assert_eq!(
                text.parse::<NodeAddress>(),
                Err(InvalidNodeAddress),
                "{text}"
            );
        }
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for text in ["localhost:1", "127.0.0.9:1", "[::1]:1", "LOCALHOST:1"] {
            assert!(text.parse::<NodeAddress>().unwrap().is_loopback(), "{text}");
        }
        for text in ["redis:1", "10.0.0.1:1", "127.0.0.1.example:1"] {
            assert!(
                !text.parse::<NodeAddress>().unwrap().is_loopback(),
                "{text}"
            );
        }
    }
}
