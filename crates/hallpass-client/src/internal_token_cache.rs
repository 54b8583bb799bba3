//! Where service tokens are kept: the tiers of [`AuthTokenService`](crate::AuthTokenService).

use std::fmt;
use std::sync::Arc;

use futures_core::future::BoxFuture;
use hallpass_token::{AccessToken, Audience, ClientId, Scope, UnixTime};

pub(crate) mod memory;

/// One tier of the token cache.
///
/// The service keeps the tokens it uses in memory itself. It asks its tiers only when one is missing or due, and always inside
/// the one task that fetches a token for a key, so a tier sees no stampede. Each call is given
/// 30 ms; a tier that fails or is slow is passed over and
/// counted, never reported to a caller.
///
/// A tier stores what it is given and need not check anything: the service checks every token that
/// comes out of a tier for its remaining life. A tier outside the process seals its entries, with
/// [`TokenKey::to_bytes`] as the associated data. (A lease, so that several processes make one request,
/// becomes a provided method here, together with the first tier that has one.)
pub trait InternalTokenCache: fmt::Debug + Send + Sync + 'static {
    /// The tier's label in metrics, such as `redis`.
    fn name(&self) -> &'static str;

    /// The token kept for `key`, if any; it may have expired.
    fn get_token<'a>(
        &'a self,
        key: &'a TokenKey,
    ) -> BoxFuture<'a, Result<Option<StoredToken>, CacheError>>;

    /// Keeps `token` for `key`, in place of an older one, until `token.expires_at`.
    fn put_token<'a>(
        &'a self,
        key: &'a TokenKey,
        token: &'a StoredToken,
    ) -> BoxFuture<'a, Result<(), CacheError>>;

    /// Forgets the token kept for `key`. It is not an error when there is none.
    fn evict<'a>(&'a self, key: &'a TokenKey) -> BoxFuture<'a, Result<(), CacheError>>;
}

/// A tier that could not do what it was asked. The text must not hold a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token cache failed: {reason}")]
pub struct CacheError {
    reason: Arc<str>,
}

impl CacheError {
    /// An error with a text for the log.
    pub fn new(reason: impl fmt::Display) -> Self {
        Self {
            reason: reason.to_string().into(),
        }
    }
}

/// What a token is kept under: issuer, client, audience and sorted scopes. Never a user: a service token
/// belongs to the service. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenKey(Arc<KeyFields>);

#[derive(PartialEq, Eq, Hash, PartialOrd, Ord)]
struct KeyFields {
    issuer: Box<str>,
    client: ClientId,
    audience: Audience,
    scope: Scope,
}

impl TokenKey {
    /// The key of `client`'s tokens from `issuer` for `audience` with `scope`.
    #[must_use]
    pub fn new(issuer: &str, client: ClientId, audience: Audience, scope: Scope) -> Self {
        Self(Arc::new(KeyFields {
            issuer: issuer.into(),
            client,
            audience,
            scope,
        }))
    }

    /// The issuer's configured name, or the address of its token endpoint.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// Whose token it is.
    #[must_use]
    pub fn client(&self) -> &ClientId {
        &self.0.client
    }

    /// Whom it is for.
    #[must_use]
    pub fn audience(&self) -> &Audience {
        &self.0.audience
    }

    /// What it allows.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.0.scope
    }

    /// The key as bytes that no other key has: each field after its length (32 bits, big endian).
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let fields = [
            self.issuer(),
            self.client().as_str(),
            self.audience().as_str(),
            self.scope().as_str(),
        ];
        let mut bytes = Vec::new();
        for field in fields {
            let length = u32::try_from(field.len()).unwrap_or(u32::MAX);
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(field.as_bytes());
        }
        bytes
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(key) = self;
        write!(
            f,
            "TokenKey({} {} -> {} [{}])",
            key.issuer, key.client, key.audience, key.scope
        )
    }
}

/// A token as a tier keeps it. Times are wall-clock, because tiers may be shared between machines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredToken {
    /// The token.
    pub access_token: AccessToken,
    /// When it was requested.
    pub issued_at: UnixTime,
    /// When it ends.
    pub expires_at: UnixTime,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(issuer: &str, client: &str, audience: &str, scope: &str) -> TokenKey {
        TokenKey::new(
            issuer,
            client.parse().unwrap(),
            audience.parse().unwrap(),
            scope.parse().unwrap(),
        )
    }

    #[test]
    fn the_order_of_scopes_makes_no_other_key() {
        assert_eq!(key("i", "c", "a", "x y"), key("i", "c", "a", "y x"));
    }

    #[test]
    fn no_two_keys_have_the_same_bytes() {
        let keys = [
            key("i", "c", "a", ""),
            key("ic", "a", "a", ""),
            key("i", "ca", "a", ""),
            key("i", "c", "aa", ""),
            key("i", "c", "a", "a"),
            key("i", "c", "a", "a b"),
        ];
        let bytes: std::collections::HashSet<_> = keys.iter().map(TokenKey::to_bytes).collect();
        assert_eq!(bytes.len(), keys.len());
    }
}
