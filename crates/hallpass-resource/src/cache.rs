//! Tokens that were verified a moment ago.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use hallpass_token::{Algorithm, SecurityContext};
use prometheus_client::metrics::counter::Counter;
use quick_cache::sync::Cache;
use quick_cache::{Lifecycle, Weighter};

/// Default bound of a cache, in bytes.
pub const DEFAULT_CACHE_BYTES: u64 = 16 * 1024 * 1024;
/// What one entry costs beside its token and claims: key, bookkeeping, allocations. An estimate in bytes.
const ENTRY_OVERHEAD_BYTES: u64 = 512;
/// Typical size of an entry in bytes, from which the cache guesses how many there will be.
const TYPICAL_ENTRY_BYTES: u64 = 2048;

/// Which token, judged by whom. A digest, so that no bearer token lies about in memory as a key, and so that the
/// hash of the map is fed nothing that a caller could choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CacheKey {
    digest: [u8; 32],
    verifier: u64,
}

impl CacheKey {
    /// `verifier` tells verifiers with other policies or keys apart; the same token may be good for one of them only.
    pub(crate) fn new(verifier: u64, token: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        Self {
            digest: bytes,
            verifier,
        }
    }
}

/// A verified token and what its standing depends on.
#[derive(Clone, Debug)]
pub(crate) struct CacheEntry {
    pub(crate) context: SecurityContext,
    /// Which of the verifier's issuers it comes from.
    pub(crate) issuer: usize,
    /// The epoch of the issuer's keys under which it was verified.
    pub(crate) epoch: u64,
    pub(crate) algorithm: Algorithm,
}

/// Verified tokens, bounded by bytes. Only verified ones are ever put in.
///
/// An entry says nothing by itself: whoever finds one must still check its end and the epoch of the issuer's keys.
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

    /// Drops what an issuer's departed keys had verified. Walks through the whole cache; keys depart rarely.
    pub(crate) fn purge(&self, issuer: usize, current_epoch: u64) {
        self.entries
            .retain(|_, entry| entry.issuer != issuer || entry.epoch == current_epoch);
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
