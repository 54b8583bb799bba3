//! The one token request of a key: who starts it, who waits for it, how it ends.

use std::sync::Arc;
use std::time::Duration;

use hallpass_upstream::random_fraction;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::backoff;
use super::entry::Entry;
use super::entry_state::Outcome;
use super::issued::IssuedToken;
use super::lifetime::{Now, Phase};
use super::minting::{Asked, Mint};
use super::notices::Notices;
use super::purge::Purge;
use super::reason::Reason;
use super::revoked::Revoked;
use super::seals::Evicted;
use super::search::{Search, Turn};
use super::tiers::{Leases, Tiers, Unanswered};
use crate::error::TokenError;
use crate::grant::response::NotGranted;

pub(crate) mod metrics;

use metrics::{RequestMetrics, TokenRequested};

/// Makes the token requests of one service, whatever kind of token a key stands for: at most one a key at a time.
#[derive(Debug)]
pub(crate) struct Flights {
    pub(crate) mint: Arc<Mint>,
    pub(crate) tiers: Arc<Tiers>,
    /// Those of tokens that other processes cannot use.
    pub(crate) no_tiers: Tiers,
    pub(crate) purge: Arc<Purge>,
    pub(crate) notices: Notices,
    pub(crate) revoked: Arc<Revoked>,
    pub(crate) metrics: RequestMetrics,
    pub(crate) min_forced_interval: Duration,
    /// How long the request of another process is waited for.
    pub(crate) patience: Duration,
}

/// What a caller gets who wants a token.
pub(crate) enum Joined {
    /// Somebody else has just got one.
    Current(IssuedToken),
    /// The request that is under way now.
    Waiting(Waiter),
    /// One that began before the token was evicted: what it brings is for those who waited for it before.
    Outdated(Waiter),
}

/// How often a caller waits for an outdated request to end before it gives up: more evictions in a row than that leave no
/// token to anybody.
const MAX_OUTDATED: u32 = 4;

/// How long a token is used in doubt before a tier that does not respond is asked about it again.
const DOUBT_WAIT: Duration = Duration::from_secs(1);

/// A place among those who wait for the end of a request. It may be given up at any time.
#[derive(Clone)]
pub(crate) struct Waiter(watch::Receiver<Outcome>);

impl Flights {
    /// [`Self::join`] for a caller that waits: one that comes after an eviction waits for a request that began after it.
    /// So there is still one request at a time, however often callers evict and ask again.
    pub(crate) async fn join_current(
        self: &Arc<Self>,
        entry: &Arc<Entry>,
        reason: Reason,
    ) -> Result<Joined, TokenError> {
        for _ in 0..MAX_OUTDATED {
            match self.join(entry, reason)? {
                Joined::Outdated(waiter) => _ = waiter.end().await,
                joined => return Ok(joined),
            }
        }
        Err(TokenError::Lost)
    }

    fn tiers_of(&self, entry: &Entry) -> &Tiers {
        match entry.source.is_private() {
            true => &self.no_tiers,
            false => &self.tiers,
        }
    }

    /// Joins the request under way for this key, or starts one in a task of its own: a caller that goes
    /// away cancels nobody, and no caller's identity reaches it.
    pub(crate) fn join(
        self: &Arc<Self>,
        entry: &Arc<Entry>,
        reason: Reason,
    ) -> Result<Joined, TokenError> {
        let runtime = Handle::try_current().map_err(|_| TokenError::NoRuntime)?;
        let (outcome, waiting) = watch::channel(Outcome::UnderWay);
        {
            let now = self.mint.now();
            let mut state = entry.state();
            // Once more under the lock: a request may have ended since the caller looked.
            if let Some(token) = entry
                .current()
                .filter(|token| reason.is_met_by(token, token.phase(now)))
            {
                return Ok(Joined::Current(token));
            }
            if let Some(flight) = &state.flight {
                let waiter = Waiter(flight.outcome.clone());
                return Ok(if state.is_flight_current() {
                    Joined::Waiting(waiter)
                } else {
                    Joined::Outdated(waiter)
                });
            }
            let tiers_may_help = !entry.keeps() && !self.tiers_of(entry).is_empty();
            if let Some(error) = state.backing_off(now.monotonic)
                && !tiers_may_help
            {
                return Err(error);
            }
            if let Reason::Rejected { generation } = reason {
                state.force(generation, now.monotonic, self.min_forced_interval)?;
            }
            entry.started(&mut state, waiting.clone());
        }
        self.notices.follow(&self.tiers, &runtime);
        self.revoked.follow(entry.source.revocations(), &runtime);
        // Outside the lock: a runtime that is shutting down drops the task at once, which ends the flight.
        let flight = Flight {
            flights: Arc::clone(self),
            entry: Arc::clone(entry),
            reason,
            outcome,
            ended: false,
        };
        runtime.spawn(flight.run());
        Ok(Joined::Waiting(Waiter(waiting)))
    }
}

impl Waiter {
    pub(crate) const fn new(outcome: watch::Receiver<Outcome>) -> Self {
        Self(outcome)
    }

    /// Waits for the end of the request.
    pub(crate) async fn end(mut self) -> Result<IssuedToken, TokenError> {
        let has_ended = |outcome: &Outcome| matches!(outcome, Outcome::Ended(_));
        match self.0.wait_for(has_ended).await.as_deref() {
            Ok(Outcome::Ended(result)) => result.clone(),
            _ => Err(TokenError::Lost),
        }
    }

    /// The same for somebody who takes a token that is due while the issuer is being asked, if `is_usable` at this moment.
    pub(crate) async fn end_or_meanwhile(
        mut self,
        is_usable: impl Fn(&IssuedToken) -> bool,
    ) -> Result<IssuedToken, TokenError> {
        let serves = |outcome: &Outcome| match outcome {
            Outcome::UnderWay => false,
            Outcome::Meanwhile(token) => is_usable(token),
            Outcome::Ended(_) => true,
        };
        match self.0.wait_for(serves).await.as_deref() {
            Ok(Outcome::Ended(result)) => result.clone(),
            Ok(Outcome::Meanwhile(token)) => Ok(token.clone()),
            _ => Err(TokenError::Lost),
        }
    }
}

/// One request under way. Dropped before its end (runtime shut down, panic), it tells the waiters so.
struct Flight {
    flights: Arc<Flights>,
    entry: Arc<Entry>,
    reason: Reason,
    outcome: watch::Sender<Outcome>,
    ended: bool,
}

/// How a request ended: what the waiters get, and what is known of the issuer now.
struct FlightEnd {
    outcome: Result<IssuedToken, TokenError>,
    issuer: Contact,
}

/// What came of asking the issuer. It is not the waiters' outcome: a tier's token may serve them although the issuer
/// failed.
enum Contact {
    NotAsked,
    /// Nor was it known whether the token in memory was evicted.
    Undecided,
    Responded,
    Failed(NotGranted),
}

impl Flight {
    async fn run(mut self) {
        let mut leases = Leases::default();
        let end = self.find_or_obtain(&mut leases).await;
        self.end(end);
        // Last, so that nobody waits for it.
        self.tiers().release(&self.entry.key, leases).await;
    }

    async fn find_or_obtain(&self, leases: &mut Leases) -> FlightEnd {
        let now = self.flights.mint.now().monotonic;
        let backing_off = self.entry.state().backing_off(now);
        let unasked = |outcome| FlightEnd {
            outcome,
            issuer: Contact::NotAsked,
        };
        let search = self.search();
        let mut spare = match (search.find().await, search.doubted()) {
            (Ok(found), _) => found,
            (Err(Unanswered), None) => None,
            (Err(Unanswered), Some(token)) => {
                return FlightEnd {
                    outcome: Ok(token),
                    issuer: Contact::Undecided,
                };
            }
        };
        let serves =
            |found: &mut IssuedToken| backing_off.is_some() || search.is_good_enough(found);
        if let Some(found) = spare.take_if(serves) {
            return unasked(Ok(found));
        }
        if let Some(error) = backing_off {
            return unasked(Err(error));
        }
        if let Some(due) = spare.as_ref().filter(|due| self.may_serve(due)) {
            self.entry.state().knows(due);
            self.outcome.send_replace(Outcome::Meanwhile(due.clone()));
        }
        match search.turn(&mut spare, self.flights.patience).await {
            Turn::Mine(held) => *leases = held,
            Turn::Found(token) => return unasked(Ok(token)),
        }
        let tiers = self.tiers();
        match tiers.holding(&self.entry.key, leases, self.obtain()).await {
            Ok(token) => FlightEnd {
                outcome: Ok(token),
                issuer: Contact::Responded,
            },
            Err(failure) => FlightEnd {
                outcome: spare
                    .filter(|spare| search.is_younger_than_evictions(spare.minted.moment))
                    .ok_or_else(|| failure.error.clone()),
                issuer: Contact::Failed(failure),
            },
        }
    }

    /// A process without memory of its own finds a token that is due with each call. It serves while the issuer, who may take
    /// long, is asked for the next one: as it does in memory.
    fn may_serve(&self, token: &IssuedToken) -> bool {
        self.reason == Reason::Miss && token.phase(self.flights.mint.now()) == Phase::Due
    }

    fn tiers(&self) -> &Tiers {
        self.flights.tiers_of(&self.entry)
    }

    fn search(&self) -> Search<'_> {
        Search {
            mint: &self.flights.mint,
            tiers: self.tiers(),
            entry: &self.entry,
            reason: self.reason,
        }
    }

    async fn obtain(&self) -> Result<IssuedToken, NotGranted> {
        let Flights { mint, metrics, .. } = &*self.flights;
        let (key, source) = (&self.entry.key, &self.entry.source);
        metrics.renewal(self.reason.label());
        let now = mint.now();
        let asked = Asked {
            now,
            moment: self.entry.asks(now.wall.into()),
        };
        let granted = source.obtain(key).await;
        let took = mint.now().monotonic.saturating_sub(now.monotonic);
        let token =
            granted.and_then(|granted| Ok(mint.granted(granted, asked, source.cache_life())?));
        let error = token.as_ref().err().map(|failure| &failure.error);
        metrics.token_requested(&TokenRequested {
            audience: key.audience(),
            grant: source.grant(),
            result: error.map_or("ok", TokenError::code),
            took,
        });
        let token = token?;
        metrics.token_expires(key.audience(), token.expires_at());
        self.put_into_tiers(&token, took).await;
        Ok(token)
    }

    /// A token of a credential that is no longer in use, or one that was asked for before an eviction, serves those who wait
    /// for it, and nobody after them. The tiers are asked to forget it where that came while it was on its way to them.
    async fn put_into_tiers(&self, token: &IssuedToken, age: Duration) {
        let (tiers, key, source) = (self.tiers(), &self.entry.key, &self.entry.source);
        // Another process has another certificate.
        if tiers.is_empty() || token.minted.certificate.is_some() {
            return;
        }
        let Some(sealed) = source.seals().seal(key, &token.stored()) else {
            tracing::warn!(key = ?key, "the token cannot be sealed, so no tier gets it");
            return;
        };
        let now = self.flights.mint.now();
        let in_use = source.cache_life().expire().saturating_sub(age);
        let keep_for = in_use.min(token.minted.lifetime.left(now));
        let is_wanted = || !self.entry.is_retired() && self.entry.state().is_flight_current();
        if is_wanted() {
            tiers.put(key, &sealed, keep_for).await;
            if !is_wanted() {
                let evicted = Evicted::UpTo(token.minted.moment);
                self.flights.purge.forget(&self.entry, evicted).await;
            }
        }
    }

    fn end(&mut self, end: FlightEnd) {
        self.ended = true;
        let (entry, mint) = (&self.entry, &self.flights.mint);
        let now = mint.now();
        let mut state = entry.state();
        // Before the flight leaves the state: who takes the lock next finds the token or the flight, never neither.
        if let Ok(token) = &end.outcome {
            state.knows(token);
            let is_wanted = state.is_flight_current() && state.is_younger_than_evictions(token);
            // It may have been on its way here when it was revoked. Whoever follows the list takes the state after this.
            if is_wanted && !self.search().is_revoked(token) {
                entry.keep(token);
                if state.is_flight_doubted() {
                    entry.keep(&token.doubted());
                }
                if matches!(self.reason, Reason::Rejected { .. }) {
                    entry.was_forced(&mut state, token);
                }
            }
        }
        match &end.issuer {
            Contact::NotAsked => entry.ended_unasked(&mut state),
            Contact::Undecided => {
                entry.ended_undecided(&mut state, now.monotonic.saturating_add(DOUBT_WAIT));
            }
            Contact::Responded => {
                let failures = entry.ended_well(&mut state);
                if failures > 0 {
                    tracing::info!(key = ?entry.key, failures, "tokens are issued again");
                }
            }
            Contact::Failed(failure) => {
                let error = &failure.error;
                let left = self.left(&end, now);
                let ceiling = backoff::ceiling(left, error.is_outage());
                let wait = |failures| {
                    let jitter = random_fraction();
                    let asked_for = backoff::asked_for(failure.retry_after, left, jitter);
                    backoff::wait(failures, ceiling, jitter).max(asked_for)
                };
                let now = now.monotonic;
                let retry_in = entry.ended_in_failure(&mut state, now, error, wait);
                tracing::warn!(key = ?entry.key, code = error.code(), %error, ?retry_in, "no new token");
            }
        }
        drop(state);
        self.outcome.send_replace(Outcome::Ended(end.outcome));
    }
}

impl Flight {
    /// How long there still is a token: the one in memory, or the one that a tier gave.
    fn left(&self, end: &FlightEnd, now: Now) -> Duration {
        let kept = self.entry.with_current(|token| token.lifetime.left(now));
        let found = end.outcome.as_ref().ok();
        let found = found.map(|token| token.minted.lifetime.left(now));
        kept.max(found).unwrap_or_default()
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if !self.ended {
            self.end(FlightEnd {
                outcome: Err(TokenError::Lost),
                issuer: Contact::Failed(TokenError::Lost.into()),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use hallpass_clock::TokioClock;

    use super::*;
    use crate::auth_token_service::entries::Entries;
    use crate::auth_token_service::exchange::kept::SharedKept;
    use crate::auth_token_service::obtain::Scripted;
    use crate::auth_token_service::revoked::{Held, RevokedMetrics};
    use crate::auth_token_service::tiers::metrics::CacheMetrics;
    use crate::internal_token_cache::TokenKey;

    fn flights() -> Arc<Flights> {
        let clock = Arc::new(TokioClock::new());
        let (entries, counted) = (Arc::new(Entries::new(1)), CacheMetrics::default());
        let tiers = Arc::new(Tiers::new(Vec::new(), counted.clone()));
        let revoked = Arc::new(Revoked::new(Held {
            entries: Arc::clone(&entries),
            exchanged: SharedKept::new(),
            clock: clock.clone(),
            metrics: RevokedMetrics::default(),
        }));
        Arc::new(Flights {
            mint: Arc::new(Mint::new(clock.clone())),
            purge: Arc::new(Purge::new(Arc::clone(&tiers))),
            tiers,
            no_tiers: Tiers::new(Vec::new(), counted.clone()),
            notices: Notices::new(entries, clock, counted),
            revoked,
            metrics: RequestMetrics::default(),
            min_forced_interval: Duration::from_secs(1),
            patience: Duration::from_secs(4),
        })
    }

    fn entry(source: &Arc<Scripted>) -> Arc<Entry> {
        let name = |text: &str| text.parse().unwrap();
        let key = TokenKey::new(
            "i",
            "c".parse().unwrap(),
            name("orders"),
            "".parse().unwrap(),
        );
        Arc::new(Entry::new(key, source.clone(), true))
    }

    async fn end(joined: Result<Joined, TokenError>) -> Result<IssuedToken, TokenError> {
        match joined? {
            Joined::Current(token) => Ok(token),
            Joined::Waiting(waiter) | Joined::Outdated(waiter) => waiter.end().await,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn any_kind_of_token_is_obtained_by_one_flight_for_all_who_wait() {
        let (flights, source) = (flights(), Arc::new(Scripted::default()));
        let entry = entry(&source);
        let join = || end(flights.join(&entry, Reason::Miss));
        let (first, second, third) = tokio::join!(join(), join(), join());
        let first = first.unwrap();
        assert_eq!(first.access_token().expose(), "orders-1");
        assert!(second.unwrap() == first && third.unwrap() == first);
        assert_eq!(join().await.unwrap(), first, "and it is kept");
        assert_eq!(source.requests.load(Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn any_kind_of_issuer_is_left_alone_after_a_failure_and_asked_again_later() {
        let (flights, source) = (flights(), Arc::new(Scripted::default()));
        let entry = entry(&source);
        source.fails.store(true, Relaxed);
        let failed = TokenError::Status { status: 503 };
        let join = || end(flights.join(&entry, Reason::Miss));
        assert_eq!(join().await.unwrap_err().code(), failed.code());
        assert!(matches!(
            join().await.unwrap_err(),
            TokenError::BackingOff { .. }
        ));
        assert!(entry.is_failing() && entry.is_quiet(flights.mint.clock().monotonic()));
        source.fails.store(false, Relaxed);
        tokio::time::sleep(backoff::WITHOUT_TOKEN_MAX).await;
        assert_eq!(join().await.unwrap().access_token().expose(), "orders-2");
        assert!(!entry.is_failing());
    }
}
