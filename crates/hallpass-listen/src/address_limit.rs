//! How many connections one address may have, and what is said of those that are too many.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::metrics::ConnectionMetrics;
use crate::networks::Networks;
use crate::seldom::Seldom;
use crate::share::{ShareHeld, Shares};

/// The limit of one listener. A clone shares its state.
#[derive(Clone, Debug)]
pub(crate) struct AddressLimit(Arc<State>);

#[derive(Debug)]
struct State {
    shares: Shares,
    most: usize,
    /// Whose connections are not counted.
    forwarders: Networks,
    metrics: ConnectionMetrics,
    /// What must not be said for each connection.
    said: Mutex<Seldom>,
}

/// The place of one connection among those of its address, until it is dropped; nothing of an address that has no limit.
#[derive(Debug)]
pub(crate) struct AddressPlace {
    _share: Option<ShareHeld>,
}

impl AddressLimit {
    /// `most` for each address but those of `forwarders`.
    pub(crate) fn new(most: usize, forwarders: Networks, metrics: ConnectionMetrics) -> Self {
        Self(Arc::new(State {
            shares: Shares::default(),
            most,
            forwarders,
            metrics,
            said: Mutex::default(),
        }))
    }

    /// Whether `address` has all that it may have.
    pub(crate) fn is_used_up(&self, address: IpAddr) -> bool {
        let state = &*self.0;
        !state.forwarders.contains(address) && state.shares.are_used_up(address, state.most)
    }

    /// A place for one more connection of `address`; `None`, which is counted and said, when it has all that it may have.
    pub(crate) fn take(&self, address: IpAddr) -> Option<AddressPlace> {
        let state = &*self.0;
        if state.forwarders.contains(address) {
            return Some(AddressPlace { _share: None });
        }
        let share = state.shares.take(address, state.most);
        if share.is_none() {
            state.metrics.over_share.inc();
            if let Some(times) = self.said(Seldom::happened) {
                let limit = state.most;
                tracing::warn!(times, %address, limit, "connections refused: too many of one address are open");
            }
        }
        share.map(|share| AddressPlace {
            _share: Some(share),
        })
    }

    /// What a burst has left unsaid.
    pub(crate) fn say_the_rest(&self) {
        if let Some(times) = self.said(Seldom::overdue) {
            tracing::warn!(
                times,
                "connections refused: too many of one address are open"
            );
        }
    }

    fn said(&self, is_due: impl FnOnce(&mut Seldom) -> Option<u64>) -> Option<u64> {
        let mut said = self.0.said.lock().unwrap_or_else(PoisonError::into_inner);
        is_due(&mut said)
    }
}
