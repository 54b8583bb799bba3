//! A shared tier as Redis is one for the token service: tokens, leases and notices, a millisecond away.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use hallpass::client::{
    CacheError, EvictionNotice, InternalTokenCache, Lease, LeaseId, SealedToken, TierEvent,
    TokenKey,
};
use tokio::sync::broadcast;
use tokio::time::{Instant, sleep};

use crate::counts::Counts;

const WAY: Duration = Duration::from_millis(1);
const MOST_WAITING: usize = 4_096;

/// All of it.
#[derive(Debug)]
pub(crate) struct SharedCache {
    counts: Arc<Counts>,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    tokens: HashMap<TokenKey, (SealedToken, Instant)>,
    leases: HashMap<TokenKey, (LeaseId, Instant)>,
}

/// As the instances of one service see it. In Redis everybody hears each notice; here those who could open it, and the others are counted.
#[derive(Debug)]
pub(crate) struct TierOfService {
    shared: Arc<SharedCache>,
    notices: broadcast::Sender<EvictionNotice>,
}

impl SharedCache {
    pub(crate) fn new(counts: &Arc<Counts>) -> Arc<Self> {
        Arc::new(Self {
            counts: Arc::clone(counts),
            kept: Mutex::default(),
        })
    }

    pub(crate) fn of_service(self: &Arc<Self>) -> Arc<TierOfService> {
        Arc::new(TierOfService {
            shared: Arc::clone(self),
            notices: broadcast::Sender::new(MOST_WAITING),
        })
    }

    async fn command(&self) -> MutexGuard<'_, Kept> {
        self.counts.cache_commands.one();
        sleep(WAY).await;
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InternalTokenCache for TierOfService {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn get_token<'a>(
        &'a self,
        key: &'a TokenKey,
    ) -> BoxFuture<'a, Result<Option<SealedToken>, CacheError>> {
        Box::pin(async {
            let kept = self.shared.command().await;
            let found = kept.tokens.get(key);
            let alive = found.filter(|(_, until)| Instant::now() < *until);
            Ok(alive.map(|(token, _)| token.clone()))
        })
    }

    fn put_token<'a>(
        &'a self,
        key: &'a TokenKey,
        token: &'a SealedToken,
        keep_for: Duration,
    ) -> BoxFuture<'a, Result<(), CacheError>> {
        Box::pin(async move {
            let mut kept = self.shared.command().await;
            let until = Instant::now() + keep_for;
            kept.tokens.insert(key.clone(), (token.clone(), until));
            Ok(())
        })
    }

    fn evict<'a>(&'a self, key: &'a TokenKey) -> BoxFuture<'a, Result<(), CacheError>> {
        Box::pin(async {
            self.shared.command().await.tokens.remove(key);
            Ok(())
        })
    }

    fn lease<'a>(
        &'a self,
        key: &'a TokenKey,
        keep_for: Duration,
    ) -> BoxFuture<'a, Result<Lease, CacheError>> {
        Box::pin(async move {
            let mut kept = self.shared.command().await;
            let now = Instant::now();
            if kept.leases.get(key).is_some_and(|(_, until)| now < *until) {
                return Ok(Lease::Elsewhere);
            }
            let id = LeaseId::random();
            kept.leases.insert(key.clone(), (id, now + keep_for));
            Ok(Lease::Held(id))
        })
    }

    fn extend<'a>(
        &'a self,
        key: &'a TokenKey,
        lease: &'a LeaseId,
        keep_for: Duration,
    ) -> BoxFuture<'a, Result<(), CacheError>> {
        Box::pin(async move {
            let mut kept = self.shared.command().await;
            if let Some((_, until)) = kept.leases.get_mut(key).filter(|(id, _)| id == lease) {
                *until = Instant::now() + keep_for;
            }
            Ok(())
        })
    }

    fn release<'a>(
        &'a self,
        key: &'a TokenKey,
        lease: &'a LeaseId,
    ) -> BoxFuture<'a, Result<(), CacheError>> {
        Box::pin(async move {
            let mut kept = self.shared.command().await;
            if kept.leases.get(key).is_some_and(|(id, _)| id == lease) {
                kept.leases.remove(key);
            }
            Ok(())
        })
    }

    fn announce<'a>(&'a self, notice: &'a EvictionNotice) -> BoxFuture<'a, Result<(), CacheError>> {
        Box::pin(async {
            drop(self.shared.command().await);
            self.shared.counts.notices.one();
            let _nobody_listens = self.notices.send(notice.clone());
            Ok(())
        })
    }

    fn events(&self) -> Option<BoxStream<'static, TierEvent>> {
        let notices = self.notices.subscribe();
        let events = stream::unfold(notices, |mut notices| async move {
            let event = match notices.recv().await {
                Ok(notice) => TierEvent::Evicted(notice),
                Err(broadcast::error::RecvError::Lagged(_)) => TierEvent::Missed,
                Err(broadcast::error::RecvError::Closed) => return None,
            };
            Some((event, notices))
        });
        Some(events.boxed())
    }
}
