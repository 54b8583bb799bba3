//! Connections, addresses and time for outgoing calls, in one value.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use futures_core::stream::BoxStream;
use hallpass_clock::{Clock, SystemClock};

use crate::blacklist::BlacklistStore;
use crate::discovery::Discover;
use crate::rate::RateStore;
use crate::replay::ReplayStore;
use crate::revocation_notices::{NoticeBoard, RevocationNotice};
use crate::transport::{HttpTransport, TransportError};

/// What every part of a service that calls others needs: connections, the addresses of services, and time.
///
/// Make one for a process and pass it to each part (token service, resource server, clients), so that they share
/// connections and find services alike. Cheap to clone; clones share everything.
///
/// ```
/// use std::sync::Arc;
/// use hallpass_upstream::{Network, StaticDiscovery};
///
/// let discovery = StaticDiscovery::new().with("order-service", ["127.0.0.1:8080".parse()?]);
/// let network = Network::system(Arc::new(discovery))?;
/// # let _ = network;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Network {
    /// Sends requests.
    pub transport: HttpTransport,
    /// Finds the instances of `lb://` services.
    pub discovery: Arc<dyn Discover>,
    /// The time by which tokens, keys and circuit breakers age. Timers (deadlines, waits) are tokio's.
    pub clock: Arc<dyn Clock>,
    /// What parts have in common, by a name of theirs.
    shared: Arc<Mutex<HashMap<String, Weak<dyn Any + Send + Sync>>>>,
    /// What is said of revocations.
    notices: Arc<NoticeBoard>,
    /// What processes share of the messages that were shown to them.
    replay_store: Option<Arc<dyn ReplayStore>>,
    /// Which tokens the estate has listed as logged out.
    blacklist: Option<Arc<dyn BlacklistStore>>,
    /// What processes share of quotas.
    rate_store: Option<Arc<dyn RateStore>>,
}

impl Network {
    /// What all clones of this network have under `name`, as long as somebody has it; `make` makes it.
    pub(crate) fn shared<T: Any + Send + Sync>(
        &self,
        name: &str,
        make: impl FnOnce() -> T,
    ) -> Arc<T> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let known = shared.get(name).and_then(Weak::upgrade);
        if let Some(known) = known.and_then(|known| known.downcast().ok()) {
            return known;
        }
        let new = Arc::new(make());
        let weak = Arc::downgrade(&new);
        shared.retain(|_, known| known.strong_count() > 0);
        shared.insert(name.to_owned(), weak);
        new
    }

    /// With a transport of your own (a private certificate authority), a discovery, and a clock (one that a test drives).
    #[must_use]
    pub fn new(
        transport: HttpTransport,
        discovery: Arc<dyn Discover>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            transport,
            discovery,
            clock,
            shared: Arc::default(),
            notices: Arc::new(NoticeBoard::new(None)),
            replay_store: None,
            blacklist: None,
            rate_store: None,
        }
    }

    /// Servers that are made over it from now on share with others, over `store`, which messages that count once were shown to them.
    #[must_use]
    pub fn with_replay_store(mut self, store: Arc<dyn ReplayStore>) -> Self {
        self.replay_store = Some(store);
        self
    }

    /// What processes share of the messages that were shown to them; `None`: nothing.
    #[must_use]
    pub fn replay_store(&self) -> Option<Arc<dyn ReplayStore>> {
        self.replay_store.clone()
    }

    /// Servers that are made over it from now on can ask `store` which tokens are listed as logged out; whether they do is a setting of theirs.
    #[must_use]
    pub fn with_blacklist(mut self, store: Arc<dyn BlacklistStore>) -> Self {
        self.blacklist = Some(store);
        self
    }

    /// Who knows which tokens are listed as logged out; `None`: nobody.
    #[must_use]
    pub fn blacklist(&self) -> Option<Arc<dyn BlacklistStore>> {
        self.blacklist.clone()
    }

    /// Parts that are made over it from now on count requests together with those of other processes, over `store`.
    #[must_use]
    pub fn with_rate_store(mut self, store: Arc<dyn RateStore>) -> Self {
        self.rate_store = Some(store);
        self
    }

    /// What processes share of quotas; `None`: nothing.
    #[must_use]
    pub fn rate_store(&self) -> Option<Arc<dyn RateStore>> {
        self.rate_store.clone()
    }

    /// Sources of revocations that are made over it from now on ask their issuers when `notices` say that something is revoked, too,
    /// and not only when a stream of the issuer or their own clock does. `notices` is called when the first of them is used, and
    /// again a second after what it gave has ended.
    #[must_use]
    pub fn with_revocation_notices(
        mut self,
        notices: impl Fn() -> BoxStream<'static, RevocationNotice> + Send + Sync + 'static,
    ) -> Self {
        self.notices = Arc::new(NoticeBoard::new(Some(Arc::new(notices))));
        self
    }

    pub(crate) fn revocation_notices(&self) -> &Arc<NoticeBoard> {
        &self.notices
    }

    /// With the defaults of [`HttpTransport`] and the operating system's clock. Opens no connection.
    ///
    /// # Errors
    /// As [`HttpTransport::new`].
    pub fn system(discovery: Arc<dyn Discover>) -> Result<Self, TransportError> {
        let transport = HttpTransport::new()?;
        Ok(Self::new(
            transport,
            discovery,
            Arc::new(SystemClock::new()),
        ))
    }
}
