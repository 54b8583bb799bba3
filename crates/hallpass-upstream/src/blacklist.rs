//! Who knows which tokens an estate has listed as logged out, as those who ask see it.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;

/// A list of tokens that are not to be taken any more, kept somewhere else: in estates of Spring, keys in Redis that a logout writes
/// (`jwt:blacklist:{jti}`). That of `hallpass-redis` is one; tests have their own.
pub trait BlacklistStore: fmt::Debug + Send + Sync {
    /// Whether something stands under `name`, the whole name as it is written there.
    ///
    /// # Errors
    /// When that cannot be known now. It does not wait for long to say so.
    fn is_listed<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<bool, BlacklistError>>;

    /// Lists `name` for everybody who asks, for `keep_for` from now on. What stood there is replaced.
    ///
    /// # Errors
    /// When it is not known that it is listed now; it may be. It does not wait for long to say so.
    fn list<'a>(
        &'a self,
        name: &'a str,
        keep_for: Duration,
    ) -> BoxFuture<'a, Result<(), BlacklistError>>;
}

/// Why a list could not be asked. Its text has nothing of the name.
#[derive(Clone, Debug)]
pub struct BlacklistError(Arc<dyn Error + Send + Sync>);

impl BlacklistError {
    /// Because of `error`.
    pub fn new(error: impl Error + Send + Sync + 'static) -> Self {
        Self(Arc::new(error))
    }
}

impl fmt::Display for BlacklistError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Error for BlacklistError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}
