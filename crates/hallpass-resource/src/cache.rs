//! Tokens that were verified a moment ago.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use hallpass_token::{Algorithm, SecurityContext};
use prometheus_client::metrics::counter::Counter;
use quick_cache::sync::Cache;
use quick_cache::{Lifecycle, Weighter};

use crate::trusted_issuer::Trust;

/// Default bound of a cache, in bytes.
pub const DEFAULT_CACHE_BYTES: u64 = 16 * 1024 * 1024;
/// What one entry costs beside its token and claims: key, bookkeeping, allocations. An estimate in bytes.
const ENTRY_OVERHEAD_BYTES: u64 = 512;
/// Typical size of an entry in bytes, from which the cache guesses how many there will be.
const TYPICAL_ENTRY_BYTES: u64 = 2048;

/// Which token. A digest, so that no bearer token stays in memory as a key, and so that the hash of the map is fed
/// nothing that a caller could choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CacheKey {
    digest: [u8; 32],
}

impl CacheKey {
    pub(crate) fn new(token: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        Self { digest: bytes }
    }
}

/// A verified token and what its standing depends on.
#[derive(Clone, Debug)]
pub(crate) struct CacheEntry {
    pub(crate) context: SecurityContext,
    /// The issuer, with the policy that the token was verified by.
    pub(crate) trust: Arc<Trust>,
    /// The epoch of the issuer's keys under which it was verified.
    pub(crate) epoch: u64,
    pub(crate) algorithm: Algorithm,
}

/// Verified tokens, bounded by bytes. Only verified ones are ever put in.
///
/// An entry says nothing by itself: whoever finds one must still check that its issuer is trusted, the epoch of the
/// issuer's keys, and its end.
pub(crate) struct VerifiedTokenCache {
    entries: Cache<CacheKey, Arc<CacheEntry>, Bytes, foldhash::fast::RandomState, CountEvictions>,
}

impl VerifiedTokenCache {
    pub(crate) fn new(max_bytes: u64, evictions: Counter) -> Self {
        let items = usize::try_from(max_bytes / TYPICAL_ENTRY_BYTES)
            .unwrap_or(usize::MAX)
            .max(1);
        let entries = Cache::with(
            items,
            max_bytes,
            Bytes,
            foldhash::fast::RandomState::default(),
            CountEvictions { evictions },
        );
        Self { entries }
    }

    pub(crate) fn get(&self, key: &CacheKey) -> Option<Arc<CacheEntry>> {
        self.entries.get(key)
    }

    pub(crate) fn insert(&self, key: CacheKey, entry: Arc<CacheEntry>) {
        self.entries.insert(key, entry);
    }

    pub(crate) fn remove(&self, key: &CacheKey) {
        self.entries.remove(key);
    }

    /// Drops all others. Walks through the whole cache.
    pub(crate) fn retain(&self, stays: impl Fn(&CacheEntry) -> bool) {
        self.entries.retain(|_, entry| stays(entry));
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.entries.weight()
    }
}

#[derive(Clone, Debug)]
struct Bytes;

impl Weighter<CacheKey, Arc<CacheEntry>> for Bytes {
    fn weight(&self, _: &CacheKey, entry: &Arc<CacheEntry>) -> u64 {
        // The claims are the decoded middle part of the token, held as text and values: about the token's size twice.
        let token = entry.context.token().expose().len() as u64;
        ENTRY_OVERHEAD_BYTES + 3 * token
    }
}

#[derive(Clone, Debug)]
struct CountEvictions {
    evictions: Counter,
}

impl Lifecycle<CacheKey, Arc<CacheEntry>> for CountEvictions {
    type RequestState = ();

    fn on_evict(&self, (): &mut (), _: CacheKey, _: Arc<CacheEntry>) {
        self.evictions.inc();
    }
}

impl std::fmt::Debug for VerifiedTokenCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VerifiedTokenCache")
            .field("entries", &self.len())
            .finish_non_exhaustive()
    }
}
