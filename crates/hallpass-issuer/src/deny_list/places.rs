//! The places for streams, of which nobody has all.
//!
//! A verifier that gets none asks for the list from time to time, so a share that is too small costs seconds, and one that
//! is too large lets a few callers send all others there. So shares are large, and when all places are taken, whoever has most
//! of them gives one to whoever has fewer.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

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
    at_address: HashMap<Option<IpAddr>, Streams>,
    of_name: HashMap<Named, usize>,
    next: u64,
}

/// Those of one address, the newest last. A dropped sender tells its stream to end.
type Streams = BTreeMap<u64, oneshot::Sender<()>>;

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

/// A place, until it is dropped or given to another.
#[derive(Debug)]
pub(super) struct Place {
    of: Places,
    number: u64,
    address: Option<IpAddr>,
    named: Option<Named>,
    held: oneshot::Receiver<()>,
}

impl Places {
    /// One for who comes from `source`, as far as that is known, and says that it is the verifier `name`.
    ///
    /// # Errors
    /// [`Full`].
    pub(super) fn take(&self, source: Option<IpAddr>, name: Option<&str>) -> Result<Place, Full> {
        let address = source.map(network);
        let named = address.zip(name.map(Box::from));
        let mut held = self.lock();
        let at_address = held.at_address.get(&address).map_or(0, BTreeMap::len);
        if address.is_some() && at_address >= MOST_AT_ADDRESS {
            return Err(Full::Address);
        }
        let of_name = |it| held.of_name.get(it).copied().unwrap_or_default();
        if named.as_ref().is_some_and(|it| of_name(it) >= MOST_OF_NAME) {
            return Err(Full::Name);
        }
        if held.all >= MAX_STREAMS && !held.give_up_one(at_address) {
            return Err(Full::All);
        }
        let (sender, receiver) = oneshot::channel();
        let number = held.next;
        held.next += 1;
        held.all += 1;
        let streams = held.at_address.entry(address).or_default();
        streams.insert(number, sender);
        if let Some(named) = &named {
            *held.of_name.entry(named.clone()).or_default() += 1;
        }
        drop(held);
        Ok(Place {
            of: self.clone(),
            number,
            address,
            named,
            held: receiver,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
impl Places {
    /// How many are held.
    pub(super) fn held(&self) -> usize {
        self.lock().all
    }
}

impl Held {
    /// Ends the newest stream of the address with most, for one that has `fewer`, and would still have no more than it. The newest:
    /// whoever takes many late must not push those out who were there before.
    fn give_up_one(&mut self, fewer: usize) -> bool {
        let most = self.at_address.iter().max_by_key(|(_, it)| it.len());
        let Some((&address, streams)) = most else {
            return false;
        };
        let newest = streams.last_key_value().map(|(number, _)| *number);
        match newest {
            Some(number) if streams.len() > fewer + 1 => self.remove(address, number),
            _ => false,
        }
    }

    /// Whether it was still there.
    fn remove(&mut self, address: Option<IpAddr>, number: u64) -> bool {
        let Some(streams) = self.at_address.get_mut(&address) else {
            return false;
        };
        let was_there = streams.remove(&number).is_some();
        if streams.is_empty() {
            self.at_address.remove(&address);
        }
        if was_there {
            self.all = self.all.saturating_sub(1);
        }
        was_there
    }
}

impl Place {
    /// Ready when another has it.
    pub(super) async fn given_up(&mut self) {
        // Nothing is ever sent: the sender goes.
        let _gone = (&mut self.held).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.of.lock();
        held.remove(self.address, self.number);
        if let Some(named) = &self.named
            && let Some(count) = held.of_name.get_mut(named)
        {
            *count = count.saturating_sub(1);
            if *count == 0 {
                held.of_name.remove(named);
            }
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

    impl Places {
        fn is_empty(&self) -> bool {
            let held = self.lock();
            held.all == 0 && held.at_address.is_empty() && held.of_name.is_empty()
        }
    }

    impl Place {
        fn is_given_up(&mut self) -> bool {
            self.held.try_recv() == Err(oneshot::error::TryRecvError::Closed)
        }
    }

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
        held.clear();
        assert!(places.is_empty());
    }

    #[test]
    fn whoever_has_most_gives_places_to_those_who_come_later_and_have_fewer() {
        let places = Places::default();
        let take = |source: &str| places.take(address(source), None);
        let mut verifiers = vec![take("10.0.1.1").unwrap()];
        let greedy = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"];
        let mut held: Vec<_> = (0..MAX_STREAMS - 1)
            .map(|number| take(greedy[number % 4]).unwrap())
            .collect();
        verifiers.extend((2..66).map(|number| take(&format!("10.0.1.{number}")).unwrap()));
        assert_eq!(places.held(), MAX_STREAMS);
        // 64 of the last, as many from each, have none any more; all others and each verifier have theirs.
        let mut last = held.split_off(held.len() - 72);
        last.retain_mut(|place| !place.is_given_up());
        assert_eq!(last.len(), 72 - 64);
        assert!(
            !held
                .iter_mut()
                .chain(&mut verifiers)
                .any(Place::is_given_up)
        );
        // They share what is theirs, and no more, however often they ask.
        let mut again: Vec<_> = greedy.iter().cycle().take(400).map(|it| take(it)).collect();
        assert_eq!(again.pop().unwrap().unwrap_err(), Full::All);
        assert!(!verifiers.iter_mut().any(Place::is_given_up));
        assert_eq!(places.held(), MAX_STREAMS);
        drop((held, last, again, verifiers));
        assert!(places.is_empty());
    }

    #[test]
    fn who_has_as_many_as_the_others_gets_no_more_when_all_are_taken() {
        let places = Places::default();
        let mut held = Vec::new();
        for number in 0..MAX_STREAMS {
            let source = format!("10.1.{}.{}", number / 256, number % 256);
            held.push(places.take(address(&source), None).unwrap());
        }
        let taken = places.take(address("10.2.0.1"), None);
        assert_eq!(taken.unwrap_err(), Full::All, "each has one");
        held.clear();
        assert!(places.is_empty());
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
