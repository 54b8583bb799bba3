//! The connections to one server.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_core::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Uri};
use hyper::client::conn::http1::Builder;
use tokio::sync::Notify;
use tokio::time::Instant;
use tower_service::Service;

use super::background::{Background, PlaceInBackground};
use super::keeper::{Bell, Kept};
use super::link::Link;
use crate::body::BoxError;
use crate::transport::keep_alive::{ByLimit, announced};
use crate::transport::secured::Secured;

/// Threads that put connections back at once do not wait for each other, up to so many.
const SHARDS: usize = 4;

/// How connections are made and kept, for all servers.
pub(in crate::transport) struct Settings {
    pub(in crate::transport) connector: Secured,
    pub(in crate::transport) builder: Builder,
    /// Unused connections kept per server.
    pub(in crate::transport) max_idle: usize,
    /// For how long, by what the server announces.
    pub(in crate::transport) kept_for: ByLimit<Duration>,
}

/// The connections to one server that nobody uses, last in, first out; and how others are made.
pub(super) struct Pool {
    settings: Arc<Settings>,
    server: Uri,
    host: HeaderValue,
    shards: [Mutex<Vec<Unused>>; SHARDS],
    /// How many there are in all shards, or are about to be.
    count: AtomicUsize,
    /// For how long a connection is kept, in nanoseconds.
    kept_for: AtomicU64,
    /// How many callers would take one, if it came back.
    waiting: AtomicUsize,
    /// Those that are made and that nobody waits for any more.
    in_background: Background,
    returned: Notify,
    bell: Arc<Bell>,
}

struct Unused {
    link: Link,
    since: Instant,
}

impl Pool {
    /// `server` has a scheme and an authority; `host` is what the header says.
    pub(super) fn new(settings: Arc<Settings>, server: Uri, host: HeaderValue) -> Self {
        Self {
            kept_for: AtomicU64::new(nanoseconds(*settings.kept_for.fitting(None))),
            in_background: Background::new(settings.max_idle),
            settings,
            server,
            host,
            shards: Default::default(),
            count: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            returned: Notify::new(),
            bell: Arc::default(),
        }
    }

    /// The value of the header `Host`.
    pub(super) const fn host(&self) -> &HeaderValue {
        &self.host
    }

    /// Whether it can be forgotten: there is nothing in it.
    pub(super) fn is_unused(&self) -> bool {
        self.count.load(Ordering::SeqCst) == 0
    }

    /// Makes a connection.
    pub(super) fn connect(&self) -> BoxFuture<'static, Result<Link, BoxError>> {
        // It is always ready.
        let connecting = self.settings.connector.clone().call(self.server.clone());
        let (settings, bell) = (Arc::clone(&self.settings), Arc::clone(&self.bell));
        Box::pin(async move {
            let io = connecting.await?;
            Ok(Link::over(io, &settings.builder, &bell).await?)
        })
    }

    /// A connection that nobody uses. That the server has closed it meanwhile is seen when it is used.
    pub(super) fn check_out(&self, now: Instant) -> Option<Link> {
        if self.is_unused() {
            return None;
        }
        self.shards_from_own().find_map(|shard| {
            loop {
                let unused = self.pop(shard)?;
                if !self.is_old(&unused, now) && unused.link.is_idle() {
                    return Some(unused.link);
                }
                unused.link.close();
            }
        })
    }

    fn pop(&self, shard: &Mutex<Vec<Unused>>) -> Option<Unused> {
        let unused = lock(shard).pop();
        if unused.is_some() {
            self.count.fetch_sub(1, Ordering::SeqCst);
        }
        unused
    }

    /// Takes a connection back, if it can be used again.
    pub(super) fn check_in(self: &Arc<Self>, mut link: Link) {
        // Whatever comes from now on calls for the one who looks after it, and not for the task that has used it.
        if link.rest().is_ready() || !link.is_idle() {
            return;
        }
        let count = self.count.fetch_add(1, Ordering::SeqCst);
        if count >= self.settings.max_idle || !self.bell.watch_over(self) {
            self.count.fetch_sub(1, Ordering::SeqCst);
            link.close();
            return;
        }
        let since = Instant::now();
        if let Some(shard) = self.shards_from_own().next() {
            lock(shard).push(Unused { link, since });
        }
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.returned.notify_one();
        }
    }

    /// For whoever would take a connection that comes back. Who has this sees each one that comes back from now on, by
    /// [`Pool::check_out`] or by `returned`.
    pub(super) fn wait(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        Waiting { pool: self }
    }

    /// For a connection that nobody waits for any more; `None` where as many are made already as would be kept.
    pub(super) fn place_in_background(&self) -> Option<PlaceInBackground> {
        self.in_background.place()
    }

    /// Heeds what the server says of how long it keeps connections.
    pub(super) fn note(&self, headers: &HeaderMap) {
        if let Some(limit) = announced(headers) {
            let kept_for = nanoseconds(*self.settings.kept_for.fitting(Some(limit)));
            self.kept_for.store(kept_for, Ordering::Relaxed);
        }
    }

    fn kept_for(&self) -> Duration {
        Duration::from_nanos(self.kept_for.load(Ordering::Relaxed))
    }

    fn is_old(&self, unused: &Unused, now: Instant) -> bool {
        now.saturating_duration_since(unused.since) > self.kept_for()
    }

    /// All of them, the one of this thread first.
    fn shards_from_own(&self) -> impl Iterator<Item = &Mutex<Vec<Unused>>> {
        let (before, from_own) = self.shards.split_at(own_shard());
        from_own.iter().chain(before)
    }

    /// Takes those out that are to be closed. Those that stay say by the bell when something happens to them.
    fn take_gone(&self, shard: &Mutex<Vec<Unused>>, now: Instant) -> Vec<Unused> {
        let mut unused = lock(shard);
        let is_gone =
            |unused: &mut Unused| self.is_old(unused, now) || unused.link.poll_unused().is_ready();
        unused.extract_if(.., is_gone).collect()
    }
}

impl Kept for Pool {
    fn sweep(&self) -> Option<Duration> {
        let now = Instant::now();
        for shard in &self.shards {
            let gone = self.take_gone(shard, now);
            self.count.fetch_sub(gone.len(), Ordering::SeqCst);
            // Not while the others wait for the lock.
            gone.into_iter().for_each(|unused| unused.link.close());
        }
        // The first one of each has been there for longest.
        let oldest = |shard: &Mutex<Vec<Unused>>| lock(shard).first().map(|unused| unused.since);
        let oldest = self.shards.iter().filter_map(oldest).min()?;
        let kept = now.saturating_duration_since(oldest);
        Some(self.kept_for().saturating_sub(kept))
    }

    fn is_empty(&self) -> bool {
        self.is_unused()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        for shard in &self.shards {
            let unused = std::mem::take(&mut *lock(shard));
            unused.into_iter().for_each(|unused| unused.link.close());
        }
        self.bell.ring();
    }
}

/// Somebody would take a connection that comes back.
pub(super) struct Waiting<'a> {
    pool: &'a Pool,
}

impl Waiting<'_> {
    /// Ready when one has come back since this was called, and perhaps has been taken again.
    pub(super) fn returned(&self) -> impl Future<Output = ()> {
        let mut notified = Box::pin(self.pool.returned.notified());
        notified.as_mut().enable();
        notified
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.pool.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Not beyond what fits, some 500 years.
fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn lock(shard: &Mutex<Vec<Unused>>) -> MutexGuard<'_, Vec<Unused>> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static OWN_SHARD: usize = THREADS.fetch_add(1, Ordering::Relaxed) % SHARDS;
}

fn own_shard() -> usize {
    // A thread that is ending takes the first.
    OWN_SHARD.try_with(|own| *own).unwrap_or_default()
}
