//! Who may have a guessable secret compared: token buckets that stand before every comparison.
//!
//! Nothing here looks at the secret: a limit that lets the right guess through is none. What tells a right client from
//! somebody who guesses is where it was right before, and how often it failed from there:
//!
//! * a **proven pair**, a client and an address from which it was right before, draws on a bucket of its own, so what
//!   others try elsewhere, or from there in another name, does not touch it;
//! * the **first attempts** of any other pair, two in half a day, are paid from a reserve of the client that is for first
//!   attempts alone. With pauses of whatever length, somebody who guesses from a few addresses takes two of the reserve's
//!   thousands from each: to use it up, he needs thousands of addresses;
//! * what such a pair tries **beyond**, or when the reserve is empty, it shares with all that failed before: a bucket of
//!   the pair, one of its client and one of its site. That is where those who guess stand in each other's way.
//!
//! A signature that is checked costs what a comparison does not. So of those attempts that are shared with all that failed before, all clients
//! together have so many a second where a signature is checked: however many addresses send wrong ones, they take a part of one core. Proven pairs and
//! first attempts are not among them.
//!
//! Whatever number of addresses somebody has, the reserve and the bucket of the client bound his guesses at it: some
//! 104,000 in a day, after 10,000 once. A bound on guesses from new addresses is one on right secrets from new addresses
//! too, so 5,000 addresses (or 625 sites of IPv6) that guess at one client can still keep its new addresses waiting; a
//! proven pair they cannot.
//!
//! Only a comparison that failed takes anything. Memory is fixed, about 4 MiB, whatever names come: a bucket of a name is
//! the fuller one of two slots that a keyed hash finds, so a name shares its bucket only when both its slots are
//! shared, and nobody can choose such names. Only a right secret makes a proven pair.

mod first_attempts;
pub(crate) mod lockouts;
mod proven;
mod table;
mod waiting;

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::time::Duration;

use crate::token::throttle::first_attempts::{FirstAttempt, FirstAttempts};
use crate::token::throttle::lockouts::{LockedBy, Lockouts};
use crate::token::throttle::proven::{Proven, ProvenPairs};
use crate::token::throttle::table::{Bucket, Rate, Slots, Table};

/// Slots where many names come together: 512 KiB each time.
const MANY_SLOTS: usize = 64 * 1024;
/// Slots where few do, since each name costs its maker a failure that the other tables allow: 128 KiB each time.
const FEW_SLOTS: usize = 16 * 1024;

/// First attempts of one pair in half a day: who typed a secret wrong may try again, and two costly checks run at once.
const FIRST_OF_PAIR: u8 = 2;
/// First attempts at one client from one site of IPv6, which has 65,536 networks.
const FIRST_OF_SITE: u8 = 16;

/// Per client and address, and per proven pair: 20 failures at once, then 2 a second.
const PER_PAIR: Rate = Rate::new(20, Duration::from_millis(500));
/// The reserve of a client for first attempts: 10,000 at once, then one in 5 seconds, 17,280 in a day.
const FIRST_PER_CLIENT: Rate = Rate::new(10_000, Duration::from_secs(5));
/// Per site, first attempts under all names: 20 at once, then one an hour. Few, so that somebody who makes names up cannot
/// fill what is remembered of first attempts.
const FIRST_PER_SITE: Rate = Rate::new(20, Duration::from_secs(3_600));
/// Per client, whatever else unproven addresses try: 20 at once, then one a second, 86,400 in a day.
const PER_CLIENT: Rate = Rate::new(20, Duration::from_secs(1));
/// Per site, whatever else it tries under unproven names: 100 at once, then 20 a second.
const PER_SITE: Rate = Rate::new(100, Duration::from_millis(50));
/// Of all clients together, whatever else unproven addresses have checked of signatures: 2,000 at once, then 1,000 a second. Each takes some
/// hundred microseconds.
const PER_ISSUER: Rate = Rate::new(2_000, Duration::from_millis(1));

/// The buckets of one issuer. They outlive every reload.
#[derive(Debug)]
pub(crate) struct Throttle {
    hasher: RandomState,
    proven: ProvenPairs,
    pairs: Table,
    remembered: FirstAttempts,
    first: Names,
    beyond: Names,
    signatures: Bucket,
    lockouts: Lockouts,
}

/// What an attempt costs when it is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Microseconds, or a turn of its own.
    Comparison,
    /// The check of a signature.
    Signature,
}

/// Who is past its failures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Locked {
    retry_after: Duration,
    by: LockedBy,
    client: u64,
    pair: u64,
}

/// The buckets of clients and of sites.
#[derive(Debug)]
struct Names {
    clients: Table,
    sites: Table,
}

/// Leave to compare one secret. Say how it ended: by [`failed`](Self::failed) or [`was_right`](Self::was_right).
#[derive(Debug)]
#[must_use]
pub(crate) struct Pass<'t> {
    throttle: &'t Throttle,
    /// Whose share of the proven pairs it would take.
    owner: u64,
    pair: u64,
    buckets: Buckets<'t>,
    now: Duration,
}

#[derive(Debug)]
enum Buckets<'t> {
    Proven(Proven<'t>),
    Unproven {
        pair: Slots<'t>,
        names: NameSlots<'t>,
        first: Option<FirstAttempt<'t>>,
    },
}

impl Throttle {
    pub(crate) fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            proven: ProvenPairs::new(PER_PAIR),
            pairs: Table::new(PER_PAIR, MANY_SLOTS),
            remembered: FirstAttempts::new(),
            first: Names {
                clients: Table::new(FIRST_PER_CLIENT, FEW_SLOTS),
                sites: Table::new(FIRST_PER_SITE, MANY_SLOTS),
            },
            beyond: Names {
                clients: Table::new(PER_CLIENT, MANY_SLOTS),
                sites: Table::new(PER_SITE, FEW_SLOTS),
            },
            signatures: Bucket::default(),
            lockouts: Lockouts::default(),
        }
    }

    /// Whether what came from `source` for `client_id` may be compared, or checked, now. Takes nothing.
    ///
    /// # Errors
    /// How long to wait until there is an attempt again.
    pub(crate) fn admit(
        &self,
        work: Work,
        client_id: &str,
        source: Option<IpAddr>,
        now: Duration,
    ) -> Result<Pass<'_>, Locked> {
        self.admit_as(work, (client_id, client_id), source, now)
    }

    /// The same of one token that `owner` shows many times, when its own buckets are empty: those who fail in its name bring
    /// others. Not for what could be guessed: each text has buckets of its own, and shares those of the site alone.
    ///
    /// # Errors
    /// How long to wait until there is an attempt again.
    pub(crate) fn admit_shown(
        &self,
        (owner, token): (&str, &str),
        source: Option<IpAddr>,
        now: Duration,
    ) -> Result<Pass<'_>, Locked> {
        self.admit_as(Work::Signature, (owner, &shown(owner, token)), source, now)
    }

    /// The token was right: from now on, it and `source` are a proven pair, in the share of `owner`.
    pub(crate) fn prove_shown(&self, (owner, token): (&str, &str), source: Option<IpAddr>) {
        let pair = self.pair(&shown(owner, token), source);
        self.proven.add(pair, self.hasher.hash_one(owner));
    }

    fn pair(&self, name: &str, source: Option<IpAddr>) -> u64 {
        self.hasher.hash_one((name, source.map(network)))
    }

    fn admit_as(
        &self,
        work: Work,
        (owner, client_id): (&str, &str),
        source: Option<IpAddr>,
        now: Duration,
    ) -> Result<Pass<'_>, Locked> {
        let client = self.hasher.hash_one(client_id);
        let pair = self.pair(client_id, source);
        let locked = |by, retry_after| Locked {
            retry_after,
            by,
            client,
            pair,
        };
        let pass = |buckets| Pass {
            throttle: self,
            owner: self.hasher.hash_one(owner),
            pair,
            buckets,
            now,
        };
        if let Some(proven) = self.proven.find(pair) {
            let checked = proven.check(now);
            checked.map_err(|wait| locked(LockedBy::Pair, wait))?;
            return Ok(pass(Buckets::Proven(proven)));
        }
        let own = self.pairs.slots(pair);
        own.check(now)
            .map_err(|wait| locked(LockedBy::Pair, wait))?;
        let site = source.map(|source| self.hasher.hash_one(site(source)));
        if let Some(first) = self.first_attempt(client_id, source, pair, now) {
            let reserve = self.first.slots(client, site, None);
            if reserve.check(now).is_ok() {
                return Ok(pass(Buckets::Unproven {
                    pair: own,
                    names: reserve,
                    first: Some(first),
                }));
            }
        }
        let of_all = (work == Work::Signature).then_some(&self.signatures);
        let names = self.beyond.slots(client, site, of_all);
        names.check(now).map_err(|(by, wait)| locked(by, wait))?;
        Ok(pass(Buckets::Unproven {
            pair: own,
            names,
            first: None,
        }))
    }

    /// The next first attempt, when one is left to the pair, and to the client at an IPv6 site.
    fn first_attempt(
        &self,
        client_id: &str,
        source: Option<IpAddr>,
        pair: u64,
        now: Duration,
    ) -> Option<FirstAttempt<'_>> {
        let unspent = |counted: u64, limit: u8| {
            let mut numbers = (0..limit).map(|number| self.hasher.hash_one((counted, number)));
            numbers.find(|mark| !self.remembered.is_spent(*mark, now))
        };
        let of_pair = unspent(pair, FIRST_OF_PAIR)?;
        // An IPv4 address is a site of its own.
        let of_site = match source.map(|source| source.to_canonical()) {
            Some(source @ IpAddr::V6(_)) => {
                let at_site = self.hasher.hash_one((client_id, Some(site(source))));
                Some(unspent(at_site, FIRST_OF_SITE)?)
            }
            Some(IpAddr::V4(_)) | None => None,
        };
        Some(self.remembered.attempt(of_pair, of_site))
    }
}

impl Names {
    fn slots<'t>(
        &'t self,
        client: u64,
        site: Option<u64>,
        of_all: Option<&'t Bucket>,
    ) -> NameSlots<'t> {
        NameSlots {
            client: self.clients.slots(client),
            site: site.map(|site| self.sites.slots(site)),
            of_all,
        }
    }
}

/// The buckets that a pair shares with others.
#[derive(Debug)]
struct NameSlots<'t> {
    client: Slots<'t>,
    site: Option<Slots<'t>>,
    /// Of all clients together, where that counts.
    of_all: Option<&'t Bucket>,
}

impl NameSlots<'_> {
    fn each(&self) -> impl Iterator<Item = &Slots<'_>> {
        self.site.iter().chain([&self.client])
    }

    /// # Errors
    /// What is empty, and how long to wait until there is an attempt again.
    fn check(&self, now: Duration) -> Result<(), (LockedBy, Duration)> {
        if let Some(site) = &self.site {
            site.check(now).map_err(|wait| (LockedBy::Address, wait))?;
        }
        let of_client = self.client.check(now);
        of_client.map_err(|wait| (LockedBy::Client, wait))?;
        let of_all = self.of_all.map(|bucket| bucket.check(PER_ISSUER, now));
        of_all
            .unwrap_or(Ok(()))
            .map_err(|wait| (LockedBy::Issuer, wait))
    }

    fn take(&self, now: Duration) {
        self.each().for_each(|slots| slots.take(now));
        self.of_all.iter().for_each(|it| it.take(PER_ISSUER, now));
    }

    fn give_back(&self) {
        self.each().for_each(Slots::give_back);
        self.of_all.iter().for_each(|it| it.give_back(PER_ISSUER));
    }
}

impl Pass<'_> {
    /// The secret was wrong, or is about to be compared at a cost: takes one attempt.
    pub(crate) fn failed(&self) {
        match &self.buckets {
            Buckets::Proven(proven) => proven.take(self.now),
            Buckets::Unproven { pair, names, first } => {
                pair.take(self.now);
                names.take(self.now);
                if let Some(first) = first {
                    first.spend(self.now);
                }
            }
        }
    }

    /// The secret was right after [`failed`](Self::failed) had been said: gives back what that took. A first attempt stays
    /// spent, since a proven pair needs none.
    pub(crate) fn was_right_after_all(self) {
        self.give_back();
        self.was_right();
    }

    /// Gives back what [`failed`](Self::failed) took: nobody can say whether it was right.
    pub(crate) fn give_back(&self) {
        match &self.buckets {
            Buckets::Proven(proven) => proven.give_back(),
            Buckets::Unproven { pair, names, .. } => {
                pair.give_back();
                names.give_back();
            }
        }
    }

    /// The secret was right: from now on the pair is a proven one.
    pub(crate) fn was_right(self) {
        if matches!(self.buckets, Buckets::Unproven { .. }) {
            self.throttle.proven.add(self.pair, self.owner);
        }
    }
}

/// No client is called so: no id has a line feed.
fn shown(owner: &str, token: &str) -> String {
    format!("{owner}\n{token}")
}

/// What one caller has at least: a whole IPv4 address, the /64 of an IPv6 one.
const fn network(source: IpAddr) -> u64 {
    match source.to_canonical() {
        IpAddr::V4(address) => address.to_bits() as u64,
        IpAddr::V6(address) => (address.to_bits() >> 64) as u64,
    }
}

/// What one party has at most, as far as one can tell: a whole IPv4 address, the /48 of an IPv6 one.
const fn site(source: IpAddr) -> u64 {
    match source.to_canonical() {
        IpAddr::V4(address) => address.to_bits() as u64,
        // The bit keeps it apart from networks and from IPv4 addresses.
        IpAddr::V6(address) => (address.to_bits() >> 80) as u64 + (1 << 48),
    }
}

#[cfg(test)]
mod tests;
