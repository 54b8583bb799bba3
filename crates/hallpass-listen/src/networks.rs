//! Addresses and networks that are told apart from all others.

use std::error::Error;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// One address, or one network of them such as `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Canonical, with no bit set behind the prefix.
    address: IpAddr,
    prefix: u32,
}

/// A set of addresses: those of proxies whose word counts, say. Empty by default.
///
/// ```
/// use hallpass_listen::Networks;
///
/// let proxies = Networks::new(vec!["10.0.0.0/8".parse()?, "::1".parse()?]);
/// assert!(proxies.contains("10.1.2.3".parse().unwrap()));
/// assert!(!proxies.contains("192.0.2.1".parse().unwrap()));
/// # Ok::<(), hallpass_listen::NetworkFault>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<Network>);

/// Why a text is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NetworkFault {
    /// Neither an address nor a network.
    Form,
    /// Address bits below the prefix are set: one of the two is a slip.
    BitsBehindPrefix,
}

impl Networks {
    /// These networks.
    #[must_use]
    pub const fn new(networks: Vec<Network>) -> Self {
        Self(networks)
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `address` is of one of them. An IPv4 address within an IPv6 one (`::ffff:10.0.0.7`) counts as itself.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(address))
    }
}

impl Network {
    /// The addresses that have the first `prefix` bits of `address`; `None` where it has fewer bits, or others set.
    #[must_use]
    pub fn of(address: IpAddr, prefix: u32) -> Option<Self> {
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let network = Self { address, prefix };
        let is_whole = prefix <= longest && !network.has_bits_behind();
        is_whole.then(|| network.canonical())
    }

    fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let behind = u32::MAX.checked_shr(self.prefix).unwrap_or_default();
                (own.to_bits() ^ other.to_bits()) & !behind == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let behind = u128::MAX.checked_shr(self.prefix).unwrap_or_default();
                (own.to_bits() ^ other.to_bits()) & !behind == 0
            }
            _ => false,
        }
    }

    /// One that is written as part of `::ffff:0.0.0.0/96` is the IPv4 network that it means.
    fn canonical(self) -> Self {
        const MAPPED_BITS: u32 = 96;
        match (
            self.address.to_canonical(),
            self.prefix.checked_sub(MAPPED_BITS),
        ) {
            (address @ IpAddr::V4(_), Some(prefix)) if self.address.is_ipv6() => {
                Self { address, prefix }
            }
            _ => self,
        }
    }

    /// Whether an address bit behind the prefix is set.
    fn has_bits_behind(&self) -> bool {
        match self.address {
            IpAddr::V4(own) => {
                own.to_bits() & u32::MAX.checked_shr(self.prefix).unwrap_or_default() != 0
            }
            IpAddr::V6(own) => {
                own.to_bits() & u128::MAX.checked_shr(self.prefix).unwrap_or_default() != 0
            }
        }
    }
}

impl FromStr for Network {
    type Err = NetworkFault;

    fn from_str(text: &str) -> Result<Self, NetworkFault> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkFault::Form)?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => longest,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().map_err(|_| NetworkFault::Form)?
            }
            Some(_) => return Err(NetworkFault::Form),
        };
        if prefix > longest {
            return Err(NetworkFault::Form);
        }
        Self::of(address, prefix).ok_or(NetworkFault::BitsBehindPrefix)
    }
}

impl fmt::Display for NetworkFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "must be an IP address, or a network such as 10.0.0.0/8",
            Self::BitsBehindPrefix => {
                "has bits set behind its prefix length; the network is written without them"
            }
        })
    }
}

impl Error for NetworkFault {}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(networks: &[&str], address: &str) -> bool {
        let networks = networks.iter().map(|it| it.parse().unwrap());
        Networks::new(networks.collect()).contains(address.parse().unwrap())
    }

    #[test]
    fn an_address_or_a_network_contains_its_own_and_not_its_neighbour() {
        for (networks, address, expected) in [
            (&["10.0.0.7"][..], "10.0.0.7", true),
            (&["10.0.0.7"], "10.0.0.8", false),
            (&["10.0.0.7"], "::ffff:10.0.0.7", true),
            (&["::ffff:10.0.0.7"], "10.0.0.7", true),
            (&["::ffff:10.0.0.0/104"], "10.9.9.9", true),
            (&["::ffff:10.0.0.0/104"], "11.0.0.1", false),
            (&["10.0.0.0/30"], "10.0.0.3", true),
            (&["10.0.0.0/30"], "10.0.0.4", false),
            (&["0.0.0.0/0"], "203.0.113.7", true),
            (&["0.0.0.0/0"], "2001:db8::1", false),
            (&["2001:db8::/32"], "2001:db8:1::1", true),
            (&["2001:db8::/32"], "2001:db9::1", false),
            (&["2001:db8::1"], "2001:db8::1", true),
            (&["2001:db8::1"], "2001:db8::2", false),
            (&["::/0"], "2001:db8::1", true),
            (&["::/0"], "10.0.0.7", false),
            (&["192.0.2.0/24", "10.0.0.0/8"], "10.0.0.7", true),
            (&[], "127.0.0.1", false),
        ] {
            assert_eq!(
                contains(networks, address),
                expected,
                "{networks:?} {address}"
            );
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "proxy",
            "10.0.0.0/33",
            "10.0.0",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.0/8/8",
            "::/129",
            "/8",
            "*",
            " 10.0.0.1",
        ] {
            assert_eq!(text.parse::<Network>(), Err(NetworkFault::Form), "{text}");
        }
        for text in ["10.0.0.7/8", "2001:db8::1/32", "0.0.0.1/0"] {
            let slip = text.parse::<Network>();
            assert_eq!(slip, Err(NetworkFault::BitsBehindPrefix), "{text}");
        }
    }
}
