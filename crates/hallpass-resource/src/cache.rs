//! Tokens that were verified a moment ago.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use hallpass_token::{Algorithm, RevocationMarks, SecurityContext};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use quick_cache::sync::Cache;
use quick_cache::{Lifecycle, Weighter};

use crate::trusted_issuer::Trust;

/// Default bound of a cache, in bytes.
pub(crate) const DEFAULT_CACHE_BYTES: u64 = 16 * 1024 * 1024;
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

/// A verified token, and what must still hold for it to be good.
#[derive(Clone, Debug)]
pub(crate) struct CacheEntry {
    pub(crate) context: SecurityContext,
    /// The issuer, with the policy that the token was verified by.
    pub(crate) trust: Arc<Trust>,
    /// The epoch of the issuer's keys under which it was verified.
    pub(crate) epoch: u64,
    pub(crate) algorithm: Algorithm,
    /// What it is looked up by on a deny-list.
    pub(crate) marks: RevocationMarks,
}

/// Verified tokens, bounded by bytes. Only verified ones are ever put in.
///
/// An entry alone proves nothing: after a look-up, the caller must check that the issuer is still trusted, the epoch of
/// its keys, and the end of the token.
pub(crate) struct VerifiedTokenCache {
    entries: Cache<CacheKey, Arc<CacheEntry>, Bytes, foldhash::fast::RandomState, CountEvictions>,
    metrics: CacheMetrics,
}

impl VerifiedTokenCache {
    pub(crate) fn new(max_bytes: u64, metrics: CacheMetrics) -> Self {
        let evictions = metrics.evictions.clone();
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
        Self { entries, metrics }
    }

    pub(crate) fn get(&self, key: &CacheKey) -> Option<Arc<CacheEntry>> {
        self.entries.get(key)
    }

    pub(crate) fn insert(&self, key: CacheKey, entry: Arc<CacheEntry>) {
        self.entries.insert(key, entry);
        self.measure();
    }

    pub(crate) fn remove(&self, key: &CacheKey) {
        self.entries.remove(key);
        self.measure();
    }

    /// Drops all others. Walks through the whole cache.
    pub(crate) fn retain(&self, stays: impl Fn(&CacheEntry) -> bool) {
        self.entries.retain(|_, entry| stays(entry));
        self.measure();
    }

    fn measure(&self) {
        let (entries, bytes) = (self.entries.len(), self.entries.weight());
        let entries = i64::try_from(entries).unwrap_or(i64::MAX);
        self.metrics.entries.set(entries);
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.metrics.bytes.set(bytes);
    }
}

/// How large the cache is, and whether it is too small. Clones share the numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct CacheMetrics {
    evictions: Counter,
    entries: Gauge,
    bytes: Gauge,
}

impl CacheMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        let it = self.clone();
        registry.register(
            "hallpass_verified_token_cache_evictions",
            "Verified tokens dropped for room",
            it.evictions,
        );
        registry.register(
            "hallpass_verified_token_cache_entries",
            "Verified tokens in memory",
            it.entries,
        );
        registry.register_with_unit(
            "hallpass_verified_token_cache",
            "Size of the cache",
            Unit::Bytes,
            it.bytes,
        );
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
            .field("entries", &self.entries.len())
            .finish_non_exhaustive()
    }
}
