//! What all clones and handles of one token service share: who asks, what is known, and what a call does with it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use hallpass_clock::Clock;
use hallpass_token::{Audience, Scope};
use hallpass_upstream::Connections;
use tokio::runtime::Handle;

use super::entries::{Entries, LockedEntries};
use super::entry::Entry;
use super::exchange::Exchanges;
use super::flight::{Flights, Joined, Waiter};
use super::issued::{IssuedToken, Minted, Ready, TokenSource};
use super::lifetime::Phase;
use super::moment::Moment;
use super::obtain::ClientCredentials;
use super::reason::Reason;
use super::seals::Evicted;
use super::snapshot::{Snapshot, SnapshotPlan};
use crate::certificate::{LeftBehind, MAX_ROTATIONS};
use crate::credential::Credential;
use crate::error::{ResponseFault, TokenError, TokenSettingsError};
use crate::internal_token_cache::TokenKey;
use crate::metrics::ClientMetrics;

/// How long a call waits for a new token while it holds an old one that is overdue but alive.
const OVERDUE_WAIT: Duration = Duration::from_millis(100);

pub(crate) struct TokenServiceState {
    /// Swapped while the entries are locked, and read under that lock by the code that looks for an entry: so each entry that
    /// is found belongs to the snapshot of that moment.
    snapshot: ArcSwap<Snapshot>,
    entries: Arc<Entries>,
    flights: Arc<Flights>,
    exchanges: Arc<Exchanges>,
    metrics: ClientMetrics,
}

impl TokenServiceState {
    pub(crate) fn new(
        snapshot: Snapshot,
        entries: Arc<Entries>,
        flights: Flights,
        exchanges: Exchanges,
        metrics: ClientMetrics,
    ) -> Self {
        Self {
            entries,
            snapshot: ArcSwap::from_pointee(snapshot),
            flights: Arc::new(flights),
            exchanges: Arc::new(exchanges),
            metrics,
        }
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        self.flights.mint.clock()
    }

    pub(crate) fn metrics(&self) -> &ClientMetrics {
        &self.metrics
    }

    pub(crate) fn credential(&self, name: Option<&str>) -> Option<Credential> {
        self.snapshot.load().credential(name).cloned()
    }

    pub(crate) fn is_enabled(&self) -> bool {
        self.snapshot.load().is_enabled()
    }

    /// The entry of `audience` and `scope`, by the credential `name` if there is one; an empty scope stands for the
    /// credential's own. `None` when switched off.
    pub(crate) fn entry(
        &self,
        name: Option<&str>,
        audience: &Audience,
        scope: &Scope,
    ) -> Option<Arc<Entry>> {
        self.entry_among(&mut self.entries.lock(), name, audience, scope)
    }

    fn entry_among(
        &self,
        entries: &mut LockedEntries,
        name: Option<&str>,
        audience: &Audience,
        scope: &Scope,
    ) -> Option<Arc<Entry>> {
        let snapshot = self.snapshot.load();
        let source = snapshot.source(name, audience)?;
        let credential = &source.credential;
        let scope = if scope.is_empty() {
            &credential.scope
        } else {
            scope
        };
        let key = TokenKey::new(
            &credential.issuer,
            credential.client_id.clone(),
            audience.clone(),
            scope.clone(),
        );
        let make = || new_entry(&key, source, snapshot.keeps);
        Some(entries.get_or_make(&key, make))
    }

    /// Who asks for tokens for `audience`, by the credential `name` if there is one, and whether tokens stay in memory.
    pub(crate) fn source(
        &self,
        name: Option<&str>,
        audience: &Audience,
    ) -> Result<(Arc<ClientCredentials>, bool), TokenError> {
        let snapshot = self.snapshot.load();
        let source = snapshot
            .source(name, audience)
            .ok_or(TokenError::Disabled)?;
        Ok((Arc::clone(source), snapshot.keeps))
    }

    pub(crate) const fn exchanges(&self) -> &Arc<Exchanges> {
        &self.exchanges
    }

    /// Puts the snapshot of `plan` in the place of the present one. Entries that it would make alike stay. Other processes
    /// are told which tokens are of a secret that has been replaced.
    pub(crate) fn apply(&self, plan: SnapshotPlan) -> Result<(), TokenSettingsError> {
        let now = self.now();
        let replaced = self.apply_here(plan, now)?;
        let Ok(runtime) = Handle::try_current() else {
            return Ok(());
        };
        if !replaced.is_empty() {
            let flights = Arc::clone(&self.flights);
            runtime.spawn(async move {
                for entry in replaced {
                    flights.purge.evict(&entry, Evicted::OfOldSecret(now)).await;
                }
            });
        }
        Ok(())
    }

    /// Returns the entries whose secret is another one now.
    fn apply_here(
        &self,
        plan: SnapshotPlan,
        now: Moment,
    ) -> Result<Vec<Arc<Entry>>, TokenSettingsError> {
        let mut entries = self.entries.lock();
        let before = self.snapshot.load_full();
        let next = Arc::new(before.next(plan, now)?);
        let mut replaced = entries.all();
        replaced.retain(|entry| {
            let old = before.source_of(entry);
            let sources = old.and_then(|old| Some((old, next.heir(entry, old)?)));
            sources.is_some_and(|(old, new)| new.is_client_of(old) && !new.has_secret_of(old))
        });
        let same_names = next.has_names_of(&before);
        self.snapshot.store(Arc::clone(&next));
        entries.replace(next.max_entries, |entry| {
            let old = before.source_of(entry)?;
            let new = next.heir(entry, old)?;
            // With other names, who holds the entry has to look whether another one is for him now.
            if Arc::ptr_eq(old, new) && before.keeps == next.keeps && same_names {
                return Some(Arc::clone(entry));
            }
            // Of the same credential: only for how long and where tokens are kept has changed.
            let same = old.credential.asks_like(&new.credential);
            same.then(|| self.successor(entry, new, next.keeps))
        });
        Ok(replaced)
    }

    fn successor(&self, entry: &Entry, source: &Arc<ClientCredentials>, keeps: bool) -> Arc<Entry> {
        let next = new_entry(&entry.key, source, keeps);
        next.learns_from(entry);
        if let Some(token) = entry.current() {
            let life = source.credential.life;
            next.keep(&self.flights.mint.with_cache_life(&token, life));
        }
        Arc::new(next)
    }

    /// The hot path: hands the token in memory to `take` while it may be used without asking anybody, and
    /// starts its renewal when that is due. No lock, no allocation. One of a certificate that is not shown any more is forgotten.
    #[inline]
    pub(crate) fn hot<R>(
        &self,
        entry: &Arc<Entry>,
        take: impl FnOnce(&Arc<Minted>, Option<Connections>) -> R,
    ) -> Option<R> {
        let counters = self.metrics.caches.memory();
        counters.requests.inc();
        let now = self.flights.mint.now();
        let found = entry.with_current(|minted| {
            let due = match minted.lifetime.phase(now) {
                Phase::Fresh => false,
                Phase::Due => true,
                Phase::Overdue if entry.is_failing() => true,
                Phase::Overdue | Phase::Ended => return Ok(None),
            };
            minted
                .connections()
                .map(|connections| Some((take(minted, connections), due)))
        })?;
        let Ok(found) = found else {
            leave_behind(entry);
            return None;
        };
        let (taken, due) = found?;
        counters.hits.inc();
        if due && !entry.is_quiet(now.monotonic) {
            // The call goes on with the token it has; the outcome shows in metrics and in later calls.
            drop(self.flights.join(entry, Reason::Age));
        }
        Some(taken)
    }

    pub(crate) async fn token(&self, entry: &Arc<Entry>) -> Result<IssuedToken, TokenError> {
        let hot = self.hot(entry, |minted, _| Arc::clone(minted));
        if let Some(minted) = hot {
            return Ok(IssuedToken {
                minted,
                source: TokenSource::Cache,
            });
        }
        Ok(self.token_not_hot(entry).await?.token)
    }

    /// The rest of [`Self::token`], for callers that have looked at the token in memory just now: a call counts as
    /// one look-up. A token that was on its way here while the certificate changed is asked for again.
    pub(crate) async fn token_not_hot(&self, entry: &Arc<Entry>) -> Result<Ready, TokenError> {
        for _ in 0..MAX_ROTATIONS {
            match Ready::of(self.next_token(entry).await?) {
                Ok(ready) => return Ok(ready),
                Err(LeftBehind) => leave_behind(entry),
            }
        }
        Err(TokenError::Lost)
    }

    async fn next_token(&self, entry: &Arc<Entry>) -> Result<IssuedToken, TokenError> {
        let evictions = entry.evictions();
        let is_usable = |old: &IssuedToken| {
            self.is_alive(old) && entry.evictions() == evictions && old.minted.connections().is_ok()
        };
        let old = entry.current().filter(is_usable);
        let waiter = match (self.flights.join_current(entry, Reason::Miss).await, &old) {
            (Ok(Joined::Current(token)), _) => return Ok(token),
            (Ok(Joined::Waiting(waiter) | Joined::Outdated(waiter)), _) => waiter,
            (Err(_), Some(old)) if is_usable(old) => return Ok(old.clone()),
            (Err(error), _) => return Err(error),
        };
        let Some(old) = old else {
            return self.settle_or_meanwhile(entry, waiter).await;
        };
        match tokio::time::timeout(OVERDUE_WAIT, self.settle(waiter.clone())).await {
            Ok(Ok(token)) => Ok(token),
            _ if is_usable(&old) => Ok(old),
            Ok(Err(error)) => Err(error),
            // The old one has ended meanwhile: from now on this is a call like any other that has none.
            Err(_) => self.settle(waiter).await,
        }
    }

    pub(crate) async fn refresh_if_needed(&self, entry: &Arc<Entry>) -> Result<bool, TokenError> {
        match self.flights.join_current(entry, Reason::Age).await? {
            Joined::Current(_) => Ok(false),
            Joined::Waiting(waiter) | Joined::Outdated(waiter) => {
                self.settle(waiter).await.map(|_| true)
            }
        }
    }

    pub(crate) async fn renew_rejected(
        &self,
        entry: &Arc<Entry>,
        generation: u64,
    ) -> Result<IssuedToken, TokenError> {
        let reason = Reason::Rejected { generation };
        match self.flights.join_current(entry, reason).await? {
            Joined::Current(token) => Ok(token),
            Joined::Waiting(waiter) | Joined::Outdated(waiter) => self.settle(waiter).await,
        }
    }

    pub(crate) async fn evict(&self, name: Option<&str>, audience: &Audience, scope: &Scope) {
        let Some((entry, moment)) = self.forget(name, audience, scope) else {
            return;
        };
        if self.flights.tiers.is_empty() {
            return;
        }
        let flights = Arc::clone(&self.flights);
        let told = async move { flights.purge.evict(&entry, Evicted::UpTo(moment)).await };
        match Handle::try_current() {
            // In a task of its own: a caller that goes away leaves no process untold.
            Ok(runtime) => _ = runtime.spawn(told).await,
            Err(_) => told.await,
        }
    }

    /// Under the lock that a change of settings holds too: so the token cannot move to the next entry meanwhile.
    fn forget(
        &self,
        name: Option<&str>,
        audience: &Audience,
        scope: &Scope,
    ) -> Option<(Arc<Entry>, Moment)> {
        let now = self.now();
        let mut entries = self.entries.lock();
        let entry = self.entry_among(&mut entries, name, audience, scope);
        let Some(entry) = entry else {
            // Switched off: under which key is not known, and the tiers may have it.
            entries.evicted_unknown(now);
            return None;
        };
        let moment = entry.evict(now);
        Some((entry, moment))
    }

    fn now(&self) -> Moment {
        Moment::from(self.clock().now())
    }

    fn is_alive(&self, token: &IssuedToken) -> bool {
        token.phase(self.flights.mint.now()) != Phase::Ended
    }

    /// A waiter may be polled long after the request ended, so the token is looked at once more.
    async fn settle(&self, waiter: Waiter) -> Result<IssuedToken, TokenError> {
        self.alive(waiter.end().await?)
    }

    /// The same, or a token of a tier that is due, while the issuer is still being asked.
    async fn settle_or_meanwhile(
        &self,
        entry: &Entry,
        waiter: Waiter,
    ) -> Result<IssuedToken, TokenError> {
        let is_usable =
            |token: &IssuedToken| self.is_alive(token) && entry.state().is_usable_meanwhile(token);
        self.alive(waiter.end_or_meanwhile(is_usable).await?)
    }

    fn alive(&self, token: IssuedToken) -> Result<IssuedToken, TokenError> {
        match self.is_alive(&token) {
            true => Ok(token),
            false => Err(TokenError::Response(ResponseFault::Expired)),
        }
    }
}

impl fmt::Debug for TokenServiceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthTokenService")
            .field("snapshot", &*self.snapshot.load())
            .finish_non_exhaustive()
    }
}

/// Forgets the token, if it is one of a certificate that is not shown any more.
fn leave_behind(entry: &Entry) {
    let is_left = |token: &Minted| token.connections().is_err();
    if entry.evict_denied(is_left).is_some() {
        tracing::info!(key = ?entry.key, "this service has another certificate: a token that is bound to the old one is not used any more");
    }
}

fn new_entry(key: &TokenKey, source: &Arc<ClientCredentials>, keeps: bool) -> Entry {
    let from = source.trusts_tiers_from;
    let source = Arc::clone(source);
    let entry = Entry::new(key.clone(), source, keeps);
    entry.takes_nothing_until(from);
    entry
}
