//! Connections that give their place to a new one when there is no other: those on which nobody was let in yet.
//!
//! Of the addresses with most of them it is the one that has waited longest. So whoever opens connections and says nothing, from however many
//! addresses, takes places from itself: who comes from elsewhere, and asks, has been let in before it is the oldest of the largest share.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::address_limit::AddressLimit;
use crate::connection::Place;
use crate::places::ConnectionPlaces;
use crate::share::network;

/// The connections of one listener, and their places. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Newcomers(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    next: u64,
    /// In the order in which they came.
    all: BTreeMap<u64, One>,
}

#[derive(Debug)]
struct One {
    network: IpAddr,
    is_kept: bool,
    /// Given back with this.
    _place: Place,
    /// Dropped, it tells the connection to end.
    _stays: oneshot::Sender<Infallible>,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub(crate) struct Newcomer {
    keeper: PlaceKeeper,
    stays: oneshot::Receiver<Infallible>,
}

/// Lets a connection keep its place: among the extensions of each request of a server whose
/// [newcomers give way](crate::HttpServer::newcomers_give_way). A clone means the same connection.
///
/// ```
/// use hallpass_listen::PlaceKeeper;
///
/// fn was_let_in<B>(request: &http::Request<B>) {
///     if let Some(keeper) = request.extensions().get::<PlaceKeeper>() {
///         keeper.keep();
///     }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct PlaceKeeper {
    of: Newcomers,
    number: u64,
}

impl Newcomers {
    /// Gives up the place of one where one more from `address` would find none; whether it did.
    pub(crate) fn make_room(
        &self,
        places: &ConnectionPlaces,
        of_address: &AddressLimit,
        address: IpAddr,
    ) -> bool {
        if of_address.is_used_up(address) {
            // Its share stays what it is.
            return self.give_up_one(Some(network(address)));
        }
        places.are_taken() && self.give_up_one(None)
    }

    /// One more, from `address`.
    pub(crate) fn add(&self, address: IpAddr, place: Place) -> Newcomer {
        let (sender, stays) = oneshot::channel();
        let mut held = self.lock();
        let number = held.next;
        held.next += 1;
        let one = One {
            network: network(address),
            is_kept: false,
            _place: place,
            _stays: sender,
        };
        held.all.insert(number, one);
        drop(held);
        let keeper = PlaceKeeper {
            of: self.clone(),
            number,
        };
        Newcomer { keeper, stays }
    }

    /// It looks through all: such a listener has few.
    fn give_up_one(&self, within: Option<IpAddr>) -> bool {
        let mut held = self.lock();
        let mut shares: HashMap<IpAddr, (usize, Reverse<u64>)> = HashMap::new();
        for (number, one) in held.all.iter().filter(|(_, one)| !one.is_kept) {
            if within.is_none_or(|network| network == one.network) {
                let share = shares.entry(one.network);
                share.or_insert((0, Reverse(*number))).0 += 1;
            }
        }
        let oldest = shares
            .into_values()
            .max()
            .map(|(_, Reverse(oldest))| oldest);
        let given_up = oldest.and_then(|oldest| held.all.remove(&oldest));
        drop(held);
        given_up.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Newcomer {
    pub(crate) fn keeper(&self) -> PlaceKeeper {
        self.keeper.clone()
    }

    /// Does `serving` while it has its place.
    pub(crate) async fn unless_given_up(mut self, serving: impl Future<Output = ()>) {
        tokio::select! {
            biased;
            _given_up = &mut self.stays => {}
            () = serving => {}
        }
    }
}

impl Drop for Newcomer {
    fn drop(&mut self) {
        let PlaceKeeper { of, number } = &self.keeper;
        let gone = of.lock().all.remove(number);
        drop(gone);
    }
}

impl PlaceKeeper {
    /// From now on no other connection gets the place of this one.
    pub fn keep(&self) {
        if let Some(one) = self.of.lock().all.get_mut(&self.number) {
            one.is_kept = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::gauge::Gauge;

    use super::*;
    use crate::metrics::ConnectionMetrics;
    use crate::networks::Networks;

    struct Listener {
        newcomers: Newcomers,
        places: ConnectionPlaces,
        of_address: AddressLimit,
    }

    impl Listener {
        fn new(places: usize, share: usize) -> Self {
            let metrics = ConnectionMetrics::default();
            Self {
                newcomers: Newcomers::default(),
                places: ConnectionPlaces::new(places),
                of_address: AddressLimit::new(share, Networks::default(), metrics),
            }
        }

        fn accept(&self, address: &str) -> Option<Newcomer> {
            let address = address.parse().unwrap();
            let Self {
                newcomers, places, ..
            } = self;
            newcomers.make_room(places, &self.of_address, address);
            let permit = places.take()?;
            let share = self.of_address.take(address)?;
            let place = Place::new(Gauge::default(), permit, Some(share));
            Some(newcomers.add(address, place))
        }
    }

    fn is_given_up(newcomer: &mut Newcomer) -> bool {
        newcomer.stays.try_recv() == Err(oneshot::error::TryRecvError::Closed)
    }

    #[test]
    fn the_oldest_of_the_largest_share_gives_its_place_and_one_that_is_kept_never() {
        let listener = Listener::new(4, 3);
        let accept = |address: &str| listener.accept(address).unwrap();
        let mut first = accept("192.0.2.9");
        let mut greedy: Vec<_> = (0..3).map(|_| accept("192.0.2.1")).collect();
        greedy[0].keeper().keep();
        let mut other = accept("192.0.2.2");
        let given: Vec<_> = greedy.iter_mut().map(is_given_up).collect();
        assert_eq!(given, [false, true, false]);
        // All have one that may go: now it is the one that has waited longest.
        let mut last = accept("192.0.2.3");
        assert!(is_given_up(&mut first));
        for stays in [&mut greedy[2], &mut other, &mut last] {
            assert!(!is_given_up(stays));
            stays.keeper().keep();
        }
        assert!(listener.accept("192.0.2.4").is_none(), "all are kept");
        drop((first, greedy, other, last));
        assert!(listener.newcomers.lock().all.is_empty());
        assert!(listener.accept("192.0.2.4").is_some());
    }

    #[test]
    fn an_address_with_all_that_it_may_have_gives_one_of_its_own() {
        let listener = Listener::new(9, 2);
        let accept = |address: &str| listener.accept(address).unwrap();
        let mut elsewhere = accept("192.0.2.1");
        let mut held = [accept("2001:db8::1"), accept("2001:db8::2")];
        let _third = accept("2001:db8::3");
        assert!(is_given_up(&mut held[0]) && !is_given_up(&mut held[1]));
        assert!(!is_given_up(&mut elsewhere));
    }
}
