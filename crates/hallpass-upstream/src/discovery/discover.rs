//! What a source of instances is.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;

use super::instances::Instances;
use super::place::Place;

/// Default of [`Discover::outage_memory`].
pub(crate) const DEFAULT_OUTAGE_MEMORY: Duration = Duration::from_secs(300);

/// Finds the instances of a service.
pub trait Discover: fmt::Debug + Send + Sync + 'static {
    /// The instances of `service` that should answer now, in no particular order. The case of letters in a name does not
    /// count.
    ///
    /// Called once per call, so an implementation answers from memory and watches its source in the background. It must
    /// not answer from memory when its source has been silent for long: that is [`DiscoverError::Unavailable`], upon
    /// which [`Upstream`](crate::Upstream) goes on for [`outage_memory`](Self::outage_memory) with what it was told
    /// last. An empty list and [`DiscoverError::NoInstance`] are final: nobody is called any more.
    fn instances<'a>(&'a self, service: &'a str)
    -> BoxFuture<'a, Result<Instances, DiscoverError>>;

    /// The same without waiting and without a future, where the answer is in memory and is a list that is not empty; default `None`, and
    /// then [`instances`](Self::instances) is asked. Calls ask this first: an implementation that answers here costs each of them less.
    fn at_hand(&self, _service: &str) -> Option<Instances> {
        None
    }

    /// For how long after its last answer the instances go on while it is unavailable: long enough for a restart of the
    /// source, short enough that an address does not belong to somebody else by then. Default 5 minutes.
    fn outage_memory(&self) -> Duration {
        DEFAULT_OUTAGE_MEMORY
    }

    /// Where this process is among the instances, and which tag marks those that are not for everybody. It stays the same:
    /// it is asked for when the instances change. Default: nowhere, and none.
    fn place(&self) -> Place {
        Place::default()
    }
}

/// Why a service has no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DiscoverError {
    /// The source answered: nobody offers this service (or its name is not configured).
    #[error("no instance of `{service}` is known")]
    NoInstance {
        /// The name that was looked up.
        service: Arc<str>,
    },
    /// The source did not answer.
    #[error("instances of `{service}` could not be looked up: {reason}")]
    Unavailable {
        /// The name that was looked up.
        service: Arc<str>,
        /// What the source's client said.
        reason: Arc<str>,
    },
}

impl DiscoverError {
    /// [`DiscoverError::NoInstance`] for `service`.
    #[must_use]
    pub fn no_instance(service: &str) -> Self {
        Self::NoInstance {
            service: service.into(),
        }
    }

    /// [`DiscoverError::Unavailable`] for `service`.
    pub fn unavailable(service: &str, reason: impl fmt::Display) -> Self {
        Self::Unavailable {
            service: service.into(),
            reason: reason.to_string().into(),
        }
    }
}
