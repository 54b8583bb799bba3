//! Why an attempt was not made.

use std::sync::Arc;
use std::time::Duration;

use crate::discovery::DiscoverError;

/// Why an attempt was refused on this side. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No address is known for the service.
    #[error(transparent)]
    NoInstance(DiscoverError),
    /// Every instance has an open circuit breaker.
    #[error("calls to `{service}` are suspended for {} ms", .retry_after.as_millis())]
    BreakerOpen {
        /// The service.
        service: Arc<str>,
        /// When the first breaker lets a call through again; zero when it waits for calls under way.
        retry_after: Duration,
    },
    /// As many calls as allowed are under way to the chosen instance, and none ended while this one waited.
    #[error("too many calls to `{service}` are under way")]
    BulkheadFull {
        /// The service.
        service: Arc<str>,
    },
}
