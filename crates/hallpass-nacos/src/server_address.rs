//! Where a Nacos server is.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use hallpass_upstream::Instance;
use tokio::net::TcpStream;

use crate::error::NacosError;

/// Nacos' own default.
const DEFAULT_PORT: u16 = 8848;

/// One server: `host:port`, or `https://host:port` where it speaks TLS. Without a port it is 8848.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    instance: Instance,
    /// Whether it may be reached without TLS wherever it is.
    plain_text_anywhere: bool,
}

impl FromStr for ServerAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        // What Spring users have behind the address is the path of the server, which is not asked over HTTP here.
        let rest = rest.strip_suffix("/nacos").unwrap_or(rest);
        let rest = rest.trim_end_matches('/');
        let has_port = rest.rsplit_once(':').is_some_and(|(host, port)| {
            !port.contains(']') && (!host.contains(':') || host.ends_with(']'))
        });
        let whole = match has_port {
            true => format!("{scheme}://{rest}"),
            false => format!("{scheme}://{rest}:{DEFAULT_PORT}"),
        };
        let instance = whole.parse();
        Ok(Self {
            instance: instance
                .map_err(|_| "is not a server; write host:port or https://host:port")?,
            plain_text_anywhere: false,
        })
    }
}

impl ServerAddress {
    /// The same, which may be reached without TLS wherever it is.
    #[must_use]
    pub fn dangerous_plain_text(mut self) -> Self {
        self.plain_text_anywhere = true;
        self
    }

    /// Whether it speaks TLS.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.instance.is_https()
    }

    /// Whether it is certain, without looking a name up, that a connection without TLS would leave this machine.
    #[must_use]
    pub fn is_plain_text_elsewhere(&self) -> bool {
        !self.is_https() && !self.instance.is_named_loopback()
    }

    /// Without the brackets of an IPv6 address.
    pub(crate) fn bare_host(&self) -> &str {
        self.instance.host().trim_matches(['[', ']'])
    }

    /// That of gRPC, which Nacos derives from the one that everybody writes down.
    pub(crate) fn grpc_port(&self, offset: u16) -> u16 {
        self.instance.port().saturating_add(offset)
    }

    pub(crate) fn grpc_base(&self, offset: u16) -> String {
        let (scheme, host) = (self.instance.scheme(), self.instance.host());
        format!("{scheme}://{host}:{}", self.grpc_port(offset))
    }

    /// Where a login goes.
    pub(crate) fn http_url(&self, path: &str) -> String {
        format!("{}{path}", self.instance)
    }

    /// Judged by the address that was really reached, whatever the name says.
    pub(crate) fn check_plain_text(&self, stream: &TcpStream) -> Result<(), NacosError> {
        let is_here = |address: IpAddr| address.to_canonical().is_loopback();
        let reached = stream.peer_addr().map_err(NacosError::unavailable)?;
        if self.is_https() || self.plain_text_anywhere || is_here(reached.ip()) {
            return Ok(());
        }
        Err(NacosError::unavailable(format_args!(
            "{self} is not on loopback and has no TLS: write https://, or see `nacos.dangerous-plain-text`"
        )))
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.instance.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_spring_users_write_it() {
        for (text, grpc) in [
            ("127.0.0.1:8848", "http://127.0.0.1:9848"),
            ("nacos", "http://nacos:9848"),
            ("http://nacos:80/nacos", "http://nacos:1080"),
            ("https://nacos.example/", "https://nacos.example:9848"),
            ("[::1]:8848", "http://[::1]:9848"),
            ("[::1]", "http://[::1]:9848"),
        ] {
            let address: ServerAddress = text.parse().unwrap();
            assert_eq!(address.grpc_base(1000), grpc, "{text}");
        }
        for wrong in ["", "a b", "ftp://a", "a:0", "user:pass@a:1", "a:1/x"] {
            assert!(wrong.parse::<ServerAddress>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_loopback_needs_no_tls() {
        let elsewhere = |text: &str| {
            let address: ServerAddress = text.parse().unwrap();
            address.is_plain_text_elsewhere()
        };
        assert!(!elsewhere("127.0.0.1") && !elsewhere("localhost") && !elsewhere("https://nacos"));
        assert!(elsewhere("nacos") && elsewhere("10.0.0.1:8848"));
    }
}
