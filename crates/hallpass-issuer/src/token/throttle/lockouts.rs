//! Who is told to wait, each said once: not each request that is refused, of which there may be thousands a second.
//!
//! A lockout begins with the first request that is refused, and is over when nobody was refused for it for a minute, when an operator ends it, or when
//! the client proves itself from there by something that nobody can guess.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hallpass_token::UnixTime;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Lockouts that are remembered at once; beyond, the one is forgotten that was refused longest ago. Each cost twenty failures.
const MAX_LOCKOUTS: usize = 4_096;
/// Lockouts that wait to be said.
const MAX_UNSAID: usize = 1_024;
/// How long nobody is refused before a lockout is over.
const QUIET: Duration = Duration::from_secs(60);
/// Most characters of a client id that nobody has verified.
const MAX_ID_CHARS: usize = 64;

/// Which of the limits is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LockedBy {
    /// That of one client at one address (an IPv6 address being its /64 network): others are not touched.
    Pair,
    /// That of all addresses together from which a client was never right.
    Client,
    /// That of one address (of IPv6 its /48) for clients that were never right from there.
    Address,
    /// That of all such clients and addresses together, where signatures are checked.
    Issuer,
}

impl LockedBy {
    /// Its name in audit events and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pair => "pair",
            Self::Client => "client",
            Self::Address => "address",
            Self::Issuer => "issuer",
        }
    }
}

/// Somebody who is told to wait, because too much has failed before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lockout {
    /// Which limit is used up.
    pub by: LockedBy,
    /// The client, as whoever was refused first has named it, cut to 64 characters: nobody has verified that. `None` where the limit is not of one
    /// client.
    pub unverified_client_id: Option<String>,
    /// Where whoever was refused first came from; `None` where that is not known.
    pub source: Option<IpAddr>,
    /// When the first one was refused.
    pub since: UnixTime,
    /// Requests that were refused since.
    pub refused: u64,
}

/// Who was refused.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LockoutNames<'a> {
    pub(crate) unverified_client_id: &'a str,
    pub(crate) source: Option<IpAddr>,
    pub(crate) at: UnixTime,
}

/// Those of one issuer, since it has started.
#[derive(Debug, Default)]
pub(crate) struct Lockouts {
    state: Mutex<State>,
    /// How many there are, so that nobody takes the lock where there are none.
    count: AtomicUsize,
    /// Whether one waits to be said.
    has_new: AtomicBool,
    begun: Family<ByLabel, Counter>,
    now: Gauge,
}

#[derive(Debug, Default)]
struct State {
    known: HashMap<(u64, LockedBy), Known>,
    unsaid: VecDeque<Lockout>,
}

#[derive(Debug)]
struct Known {
    lockout: Lockout,
    last: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByLabel {
    by: &'static str,
}

impl Lockouts {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "lockouts",
            "Clients, addresses and pairs of them that were told to wait because too much had failed, each once a lockout, by the limit",
            self.begun.clone(),
        );
        registry.register(
            "lockouts_remembered",
            "Lockouts that are not over",
            self.now.clone(),
        );
    }

    /// One more request was refused for it.
    pub(super) fn note(&self, key: (u64, LockedBy), names: LockoutNames<'_>, now: Duration) {
        let mut state = self.lock();
        if let Some(known) = state.known.get_mut(&key)
            && now.saturating_sub(known.last) < QUIET
        {
            known.last = now;
            known.lockout.refused = known.lockout.refused.saturating_add(1);
            return;
        }
        let (_, by) = key;
        let id = names.unverified_client_id.chars().take(MAX_ID_CHARS);
        let is_of_client = matches!(by, LockedBy::Pair | LockedBy::Client);
        let is_of_address = matches!(by, LockedBy::Pair | LockedBy::Address);
        let lockout = Lockout {
            by,
            unverified_client_id: is_of_client.then(|| id.collect()),
            source: names.source.filter(|_| is_of_address),
            since: names.at,
            refused: 1,
        };
        if state.known.len() >= MAX_LOCKOUTS {
            state.forget(now);
        }
        if state.unsaid.len() >= MAX_UNSAID {
            state.unsaid.pop_front();
        }
        state.unsaid.push_back(lockout.clone());
        state.known.insert(key, Known { lockout, last: now });
        self.counted(&state);
        drop(state);
        self.has_new.store(true, Ordering::Release);
        let by = by.as_str();
        self.begun.get_or_create(&ByLabel { by }).inc();
    }

    /// Those that have begun since this was asked last.
    pub(crate) fn take_new(&self) -> VecDeque<Lockout> {
        match self.has_new.swap(false, Ordering::Acquire) {
            true => std::mem::take(&mut self.lock().unsaid),
            false => VecDeque::new(),
        }
    }

    /// Those that are not over at `now`, the newest first.
    pub(crate) fn all(&self, now: Duration) -> Vec<Lockout> {
        let state = self.lock();
        let live = state.known.values().filter(|it| it.is_live(now));
        let mut all: Vec<_> = live.map(|it| it.lockout.clone()).collect();
        all.sort_by_key(|it| std::cmp::Reverse(it.since));
        all
    }

    /// Forgets those of the client, at `source` alone if there is one.
    pub(super) fn end(&self, client_id: &str, source: Option<IpAddr>) -> Vec<Lockout> {
        let id: String = client_id.chars().take(MAX_ID_CHARS).collect();
        let is_meant = |lockout: &Lockout| {
            lockout.unverified_client_id.as_deref() == Some(&id)
                && source.is_none_or(|source| lockout.source == Some(source))
        };
        let mut state = self.lock();
        let ended = state.known.extract_if(|_, known| is_meant(&known.lockout));
        let ended: Vec<_> = ended.map(|(_, known)| known.lockout).collect();
        self.counted(&state);
        ended
    }

    /// Forgets that of this pair; whether there was one. It stands before every right secret, so it looks at nobody else's.
    pub(super) fn end_of_pair(&self, pair: u64) -> bool {
        if self.count.load(Ordering::Relaxed) == 0 {
            return false;
        }
        let mut state = self.lock();
        let ended = state.known.remove(&(pair, LockedBy::Pair));
        self.counted(&state);
        ended.is_some()
    }

    /// Forgets those that are over.
    pub(crate) fn forget_ended(&self, now: Duration) {
        if self.count.load(Ordering::Relaxed) > 0 {
            let mut state = self.lock();
            state.known.retain(|_, known| known.is_live(now));
            self.counted(&state);
        }
    }

    fn counted(&self, state: &State) {
        self.count.store(state.known.len(), Ordering::Relaxed);
        let count = i64::try_from(state.known.len());
        self.now.set(count.unwrap_or(i64::MAX));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Makes room: of those that are over, or else of the one that was refused longest ago.
    fn forget(&mut self, now: Duration) {
        self.known.retain(|_, known| known.is_live(now));
        if self.known.len() >= MAX_LOCKOUTS {
            let oldest = self.known.iter().min_by_key(|(_, known)| known.last);
            if let Some(key) = oldest.map(|(key, _)| *key) {
                self.known.remove(&key);
            }
        }
    }
}

impl Known {
    fn is_live(&self, now: Duration) -> bool {
        now.saturating_sub(self.last) < QUIET
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(1_000);

    fn names(id: &str, source: u8) -> LockoutNames<'_> {
        LockoutNames {
            unverified_client_id: id,
            source: Some(IpAddr::from([10, 0, 0, source])),
            at: UnixTime::from_secs(7),
        }
    }

    #[test]
    fn a_lockout_is_said_once_until_a_minute_without_a_refusal_has_gone_by() {
        let lockouts = Lockouts::default();
        let note = |seconds| {
            let now = START + Duration::from_secs(seconds);
            lockouts.note((1, LockedBy::Pair), names("a", 1), now);
            lockouts.take_new().len()
        };
        assert_eq!([0, 0, 59, 118, 177].map(note), [1, 0, 0, 0, 0]);
        let all = lockouts.all(START + Duration::from_secs(177));
        assert_eq!((all.len(), all[0].refused), (1, 5));
        assert_eq!(note(237), 1, "a minute later it is another one");
        assert!(lockouts.all(START + Duration::from_secs(297)).is_empty());
    }

    #[test]
    fn the_name_that_is_remembered_is_that_of_the_limit_alone_and_short() {
        let lockouts = Lockouts::default();
        let long = "x".repeat(500);
        for by in [
            LockedBy::Pair,
            LockedBy::Client,
            LockedBy::Address,
            LockedBy::Issuer,
        ] {
            lockouts.note((1, by), names(&long, 1), START);
        }
        let said = lockouts.take_new();
        let known = said.iter().map(|it| {
            let id = it.unverified_client_id.as_ref().map(String::len);
            (it.by, id, it.source.is_some())
        });
        let expected = [
            (LockedBy::Pair, Some(MAX_ID_CHARS), true),
            (LockedBy::Client, Some(MAX_ID_CHARS), false),
            (LockedBy::Address, None, true),
            (LockedBy::Issuer, None, false),
        ];
        assert_eq!(known.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn no_number_of_lockouts_takes_more_room_and_the_longest_ago_goes_first() {
        let lockouts = Lockouts::default();
        for key in 0..2 * MAX_LOCKOUTS as u64 {
            let now = START + Duration::from_millis(key);
            lockouts.note((key, LockedBy::Pair), names("a", 1), now);
        }
        let state = lockouts.lock();
        assert_eq!(
            (state.known.len(), state.unsaid.len()),
            (MAX_LOCKOUTS, MAX_UNSAID)
        );
        let oldest = state.known.keys().map(|(key, _)| *key).min();
        assert_eq!(oldest, Some(MAX_LOCKOUTS as u64));
    }

    #[test]
    fn an_operator_ends_those_of_a_client_from_everywhere_or_from_one_address() {
        let lockouts = Lockouts::default();
        for (key, id, source) in [(1, "a", 1), (2, "a", 2), (3, "b", 1)] {
            lockouts.note((key, LockedBy::Pair), names(id, source), START);
        }
        let first = Some(IpAddr::from([10, 0, 0, 1]));
        assert_eq!(lockouts.end("a", first).len(), 1);
        assert_eq!(lockouts.all(START).len(), 2);
        assert_eq!(lockouts.end("a", None).len(), 1);
        assert!(lockouts.end("a", None).is_empty());
        assert_eq!(lockouts.all(START).len(), 1);
        assert!(!lockouts.end_of_pair(4));
        assert!(lockouts.end_of_pair(3) && !lockouts.end_of_pair(3));
        assert!(lockouts.all(START).is_empty());
    }

    #[test]
    fn those_that_are_over_are_forgotten_and_a_right_secret_ends_that_of_its_pair_alone() {
        let lockouts = Lockouts::default();
        for by in [LockedBy::Pair, LockedBy::Client] {
            lockouts.note((1, by), names("a", 1), START);
        }
        let later = START + Duration::from_secs(30);
        lockouts.note((2, LockedBy::Pair), names("a", 1), later);
        assert!(lockouts.end_of_pair(1), "by its key, whatever it is called");
        assert_eq!(lockouts.all(later).len(), 2);
        lockouts.forget_ended(START + QUIET);
        assert_eq!((lockouts.lock().known.len(), lockouts.now.get()), (1, 1));
        lockouts.forget_ended(later + QUIET);
        assert_eq!(lockouts.count.load(Ordering::Relaxed), 0);
    }
}
