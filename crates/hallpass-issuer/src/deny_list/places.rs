//! The places for streams, of which nobody has all.
//!
//! A verifier that gets none asks for the list from time to time, so a share that is too small costs seconds, and one that
//! is too large lets a few callers send all others there.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// Most verifiers that follow by a stream at once.
const MAX_STREAMS: usize = 2_048;
/// Most of them at one address.
const MOST_AT_ADDRESS: usize = 512;
/// Most of them that call themselves the same at one address. Not wherever they are: then anybody could take the places of a name.
const MOST_OF_NAME: usize = 256;

/// Who holds which.
#[derive(Clone, Debug, Default)]
pub(super) struct Places(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    all: usize,
    at_address: HashMap<IpAddr, usize>,
    of_name: HashMap<Named, usize>,
}

/// An address, and what who is there calls itself.
type Named = (IpAddr, Box<str>);

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// For anybody.
    All,
    /// For the address.
    Address,
    /// For the name at the address.
    Name,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    of: Places,
    address: Option<IpAddr>,
    named: Option<Named>,
}

impl Places {
    /// One for who comes from `source`, as far as that is known, and says that it is the verifier `name`.
    ///
    /// # Errors
    /// [`Full`].
    pub(super) fn take(&self, source: Option<IpAddr>, name: Option<&str>) -> Result<Place, Full> {
        let address = source.map(network);
        let named = address.zip(name.map(Box::from));
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.all >= MAX_STREAMS {
            return Err(Full::All);
        }
        let of = |count: Option<&usize>| count.copied().unwrap_or_default();
        if address.is_some_and(|it| of(held.at_address.get(&it)) >= MOST_AT_ADDRESS) {
            return Err(Full::Address);
        }
        if named
            .as_ref()
            .is_some_and(|it| of(held.of_name.get(it)) >= MOST_OF_NAME)
        {
            return Err(Full::Name);
        }
        held.all += 1;
        if let Some(address) = address {
            *held.at_address.entry(address).or_default() += 1;
        }
        if let Some(named) = &named {
            *held.of_name.entry(named.clone()).or_default() += 1;
        }
        drop(held);
        Ok(Place {
            of: self.clone(),
            address,
            named,
        })
    }
}

#[cfg(test)]
impl Places {
    /// How many are held.
    pub(super) fn held(&self) -> usize {
        self.0.lock().unwrap().all
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.of.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.all = held.all.saturating_sub(1);
        if let Some(address) = &self.address {
            give_back(&mut held.at_address, address);
        }
        if let Some(named) = &self.named {
            give_back(&mut held.of_name, named);
        }
    }
}

fn give_back<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(key);
        }
    }
}

/// Whoever has one address of an IPv6 network of 64 bits has them all.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

impl Full {
    /// Its name in metrics.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Address => "address",
            Self::Name => "verifier",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn no_address_and_no_name_has_all_places() {
        let places = Places::default();
        let take = |source: &str, name: Option<&str>| places.take(address(source), name);
        let mut held: Vec<_> = (0..MOST_OF_NAME)
            .map(|_| take("10.0.0.1", Some("batch")).unwrap())
            .collect();
        assert_eq!(take("10.0.0.1", Some("batch")).unwrap_err(), Full::Name);
        // Neither another name nor none is kept out, nor the same name elsewhere.
        held.push(take("10.0.0.1", Some("order")).unwrap());
        held.push(take("10.0.0.2", Some("batch")).unwrap());
        while held.len() <= MOST_AT_ADDRESS {
            held.push(take("::ffff:10.0.0.1", None).unwrap());
        }
        assert_eq!(take("10.0.0.1", None).unwrap_err(), Full::Address);
        assert_eq!(take("10.0.0.1", Some("order")).unwrap_err(), Full::Address);
        for number in 0..MAX_STREAMS - held.len() {
            let source = format!("2001:db8:0:{:x}::{number:x}", number / MOST_AT_ADDRESS);
            held.push(take(&source, None).unwrap());
        }
        assert_eq!(take("10.0.0.3", None).unwrap_err(), Full::All);
        held.clear();
        let left = places.0.lock().unwrap();
        assert_eq!(
            (left.all, left.at_address.len(), left.of_name.len()),
            (0, 0, 0)
        );
    }

    #[test]
    fn one_ipv6_network_is_one_address() {
        let places = Places::default();
        let take = |number: usize| places.take(address(&format!("2001:db8::{number:x}")), None);
        let _held: Vec<_> = (0..MOST_AT_ADDRESS).map(|it| take(it).unwrap()).collect();
        assert_eq!(take(7_000).unwrap_err(), Full::Address);
        assert!(places.take(address("2001:db8:0:1::"), None).is_ok());
    }
}
