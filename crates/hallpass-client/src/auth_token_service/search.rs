//! Looking for a token that another process has got, and agreeing on who asks the issuer where none has.

use std::time::Duration;

use hallpass_token::UnixTime;
use hallpass_upstream::random_fraction;
use tokio::time::Instant;

use super::backoff;
use super::entry::Entry;
use super::issued::IssuedToken;
use super::lifetime::Phase;
use super::minting::Mint;
use super::moment::Moment;
use super::reason::Reason;
use super::revoked;
use super::tiers::metrics::LeaseResult;
use super::tiers::{Leases, Tiers, Unanswered};
use crate::internal_token_cache::SealedToken;

/// First wait for another process's token; each further one is twice as long, up to [`LONGEST_WAIT`]. Of each a half or more is
/// waited, by chance, so that processes do not ask together.
const FIRST_WAIT: Duration = Duration::from_millis(25);
/// Longest wait between two looks.
const LONGEST_WAIT: Duration = Duration::from_millis(200);

/// What one token request looks for in the tiers.
#[derive(Clone, Copy)]
pub(crate) struct Search<'a> {
    pub(crate) mint: &'a Mint,
    pub(crate) tiers: &'a Tiers,
    pub(crate) entry: &'a Entry,
    pub(crate) reason: Reason,
}

/// Who asks the issuer.
pub(crate) enum Turn {
    /// This process, with these leases.
    Mine(Leases),
    /// Another process has, and this is its token.
    Found(IssuedToken),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    First,
    Again,
}

impl Search<'_> {
    /// The first token in a tier that is alive and ends later than the one the process has. After a rejection: one that is
    /// younger than all that this process knew before.
    ///
    /// # Errors
    /// As [`Tiers::find`].
    pub(crate) async fn find(&self) -> Result<Option<IssuedToken>, Unanswered> {
        self.look(Look::First).await
    }

    /// The token in memory, where the tiers were asked only whether it was evicted.
    pub(crate) fn doubted(&self) -> Option<IssuedToken> {
        let current = self.entry.current();
        let doubted = current.filter(|token| token.minted.is_doubted)?;
        let is_fresh = self.trusted(&doubted).phase(self.mint.now()) == Phase::Fresh;
        (self.reason == Reason::Age && is_fresh).then_some(doubted)
    }

    /// A token in memory that a tier still has.
    fn trusted(&self, token: &IssuedToken) -> IssuedToken {
        self.mint
            .with_cache_life(token, self.entry.source.cache_life())
    }

    /// A token that is due is taken where the process can keep it: its next use renews it in the
    /// background. An overdue one serves only while the issuer cannot be asked.
    pub(crate) fn is_good_enough(&self, token: &IssuedToken) -> bool {
        match token.phase(self.mint.now()) {
            Phase::Fresh => true,
            Phase::Due => self.entry.keeps() && self.reason == Reason::Miss,
            Phase::Overdue | Phase::Ended => false,
        }
    }

    pub(crate) fn is_younger_than_evictions(&self, moment: Moment) -> bool {
        self.entry.evicted_at().is_none_or(|at| moment > at)
    }

    /// Of several processes that want the token one asks the issuer, and the others wait until it is in a tier. After `patience`, and where
    /// a tier cannot say who it is, this one asks in any case. `spare` serves at once while another one renews it.
    pub(crate) async fn turn(&self, spare: &mut Option<IssuedToken>, patience: Duration) -> Turn {
        let (key, metrics) = (&self.entry.key, self.tiers.metrics());
        let (start, mut wait, mut is_waiting) = (Instant::now(), FIRST_WAIT, false);
        loop {
            if let Some(leases) = self.tiers.lease(key).await {
                if leases.is_empty() {
                    return Turn::Mine(leases);
                }
                // Who held it before may just have put its token there.
                let Some(found) = self.look_again(spare).await else {
                    metrics.leased(LeaseResult::Held);
                    return Turn::Mine(leases);
                };
                self.tiers.release(key, leases).await;
                return Turn::Found(found);
            }
            if !is_waiting {
                metrics.leased(LeaseResult::Elsewhere);
                is_waiting = true;
            }
            if let Some(due) = spare.take_if(|spare| spare.phase(self.mint.now()) == Phase::Due) {
                return Turn::Found(due);
            }
            if start.elapsed() >= patience {
                metrics.leased(LeaseResult::Expired);
                return Turn::Mine(Leases::default());
            }
            tokio::time::sleep(backoff::half_or_more(wait, random_fraction())).await;
            wait = wait.saturating_mul(2).min(LONGEST_WAIT);
            if let Some(found) = self.look_again(spare).await {
                metrics.leased(LeaseResult::Waited);
                return Turn::Found(found);
            }
        }
    }

    /// A token that is good enough. One that is not becomes the spare one.
    async fn look_again(&self, spare: &mut Option<IssuedToken>) -> Option<IssuedToken> {
        let found = self.look(Look::Again).await.ok()??;
        if self.is_good_enough(&found) {
            return Some(found);
        }
        *spare = Some(found);
        None
    }

    async fn look(&self, look: Look) -> Result<Option<IssuedToken>, Unanswered> {
        if self.tiers.is_empty() {
            return Ok(None);
        }
        let entry = self.entry;
        let rejected = match self.reason {
            Reason::Rejected { .. } => entry.newest(),
            Reason::Miss | Reason::Age => None,
        };
        let seals = entry.source.seals();
        let accept = |sealed: SealedToken| {
            let stored = seals.open(&entry.key, &sealed)?;
            if rejected.is_some_and(|rejected| stored.moment <= rejected) {
                return None;
            }
            let doubted = entry.current().filter(|token| token.minted.is_doubted);
            if let Some(doubted) =
                doubted.filter(|token| *token.access_token() == stored.access_token)
            {
                return Some(self.trusted(&doubted));
            }
            let adopted = self.mint.adopted(stored, entry.source.cache_life())?;
            Some(adopted).filter(|found| {
                self.is_better(found)
                    && self.is_younger_than_evictions(found.minted.moment)
                    && !self.is_revoked(found)
            })
        };
        let found = match look {
            Look::First => self.tiers.find(&entry.key, accept).await?,
            Look::Again => self.tiers.find_again(&entry.key, accept).await?,
        };
        // Once more: it may have been evicted meanwhile.
        Ok(found.filter(|found| self.is_younger_than_evictions(found.minted.moment)))
    }

    /// Whether it is known to be revoked. A process that was not there when it was finds such a token in a tier that nobody has told.
    pub(super) fn is_revoked(&self, token: &IssuedToken) -> bool {
        let (list, now) = (self.entry.source.revocations(), self.mint.now().wall);
        revoked::denies(list, token.access_token(), UnixTime::from(now))
    }

    fn is_better(&self, token: &IssuedToken) -> bool {
        let now = self.mint.now();
        let current = self.entry.current();
        let current = current.filter(|current| current.phase(now) != Phase::Ended);
        // Ends are whole seconds: of two that end in the same one the younger counts.
        let rank = |token: &IssuedToken| (token.expires_at(), token.minted.moment);
        let is_newer = current.is_none_or(|current| rank(token) > rank(&current));
        is_newer && token.phase(now) != Phase::Ended
    }
}
