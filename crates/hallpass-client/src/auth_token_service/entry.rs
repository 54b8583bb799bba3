//! What the token service knows about one key.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::watch;

use super::doubt::Doubt;
use super::entry_state::{Failure, Outcome, State, UnderWay};
use super::issued::{IssuedToken, Minted, TokenSource};
use super::moment::Moment;
use super::obtain::Obtain;
use super::seals::Evicted;
use crate::error::TokenError;
use crate::internal_token_cache::TokenKey;
use crate::internal_token_cache::eviction_notice::EvictionNotice;

/// After a forced renewal that was in vain, no other callee's acceptance allows the next one any sooner: of two instances
/// behind one name, one may take every token and the other none.
const IN_VAIN_WAIT: Duration = Duration::from_secs(30);

/// How far the clocks of machines may differ. A notice of a moment further ahead, from a clock that is wrong, counts as one of this
/// time from now: tokens that are asked for later are kept at once. And what is in memory or on its way is given up where it is
/// younger than a notice by no more than this, because the clock that named its moment may have been ahead of the other. A
/// tier that still has such a token gives it back.
pub(crate) const CLOCK_DIFFERENCE: Duration = Duration::from_secs(5);

/// The state of one key: its token, and the one request that may be under way.
///
/// The token is read without a lock; the rest is behind a mutex that is held for a few instructions and never across
/// an await. `failing` and `quiet_until` copy what the mutex guards to where the hot path can see it without taking
/// it. They are written under the mutex only, so the last writer is right, and read `Relaxed`, because they decide
/// nothing: a reader of an old value takes the mutex and finds out there, or lets one renewal go to the next call.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: TokenKey,
    /// How this key's tokens are obtained.
    pub(crate) source: Arc<dyn Obtain>,
    slot: ArcSwapOption<Minted>,
    keeps: bool,
    /// Another entry has taken this one's place, or none: the settings have changed. Calls that hold it go on with it;
    /// the next ones look for the new one. Read `Relaxed`: code that sees it takes the lock of all entries next, and a
    /// call that does not see it yet began while the settings changed.
    retired: AtomicBool,
    /// Copies whether `State::forced_token` is there.
    doubt: Doubt,
    /// Whether the last request failed: then an overdue token is used without waiting for a new one first.
    failing: AtomicBool,
    /// Monotonic nanoseconds before which no renewal needs to be tried. Between the moment when a renewal is due and
    /// its end each call finds the token due; without this each would take the mutex to learn that a request is under
    /// way (then the value is the end of time) or that the issuer has failed a moment ago (then the end of the wait).
    quiet_until: AtomicU64,
    pub(crate) last_use: AtomicU64,
    state: Mutex<State>,
}

/// What a notice of an eviction has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heeded {
    /// Something: tokens up to its moment are not used any more.
    Followed,
    /// Nothing that was not known here already.
    Known,
    /// Nothing, because nobody who knows the secret has made it.
    Refused,
}

impl Entry {
    /// `keeps`: whether tokens stay in memory between calls.
    pub(crate) fn new(key: TokenKey, source: Arc<dyn Obtain>, keeps: bool) -> Self {
        Self {
            key,
            source,
            slot: ArcSwapOption::const_empty(),
            keeps,
            retired: AtomicBool::new(false),
            doubt: Doubt::default(),
            failing: AtomicBool::new(false),
            quiet_until: AtomicU64::new(0),
            last_use: AtomicU64::new(0),
            state: Mutex::default(),
        }
    }

    /// Looks at the token without counting a reference.
    pub(crate) fn with_current<R>(&self, look: impl FnOnce(&Arc<Minted>) -> R) -> Option<R> {
        self.slot.load().as_ref().map(look)
    }

    pub(crate) fn current(&self) -> Option<IssuedToken> {
        let minted = self.slot.load_full()?;
        Some(IssuedToken {
            minted,
            source: TokenSource::Cache,
        })
    }

    /// Only with the state held, or while nobody else knows the entry: an eviction must not come between.
    pub(crate) fn keep(&self, token: &IssuedToken) {
        if self.keeps {
            self.slot.store(Some(Arc::clone(&token.minted)));
        }
    }

    /// Forgets the token. What is under way now is not kept when it comes, and what tiers hold is not taken. Returns the
    /// moment of the eviction, which no token that is known here is younger than.
    pub(crate) fn evict(&self, now: Moment) -> Moment {
        let mut state = self.state();
        let newest = state.newest.max(self.with_current(|token| token.moment));
        let at = now.after(state.evicted_at).max(newest.unwrap_or(now));
        state.evictions += 1;
        state.evicted_at = Some(at);
        self.slot.store(None);
        at
    }

    /// Forgets the token if it `is_denied`, and what is no younger. Looked at with the state held: a token that has come for it meanwhile,
    /// or was asked for and is on its way, stays. Returns the moment of the one that went.
    pub(crate) fn evict_denied(&self, is_denied: impl FnOnce(&Minted) -> bool) -> Option<Moment> {
        let mut state = self.state();
        let denied = self.with_current(|token| is_denied(token).then_some(token.moment));
        let moment = denied.flatten()?;
        let evicted_at = state.evicted_at.max(Some(moment)).unwrap_or(moment);
        self.gives_up(&mut state, evicted_at, moment);
        Some(moment)
    }

    /// The number of evictions so far.
    pub(crate) fn evictions(&self) -> u64 {
        self.state().evictions
    }

    /// Does what another process says of this key.
    pub(crate) fn heeds(&self, notice: &EvictionNotice, now: Moment) -> Heeded {
        let Some(opened) = self.source.seals().open_notice(&self.key, notice) else {
            return Heeded::Refused;
        };
        let moment = match opened.content {
            // The credential here has the new secret already.
            Evicted::OfOldSecret(_) if !opened.by_newest => return Heeded::Known,
            Evicted::OfOldSecret(moment) | Evicted::UpTo(moment) => moment,
        };
        let mut state = self.state();
        // A moment that lies ahead would be new again with each second that passes.
        if state.last_notice == Some(moment) {
            return Heeded::Known;
        }
        let believed = moment.min(now.saturating_add(CLOCK_DIFFERENCE));
        if state.evicted_at >= Some(believed) {
            return Heeded::Known;
        }
        state.last_notice = Some(moment);
        self.gives_up(
            &mut state,
            believed,
            moment.saturating_add(CLOCK_DIFFERENCE),
        );
        Heeded::Followed
    }

    /// As [`Self::evict`] once more, for a token of this moment that a tier held when all that this process knows was evicted: another
    /// process put it there, whose clock may be ahead. Returns whether it is such a token, and not the one that came after the eviction.
    pub(crate) fn evict_found(&self, moment: Moment) -> bool {
        let mut state = self.state();
        let is_new = state.evicted_at < Some(moment) && state.asked != Some(moment);
        if is_new {
            self.gives_up(&mut state, moment, moment);
        }
        is_new
    }

    /// Takes no token of `evicted_at` and before from now on, and keeps none in memory or under way up to `last`.
    fn gives_up(&self, state: &mut State, evicted_at: Moment, last: Moment) {
        state.evicted_at = Some(evicted_at);
        let flight = state.flight.as_ref();
        if flight.is_some_and(|flight| flight.moment.is_some_and(|asked| asked <= last)) {
            state.evictions += 1;
        }
        if self.with_current(|token| token.moment <= last) == Some(true) {
            self.slot.store(None);
        }
    }

    /// Notices may have been missed: the next use of the token compares it with the tiers.
    pub(crate) fn doubt(&self) {
        let mut state = self.state();
        if let Some(flight) = &mut state.flight {
            flight.is_doubted = true;
        }
        if let Some(token) = self.current() {
            self.keep(&token.doubted());
        }
    }

    /// When the token was last evicted.
    pub(crate) fn evicted_at(&self) -> Option<Moment> {
        self.state().evicted_at
    }

    /// The youngest token that anybody got here.
    pub(crate) fn newest(&self) -> Option<Moment> {
        self.state().newest
    }

    /// Before anybody else knows the entry: tokens of tiers that are no younger than this are not taken.
    pub(crate) fn takes_nothing_until(&self, evicted_at: Option<Moment>) {
        let mut state = self.state();
        state.evicted_at = state.evicted_at.max(evicted_at);
    }

    /// Before anybody else knows the entry: what evictions and rejections have taught the one whose place it takes.
    pub(crate) fn learns_from(&self, old: &Self) {
        let known = old.state();
        let mut state = self.state();
        state.evicted_at = state.evicted_at.max(known.evicted_at);
        state.last_notice = known.last_notice;
        state.newest = known.newest;
        state.asked = known.asked;
        state.last_forced = known.last_forced;
        state.forced_token = known.forced_token;
        self.doubt.set(state.forced_token.is_some());
    }

    pub(crate) const fn keeps(&self) -> bool {
        self.keeps
    }

    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Relaxed)
    }

    pub(crate) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    pub(crate) fn is_quiet(&self, now: Duration) -> bool {
        nanoseconds(now) < self.quiet_until.load(Ordering::Relaxed)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The issuer is asked `now`. Returns the moment of the token that it will give, which is younger than each eviction and each token
    /// so far.
    pub(crate) fn asks(&self, now: Moment) -> Moment {
        let mut state = self.state();
        let evictions = state.evictions;
        let moment = now.after(state.evicted_at.max(state.newest));
        state.asked = Some(moment);
        if let Some(flight) = &mut state.flight {
            flight.evictions = evictions;
            flight.moment = Some(moment);
        }
        moment
    }

    /// A request starts. The caller holds the state, here and below.
    pub(crate) fn started(&self, state: &mut State, outcome: watch::Receiver<Outcome>) {
        let evictions = state.evictions;
        state.flight = Some(UnderWay {
            outcome,
            evictions,
            moment: None,
            is_doubted: false,
        });
        self.quiet_until(Duration::MAX);
    }

    /// A forced renewal has brought this token. One that another process had got before says nothing of the issuer: where the callee
    /// rejects it too, the next renewal may follow at once.
    pub(crate) fn was_forced(&self, state: &mut State, token: &IssuedToken) {
        if token.source() == TokenSource::Issuer {
            state.forced_token = Some(token.generation());
            self.doubt.set(true);
        } else {
            state.last_forced = None;
        }
    }

    /// A callee has accepted a token. `helped`: the very call that had forced the renewal.
    /// The time is asked for only where that is news.
    pub(crate) fn accepted(&self, now: impl FnOnce() -> Duration, helped: bool) {
        if !self.doubt.is_there() {
            return;
        }
        let now = now();
        let mut state = self.state();
        let since = state.last_forced.map(|last| now.saturating_sub(last));
        if helped || since.is_none_or(|since| since >= IN_VAIN_WAIT) {
            state.forced_token = None;
            self.doubt.set(false);
        }
    }

    /// The request has ended without asking the issuer: what is known of the issuer stays.
    pub(crate) fn ended_unasked(&self, state: &mut State) {
        state.flight = None;
        let until = state.last_failure.as_ref().map(|failure| failure.until);
        self.quiet_until(until.unwrap_or_default());
    }

    /// The request has ended because a tier did not say whether the token was evicted. It is asked again after a while.
    pub(crate) fn ended_undecided(&self, state: &mut State, until: Duration) {
        state.flight = None;
        self.quiet_until(until);
    }

    /// The issuer gave a token. Returns how many requests had failed before, in a row.
    pub(crate) fn ended_well(&self, state: &mut State) -> u32 {
        state.flight = None;
        state.last_failure = None;
        self.failing.store(false, Ordering::Relaxed);
        self.quiet_until(Duration::ZERO);
        std::mem::take(&mut state.failures)
    }

    /// The issuer gave none. `wait` says for how long to leave it alone after so many failures in a row.
    pub(crate) fn ended_in_failure(
        &self,
        state: &mut State,
        now: Duration,
        cause: &TokenError,
        wait: impl FnOnce(u32) -> Duration,
    ) -> Duration {
        state.flight = None;
        state.failures = state.failures.saturating_add(1);
        let wait = wait(state.failures);
        let until = now.saturating_add(wait);
        state.last_failure = Some(Failure {
            until,
            cause: Arc::new(cause.clone()),
        });
        self.failing.store(true, Ordering::Relaxed);
        self.quiet_until(until);
        wait
    }

    fn quiet_until(&self, until: Duration) {
        self.quiet_until
            .store(nanoseconds(until), Ordering::Relaxed);
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use hallpass_clock::ManualClock;
    use hallpass_config::Secret;
    use hallpass_token::{AccessToken, UnixTime};

    use super::*;
    use crate::auth_token_service::minting::Mint;
    use crate::auth_token_service::obtain::Scripted;
    use crate::auth_token_service::seals::{Seals, StoredToken};
    use crate::credential::cache_life::CacheLife;

    fn at(micros: u64) -> Moment {
        Moment::from_micros(micros)
    }

    fn entry() -> Entry {
        let (client, audience) = ("c".parse().unwrap(), "orders".parse().unwrap());
        let key = TokenKey::new("i", client, audience, "".parse().unwrap());
        let source = Scripted {
            older: vec![Secret::from("older")],
            ..Scripted::default()
        };
        Entry::new(key, Arc::new(source), true)
    }

    fn token(micros: u64) -> IssuedToken {
        let stored = StoredToken {
            access_token: AccessToken::new("t"),
            moment: at(micros),
            issued_at: UnixTime::from_secs(0),
            expires_at: UnixTime::from_secs(600),
        };
        let mint = Mint::new(Arc::new(ManualClock::at(UNIX_EPOCH)));
        mint.adopted(stored, CacheLife::DEFAULT).unwrap()
    }

    /// A request is under way. The sender keeps it so.
    fn start(entry: &Entry) -> watch::Sender<Outcome> {
        let (outcome, waiting) = watch::channel(Outcome::UnderWay);
        entry.started(&mut entry.state(), waiting);
        outcome
    }

    #[test]
    fn what_a_tier_held_after_an_eviction_goes_too_unless_this_process_has_asked_for_it_since() {
        let entry = entry();
        assert_eq!(entry.evict(at(100)), at(100));
        for known in [99, 100] {
            assert!(!entry.evict_found(at(known)));
        }
        assert!(entry.evict_found(at(150)));
        assert_eq!(entry.evicted_at(), Some(at(150)));
        assert!(!entry.evict_found(at(150)));
        let asked = entry.asks(at(100));
        assert!(asked > at(150));
        assert!(!entry.evict_found(asked));
        assert_eq!(entry.evicted_at(), Some(at(150)));
    }

    #[test]
    fn a_denied_token_goes_and_what_was_asked_for_after_it_is_kept() {
        let entry = entry();
        entry.keep(&token(50));
        let _under_way = start(&entry);
        assert!(entry.asks(at(100)) > at(50));
        assert_eq!(entry.evict_denied(|_| false), None);
        assert!(entry.current().is_some());
        let is_old = |token: &Minted| token.moment == at(50);
        assert_eq!(entry.evict_denied(is_old), Some(at(50)));
        assert!(entry.current().is_none());
        assert!(entry.state().is_flight_current());
        entry.keep(&token(100));
        assert_eq!(entry.evict_denied(is_old), None, "it has come meanwhile");
        assert!(entry.current().is_some());
        assert!(entry.state().is_younger_than_evictions(&token(51)));
        assert!(!entry.state().is_younger_than_evictions(&token(50)));
    }

    #[test]
    fn a_token_serves_meanwhile_until_it_is_evicted_or_that_may_have_been_missed() {
        let entry = entry();
        let _under_way = start(&entry);
        let is_usable = |micros| entry.state().is_usable_meanwhile(&token(micros));
        assert!(is_usable(50));
        entry.evict(at(100));
        // The request goes on for those who come now, with a token that was found before.
        entry.asks(at(101));
        assert!(entry.state().is_flight_current());
        assert!(!is_usable(50) && is_usable(150));
        entry.doubt();
        assert!(!is_usable(150));
    }

    #[test]
    fn an_eviction_of_before_stays_the_last_one_unless_a_later_one_comes() {
        let entry = entry();
        for (learned, known) in [(None, None), (Some(7), Some(7)), (Some(5), Some(7))] {
            entry.takes_nothing_until(learned.map(at));
            assert_eq!(entry.evicted_at(), known.map(at));
        }
    }

    #[test]
    fn a_notice_of_a_replaced_secret_is_for_those_who_still_have_it() {
        let notice = |entry: &Entry, secret: &str| {
            let seals = Seals::new(Secret::from(secret), Vec::new());
            seals.notice(&entry.key, Evicted::OfOldSecret(at(100)))
        };
        let entry = entry();
        entry.keep(&token(50));
        let of_older = notice(&entry, "older").unwrap();
        assert_eq!(entry.heeds(&of_older, at(100)), Heeded::Known);
        assert!(entry.current().is_some());
        let of_present = notice(&entry, "scripted").unwrap();
        assert_eq!(entry.heeds(&of_present, at(100)), Heeded::Followed);
        assert!(entry.current().is_none());
    }

    #[test]
    fn a_notice_takes_what_is_at_most_five_seconds_younger_in_memory_and_under_way() {
        let last = 100 + 5_000_000;
        for (micros, goes) in [(last, true), (last + 1, false)] {
            let entry = entry();
            let seals = entry.source.seals();
            let notice = seals.notice(&entry.key, Evicted::UpTo(at(100))).unwrap();
            entry.keep(&token(micros));
            let _under_way = start(&entry);
            entry.asks(at(micros));
            assert_eq!(entry.heeds(&notice, at(100)), Heeded::Followed);
            assert_eq!(entry.current().is_none(), goes);
            assert_eq!(!entry.state().is_flight_current(), goes);
            assert_eq!(entry.evicted_at(), Some(at(100)));
        }
    }

    #[test]
    fn an_entry_is_quiet_until_a_moment_and_not_at_it() {
        let entry = entry();
        assert!(!entry.is_quiet(Duration::ZERO));
        let until = Duration::from_secs(9);
        entry.quiet_until(until);
        assert!(entry.is_quiet(until.saturating_sub(Duration::from_nanos(1))));
        assert!(!entry.is_quiet(until));
    }

    #[test]
    fn a_doubt_reaches_the_token_in_memory_and_the_request_under_way() {
        let entry = entry();
        entry.keep(&token(50));
        let _under_way = start(&entry);
        assert!(!entry.state().is_flight_doubted());
        entry.doubt();
        assert!(entry.state().is_flight_doubted());
        assert!(entry.with_current(|token| token.is_doubted).unwrap());
    }

    #[test]
    fn a_token_is_younger_than_an_eviction_only_when_it_was_asked_for_after_it() {
        let entry = entry();
        assert!(entry.state().is_younger_than_evictions(&token(1)));
        entry.evict(at(100));
        for (micros, is_younger) in [(99, false), (100, false), (101, true)] {
            let state = entry.state();
            assert_eq!(state.is_younger_than_evictions(&token(micros)), is_younger);
        }
    }

    #[test]
    fn an_issuer_that_failed_is_left_alone_until_the_wait_is_over_and_not_longer() {
        let entry = entry();
        let (now, wait) = (Duration::from_secs(10), Duration::from_secs(3));
        entry.ended_in_failure(&mut entry.state(), now, &TokenError::Lost, |_| wait);
        let state = entry.state();
        let left = |after: u64| match state.backing_off(now + Duration::from_secs(after)) {
            Some(TokenError::BackingOff { retry_in, .. }) => Some(retry_in.as_secs()),
            _ => None,
        };
        assert_eq!([0, 2, 3].map(left), [Some(3), Some(1), None]);
    }
}
