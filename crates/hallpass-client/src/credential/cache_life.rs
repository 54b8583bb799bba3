//! How long a token is used.

use std::time::Duration;

/// How long a cached token is used, and how long before that it is renewed. Renewal always begins before the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheLife {
    expire: Duration,
    refresh_ahead: Duration,
}

/// A refresh-ahead that is not below the expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be below cache-expire-seconds")]
pub struct CacheLifeError;

impl CacheLife {
    /// The seed's values: used for 540 s, renewed from 60 s before that.
    pub const DEFAULT: Self = Self {
        expire: Duration::from_secs(540),
        refresh_ahead: Duration::from_secs(60),
    };

    /// Ties the two together.
    ///
    /// # Errors
    /// When `refresh_ahead` is not below `expire`: each use of the token would renew it.
    pub fn new(expire: Duration, refresh_ahead: Duration) -> Result<Self, CacheLifeError> {
        if refresh_ahead < expire {
            Ok(Self {
                expire,
                refresh_ahead,
            })
        } else {
            Err(CacheLifeError)
        }
    }

    /// Upper bound of the time a token is used for, whatever `expires_in` says.
    #[must_use]
    pub const fn expire(self) -> Duration {
        self.expire
    }

    /// How long before the end a token is renewed in the background.
    #[must_use]
    pub const fn refresh_ahead(self) -> Duration {
        self.refresh_ahead
    }
}

impl Default for CacheLife {
    fn default() -> Self {
        Self::DEFAULT
    }
}
