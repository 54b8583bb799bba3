//! Where service tokens are kept: the tiers of [`AuthTokenService`](crate::AuthTokenService).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;
use futures_core::stream::BoxStream;
use hallpass_token::{Audience, ClientId, Scope};

pub(crate) mod eviction_notice;
pub(crate) mod lease;
pub(crate) mod memory;

use eviction_notice::{EvictionNotice, TierEvent};
use lease::{Lease, LeaseId};

/// One tier of the token cache.
///
/// The service keeps the tokens it uses in memory itself. It asks its tiers only when one is missing or due, and always inside
/// the one task that fetches a token for a key, so a tier sees no stampede. Each call is given
/// 30 ms; a tier that fails or is slow is passed over and
/// counted, never reported to a caller.
///
/// A tier stores what it is given and need not check anything: it never sees a token, and the service checks every entry that
/// comes out of a tier for its seal and its remaining life. A tier for one process's own use has only the first four
/// methods to write; leases and notices are for what several processes share, and a tier that several *machines* share
/// should have them.
pub trait InternalTokenCache: fmt::Debug + Send + Sync + 'static {
    /// The tier's label in metrics, such as `redis`.
    fn name(&self) -> &'static str;

    /// The token kept for `key`, if any; it may have expired.
    fn get_token<'a>(
        &'a self,
        key: &'a TokenKey,
    ) -> BoxFuture<'a, Result<Option<SealedToken>, CacheError>>;

    /// Keeps `token` for `key`, in place of an older one, for `keep_for` at most: that is neither past the token's own end
    /// nor longer than `cache-expire-seconds`.
    fn put_token<'a>(
        &'a self,
        key: &'a TokenKey,
        token: &'a SealedToken,
        keep_for: Duration,
    ) -> BoxFuture<'a, Result<(), CacheError>>;

    /// Forgets the token kept for `key`. It is not an error when there is none.
    fn evict<'a>(&'a self, key: &'a TokenKey) -> BoxFuture<'a, Result<(), CacheError>>;

    /// Asks to be the one that requests a token for `key`. A lease ends after `keep_for` by itself, so a holder that dies holds
    /// nobody up for longer. Provided: [`Lease::Unknown`], everybody asks.
    fn lease<'a>(
        &'a self,
        key: &'a TokenKey,
        keep_for: Duration,
    ) -> BoxFuture<'a, Result<Lease, CacheError>> {
        let _ = (key, keep_for);
        Box::pin(std::future::ready(Ok(Lease::Unknown)))
    }

    /// Keeps a lease for `keep_for` from now on, if it is still held. Provided: nothing.
    fn extend<'a>(
        &'a self,
        key: &'a TokenKey,
        lease: &'a LeaseId,
        keep_for: Duration,
    ) -> BoxFuture<'a, Result<(), CacheError>> {
        let _ = (key, lease, keep_for);
        Box::pin(std::future::ready(Ok(())))
    }

    /// Gives a lease back, if it is still held. Provided: nothing.
    fn release<'a>(
        &'a self,
        key: &'a TokenKey,
        lease: &'a LeaseId,
    ) -> BoxFuture<'a, Result<(), CacheError>> {
        let _ = (key, lease);
        Box::pin(std::future::ready(Ok(())))
    }

    /// Tells everybody who shares the tier, this process too, that tokens were evicted. Provided: nothing.
    fn announce<'a>(&'a self, notice: &'a EvictionNotice) -> BoxFuture<'a, Result<(), CacheError>> {
        let _ = notice;
        Box::pin(std::future::ready(Ok(())))
    }

    /// What is announced from now on. It is asked for inside a runtime. When it ends, the service asks for another one, and takes it that
    /// something was missed meanwhile. Provided: `None`, this tier announces nothing.
    fn events(&self) -> Option<BoxStream<'static, TierEvent>> {
        None
    }
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

    /// The key whose [`to_bytes`](Self::to_bytes) these are.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (issuer, bytes) = field(bytes)?;
        let (client, bytes) = field(bytes)?;
        let (audience, bytes) = field(bytes)?;
        let (scope, bytes) = field(bytes)?;
        let key = Self::new(
            issuer,
            client.parse().ok()?,
            audience.parse().ok()?,
            scope.parse().ok()?,
        );
        bytes.is_empty().then_some(key)
    }
}

/// The text that `bytes` begin with, after its length, and the rest.
fn field(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (length, bytes) = bytes.split_at_checked(size_of::<u32>())?;
    let length = u32::from_be_bytes(length.try_into().ok()?);
    let (field, rest) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
    Some((std::str::from_utf8(field).ok()?, rest))
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

/// A token as a tier keeps it: sealed (AES-256-GCM) by the service, under a key that is made from the client's secret, with
/// [`TokenKey::to_bytes`] as the associated data.
///
/// So who reads or copies a tier gets no token, and an entry that was moved to another key is refused. Plain text (base64),
/// about 1.4 times as long as the token.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedToken(Box<str>);

impl SealedToken {
    /// The text to keep.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for SealedToken {
    /// A text that was kept. Nothing is checked here: the service opens it.
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for SealedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedToken(***)")
    }
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
        for key in keys {
            assert_eq!(TokenKey::from_bytes(&key.to_bytes()), Some(key));
        }
    }

    #[test]
    fn bytes_that_are_no_key_are_refused() {
        let whole = key("i", "c", "a", "s").to_bytes();
        for length in 0..whole.len() {
            assert_eq!(TokenKey::from_bytes(&whole[..length]), None);
        }
        let longer = [whole.as_slice(), b"x"].concat();
        assert_eq!(TokenKey::from_bytes(&longer), None);
    }
}
