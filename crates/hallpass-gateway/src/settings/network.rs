//! Who may ask: addresses and networks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hallpass_listen::{Network, NetworkFault, Networks};

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
pub struct TrustedProxies(Networks);

impl TrustedProxies {
    /// These networks.
    #[must_use]
    pub const fn new(networks: Vec<Network>) -> Self {
        Self(Networks::new(networks))
    }

    /// Whether `address` is of one of them. An IPv4 address within an IPv6 one counts as itself.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(address)
    }

    /// Reads one entry of the list.
    ///
    /// # Errors
    /// [`NetworkFault`].
    pub(crate) fn check(text: &str) -> Result<Network, NetworkFault> {
        text.parse()
    }
}

/// Loopback.
impl Default for TrustedProxies {
    fn default() -> Self {
        let [v4, v6] = [
            Network::of(Ipv4Addr::new(127, 0, 0, 0).into(), 8),
            Network::of(Ipv6Addr::LOCALHOST.into(), 128),
        ];
        Self::new([v4, v6].into_iter().flatten().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_default_loopback_alone_is_trusted() {
        let proxies = TrustedProxies::default();
        for (address, trusted) in [
            ("127.0.0.1", true),
            ("127.255.0.9", true),
            ("::ffff:127.0.0.1", true),
            ("::1", true),
            ("::2", false),
            ("128.0.0.1", false),
        ] {
            assert_eq!(
                proxies.contains(address.parse().unwrap()),
                trusted,
                "{address}"
            );
        }
    }
}
