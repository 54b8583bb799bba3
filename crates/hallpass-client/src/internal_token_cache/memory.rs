//! The tier in this process's memory.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_core::future::BoxFuture;

use super::{CacheError, InternalTokenCache, StoredToken, TokenKey};

/// The tier's label in metrics, for tokens that a service keeps in memory itself too.
pub(crate) const MEMORY_TIER: &str = "memory";

/// Tokens in memory, at most a stated number; the least recently used one makes room.
///
/// A service needs none for itself: it keeps the tokens it uses. This is the tier for several
/// [`AuthTokenService`](crate::AuthTokenService)s of one process, which then make one request together.
pub struct MemoryTokenCache {
    max_entries: usize,
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    by_key: HashMap<TokenKey, Entry>,
    uses: u64,
}

struct Entry {
    token: StoredToken,
    last_use: u64,
}

impl MemoryTokenCache {
    /// Keeps at most `max_entries` tokens; zero keeps none.
    #[must_use]
    pub fn new(max_entries: usize) -> Self {
        Self {
            max_entries,
            entries: Mutex::default(),
        }
    }

    /// How many tokens are kept now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries().by_key.len()
    }

    /// Whether none is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, key: &TokenKey) -> Option<StoredToken> {
        let mut entries = self.entries();
        entries.uses += 1;
        let now = entries.uses;
        let entry = entries.by_key.get_mut(key)?;
        entry.last_use = now;
        Some(entry.token.clone())
    }

    fn put(&self, key: &TokenKey, token: StoredToken) {
        if self.max_entries == 0 {
            return;
        }
        let mut entries = self.entries();
        if entries.by_key.len() >= self.max_entries && !entries.by_key.contains_key(key) {
            // A scan, because it runs only where a token has just been fetched over the network.
            let oldest = entries
                .by_key
                .iter()
                .min_by_key(|(_, entry)| entry.last_use);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                entries.by_key.remove(&oldest);
            }
        }
        entries.uses += 1;
        let last_use = entries.uses;
        entries
            .by_key
            .insert(key.clone(), Entry { token, last_use });
    }
}

impl InternalTokenCache for MemoryTokenCache {
    fn name(&self) -> &'static str {
        MEMORY_TIER
    }

    fn get_token<'a>(
        &'a self,
        key: &'a TokenKey,
    ) -> BoxFuture<'a, Result<Option<StoredToken>, CacheError>> {
        Box::pin(std::future::ready(Ok(self.get(key))))
    }

    fn put_token<'a>(
        &'a self,
        key: &'a TokenKey,
        token: &'a StoredToken,
    ) -> BoxFuture<'a, Result<(), CacheError>> {
        self.put(key, token.clone());
        Box::pin(std::future::ready(Ok(())))
    }

    fn evict<'a>(&'a self, key: &'a TokenKey) -> BoxFuture<'a, Result<(), CacheError>> {
        self.entries().by_key.remove(key);
        Box::pin(std::future::ready(Ok(())))
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
    use hallpass_token::{AccessToken, UnixTime};

    use super::*;

    fn key(audience: &str) -> TokenKey {
        TokenKey::new(
            "internal",
            "c".parse().unwrap(),
            audience.parse().unwrap(),
            "s".parse().unwrap(),
        )
    }

    fn token(text: &str) -> StoredToken {
        StoredToken {
            access_token: AccessToken::new(text),
            issued_at: UnixTime::from_secs(1),
            expires_at: UnixTime::from_secs(2),
        }
    }

    #[tokio::test]
    async fn what_was_put_is_found_until_it_is_evicted() {
        let cache = MemoryTokenCache::new(2);
        cache.put_token(&key("a"), &token("t")).await.unwrap();
        assert_eq!(cache.get_token(&key("a")).await, Ok(Some(token("t"))));
        cache.evict(&key("a")).await.unwrap();
        assert_eq!(cache.get_token(&key("a")).await, Ok(None));
    }

    #[tokio::test]
    async fn the_least_recently_used_token_makes_room() {
        let cache = MemoryTokenCache::new(2);
        for audience in ["a", "b"] {
            cache
                .put_token(&key(audience), &token(audience))
                .await
                .unwrap();
        }
        cache.get_token(&key("a")).await.unwrap();
        cache.put_token(&key("c"), &token("c")).await.unwrap();
        assert_eq!(cache.len(), 2);
        assert_eq!(cache.get_token(&key("b")).await, Ok(None));
        assert!(cache.get_token(&key("a")).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn debug_shows_no_token() {
        let cache = MemoryTokenCache::new(1);
        cache
            .put_token(&key("a"), &token("eyJ-secret"))
            .await
            .unwrap();
        assert!(!format!("{cache:?} {:?}", cache.get(&key("a"))).contains("secret"));
    }
}
