//! Who may ask: addresses and networks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;
use thiserror::Error;

/// The addresses that may ask for decisions. Whoever may ask can find out what the rules are, and gets the tokens that are
/// handed out for upstreams.
///
/// ```
/// use hallpass_gateway::TrustedProxies;
///
/// let proxies = TrustedProxies::default();
/// assert!(proxies.contains("127.0.0.1".parse()?));
/// assert!(!proxies.contains("10.0.0.7".parse()?));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

/// Why a text is no network.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum NetworkFault {
    /// Neither an address nor a network.
    #[error("must be an IP address, or a network such as 10.0.0.0/8")]
    Form,
    /// Address bits below the prefix are set: one of the two is a slip.
    #[error("has bits set behind its prefix length; the network is written without them")]
    BitsBehindPrefix,
}

impl TrustedProxies {
    /// These networks.
    #[must_use]
    pub const fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// Whether `address` is of one of them. An IPv4 address within an IPv6 one counts as itself.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Reads one entry of the list.
    ///
    /// # Errors
    /// [`NetworkFault`].
    pub(crate) fn check(text: &str) -> Result<IpNet, NetworkFault> {
        let network = match text.contains('/') {
            true => IpNet::from_str(text).map_err(|_| NetworkFault::Form)?,
            false => IpAddr::from_str(text)
                .map_err(|_| NetworkFault::Form)?
                .into(),
        };
        match network.trunc() == network {
            true => Ok(network),
            false => Err(NetworkFault::BitsBehindPrefix),
        }
    }
}

/// Loopback.
impl Default for TrustedProxies {
    fn default() -> Self {
        let v4 = IpNet::new_assert(Ipv4Addr::new(127, 0, 0, 0).into(), 8);
        Self(vec![v4, IpAddr::from(Ipv6Addr::LOCALHOST).into()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(networks: &[&str], address: &str) -> bool {
        let networks = networks.iter().map(|it| TrustedProxies::check(it).unwrap());
        TrustedProxies::new(networks.collect()).contains(address.parse().unwrap())
    }

    #[test]
    fn an_address_or_a_network_is_trusted_and_its_neighbour_is_not() {
        for (networks, address, trusted) in [
            (&["10.0.0.7"][..], "10.0.0.7", true),
            (&["10.0.0.7"], "10.0.0.8", false),
            (&["10.0.0.7"], "::ffff:10.0.0.7", true),
            (&["10.0.0.0/30"], "10.0.0.3", true),
            (&["10.0.0.0/30"], "10.0.0.4", false),
            (&["2001:db8::/32"], "2001:db8:1::1", true),
            (&["2001:db8::/32"], "2001:db9::1", false),
            (&["::/0"], "10.0.0.7", false),
            (&[], "127.0.0.1", false),
        ] {
            assert_eq!(
                contains(networks, address),
                trusted,
                "{networks:?} {address}"
            );
        }
        assert!(TrustedProxies::default().contains("::1".parse().unwrap()));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "proxy", "10.0.0.0/33", "10.0.0", "10.0.0.0/", "*"] {
            assert_eq!(
                TrustedProxies::check(text),
                Err(NetworkFault::Form),
                "{text}"
            );
        }
        let slip = TrustedProxies::check("10.0.0.7/8");
        assert_eq!(slip, Err(NetworkFault::BitsBehindPrefix));
    }
}
