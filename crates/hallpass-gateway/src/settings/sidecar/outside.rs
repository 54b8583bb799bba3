//! `pass-through` and `connect` of `sidecar.outbound`: hosts that are no services of the estate.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use hallpass_resource::HostPattern;
use thiserror::Error;

/// Where clouds answer a machine about itself, beside link-local addresses: Alibaba's, Azure's and Oracle's.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
];
/// The same of Amazon and Google.
const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254),
    Ipv6Addr::new(0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254),
];

/// A host with its port that is no service of the estate: `host:port`, `192.0.2.1:80`, `[2001:db8::1]:80`. One address in several spellings is one.
///
/// Names of this machine are none, nor are addresses where a machine is told what nobody else may know (link-local ones, where clouds give out
/// credentials). A name that is resolved to such an address later is found then: see `sidecar.md`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OutsideAddress {
    /// In lower case and without a dot at its end, or an address as [`IpAddr`] writes it, in brackets where it is one of IPv6.
    host: Box<str>,
    /// Where the host is one.
    address: Option<IpAddr>,
    port: u16,
}

/// The text is no [`OutsideAddress`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum OutsideAddressFault {
    /// It is no host with a port.
    #[error(
        "must be a host and a port, such as `metrics.example:9090`, `192.0.2.1:80` or `[2001:db8::1]:80`"
    )]
    Syntax,
    /// It is a name of this machine.
    #[error(
        "must not be a name of this machine, since no name is followed to it: write `127.0.0.1`"
    )]
    ThisMachine,
    /// It is an address where a machine is told what nobody else may know.
    #[error(
        "must not be a link-local address, one of many or one of none: clouds give out credentials there"
    )]
    Reserved,
}

impl OutsideAddress {
    /// Its port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Its host, as requests name it once they are read: in lower case, an address of IPv6 in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its address; `None` where the host is a name.
    #[must_use]
    pub const fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// What the authority of a request names; without a port it is this one, if there is one that goes without saying.
    pub(crate) fn of_authority(authority: &str, port: Option<u16>) -> Option<Self> {
        match (has_port(authority), port) {
            (false, Some(port)) => format!("{authority}:{port}").parse().ok(),
            _ => authority.parse().ok(),
        }
    }
}

fn has_port(authority: &str) -> bool {
    let after = authority.rsplit_once(':').map(|(_, port)| port);
    after.is_some_and(|port| !port.contains(']'))
}

impl FromStr for OutsideAddress {
    type Err = OutsideAddressFault;

    fn from_str(text: &str) -> Result<Self, OutsideAddressFault> {
        let (host, port) = text.rsplit_once(':').ok_or(OutsideAddressFault::Syntax)?;
        let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|port| is_number && *port != 0);
        let port = port.ok_or(OutsideAddressFault::Syntax)?;
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let address = match bare {
            Some(bare) => {
                let address: Ipv6Addr = bare.parse().map_err(|_| OutsideAddressFault::Syntax)?;
                // An address of IPv4 in the clothes of IPv6 is that address.
                Some(IpAddr::V6(address).to_canonical())
            }
            None => host.parse().ok().map(IpAddr::V4),
        };
        let host = match address {
            Some(IpAddr::V6(address)) => format!("[{address}]").into(),
            Some(IpAddr::V4(address)) => address.to_string().into(),
            None => name(host)?,
        };
        if address.is_some_and(|address| !address.is_loopback() && is_reserved(address)) {
            return Err(OutsideAddressFault::Reserved);
        }
        Ok(Self {
            host,
            address,
            port,
        })
    }
}

/// The name of a host, in the one spelling that counts here.
fn name(host: &str) -> Result<Box<str>, OutsideAddressFault> {
    let is_one = !host.starts_with("*.") && host.parse::<HostPattern>().is_ok();
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    // `127.1`, `0x7f000001` and `2130706433` are addresses to some resolvers, which no list of addresses would show.
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_number = last.starts_with("0x") || last.bytes().all(|byte| byte.is_ascii_digit());
    if !is_one || is_number {
        return Err(OutsideAddressFault::Syntax);
    }
    let is_this_machine = host == "localhost" || host.ends_with(".localhost");
    match is_this_machine {
        true => Err(OutsideAddressFault::ThisMachine),
        false => Ok(host.into()),
    }
}

impl fmt::Display for OutsideAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Whether no name may lead there: this machine, link-local addresses, those of several machines or of none, and the other ones where clouds tell a machine
/// about itself; in IPv6 also in what stands for an address of IPv4 there.
pub(crate) fn is_reserved(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [first, ..] = address.octets();
            first == 0
                || address.is_loopback()
                || address.is_link_local()
                || address.is_multicast()
                || address.is_broadcast()
                || METADATA_V4.contains(&address)
        }
        IpAddr::V6(address) => {
            address.is_loopback()
                || address.is_unspecified()
                || address.is_unicast_link_local()
                || address.is_multicast()
                || METADATA_V6.contains(&address)
                || within(address).is_some_and(|within| is_reserved(within.into()))
        }
    }
}

/// The address of IPv4 that a translator or a tunnel makes of one of IPv6: `::a.b.c.d` (RFC 4291), NAT64 (RFC 6052, RFC 8215) and 6to4 (RFC 3056).
fn within(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let of = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Some(of(high, low))
        }
        [0x64, 0xff9b, 1, _, _, _, high, low] => Some(of(high, low)),
        [0x2002, high, low, ..] => Some(of(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, OutsideAddressFault> {
        text.parse::<OutsideAddress>().map(|it| it.to_string())
    }

    #[test]
    fn one_host_is_one_in_every_spelling() {
        for (text, expected) in [
            ("metrics.example:9090", "metrics.example:9090"),
            ("Metrics.Example.:9090", "metrics.example:9090"),
            ("my_host:1", "my_host:1"),
            ("192.0.2.1:80", "192.0.2.1:80"),
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("[2001:DB8:0:0::1]:80", "[2001:db8::1]:80"),
            ("[::ffff:192.0.2.1]:80", "192.0.2.1:80"),
            ("[::ffff:c000:201]:80", "192.0.2.1:80"),
            ("a.example:065", "a.example:65"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(expected), "{text}");
        }
        let of = |text, port| OutsideAddress::of_authority(text, port).map(|it| it.to_string());
        assert_eq!(of("a.example", Some(80)).as_deref(), Some("a.example:80"));
        assert_eq!(
            of("a.example:81", Some(80)).as_deref(),
            Some("a.example:81")
        );
        assert_eq!(
            of("[2001:db8::2]", Some(80)).as_deref(),
            Some("[2001:db8::2]:80")
        );
        assert_eq!(of("a.example", None), None);
    }

    #[test]
    fn what_could_be_read_as_another_host_is_none() {
        use OutsideAddressFault::{Reserved, Syntax, ThisMachine};
        for (text, fault) in [
            ("metrics.example", Syntax),
            ("metrics.example:", Syntax),
            ("metrics.example:0", Syntax),
            ("metrics.example:65536", Syntax),
            ("metrics.example:+80", Syntax),
            ("*.example:80", Syntax),
            ("user@metrics.example:80", Syntax),
            ("metrics.example:80@evil.example:80", Syntax),
            ("metrics.example/:80", Syntax),
            ("metrics.example,evil.example:80", Syntax),
            ("metrics%2eexample:80", Syntax),
            ("::1:80", Syntax),
            ("[fe80::1%25eth0]:80", Syntax),
            ("127.1:80", Syntax),
            ("2130706433:80", Syntax),
            ("0x7f000001:80", Syntax),
            ("0177.0.0.1:80", Syntax),
            ("169.254.169.254.:80", Syntax),
            ("localhost:80", ThisMachine),
            ("LOCALHOST.:80", ThisMachine),
            ("a.localhost:80", ThisMachine),
            ("169.254.169.254:80", Reserved),
            ("[::ffff:169.254.169.254]:80", Reserved),
            ("[::ffff:a9fe:a9fe]:80", Reserved),
            ("[64:ff9b::a9fe:a9fe]:80", Reserved),
            ("[2002:a9fe:a9fe::]:80", Reserved),
            ("[fe80::1]:80", Reserved),
            ("[fd00:ec2::254]:80", Reserved),
            ("0.0.0.0:80", Reserved),
            ("[::]:80", Reserved),
            ("224.0.0.1:80", Reserved),
            ("100.100.100.200:80", Reserved),
        ] {
            assert_eq!(read(text), Err(fault), "{text}");
        }
    }

    #[test]
    fn a_name_leads_neither_to_this_machine_nor_to_where_clouds_give_out_credentials() {
        for address in [
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "0.0.0.0",
            "0.1.2.3",
            "::",
            "169.254.169.254",
            "169.254.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::169.254.169.254",
            "64:ff9b::127.0.0.1",
            "2002:7f00:1::",
            "fe80::1",
            "febf::1",
            "ff02::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "168.63.129.16",
            "255.255.255.255",
        ] {
            assert!(is_reserved(address.parse().unwrap()), "{address}");
        }
        for address in [
            "10.0.0.1",
            "192.0.2.1",
            "2001:db8::1",
            "fd00::1",
            "64:ff9b::10.0.0.1",
        ] {
            assert!(!is_reserved(address.parse().unwrap()), "{address}");
        }
    }
}
