//! The authorities of an issuer that runs.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use hallpass_clock::Clock;
use hallpass_token::UnixTime;
use prometheus_client::registry::Registry;

use super::bundle_file;
use super::metrics::AuthorityMetrics;
use super::ring::AuthorityRing;
use super::upkeep::{self, Kept};
use crate::error::Error;
use crate::settings::IssuerSettings;
use crate::store::Store;
use crate::token::client_rate::ClientRate;

/// What requests for certificates read. Empty while `issuer.ca` is not there.
#[derive(Debug)]
pub(crate) struct Authorities {
    ring: ArcSwapOption<AuthorityRing>,
    /// Whether the clock can be believed, as far as was seen.
    clock_is_even: AtomicBool,
    /// When the state of one changes next by itself, in seconds since 1970.
    next_moment: AtomicU64,
    /// The file has not what there is.
    pub(crate) bundle_behind: AtomicBool,
    /// How often each client asks.
    pub(super) rate: ClientRate,
    pub(super) metrics: AuthorityMetrics,
}

impl Authorities {
    /// Those that the issuer starts with; none without `issuer.ca`.
    ///
    /// # Errors
    /// Those of the store, and [`Error::File`] where the bundle cannot be written.
    pub(crate) async fn first(
        settings: &IssuerSettings,
        store: &Store,
        clock: &dyn Clock,
    ) -> Result<Self, Error> {
        let Some(ca) = &settings.ca else {
            return Ok(Self::new(None));
        };
        // Nobody knows yet whether the clock of the machine is right.
        let kept = upkeep::keep(ca, store, (clock, false)).await?;
        // Before the files of the listener are read, of which it may be one.
        write_bundle(ca.bundle_file.as_deref(), kept.ring.bundle()).await?;
        Ok(Self::new(Some(kept)))
    }

    fn new(kept: Option<Kept>) -> Self {
        let authorities = Self {
            ring: ArcSwapOption::empty(),
            clock_is_even: AtomicBool::new(false),
            next_moment: AtomicU64::new(u64::MAX),
            bundle_behind: AtomicBool::new(false),
            rate: ClientRate::default(),
            metrics: AuthorityMetrics::default(),
        };
        authorities.swap(kept);
        authorities
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        self.metrics.register(registry);
    }

    /// Signs with those that were `kept` from now on.
    pub(crate) fn swap(&self, kept: Option<Kept>) {
        let next = kept.as_ref().and_then(|kept| kept.next_moment);
        let next = next.map_or(u64::MAX, UnixTime::as_secs);
        let ends = kept.as_ref().map_or(&[][..], |kept| &kept.ends);
        self.metrics.show(ends);
        self.next_moment.store(next, Ordering::Relaxed);
        self.ring.store(kept.map(|kept| Arc::new(kept.ring)));
    }

    /// `None` while there are none.
    pub(crate) fn ring(&self) -> Option<Arc<AuthorityRing>> {
        self.ring.load_full()
    }

    /// What was seen of the clock: whether it can be believed.
    pub(crate) fn saw_clock(&self, is_even: bool) {
        self.clock_is_even.store(is_even, Ordering::Relaxed);
    }

    /// Whether it can.
    pub(crate) fn clock_is_even(&self) -> bool {
        self.clock_is_even.load(Ordering::Relaxed)
    }

    /// Whether the state of one changes by itself at `now`.
    pub(crate) fn is_due(&self, now: UnixTime) -> bool {
        self.clock_is_even() && now.as_secs() >= self.next_moment.load(Ordering::Relaxed)
    }
}

/// Puts the bundle where the settings want it, before anything is signed that it is needed for.
///
/// # Errors
/// [`Error::File`].
pub(crate) async fn write_bundle(path: Option<&Path>, bundle: &Bytes) -> Result<(), Error> {
    let Some(path) = path else {
        return Ok(());
    };
    let written = bundle_file::write(path, bundle).await;
    written.map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })
}
