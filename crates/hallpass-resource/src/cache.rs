//! Tokens that were verified a moment ago.

use std::hash::{Hash, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use hallpass_token::{AccessToken, Algorithm, RevocationMarks, SecurityContext};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use quick_cache::sync::Cache;
use quick_cache::{Equivalent, Lifecycle, Weighter};

use crate::blacklist::Asked;
use crate::remembered::Remembered;
use crate::trusted_issuer::Trust;
use crate::withdrawn::Withdrawn;

/// Default bound of a cache, in bytes.
pub(crate) const DEFAULT_CACHE_BYTES: u64 = 16 * 1024 * 1024;
/// What one entry costs beside its token and claims: key, bookkeeping, allocations. An estimate in bytes.
const ENTRY_OVERHEAD_BYTES: u64 = 512;
/// Typical size of an entry in bytes, from which the cache guesses how many there will be.
const TYPICAL_ENTRY_BYTES: u64 = 2048;

/// How much of a token's end is hashed, in bytes. There the signature stands, or an opaque token is as random as everywhere.
const HASHED_BYTES: usize = 64;

/// A token that is looked up: by a keyed hash (SipHash, with a key of this process) of its end, and then by all of its bytes.
///
/// So no hash has to be without collisions, and no two tokens are ever taken for one. What a caller sends is only ever looked up: an entry
/// comes of a token that was verified, and nobody who cannot sign makes many of those whose ends collide. Not all of it is hashed, since
/// that would be most of the time of a look-up. The comparison is not one in constant time: it happens when the last 64 bytes
/// are those of a good token, and who has these without the rest has seen the token.
#[derive(Clone, Copy)]
pub(crate) struct SoughtToken<'t>(&'t str);

impl<'t> SoughtToken<'t> {
    pub(crate) const fn new(token: &'t str) -> Self {
        Self(token)
    }
}

impl Hash for SoughtToken<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let bytes = self.0.as_bytes();
        state.write(bytes.last_chunk::<HASHED_BYTES>().map_or(bytes, |end| end));
        state.write_usize(bytes.len());
    }
}

impl Equivalent<KnownToken> for SoughtToken<'_> {
    fn equivalent(&self, known: &KnownToken) -> bool {
        self.0 == known.0.expose()
    }
}

/// The token of an entry, which holds it in any case: it is what is relayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KnownToken(AccessToken);

impl Hash for KnownToken {
    fn hash<H: Hasher>(&self, state: &mut H) {
        SoughtToken(self.0.expose()).hash(state);
    }
}

/// A verified token, and what must still hold for it to be good.
#[derive(Clone, Debug)]
pub(crate) struct CacheEntry {
    pub(crate) context: SecurityContext,
    /// The issuer, with the policy that the token was verified by.
    pub(crate) trust: Arc<Trust>,
    pub(crate) ground: Ground,
    /// What it is looked up by on a deny-list.
    pub(crate) marks: RevocationMarks,
    /// What was read of it where the estate lists tokens that were logged out; `None` where nobody looks.
    pub(crate) asked: Option<Arc<Asked>>,
    /// What whoever hands requests on has made of it.
    pub(crate) remembered: Remembered,
    /// Whether streams with it are to end.
    pub(crate) withdrawn: Withdrawn,
}

/// Why a token was found to be good.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ground {
    /// It is signed.
    Signature {
        /// The epoch of the issuer's keys under which it was verified.
        epoch: u64,
        algorithm: Algorithm,
    },
    /// The issuer has said so, and it is believed until then, by the monotonic clock.
    Answer { until: Duration },
}

impl Ground {
    /// Its name in metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Signature { algorithm, .. } => algorithm.as_str(),
            Self::Answer { .. } => "introspection",
        }
    }
}

/// Verified tokens, bounded by bytes. Only verified ones are ever put in.
///
/// An entry alone proves nothing: after a look-up, the caller must check that the issuer is still trusted, the epoch of
/// its keys, and the end of the token.
pub(crate) struct VerifiedTokenCache {
    entries: Cache<KnownToken, Arc<CacheEntry>, Bytes, RandomState, CountEvictions>,
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
            RandomState::new(),
            CountEvictions { evictions },
        );
        Self { entries, metrics }
    }

    pub(crate) fn get(&self, token: SoughtToken<'_>) -> Option<Arc<CacheEntry>> {
        self.entries.get(&token)
    }

    pub(crate) fn insert(&self, entry: Arc<CacheEntry>) {
        let token = KnownToken(entry.context.token().clone());
        self.entries.insert(token, entry);
        self.measure();
    }

    pub(crate) fn remove(&self, token: SoughtToken<'_>) {
        self.entries.remove(&token);
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

impl Weighter<KnownToken, Arc<CacheEntry>> for Bytes {
    fn weight(&self, _: &KnownToken, entry: &Arc<CacheEntry>) -> u64 {
        // The claims are the decoded middle part of the token, held as text and values: about the token's size twice.
        let token = entry.context.token().expose().len() as u64;
        ENTRY_OVERHEAD_BYTES + 3 * token
    }
}

#[derive(Clone, Debug)]
struct CountEvictions {
    evictions: Counter,
}

impl Lifecycle<KnownToken, Arc<CacheEntry>> for CountEvictions {
    type RequestState = ();

    fn on_evict(&self, (): &mut (), _: KnownToken, _: Arc<CacheEntry>) {
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

#[cfg(test)]
mod tests;
