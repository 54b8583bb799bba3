//! What an issuer has revoked, followed while tokens are judged.
//!
//! The first token of the issuer starts a task that follows its deny-list: by a stream of events, and where that does not hold, by
//! asking from time to time, and when a notice over another way says that there is something new. Requests read an immutable snapshot
//! without a lock.
//!
//! | the list | a token |
//! |---|---|
//! | is here | is held against it |
//! | is asked for the first time | waits for it, at most 500 ms |
//! | could not be fetched yet | is judged without it: a service that starts while the issuer is down takes what its keys verify |
//! | cannot be followed any more | is held against the last one, whose entries end by themselves |
//! | is not offered (404) | is judged without it; the issuer is asked again in ten minutes |

mod error;
mod event_id;
mod events;
mod fetch;
mod follow;
mod heed;
mod metrics;
mod poll;
mod received;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hallpass_token::{RevocationList, RevocationMarks, UnixTime};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use self::fetch::Place;
use self::follow::follow;
use self::heed::heed;
pub use self::metrics::{IssuerRevocationMetrics, RevocationMetrics};
use self::poll::Known;
use self::received::{Received, Stage};
use crate::endpoint_url::EndpointUrl;
use crate::network::Network;
use crate::revocation_notices::NoticeBoard;

/// Longest wait for the first list.
const MAX_FIRST_WAIT: Duration = Duration::from_millis(500);

/// The deny-list of an issuer, followed at a URL. Cheap to clone; clones share it.
///
/// ```
/// use std::sync::Arc;
/// use hallpass_upstream::{Network, RevocationSource, StaticDiscovery};
///
/// let network = Network::system(Arc::new(StaticDiscovery::new()))?;
/// let revoked = RevocationSource::http("https://auth.example/oauth2/revocations".parse()?, &network);
/// # let _ = revoked;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct RevocationSource {
    shared: Arc<Shared>,
}

/// Tells when another list has come.
#[derive(Debug)]
pub struct RevocationChanges(watch::Receiver<Stage>);

impl RevocationChanges {
    /// Waits until a list has come that was not here at the call before. `None` once nobody follows it any more.
    pub async fn next(&mut self) -> Option<()> {
        self.0.changed().await.ok()
    }
}

struct Shared {
    place: Arc<Place>,
    received: Arc<Received>,
    notices: Arc<NoticeBoard>,
    task: OnceLock<AbortHandle>,
}

impl RevocationSource {
    /// The list at `url`. Nothing is fetched before the first token, so services start in any order. Whoever follows the same list
    /// over the same network shares what is followed.
    #[must_use]
    pub fn http(url: EndpointUrl, network: &Network) -> Self {
        let name = url.to_string();
        let shared = network.shared(&name, move || Shared {
            place: Arc::new(Place::new(url, network)),
            received: Arc::new(Received::new(Arc::clone(&network.clock))),
            notices: Arc::clone(network.revocation_notices()),
            task: OnceLock::new(),
        });
        Self { shared }
    }

    /// Counts from now on what this source does. The first call counts; later ones do nothing.
    pub fn attach(&self, metrics: IssuerRevocationMetrics) {
        self.shared.received.attach(metrics);
    }

    /// Waits for the first list, when it was never here and its coming is not in doubt.
    pub async fn first_list(&self) {
        self.start();
        let mut stage = self.shared.received.stage();
        if *stage.borrow() == Stage::Asked {
            // In vain or not: what is here is used.
            let told = stage.wait_for(|stage| *stage != Stage::Asked);
            let _ = timeout(MAX_FIRST_WAIT, told).await;
        }
    }

    /// Whether a token with these marks is revoked, as far as it is known here.
    #[must_use]
    pub fn denies(&self, marks: &RevocationMarks, now: UnixTime) -> bool {
        self.start();
        self.list().denies(marks, now).is_some()
    }

    /// Tells from now on when another list has come.
    #[must_use]
    pub fn changes(&self) -> RevocationChanges {
        self.start();
        RevocationChanges(self.shared.received.stage())
    }

    /// Whether both follow the same list by the same task.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Where an issuer of ours has its deny-list when another of its endpoints, the one called `name` (`jwks`, `token`), is at
    /// `endpoint`; `None` when that is not where ours has it.
    #[must_use]
    pub fn beside(endpoint: &EndpointUrl, name: &str) -> Option<EndpointUrl> {
        let endpoint = endpoint.to_string();
        let (path, _) = endpoint.split_once('?').unwrap_or((&endpoint, ""));
        let beside = path.strip_suffix(name)?.strip_suffix('/')?;
        format!("{beside}/revocations").parse().ok()
    }

    fn list(&self) -> arc_swap::Guard<Arc<RevocationList>> {
        self.shared.received.list()
    }

    /// Starts to follow, once. Outside tokio there is nothing to run it on.
    fn start(&self) {
        if self.shared.task.get().is_some() {
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            self.shared.task.get_or_init(|| {
                let (place, received) = (&self.shared.place, &self.shared.received);
                let (place, received) = (Arc::clone(place), Arc::clone(received));
                let notices = self.shared.notices.read(&runtime);
                let task = runtime.spawn(async move {
                    let known = Known::default();
                    tokio::join!(
                        follow(&place, &received, &known),
                        heed(&place, &received, &known, notices)
                    );
                });
                task.abort_handle()
            });
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}

impl fmt::Debug for RevocationSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocationSource")
            .field("url", &self.shared.place.url())
            .field("entries", &self.list().len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_beside_the_keys_of_an_issuer_of_ours() {
        let beside = |keys: &str| {
            let beside = RevocationSource::beside(&keys.parse().unwrap(), "jwks");
            beside.map(|url| url.to_string())
        };
        for (keys, list) in [
            (
                "https://auth.example/oauth2/jwks",
                "https://auth.example/oauth2/revocations",
            ),
            (
                "lb://service-auth/oauth2/jwks?verifier=a",
                "lb://service-auth/oauth2/revocations",
            ),
            (
                "http://127.0.0.1:9000/auth/oauth2/jwks",
                "http://127.0.0.1:9000/auth/oauth2/revocations",
            ),
        ] {
            assert_eq!(beside(keys).as_deref(), Some(list));
        }
        for keys in [
            "https://login.example/realms/a/protocol/openid-connect/certs",
            "https://a.example/",
        ] {
            assert_eq!(beside(keys), None);
        }
    }
}
