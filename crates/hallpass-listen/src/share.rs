//! How many connections one address has open.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// The bits of an IPv6 address that name a network; whoever has one address of it has them all.
const NETWORK_BITS: u32 = 64;

/// Open connections by address. Has no more entries than there are open connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shares(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One connection of an address, until it is dropped.
#[derive(Debug)]
pub(crate) struct ShareHeld {
    shares: Shares,
    network: IpAddr,
}

impl Shares {
    /// Whether `address` has `limit` of them.
    pub(crate) fn are_used_up(&self, address: IpAddr, limit: usize) -> bool {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.get(&network(address)).copied().unwrap_or_default();
        count >= limit
    }

    /// One more connection of `address`, unless it has `limit` of them.
    pub(crate) fn take(&self, address: IpAddr, limit: usize) -> Option<ShareHeld> {
        let network = network(address);
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(network).or_default();
        if *count < limit {
            *count += 1;
            return Some(ShareHeld {
                shares: self.clone(),
                network,
            });
        }
        if *count == 0 {
            open.remove(&network);
        }
        None
    }
}

impl Drop for ShareHeld {
    fn drop(&mut self) {
        let mut open = self.shares.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.network) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.remove(&self.network);
            }
        }
    }
}

/// What counts as one address.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let mask = u128::MAX << (u128::BITS - NETWORK_BITS);
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_ipv6_network_share_and_a_mapped_address_is_the_ipv4_one() {
        let shares = Shares::default();
        let take = |address: &str| shares.take(address.parse().unwrap(), 1);
        let held = [take("2001:db8::1"), take("192.0.2.1")];
        assert!(held.iter().all(Option::is_some));
        assert!(take("2001:db8::ffff:2").is_none());
        assert!(take("::ffff:192.0.2.1").is_none());
        assert!(take("2001:db8:0:1::1").is_some());
        assert!(take("192.0.2.2").is_some());
        drop(held);
        assert!(shares.0.lock().unwrap().is_empty(), "nothing is kept");
        assert!(take("2001:db8::2").is_some());
    }
}
