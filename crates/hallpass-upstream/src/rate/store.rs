//! Quotas that processes share.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;

use super::keyed::Quota;

/// What a store lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// So many of those that were asked for.
    pub granted: u32,
    /// Where there is none: how long it takes until there is room for one.
    pub retry_after: Duration,
    /// So many more there was room for.
    pub left: u32,
}

/// Counts requests for all processes that share it. The real one is that of `hallpass-redis`.
pub trait RateStore: fmt::Debug + Send + Sync {
    /// Takes up to `count` requests from the quota of `name`, as many as there is room for. Of two who ask at once each gets what the other has
    /// not. The name may hold whom it is about: a store does not show it.
    ///
    /// # Errors
    /// When that cannot be known now. Something may have been taken or not.
    fn take<'a>(
        &'a self,
        name: &'a [u8],
        quota: Quota,
        count: u32,
    ) -> BoxFuture<'a, Result<Grant, RateStoreError>>;
}

/// Why a store could not say what there is room for. Its text has nothing of the name.
#[derive(Clone, Debug)]
pub struct RateStoreError(Arc<dyn Error + Send + Sync>);

impl RateStoreError {
    /// Because of `error`.
    pub fn new(error: impl Error + Send + Sync + 'static) -> Self {
        Self(Arc::new(error))
    }
}

impl fmt::Display for RateStoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Error for RateStoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}
