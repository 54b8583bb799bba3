//! What a source of instances is.

use std::fmt;
use std::sync::Arc;

use futures_core::future::BoxFuture;

use super::instances::Instances;

/// Finds the instances of a service.
pub trait Discover: fmt::Debug + Send + Sync + 'static {
    /// The instances of `service` that should answer now, in no particular order. Never empty when `Ok`.
    ///
    /// Called once per call, so an implementation answers from memory and watches its source in the
    /// background. What it says is not final: [`Upstream`](crate::Upstream) goes on with the last instances that it was
    /// told while an implementation fails or knows none.
    fn instances<'a>(&'a self, service: &'a str)
    -> BoxFuture<'a, Result<Instances, DiscoverError>>;
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
