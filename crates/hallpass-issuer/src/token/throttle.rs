//! Token buckets before every costly secret check: one per client id, one per source address.
//!
//! Only failed or costly attempts take from a bucket, so a caller with the right secret is never slowed at a
//! normal rate. Memory is fixed: a bucket is one slot of a table, found by a keyed hash; two names that meet in
//! one slot share it. An attacker cannot choose such names, because the hash key is random.

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Slots per table. Two tables of 8 bytes a slot: 256 KiB in all, however many names come.
const SLOTS: usize = 16 * 1024;

/// How many failed attempts, and how fast they come back.
#[derive(Clone, Copy, Debug)]
struct Rate {
    /// Attempts in a full bucket.
    burst: u32,
    /// Time after which one attempt has come back.
    refill: Duration,
}

/// Per client id: 20 attempts at once, then 2 a second.
const PER_CLIENT: Rate = Rate {
    burst: 20,
    refill: Duration::from_millis(500),
};
/// Per source address (an IPv6 source is its /64): 100 attempts at once, then 20 a second.
const PER_SOURCE: Rate = Rate {
    burst: 100,
    refill: Duration::from_millis(50),
};

/// The buckets of one issuer.
#[derive(Debug)]
pub(crate) struct Throttle {
    hasher: RandomState,
    clients: Table,
    sources: Table,
}

impl Throttle {
    pub(crate) fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            clients: Table::new(PER_CLIENT),
            sources: Table::new(PER_SOURCE),
        }
    }

    /// Takes one attempt from the bucket of `source` and then of `client_id`.
    ///
    /// A source whose bucket is empty takes nothing from the client's, so that one address with many failed
    /// attempts cannot lock others out of that client.
    ///
    /// # Errors
    /// How long to wait until there is an attempt again.
    pub(crate) fn take(
        &self,
        client_id: &str,
        source: Option<IpAddr>,
        now: Duration,
    ) -> Result<(), Duration> {
        if let Some(source) = source {
            self.sources.take(self.slot(network(source)), now)?;
        }
        self.clients.take(self.slot(client_id), now)
    }

    fn slot(&self, name: impl Hash) -> u64 {
        self.hasher.hash_one(name)
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

/// Slots that each hold the theoretical arrival time of the generic cell rate algorithm, in nanoseconds.
#[derive(Debug)]
struct Table {
    rate: Rate,
    slots: Box<[AtomicU64]>,
}

impl Table {
    fn new(rate: Rate) -> Self {
        Self {
            rate,
            slots: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    fn take(&self, hash: u64, now: Duration) -> Result<(), Duration> {
        let Some(slot) = self
            .slots
            .get(usize::try_from(hash).unwrap_or_default() % SLOTS)
        else {
            return Ok(());
        };
        let now = nanos(now);
        let refill = nanos(self.rate.refill);
        // A bucket is empty when its next attempt is due more than a burst of attempts ahead of now.
        let furthest = now.saturating_add(refill.saturating_mul(u64::from(self.rate.burst)));
        let taken = slot.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |due| {
            let next = due.max(now).saturating_add(refill);
            (next <= furthest).then_some(next)
        });
        taken.map(|_| ()).map_err(|due| {
            Duration::from_nanos(due.max(now).saturating_add(refill).saturating_sub(furthest))
        })
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(1_000);

    fn attempts(throttle: &Throttle, client: &str, source: Option<IpAddr>, now: Duration) -> usize {
        (0..1_000)
            .take_while(|_| throttle.take(client, source, now).is_ok())
            .count()
    }

    #[test]
    fn a_client_has_its_burst_and_then_waits_for_the_refill() {
        let throttle = Throttle::new();
        assert_eq!(attempts(&throttle, "a", None, START), 20);
        let wait = throttle.take("a", None, START).unwrap_err();
        assert_eq!(wait, Duration::from_millis(500));
        assert_eq!(attempts(&throttle, "a", None, START + wait), 1);
        assert_eq!(
            attempts(&throttle, "a", None, START + Duration::from_secs(3_600)),
            20,
            "no more than a burst is saved up"
        );
    }

    #[test]
    fn one_source_cannot_use_up_every_client_and_an_empty_source_takes_nothing_from_a_client() {
        let throttle = Throttle::new();
        let loud = Some(IpAddr::from([10, 0, 0, 1]));
        let tried = (0..1_000)
            .filter(|n| throttle.take(&format!("client-{n}"), loud, START).is_ok())
            .count();
        assert_eq!(tried, 100);
        assert!(throttle.take("victim", loud, START).is_err());
        // Not quite 20: another name may share its slot.
        assert!(
            attempts(
                &throttle,
                "victim",
                Some(IpAddr::from([10, 0, 0, 2])),
                START
            ) >= 15
        );
    }

    #[test]
    fn an_ipv6_party_is_its_64_and_a_mapped_address_is_its_ipv4_one() {
        let party = |text: &str| network(text.parse().unwrap());
        assert_eq!(party("2001:db8::1"), party("2001:db8::ffff:2"));
        assert_ne!(party("2001:db8::1"), party("2001:db8:0:1::1"));
        assert_eq!(party("::ffff:10.0.0.1"), party("10.0.0.1"));
    }
}
