//! The tier in this process's memory.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use futures_core::future::BoxFuture;
use futures_core::stream::BoxStream;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::eviction_notice::{EvictionNotice, TierEvent};
use super::lease::{Lease, LeaseId};
use super::{CacheError, InternalTokenCache, SealedToken, TokenKey};

/// The tier's label in metrics, for tokens that a service keeps in memory itself too.
pub(crate) const MEMORY_TIER: &str = "memory";

/// Leases at a time; beyond it everybody asks. One is held only while a token is being requested.
const MAX_LEASES: usize = 10_000;
/// Notices that a service may leave unread; at the next one its stream ends, and it knows that it has missed some.
const MAX_UNREAD: usize = 1_024;

/// Tokens in memory, at most a stated number; the least recently used one makes room.
///
/// A service needs none for itself: it keeps the tokens it uses. This is the tier for several
/// [`AuthTokenService`](crate::AuthTokenService)s of one process, which then make one request together and hear of each
/// other's evictions. What it keeps is sealed, as in every tier: the services must have the same client secret.
pub struct MemoryTokenCache {
    max_entries: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    by_key: HashMap<TokenKey, Entry>,
    uses: u64,
    leases: HashMap<TokenKey, Leased>,
    listeners: Vec<mpsc::Sender<TierEvent>>,
}

struct Entry {
    token: SealedToken,
    ends: Deadline,
    last_use: u64,
}

#[derive(Clone, Copy)]
struct Leased {
    id: LeaseId,
    ends: Deadline,
}

/// `None`: later than any clock will show.
#[derive(Clone, Copy)]
struct Deadline(Option<Instant>);

impl MemoryTokenCache {
    /// Keeps at most `max_entries` tokens; zero keeps none.
    #[must_use]
    pub fn new(max_entries: usize) -> Self {
        Self {
            max_entries,
            state: Mutex::default(),
        }
    }

    /// How many tokens are kept now.
    #[must_use]
    pub fn len(&self) -> usize {
        let state = self.state();
        let kept = state.by_key.values();
        kept.filter(|entry| !entry.ends.has_passed()).count()
    }

    /// Whether none is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// For a few instructions, never across an await.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, key: &TokenKey) -> Option<SealedToken> {
        let mut state = self.state();
        state.uses += 1;
        let now = state.uses;
        let entry = state.by_key.get_mut(key)?;
        entry.last_use = now;
        (!entry.ends.has_passed()).then(|| entry.token.clone())
    }

    fn put(&self, key: &TokenKey, token: SealedToken, keep_for: Duration) {
        if self.max_entries == 0 {
            return;
        }
        let mut state = self.state();
        if state.by_key.len() >= self.max_entries && !state.by_key.contains_key(key) {
            state.make_room(self.max_entries);
        }
        state.uses += 1;
        let entry = Entry {
            token,
            ends: Deadline::after(keep_for),
            last_use: state.uses,
        };
        state.by_key.insert(key.clone(), entry);
    }

    fn lease_for(&self, key: &TokenKey, keep_for: Duration) -> Lease {
        // Where nothing is kept, no token would ever come for those who wait.
        if self.max_entries == 0 {
            return Lease::Unknown;
        }
        let leases = &mut self.state().leases;
        if let Some(held) = leases.get(key)
            && !held.ends.has_passed()
        {
            return Lease::Elsewhere;
        }
        if leases.len() >= MAX_LEASES {
            leases.retain(|_, held| !held.ends.has_passed());
            if leases.len() >= MAX_LEASES {
                return Lease::Unknown;
            }
        }
        let id = LeaseId::random();
        let ends = Deadline::after(keep_for);
        leases.insert(key.clone(), Leased { id, ends });
        Lease::Held(id)
    }

    fn extend_lease(&self, key: &TokenKey, lease: &LeaseId, keep_for: Duration) {
        let mut state = self.state();
        let held = state.leases.get_mut(key);
        let held = held.filter(|held| held.id == *lease && !held.ends.has_passed());
        if let Some(held) = held {
            held.ends = Deadline::after(keep_for);
        }
    }

    fn end_lease(&self, key: &TokenKey, lease: &LeaseId) {
        let leases = &mut self.state().leases;
        if leases.get(key).is_some_and(|held| held.id == *lease) {
            leases.remove(key);
        }
    }

    fn tell(&self, notice: &EvictionNotice) {
        let event = TierEvent::Evicted(notice.clone());
        // Who is gone or does not read is dropped, and its stream ends with that.
        let tell = |listener: &mpsc::Sender<_>| listener.try_send(event.clone()).is_ok();
        self.state().listeners.retain(tell);
    }
}

impl State {
    /// A scan, because it runs only where a token has just been fetched over the network.
    fn make_room(&mut self, limit: usize) {
        self.by_key.retain(|_, entry| !entry.ends.has_passed());
        if self.by_key.len() < limit {
            return;
        }
        let oldest = self.by_key.iter().min_by_key(|(_, entry)| entry.last_use);
        if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
            self.by_key.remove(&oldest);
        }
    }
}

impl Deadline {
    fn after(time: Duration) -> Self {
        Self(Instant::now().checked_add(time))
    }

    fn has_passed(self) -> bool {
        self.0.is_some_and(|ends| Instant::now() >= ends)
    }
}

/// Notices as they come.
struct Notices(mpsc::Receiver<TierEvent>);

impl Stream for Notices {
    type Item = TierEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<TierEvent>> {
        self.0.poll_recv(cx)
    }
}

fn done<'a, T: Send + 'a>(value: T) -> BoxFuture<'a, Result<T, CacheError>> {
    Box::pin(std::future::ready(Ok(value)))
}

impl InternalTokenCache for MemoryTokenCache {
    fn name(&self) -> &'static str {
        MEMORY_TIER
    }

    fn get_token<'a>(
        &'a self,
        key: &'a TokenKey,
    ) -> BoxFuture<'a, Result<Option<SealedToken>, CacheError>> {
        done(self.get(key))
    }

    fn put_token<'a>(
        &'a self,
        key: &'a TokenKey,
        token: &'a SealedToken,
        keep_for: Duration,
    ) -> BoxFuture<'a, Result<(), CacheError>> {
        self.put(key, token.clone(), keep_for);
        done(())
    }

    fn evict<'a>(&'a self, key: &'a TokenKey) -> BoxFuture<'a, Result<(), CacheError>> {
        self.state().by_key.remove(key);
        done(())
    }

    fn lease<'a>(
        &'a self,
        key: &'a TokenKey,
        keep_for: Duration,
    ) -> BoxFuture<'a, Result<Lease, CacheError>> {
        done(self.lease_for(key, keep_for))
    }

    fn extend<'a>(
        &'a self,
        key: &'a TokenKey,
        lease: &'a LeaseId,
        keep_for: Duration,
    ) -> BoxFuture<'a, Result<(), CacheError>> {
        self.extend_lease(key, lease, keep_for);
        done(())
    }

    fn release<'a>(
        &'a self,
        key: &'a TokenKey,
        lease: &'a LeaseId,
    ) -> BoxFuture<'a, Result<(), CacheError>> {
        self.end_lease(key, lease);
        done(())
    }

    fn announce<'a>(&'a self, notice: &'a EvictionNotice) -> BoxFuture<'a, Result<(), CacheError>> {
        self.tell(notice);
        done(())
    }

    fn events(&self) -> Option<BoxStream<'static, TierEvent>> {
        let (listener, notices) = mpsc::channel(MAX_UNREAD);
        let listeners = &mut self.state().listeners;
        listeners.retain(|listener| !listener.is_closed());
        listeners.push(listener);
        Some(Box::pin(Notices(notices)))
    }
}

impl fmt::Debug for MemoryTokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryTokenCache")
            .field("entries", &self.len())
            .field("max_entries", &self.max_entries)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(600);
    const LEASE: Duration = Duration::from_secs(1);

    fn key(audience: &str) -> TokenKey {
        TokenKey::new(
            "internal",
            "c".parse().unwrap(),
            audience.parse().unwrap(),
            "s".parse().unwrap(),
        )
    }

    fn token(text: &str) -> SealedToken {
        SealedToken::from(text.to_owned())
    }

    async fn put(cache: &MemoryTokenCache, audience: &str) {
        let token = token(audience);
        let key = key(audience);
        cache.put_token(&key, &token, LONG).await.unwrap();
    }

    async fn lease(cache: &MemoryTokenCache) -> Lease {
        cache.lease(&key("a"), LEASE).await.unwrap()
    }

    #[tokio::test]
    async fn what_was_put_is_found_until_it_is_evicted() {
        let cache = MemoryTokenCache::new(2);
        put(&cache, "a").await;
        assert_eq!(cache.get_token(&key("a")).await, Ok(Some(token("a"))));
        cache.evict(&key("a")).await.unwrap();
        assert_eq!(cache.get_token(&key("a")).await, Ok(None));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_put_is_kept_for_no_longer_than_was_said() {
        let cache = MemoryTokenCache::new(2);
        put(&cache, "a").await;
        tokio::time::advance(LONG - Duration::from_millis(1)).await;
        assert!(cache.get_token(&key("a")).await.unwrap().is_some());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(cache.get_token(&key("a")).await, Ok(None));
        assert!(cache.is_empty());
        assert_eq!(cache.name(), "memory", "as metrics call it");
        let (key, token) = (key("a"), token("a"));
        cache.put_token(&key, &token, Duration::MAX).await.unwrap();
        assert_eq!(cache.len(), 1);
        assert!(!cache.is_empty());
    }

    #[tokio::test]
    async fn the_least_recently_used_token_makes_room() {
        let cache = MemoryTokenCache::new(2);
        put(&cache, "a").await;
        put(&cache, "b").await;
        cache.get_token(&key("a")).await.unwrap();
        put(&cache, "c").await;
        assert_eq!(cache.len(), 2);
        assert_eq!(cache.get_token(&key("b")).await, Ok(None));
        assert!(cache.get_token(&key("a")).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn tokens_that_nobody_asks_for_make_room_in_the_order_in_which_they_came() {
        let cache = MemoryTokenCache::new(8);
        let audience = |number: usize| format!("audience-{number}");
        for number in 0..14 {
            put(&cache, &audience(number)).await;
        }
        let is_kept = |number: &usize| cache.state().by_key.contains_key(&key(&audience(*number)));
        let kept: Vec<_> = (0..14).filter(is_kept).collect();
        assert_eq!(kept, Vec::from_iter(6..14));
    }

    #[tokio::test(start_paused = true)]
    async fn no_token_makes_room_for_one_that_has_a_place_or_finds_that_of_an_ended_one() {
        let cache = MemoryTokenCache::new(2);
        put(&cache, "a").await;
        put(&cache, "b").await;
        put(&cache, "b").await;
        assert!(cache.get_token(&key("a")).await.unwrap().is_some());
        let short = Duration::from_secs(1);
        cache.put(&key("b"), token("b"), short);
        tokio::time::advance(short).await;
        put(&cache, "c").await;
        assert!(cache.get_token(&key("a")).await.unwrap().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn where_too_many_leases_are_held_everybody_asks_until_some_have_ended() {
        let cache = MemoryTokenCache::new(2);
        let lease_of = |number: usize| cache.lease_for(&key(&format!("a{number}")), LEASE);
        for number in 0..MAX_LEASES {
            assert!(matches!(lease_of(number), Lease::Held(_)));
        }
        assert_eq!(lease_of(MAX_LEASES), Lease::Unknown);
        assert_eq!(lease_of(0), Lease::Elsewhere, "it is still held");
        tokio::time::advance(LEASE).await;
        assert!(matches!(lease_of(MAX_LEASES), Lease::Held(_)));
        assert_eq!(cache.state().leases.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn one_holds_a_lease_until_it_gives_it_back_or_the_time_is_over() {
        let cache = MemoryTokenCache::new(2);
        let Lease::Held(first) = lease(&cache).await else {
            panic!("nobody has it")
        };
        assert_eq!(lease(&cache).await, Lease::Elsewhere);
        cache.release(&key("a"), &LeaseId::random()).await.unwrap();
        assert_eq!(lease(&cache).await, Lease::Elsewhere, "another's release");
        cache.release(&key("a"), &first).await.unwrap();
        assert!(matches!(lease(&cache).await, Lease::Held(_)));
        tokio::time::advance(LEASE).await;
        assert!(matches!(lease(&cache).await, Lease::Held(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_is_extended_by_its_holder_alone_and_only_while_it_is_held() {
        let cache = MemoryTokenCache::new(2);
        let Lease::Held(first) = lease(&cache).await else {
            panic!("nobody has it")
        };
        tokio::time::advance(LEASE / 2).await;
        cache.extend(&key("a"), &first, LEASE).await.unwrap();
        tokio::time::advance(LEASE / 2).await;
        assert_eq!(lease(&cache).await, Lease::Elsewhere);
        let other = LeaseId::random();
        cache.extend(&key("a"), &other, LONG).await.unwrap();
        tokio::time::advance(LEASE / 2).await;
        cache.extend(&key("a"), &first, LONG).await.unwrap();
        assert!(matches!(lease(&cache).await, Lease::Held(_)));
    }

    #[tokio::test]
    async fn who_does_not_read_its_notices_learns_that_it_missed_some_and_holds_nobody_up() {
        use futures_util::StreamExt as _;

        let cache = MemoryTokenCache::new(2);
        let (mut reads, sleeps) = (cache.events().unwrap(), cache.events().unwrap());
        let notice = EvictionNotice::parse(&[1, 0, 0, 0, 0, b's']).unwrap();
        for _ in 0..MAX_UNREAD + 1 {
            cache.announce(&notice).await.unwrap();
            assert_eq!(reads.next().await, Some(TierEvent::Evicted(notice.clone())));
        }
        assert_eq!(sleeps.count().await, MAX_UNREAD, "and then it ends");
    }

    #[tokio::test]
    async fn who_has_gone_is_no_listener_when_the_next_one_comes() {
        let cache = MemoryTokenCache::new(2);
        for _ in 0..100 {
            drop(cache.events());
        }
        assert_eq!(cache.state().listeners.len(), 1);
    }

    #[tokio::test]
    async fn debug_shows_no_token() {
        let cache = MemoryTokenCache::new(1);
        put(&cache, "eyJ-secret").await;
        let found = cache.get(&key("eyJ-secret"));
        assert!(found.is_some() && !format!("{cache:?} {found:?}").contains("secret"));
    }
}
