//! What every generated `FeignX` holds.

mod limits;
mod method_names;
mod overrides;
mod state;

use std::fmt;
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use hallpass_clock::Clock;

use crate::build_error::BuildError;
use crate::metrics::FeignMetrics;
use crate::observer::Observer;
use crate::shared::{Configured, Shared};
use crate::spec::SpecOf;

pub(crate) use overrides::Overrides;
pub(crate) use state::{ClientState, Kept, Method};

/// Longest response that is read into memory when nothing else is said, in bytes. Streams have no limit.
const DEFAULT_MAX_RESPONSE_BYTES: usize = 2 * 1024 * 1024;

/// Keys of the estate that one line of the log names; there may be thousands of rules.
const MAX_BOUNDS_SAID: usize = 20;

/// One client, ready to call. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    inner: Arc<ClientInner>,
}

struct ClientInner {
    spec: SpecOf,
    overrides: Overrides,
    shared: Arc<Shared>,
    /// Replaced whole when settings change; a call goes on with the one it began with.
    state: ArcSwap<ClientState>,
}

/// A client that may be gone.
pub(crate) struct WeakClient(Weak<ClientInner>);

impl Client {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        configured: &Configured,
        spec: SpecOf,
        overrides: Overrides,
    ) -> Result<Self, BuildError> {
        configured.check_estate(&spec)?;
        let state = ClientState::new(shared, configured, &spec, &overrides)?;
        let inner = ClientInner {
            spec,
            overrides,
            shared: Arc::clone(shared),
            state: ArcSwap::from_pointee(state),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    pub(crate) fn name(&self) -> &'static str {
        self.inner.spec.name
    }

    /// What calls that begin now go by.
    pub(crate) fn state(&self) -> Arc<ClientState> {
        self.inner.state.load_full()
    }

    /// What calls would go by if these were the settings.
    pub(crate) fn state_by(&self, configured: &Configured) -> Result<ClientState, BuildError> {
        let ClientInner {
            spec,
            overrides,
            shared,
            ..
        } = &*self.inner;
        configured.check_estate(spec)?;
        ClientState::new(shared, configured, spec, overrides)
    }

    /// Says which keys of the estate bound its calls, unless `before` bound them as well.
    pub(crate) fn say_bounds(&self, configured: &Configured, before: Option<&Configured>) {
        let spec = &*self.inner.spec;
        let bounds = configured.clients.bounds_of(spec);
        let were = before.map(|before| before.clients.bounds_of(spec));
        if were.unwrap_or_default() == bounds {
            return;
        }
        let (named, others) = bounds
            .split_at_checked(MAX_BOUNDS_SAID)
            .unwrap_or((&bounds, &[]));
        tracing::info!(
            client = spec.name,
            in_trait = spec.trait_name,
            by = named.join("; "),
            others = others.len(),
            "keys of the estate bound the calls of this client"
        );
    }

    /// Lets calls that begin from now on go by `state`.
    pub(crate) fn follow(&self, state: ClientState) {
        self.inner.state.store(Arc::new(state));
    }

    pub(crate) fn max_response_bytes(&self) -> usize {
        let overrides = &self.inner.overrides;
        overrides
            .max_response_bytes
            .unwrap_or(DEFAULT_MAX_RESPONSE_BYTES)
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.shared.network.clock
    }

    pub(crate) fn metrics(&self) -> &FeignMetrics {
        &self.inner.shared.metrics
    }

    pub(crate) fn observers(&self) -> &[Observer] {
        &self.inner.shared.observers
    }

    pub(crate) fn downgrade(&self) -> WeakClient {
        WeakClient(Arc::downgrade(&self.inner))
    }
}

impl WeakClient {
    pub(crate) fn upgrade(&self) -> Option<Client> {
        self.0.upgrade().map(|inner| Client { inner })
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.0.strong_count() == 0
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spec = &*self.inner.spec;
        f.debug_struct("Client")
            .field("trait", &spec.trait_name)
            .field("name", &spec.name)
            .finish_non_exhaustive()
    }
}
