//! `internal-token`: this service as a caller.

use std::time::Duration;

use super::EndpointUrl;
use crate::Secret;

/// The credentials with which this service gets tokens, and where it uses them.
#[derive(Clone, Debug)]
pub struct InternalToken {
    /// The credential that stands on the section itself; calls use it unless one of `clients` fits better.
    pub credential: TokenCredential,
    /// `clients`: further credentials. What an entry leaves out it inherits from the section.
    pub clients: Vec<InternalTokenClient>,
    /// `memory-cache`: tokens kept in the memory of this process.
    pub memory_cache: MemoryCache,
    /// `feign`: which outgoing calls carry a token by themselves.
    pub feign: TokenFeign,
}

/// One entry of `internal-token.clients`, with all that it inherits filled in.
#[derive(Clone, Debug)]
pub struct InternalTokenClient {
    /// `name`: unique in the list; code and logs name the credential by it.
    pub name: String,
    /// The credential. Unlike on the section, its `audience` is always given.
    pub credential: TokenCredential,
}

/// What one token request needs to know, and how long its answer is kept.
#[derive(Clone, Debug)]
pub struct TokenCredential {
    /// `client-id`: as registered with the issuer (RFC 6749 section 2.2).
    pub client_id: String,
    /// `client-secret` or `client-secret-file` (RFC 6749 section 2.3.1).
    pub client_secret: Secret,
    /// `token-url`: the issuer's token endpoint.
    pub token_url: EndpointUrl,
    /// `scope`: space separated, as in RFC 6749 section 3.3; empty asks for what the issuer gives by default.
    pub scope: String,
    /// `audience`: the service the token is for, when the call itself does not say.
    pub audience: Option<String>,
    /// `grant-type`.
    pub grant_type: GrantType,
    /// `issuer`: name that tokens of this endpoint bear in `iss`; it only keeps cache entries apart.
    pub issuer: Option<String>,
    /// `cache-expire-seconds` and `refresh-ahead-seconds`.
    pub cache_life: CacheLife,
}

/// How a token is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GrantType {
    /// `client_credentials`, RFC 6749 section 4.4.
    #[default]
    ClientCredentials,
}

impl GrantType {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientCredentials => "client_credentials",
        }
    }
}

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

/// The tokens kept in the memory of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryCache {
    /// `enabled`: without it each call asks the next tier or the issuer.
    pub enabled: bool,
    /// `max-entries`: one entry per issuer, client, audience and scope.
    pub max_entries: u32,
}

impl Default for MemoryCache {
    fn default() -> Self {
        Self {
            enabled: true,
            max_entries: 10_000,
        }
    }
}

/// Which declared clients get a token by themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFeign {
    /// `enabled`: whether outgoing calls get a token at all.
    pub enabled: bool,
    /// `skip-clients`: names of declared clients that never get one (third parties).
    pub skip_clients: Vec<String>,
}

impl Default for TokenFeign {
    fn default() -> Self {
        Self {
            enabled: true,
            skip_clients: Vec::new(),
        }
    }
}
