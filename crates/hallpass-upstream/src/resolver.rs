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

use crate::reminders::Reminders;

/// Longest wait of one caller. The resolver of the operating system gives up by itself after some 10 s, often with an
/// answer of its second name server after 5 s.
pub(crate) const LOOK_UP_TIMEOUT: Duration = Duration::from_secs(6);
/// Time for which an answer is used again, failures and "no such name" included.
const ANSWER_AGE: Duration = Duration::from_secs(2);
/// For so long the last addresses of a name are used while no name server answers (RFC 8767): instances seldom move in an outage of those, and whoever
/// was only named so would be gone with them.
const LAST_AGE: Duration = Duration::from_secs(60 * 60);
/// Longest wait of a caller who could have the last ones.
const LAST_AFTER: Duration = Duration::from_millis(500);
/// Look-ups under way at once: each holds a thread until the operating system gives up.
const MAX_LOOK_UPS: usize = 16;
/// Names that are known or under way at once.
const MAX_NAMES: usize = 4096;
/// More addresses of a name than this are ignored.
const MAX_ADDRESSES: usize = 256;

/// What the operating system does with a name. It may block a thread for long, and cannot be stopped.
type LookUp = dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync;
type Answer = Result<Arc<[IpAddr]>, LookUpError>;
type UnderWay = watch::Receiver<Option<Answer>>;

/// Looks names up: once at a time for each name, whoever asks; at most 16 names at a time, so that a resolver that hangs
/// does not take all threads for blocking work; and not again within 2 s. While nobody answers, the addresses of before are used. Cheap to
/// clone; clones share all that.
#[derive(Clone)]
pub(crate) struct Resolver {
    shared: Arc<Shared>,
}

struct Shared {
    look_up: Box<LookUp>,
    places: Semaphore,
    /// Locked for a few instructions and never across an await.
    names: Mutex<HashMap<Box<str>, Entry>>,
    said: Reminders,
}

struct Entry {
    name: Name,
    last: Option<Last>,
}

/// Addresses that a name had, and when that was said.
#[derive(Clone)]
struct Last {
    addresses: Arc<[IpAddr]>,
    at: Instant,
}

enum Name {
    /// Being looked up, however long that takes.
    UnderWay(UnderWay),
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
                said: Reminders::default(),
            }),
        }
    }

    /// The addresses of `host`, never none; waits at most for `limit`.
    pub(crate) async fn resolve(&self, host: &str, limit: Duration) -> Answer {
        let (mut under_way, last) = match self.join(host) {
            Ok(under_way) => under_way,
            Err(answer) => return answer,
        };
        let last = last.filter(Last::counts);
        let limit = last.as_ref().map_or(limit, |_| limit.min(LAST_AFTER));
        let late = || last.map_or(Err(LookUpError::TooLong), |last| Ok(last.addresses));
        match timeout(limit, under_way.wait_for(Option::is_some)).await {
            Err(_) => late(),
            // A look-up that ends without an answer was stopped with its runtime.
            Ok(answer) => match answer.ok().and_then(|answer| answer.clone()) {
                Some(answer) => answer,
                None => late(),
            },
        }
    }

    /// The look-up of `host` that is under way, a new one if need be, and its last addresses; or what is known (the error of this `Result`).
    fn join(&self, host: &str) -> Result<(UnderWay, Option<Last>), Answer> {
        let host = host.to_ascii_lowercase();
        let mut names = self.shared.names();
        let entry = names.get(host.as_str());
        let last = entry.and_then(|entry| entry.last.clone());
        match entry.map(|entry| &entry.name) {
            Some(Name::Known(answer, since)) if since.elapsed() < ANSWER_AGE => {
                return Err(answer.clone());
            }
            // One whose runtime is gone is begun anew.
            Some(Name::UnderWay(under_way)) if under_way.has_changed().is_ok() => {
                return Ok((under_way.clone(), last));
            }
            _ => {}
        }
        if names.len() >= MAX_NAMES {
            names.retain(|_, entry| entry.name.is_of_use());
        }
        if names.len() >= MAX_NAMES {
            return Err(Err(LookUpError::Busy));
        }
        let (done, under_way) = watch::channel(None);
        let name = Name::UnderWay(under_way.clone());
        let entry = Entry {
            name,
            last: last.clone(),
        };
        names.insert(host.as_str().into(), entry);
        drop(names);
        let (shared, before) = (Arc::clone(&self.shared), last.clone());
        tokio::spawn(async move {
            let answer = shared.look_up(&host).await;
            let (answer, last) = shared.or_last(&host, answer, before);
            let name = Name::Known(answer.clone(), Instant::now());
            shared.names().insert(host.into(), Entry { name, last });
            // Nobody may be waiting any more; the answer is remembered all the same.
            let _ = done.send(Some(answer));
        });
        Ok((under_way, last))
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

    /// The last addresses in the place of no answer, and what the last ones are from now on.
    fn or_last(&self, host: &str, answer: Answer, last: Option<Last>) -> (Answer, Option<Last>) {
        match answer {
            Ok(addresses) => {
                let at = Instant::now();
                let last = Last {
                    addresses: Arc::clone(&addresses),
                    at,
                };
                (Ok(addresses), Some(last))
            }
            Err(error) if error.is_clear_no() => (Err(error), None),
            Err(error) => match last.filter(Last::counts) {
                Some(last) => {
                    if let Some(times) = self.said.times(host) {
                        tracing::warn!(host, %error, times, "a name cannot be looked up: its last addresses are used");
                    }
                    (Ok(Arc::clone(&last.addresses)), Some(last))
                }
                None => (Err(error), None),
            },
        }
    }

    fn names(&self) -> MutexGuard<'_, HashMap<Box<str>, Entry>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Last {
    fn counts(&self) -> bool {
        self.at.elapsed() < LAST_AGE
    }
}

/// What the system's libraries say of a name that does not exist, or has no address; of no answer they say something else.
const CLEAR_NO: [&str; 4] = [
    "Name or service not known",
    "No address associated with hostname",
    "nodename nor servname provided",
    "Name does not resolve",
];

impl LookUpError {
    /// Whether a name server has said that there is nothing of that name.
    fn is_clear_no(&self) -> bool {
        match self {
            Self::NoAddress => true,
            Self::Failed(text) => CLEAR_NO.iter().any(|no| text.contains(no)),
            Self::TooLong | Self::Busy => false,
        }
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
