//! Who may have a guessable secret compared: token buckets that stand before every comparison.
//!
//! Nothing here looks at the secret: a limit that lets the right guess through is none. What tells a right client from
//! somebody who guesses is where it was right before:
//!
//! * a **proven pair**, a client and an address from which it was right before, draws on a bucket of its own, so what
//!   others try elsewhere, or from there in another name, does not touch it;
//! * any other pair draws on a bucket of the pair, and on one of its client and one of its address. For these two there
//!   are buckets for **newcomers**, pairs without a recent failure, apart from those for pairs that try again and again:
//!   somebody who guesses without a pause cannot use up what a client needs that comes for the first time.
//!
//! Only a comparison that failed takes anything. Memory is fixed, about 2 MiB, whatever names come: an unproven bucket
//! is the fuller one of two slots that a keyed hash finds, so a name shares its bucket only when both its slots are
//! shared, and nobody can choose such names. Only a right secret makes a proven pair.

mod proven;
mod table;

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::time::Duration;

use crate::token::throttle::proven::{Proven, ProvenPairs};
use crate::token::throttle::table::{Rate, Slots, Table};

/// Slots for pairs: 512 KiB. More than for names, since whoever has many of both makes many pairs.
const PAIR_SLOTS: usize = 64 * 1024;
/// Slots for clients or addresses: 128 KiB each time.
const NAME_SLOTS: usize = 16 * 1024;
/// After a refusal a pair counts as a newcomer again when it was quiet for so long.
const QUIET: Duration = Duration::from_secs(1);

/// Per client and address, and per proven pair: 20 failures at once, then 2 a second.
const PER_PAIR: Rate = Rate::new(20, Duration::from_millis(500));
/// Per client, from all unproven addresses that failed before: 20 at once, then 2 a second.
const PER_CLIENT: Rate = Rate::new(20, Duration::from_millis(500));
/// Per client, from all addresses that come for the first time: 50 at once, then one a second.
const NEWCOMERS_PER_CLIENT: Rate = Rate::new(50, Duration::from_secs(1));
/// Per address (an IPv6 one is its /64), under all unproven names that failed before: 100 at once, then 20 a second.
const PER_SOURCE: Rate = Rate::new(100, Duration::from_millis(50));
/// Per address, under all names that it uses for the first time: 100 at once, then 2 a second.
const NEWCOMERS_PER_SOURCE: Rate = Rate::new(100, Duration::from_millis(500));

/// The buckets of one issuer. They outlive every reload.
#[derive(Debug)]
pub(crate) struct Throttle {
    hasher: RandomState,
    proven: ProvenPairs,
    pairs: Table,
    newcomers: Names,
    others: Names,
}

/// The buckets of clients and of addresses.
#[derive(Debug)]
struct Names {
    clients: Table,
    sources: Table,
}

/// Leave to compare one secret. Say how it ended: by [`failed`](Self::failed) or [`was_right`](Self::was_right).
#[derive(Debug)]
#[must_use]
pub(crate) struct Pass<'t> {
    throttle: &'t Throttle,
    pair: u64,
    buckets: Buckets<'t>,
    now: Duration,
}

#[derive(Debug)]
enum Buckets<'t> {
    Proven(Proven<'t>),
    Unproven {
        pair: Slots<'t>,
        source: Option<Slots<'t>>,
        client: Slots<'t>,
    },
}

impl Throttle {
    pub(crate) fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            proven: ProvenPairs::new(PER_PAIR),
            pairs: Table::new(PER_PAIR, PAIR_SLOTS),
            newcomers: Names {
                clients: Table::new(NEWCOMERS_PER_CLIENT, NAME_SLOTS),
                sources: Table::new(NEWCOMERS_PER_SOURCE, NAME_SLOTS),
            },
            others: Names {
                clients: Table::new(PER_CLIENT, NAME_SLOTS),
                sources: Table::new(PER_SOURCE, NAME_SLOTS),
            },
        }
    }

    /// Whether a secret of `client_id` that came from `source` may be compared now. Takes nothing.
    ///
    /// # Errors
    /// How long to wait until there is an attempt again.
    pub(crate) fn admit(
        &self,
        client_id: &str,
        source: Option<IpAddr>,
        now: Duration,
    ) -> Result<Pass<'_>, Duration> {
        let network = source.map(network);
        let pair = self.hasher.hash_one((client_id, network));
        let pass = |buckets| Pass {
            throttle: self,
            pair,
            buckets,
            now,
        };
        if let Some(proven) = self.proven.find(pair) {
            proven.check(now)?;
            return Ok(pass(Buckets::Proven(proven)));
        }
        let own = self.pairs.slots(pair);
        own.check(now)?;
        let names = if own.is_full(now) {
            &self.newcomers
        } else {
            &self.others
        };
        let source = network.map(|network| names.sources.slots(self.hasher.hash_one(network)));
        let client = names.clients.slots(self.hasher.hash_one(client_id));
        let checked = source.as_ref().map_or(Ok(()), |source| source.check(now));
        if let Err(wait) = checked.and_then(|()| client.check(now)) {
            // Who goes on without a pause is no newcomer, also when nothing of it was compared.
            own.occupy(now, QUIET);
            return Err(wait);
        }
        Ok(pass(Buckets::Unproven {
            pair: own,
            source,
            client,
        }))
    }
}

impl Pass<'_> {
    /// The secret was wrong, or is about to be compared at a cost: takes one attempt.
    pub(crate) fn failed(&self) {
        match &self.buckets {
            Buckets::Proven(proven) => proven.take(self.now),
            Buckets::Unproven {
                pair,
                source,
                client,
            } => {
                pair.take(self.now);
                client.take(self.now);
                if let Some(source) = source {
                    source.take(self.now);
                }
            }
        }
    }

    /// The secret was right after [`failed`](Self::failed) had been said: gives back what that took.
    pub(crate) fn was_right_after_all(self) {
        match &self.buckets {
            Buckets::Proven(proven) => proven.give_back(),
            Buckets::Unproven {
                pair,
                source,
                client,
            } => {
                pair.give_back();
                client.give_back();
                if let Some(source) = source {
                    source.give_back();
                }
            }
        }
        self.was_right();
    }

    /// The secret was right: from now on the pair is a proven one.
    pub(crate) fn was_right(self) {
        if matches!(self.buckets, Buckets::Unproven { .. }) {
            self.throttle.proven.add(self.pair);
        }
    }
}

/// The part of an address that belongs to one party: a whole IPv4 address, the /64 of an IPv6 one.
const fn network(source: IpAddr) -> u64 {
    match source {
        IpAddr::V4(address) => address.to_bits() as u64,
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => address.to_bits() as u64,
            None => (address.to_bits() >> 64) as u64,
        },
    }
}

#[cfg(test)]
mod tests;
