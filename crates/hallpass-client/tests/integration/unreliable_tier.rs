//! A tier in memory that a test makes worse, and what stand for the processes that share one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::{BoxFuture, join_all};
use futures_util::stream::{BoxStream, unfold};
use hallpass_client::{
    CacheError, EvictionNotice, InternalTokenCache, IssuedToken, Lease, LeaseId, MemoryTokenCache,
    SealedToken, TierEvent, TokenHandle, TokenKey,
};
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::scripted_issuer::{ScriptedIssuer, handle};

/// Enough for tasks that are ready to run.
pub(crate) const MOMENT: Duration = Duration::from_millis(1);

/// A tier in memory whose notices come late or not at all, and that may not forget.
#[derive(Debug)]
pub(crate) struct Unreliable {
    pub(crate) tokens: MemoryTokenCache,
    pub(crate) forgets: AtomicBool,
    pub(crate) responds: AtomicBool,
    pub(crate) announces: AtomicBool,
    announces_after: Duration,
    listeners: Mutex<Vec<mpsc::UnboundedSender<TierEvent>>>,
}

impl Unreliable {
    pub(crate) fn new(announces_after: Duration) -> Arc<Self> {
        Arc::new(Self {
            tokens: MemoryTokenCache::new(100),
            forgets: AtomicBool::new(true),
            responds: AtomicBool::new(true),
            announces: AtomicBool::new(true),
            announces_after,
            listeners: Mutex::default(),
        })
    }

    pub(crate) fn tell(&self, event: &TierEvent) {
        let mut listeners = self.listeners.lock().unwrap();
        listeners.retain(|listener| listener.send(event.clone()).is_ok());
    }

    /// All who listen find that the stream has ended.
    pub(crate) fn hang_up(&self) {
        self.listeners.lock().unwrap().clear();
    }

    pub(crate) fn listeners(&self) -> usize {
        self.listeners.lock().unwrap().len()
    }
}

impl InternalTokenCache for Unreliable {
    fn name(&self) -> &'static str {
        "unreliable"
    }

    fn get_token<'a>(
        &'a self,
        key: &'a TokenKey,
    ) -> BoxFuture<'a, Result<Option<SealedToken>, CacheError>> {
        if self.responds.load(Ordering::Relaxed) {
            return self.tokens.get_token(key);
        }
        Box::pin(std::future::ready(Err(CacheError::new("reset"))))
    }

    fn put_token<'a>(
        &'a self,
        key: &'a TokenKey,
        token: &'a SealedToken,
        keep_for: Duration,
    ) -> BoxFuture<'a, Result<(), CacheError>> {
        self.tokens.put_token(key, token, keep_for)
    }

    fn evict<'a>(&'a self, key: &'a TokenKey) -> BoxFuture<'a, Result<(), CacheError>> {
        if self.forgets.load(Ordering::Relaxed) {
            return self.tokens.evict(key);
        }
        Box::pin(std::future::ready(Err(CacheError::new("read only"))))
    }

    fn lease<'a>(
        &'a self,
        key: &'a TokenKey,
        keep_for: Duration,
    ) -> BoxFuture<'a, Result<Lease, CacheError>> {
        self.tokens.lease(key, keep_for)
    }

    fn release<'a>(
        &'a self,
        key: &'a TokenKey,
        lease: &'a LeaseId,
    ) -> BoxFuture<'a, Result<(), CacheError>> {
        self.tokens.release(key, lease)
    }

    fn announce<'a>(&'a self, notice: &'a EvictionNotice) -> BoxFuture<'a, Result<(), CacheError>> {
        Box::pin(async {
            if !self.announces.load(Ordering::Relaxed) {
                return Err(CacheError::new("reset"));
            }
            sleep(self.announces_after).await;
            self.tell(&TierEvent::Evicted(notice.clone()));
            Ok(())
        })
    }

    fn events(&self) -> Option<BoxStream<'static, TierEvent>> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.listeners.lock().unwrap().push(sender);
        let next = |mut receiver: mpsc::UnboundedReceiver<TierEvent>| async {
            Some((receiver.recv().await?, receiver))
        };
        Some(unfold(receiver, next).boxed())
    }
}

pub(crate) fn process(issuer: &ScriptedIssuer, tier: &Arc<impl InternalTokenCache>) -> TokenHandle {
    handle(&issuer.client().shared_cache(tier.clone()).build())
}

pub(crate) async fn all(processes: &[TokenHandle]) -> Vec<IssuedToken> {
    let tokens = join_all(processes.iter().map(TokenHandle::token)).await;
    tokens.into_iter().map(Result::unwrap).collect()
}
