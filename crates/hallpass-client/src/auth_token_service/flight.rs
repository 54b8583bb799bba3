//! The one token request of a key: who starts it, who waits for it, how it ends.

use std::sync::Arc;
use std::time::Duration;

use hallpass_upstream::random_fraction;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::backoff;
use super::entry::{Entry, Outcome};
use super::issued::IssuedToken;
use super::lifetime::Phase;
use super::minting::Mint;
use super::tiers::Tiers;
use crate::error::TokenError;

pub(crate) mod metrics;

use metrics::{RequestMetrics, TokenRequested};

/// Makes the token requests of one service, whatever kind of token a key stands for: at most one a key at a time.
#[derive(Debug)]
pub(crate) struct Flights {
    pub(crate) mint: Mint,
    pub(crate) tiers: Tiers,
    pub(crate) metrics: RequestMetrics,
    pub(crate) min_forced_interval: Duration,
}

/// Why a token is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// There is none, or it is overdue.
    Miss,
    /// It is due for renewal.
    Age,
    /// The callee rejected the token of this generation.
    Rejected { generation: u64 },
}

/// What a caller gets who wants a token.
pub(crate) enum Joined {
    /// Somebody else has just got one.
    Current(IssuedToken),
    /// The request that is under way now.
    Waiting(Waiter),
}

/// A place among those who wait for the end of a request. It may be given up at any time.
#[derive(Clone)]
pub(crate) struct Waiter(watch::Receiver<Outcome>);

impl Flights {
    /// Joins the request under way for this key, or starts one in a task of its own: a caller that goes
    /// away cancels nobody, and no caller's identity reaches it.
    pub(crate) fn join(
        self: &Arc<Self>,
        entry: &Arc<Entry>,
        reason: Reason,
    ) -> Result<Joined, TokenError> {
        let runtime = Handle::try_current().map_err(|_| TokenError::NoRuntime)?;
        let (outcome, waiting) = watch::channel(None);
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
                return Ok(Joined::Waiting(Waiter(flight.clone())));
            }
            let tiers_may_help =
                !entry.keeps() && !self.tiers.is_empty() && !entry.distrusts_tiers();
            if let Some(error) = state.backing_off(now.monotonic)
                && !tiers_may_help
            {
                return Err(error);
            }
            if matches!(reason, Reason::Rejected { .. }) {
                state.force(now.monotonic, self.min_forced_interval)?;
            }
            entry.started(&mut state, waiting.clone());
        }
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

impl Reason {
    fn is_met_by(self, token: &IssuedToken, phase: Phase) -> bool {
        match self {
            Self::Miss => matches!(phase, Phase::Fresh | Phase::Due),
            Self::Age => phase == Phase::Fresh,
            Self::Rejected { generation } => {
                token.generation() > generation && phase != Phase::Ended
            }
        }
    }

    const fn label(self) -> &'static str {
        match self {
            Self::Miss => "miss",
            Self::Age => "age",
            Self::Rejected { .. } => "rejected",
        }
    }
}

impl Waiter {
    /// Waits for the end of the request.
    pub(crate) async fn end(mut self) -> Result<IssuedToken, TokenError> {
        match self.0.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or(Err(TokenError::Lost)),
            Err(_) => Err(TokenError::Lost),
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
    Responded,
    Failed(TokenError),
}

impl Flight {
    async fn run(mut self) {
        let end = self.find_or_obtain().await;
        self.end(end);
    }

    async fn find_or_obtain(&self) -> FlightEnd {
        let now = self.flights.mint.now().monotonic;
        let backing_off = self.entry.state().backing_off(now);
        let unasked = |outcome| FlightEnd {
            outcome,
            issuer: Contact::NotAsked,
        };
        let mut spare = None;
        if matches!(self.reason, Reason::Rejected { .. }) || self.entry.distrusts_tiers() {
            self.flights.tiers.evict(&self.entry.key).await;
        } else if let Some(found) = self.find_in_tiers().await {
            if backing_off.is_some() || self.is_good_enough(&found) {
                return unasked(Ok(found));
            }
            spare = Some(found);
        }
        if let Some(error) = backing_off {
            return unasked(Err(error));
        }
        match self.obtain().await {
            Ok(token) => FlightEnd {
                outcome: Ok(token),
                issuer: Contact::Responded,
            },
            Err(error) => FlightEnd {
                outcome: spare.ok_or_else(|| error.clone()),
                issuer: Contact::Failed(error),
            },
        }
    }

    /// The first token in a tier that is alive and ends later than the one the process has.
    async fn find_in_tiers(&self) -> Option<IssuedToken> {
        let (mint, entry) = (&self.flights.mint, &self.entry);
        let is_better = |token: &IssuedToken| {
            let now = mint.now();
            let current = entry.current();
            let current = current.filter(|current| current.phase(now) != Phase::Ended);
            let is_newer = current.is_none_or(|current| token.expires_at() > current.expires_at());
            is_newer && token.phase(now) != Phase::Ended
        };
        let adopt = |stored| mint.adopted(stored, entry.source.cache_life());
        let accept = |stored| adopt(stored).filter(is_better);
        self.flights.tiers.find(&entry.key, accept).await
    }

    /// A token that is due is taken where the process can keep it: its next use renews it in the
    /// background. An overdue one serves only while the issuer cannot be asked.
    fn is_good_enough(&self, token: &IssuedToken) -> bool {
        match token.phase(self.flights.mint.now()) {
            Phase::Fresh => true,
            Phase::Due => self.entry.keeps() && self.reason == Reason::Miss,
            Phase::Overdue | Phase::Ended => false,
        }
    }

    async fn obtain(&self) -> Result<IssuedToken, TokenError> {
        let Flights { mint, metrics, .. } = &*self.flights;
        let (key, source) = (&self.entry.key, &self.entry.source);
        metrics.renewal(self.reason.label());
        let asked = mint.now();
        let granted = source.obtain(key).await;
        let took = mint.now().monotonic.saturating_sub(asked.monotonic);
        let token = granted.and_then(|granted| mint.granted(granted, asked, source.cache_life()));
        metrics.token_requested(&TokenRequested {
            audience: key.audience(),
            grant: source.grant(),
            result: token.as_ref().map_or_else(TokenError::code, |_| "ok"),
            took,
        });
        let token = token?;
        metrics.token_expires(key.audience(), token.expires_at());
        self.put_into_tiers(&token).await;
        Ok(token)
    }

    /// A token of a credential that is no longer in use serves those who wait for it, and nobody after them. The tiers are
    /// asked to forget it where the credential changed while it was on its way to them.
    async fn put_into_tiers(&self, token: &IssuedToken) {
        let (tiers, key) = (&self.flights.tiers, &self.entry.key);
        if !self.entry.is_retired() {
            tiers.put(key, &token.stored()).await;
            if self.entry.is_retired() {
                tiers.evict(key).await;
            }
        }
    }

    fn end(&mut self, end: FlightEnd) {
        self.ended = true;
        let (entry, mint) = (&self.entry, &self.flights.mint);
        let now = mint.now().monotonic;
        let mut state = entry.state();
        // Before the flight leaves the state: who takes the lock next finds the token or the flight, never neither.
        if let Ok(token) = &end.outcome {
            entry.keep(token);
        }
        match &end.issuer {
            Contact::NotAsked => entry.ended_unasked(&mut state),
            Contact::Responded => {
                let failures = entry.ended_well(&mut state);
                if failures > 0 {
                    tracing::info!(key = ?entry.key, failures, "tokens are issued again");
                }
            }
            Contact::Failed(error) => {
                let wait = |failures| backoff::wait(failures, random_fraction());
                let retry_in = entry.ended_in_failure(&mut state, now, error, wait);
                tracing::warn!(key = ?entry.key, code = error.code(), %error, ?retry_in, "no new token");
            }
        }
        drop(state);
        self.outcome.send_replace(Some(end.outcome));
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if !self.ended {
            self.end(FlightEnd {
                outcome: Err(TokenError::Lost),
                issuer: Contact::Failed(TokenError::Lost),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use hallpass_clock::TokioClock;

    use super::*;
    use crate::auth_token_service::obtain::Scripted;
    use crate::auth_token_service::tiers::CacheMetrics;
    use crate::internal_token_cache::TokenKey;

    fn flights() -> Arc<Flights> {
        Arc::new(Flights {
            mint: Mint::new(Arc::new(TokioClock::new())),
            tiers: Tiers::new(Vec::new(), CacheMetrics::default()),
            metrics: RequestMetrics::default(),
            min_forced_interval: Duration::from_secs(1),
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
            Joined::Waiting(waiter) => waiter.end().await,
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
        tokio::time::sleep(backoff::BACKOFF_MAX).await;
        assert_eq!(join().await.unwrap().access_token().expose(), "orders-2");
        assert!(!entry.is_failing());
    }
}
