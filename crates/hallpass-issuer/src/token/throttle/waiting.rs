//! Those who are told to wait: what is noted of them, and how that ends before its time.

use std::hash::BuildHasher as _;
use std::net::IpAddr;

use super::{Locked, Throttle, site};
use crate::token::attempt::Attempt;
use crate::token::refusal::Refusal;
use crate::token::throttle::lockouts::{LockedBy, Lockout, LockoutNames, Lockouts};

impl Throttle {
    /// The refusal of somebody who was not let in, which is noted in [`lockouts`](Self::lockouts).
    pub(crate) fn too_many(
        &self,
        locked: Locked,
        unverified_client_id: &str,
        attempt: Attempt,
    ) -> Refusal {
        let names = LockoutNames {
            unverified_client_id,
            source: attempt.source,
            at: attempt.now,
        };
        let key = match locked.by {
            LockedBy::Pair => locked.pair,
            LockedBy::Client => locked.client,
            LockedBy::Address => self.hasher.hash_one(names.source.map(site)),
            LockedBy::Issuer => 0,
        };
        self.lockouts
            .note((key, locked.by), names, attempt.monotonic);
        Refusal::TooManyAttempts {
            retry_after: locked.retry_after,
        }
    }

    /// Who was told to wait lately.
    pub(crate) const fn lockouts(&self) -> &Lockouts {
        &self.lockouts
    }

    /// Ends what keeps `client_id` waiting, from `source` alone if there is one, and gives the lockouts that have ended.
    pub(crate) fn unlock(&self, client_id: &str, source: Option<IpAddr>) -> Vec<Lockout> {
        let client = self.hasher.hash_one(client_id);
        let ended = self.lockouts.end(client_id, source);
        let sources = ended.iter().map(|it| it.source).chain([source]);
        for source in sources {
            self.free_pair(self.pair(client_id, source));
            if let Some(source) = source {
                let site = self.hasher.hash_one(site(source));
                self.first.sites.slots(site).refill();
                self.beyond.sites.slots(site).refill();
            }
        }
        // Shared by all of its new addresses, so that without it nothing would be gained.
        self.first.clients.slots(client).refill();
        self.beyond.clients.slots(client).refill();
        ended
    }

    /// A secret that nobody could guess was right: what others, or the client itself, have failed at before from there is over.
    pub(crate) fn right_beyond_doubt(&self, client_id: &str, source: Option<IpAddr>) {
        let pair = self.pair(client_id, source);
        if self.lockouts.end_of_pair(pair) {
            self.free_pair(pair);
        }
    }

    fn free_pair(&self, pair: u64) {
        self.pairs.slots(pair).refill();
        if let Some(proven) = self.proven.find(pair) {
            proven.refill();
        }
    }
}
