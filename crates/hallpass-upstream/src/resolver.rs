//! Names of hosts to addresses, so that a resolver in trouble costs little.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_core::future::BoxFuture;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout};

/// Longest wait of one caller. The resolver of the operating system gives up by itself after some 10 s, often with an
/// answer of its second name server after 5 s.
pub(crate) const LOOK_UP_TIMEOUT: Duration = Duration::from_secs(6);
/// Time for which an answer is used again, failures and "no such name" included.
const ANSWER_AGE: Duration = Duration::from_secs(2);
/// Look-ups under way at once: each holds a thread until the operating system gives up.
const MAX_LOOK_UPS: usize = 16;
/// Names that are known or under way at once.
const MAX_NAMES: usize = 4096;
/// More addresses of a name than this are ignored.
const MAX_ADDRESSES: usize = 256;

/// What the operating system does with a name. It may block a thread for long, and cannot be stopped.
type LookUp = dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync;
type Answer = Result<Arc<[IpAddr]>, LookUpError>;

/// Looks names up: once at a time for each name, whoever asks; at most 16 names at a time, so that a resolver that hangs
/// does not take all threads for blocking work; and not again within 2 s. Cheap to clone; clones share all that.
#[derive(Clone)]
pub(crate) struct Resolver {
    shared: Arc<Shared>,
}

struct Shared {
    look_up: Box<LookUp>,
    places: Semaphore,
    /// Locked for a few instructions and never across an await.
    names: Mutex<HashMap<Box<str>, Name>>,
}

enum Name {
    /// Being looked up, however long that takes.
    UnderWay(watch::Receiver<Option<Answer>>),
    /// Looked up, and when that was.
    Known(Answer, Instant),
}

/// Why there is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LookUpError {
    /// The answer is empty.
    #[error("the name has no address")]
    NoAddress,
    /// No answer in time.
    #[error("the name server took too long")]
    TooLong,
    /// As many look-ups as allowed are under way and do not end.
    #[error("too many names are being looked up")]
    Busy,
    /// No answer, or that there is no such name.
    #[error("{0}")]
    Failed(Arc<str>),
}

impl Resolver {
    /// The operating system's.
    pub(crate) fn system() -> Self {
        Self::new(|host| {
            Box::pin(async move {
                let addresses = tokio::net::lookup_host((host, 0)).await?;
                Ok(addresses.map(|address| address.ip()).collect())
            })
        })
    }

    /// As `look_up` does it.
    pub(crate) fn new(
        look_up: impl Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                look_up: Box::new(look_up),
                places: Semaphore::new(MAX_LOOK_UPS),
                names: Mutex::default(),
            }),
        }
    }

    /// The addresses of `host`, never none; waits at most for `limit`.
    pub(crate) async fn resolve(&self, host: &str, limit: Duration) -> Answer {
        let mut under_way = match self.join(host) {
            Ok(under_way) => under_way,
            Err(answer) => return answer,
        };
        match timeout(limit, under_way.wait_for(Option::is_some)).await {
            Err(_) => Err(LookUpError::TooLong),
            // A look-up that ends without an answer was stopped with its runtime.
            Ok(answer) => answer
                .ok()
                .and_then(|answer| answer.clone())
                .unwrap_or(Err(LookUpError::TooLong)),
        }
    }

    /// The look-up of `host` that is under way, a new one if need be; or what is known (the error of this `Result`).
    fn join(&self, host: &str) -> Result<watch::Receiver<Option<Answer>>, Answer> {
        let host = host.to_ascii_lowercase();
        let mut names = self.shared.names();
        match names.get(host.as_str()) {
            Some(Name::Known(answer, since)) if since.elapsed() < ANSWER_AGE => {
                return Err(answer.clone());
            }
            // One whose runtime is gone is begun anew.
            Some(Name::UnderWay(under_way)) if under_way.has_changed().is_ok() => {
                return Ok(under_way.clone());
            }
            _ => {}
        }
        if names.len() >= MAX_NAMES {
            names.retain(|_, name| name.is_of_use());
        }
        if names.len() >= MAX_NAMES {
            return Err(Err(LookUpError::Busy));
        }
        let (done, under_way) = watch::channel(None);
        names.insert(host.as_str().into(), Name::UnderWay(under_way.clone()));
        drop(names);
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            let answer = shared.look_up(&host).await;
            let known = Name::Known(answer.clone(), Instant::now());
            shared.names().insert(host.into(), known);
            // Nobody may be waiting any more; the answer is remembered all the same.
            let _ = done.send(Some(answer));
        });
        Ok(under_way)
    }
}

impl Shared {
    async fn look_up(&self, host: &str) -> Answer {
        // The place is kept to the end: the thread is, too, whoever has stopped waiting.
        let place = timeout(LOOK_UP_TIMEOUT, self.places.acquire()).await;
        let Ok(Ok(_place)) = place else {
            return Err(LookUpError::Busy);
        };
        let addresses = (self.look_up)(host.to_owned()).await;
        let addresses = addresses.map_err(|error| LookUpError::Failed(error.to_string().into()))?;
        let addresses: Arc<[IpAddr]> = addresses.into_iter().take(MAX_ADDRESSES).collect();
        if addresses.is_empty() {
            return Err(LookUpError::NoAddress);
        }
        Ok(addresses)
    }

    fn names(&self) -> MutexGuard<'_, HashMap<Box<str>, Name>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Name {
    fn is_of_use(&self) -> bool {
        match self {
            Self::UnderWay(under_way) => under_way.has_changed().is_ok(),
            Self::Known(_, since) => since.elapsed() < ANSWER_AGE,
        }
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests;
