//! A token in use.

use std::fmt;
use std::sync::Arc;

use hallpass_token::{AccessToken, UnixTime};
use hallpass_upstream::Connections;
use http::{HeaderValue, Method, Uri};

use super::lifetime::{Lifetime, Now, Phase};
use super::moment::Moment;
use super::seals::StoredToken;
use crate::certificate::{BoundCertificate, LeftBehind};
use crate::error::TokenError;
use crate::prover::Prover;

/// Where a token came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenSource {
    /// From memory or a shared tier.
    Cache,
    /// This call, or one it waited for, asked the issuer.
    Issuer,
}

/// A service token that was alive when it was handed out. Cheap to clone; `Debug` hides the token.
#[derive(Clone, Debug)]
pub struct IssuedToken {
    pub(crate) minted: Arc<Minted>,
    pub(crate) source: TokenSource,
}

/// What is made once of a token, so that a call with it only counts references.
pub(crate) struct Minted {
    pub(crate) access_token: AccessToken,
    pub(crate) authorization: HeaderValue,
    /// Where it stands among tokens and evictions.
    pub(crate) moment: Moment,
    pub(crate) issued_at: UnixTime,
    pub(crate) expires_at: UnixTime,
    pub(crate) generation: u64,
    pub(crate) lifetime: Lifetime,
    /// Whether it may have been evicted by another process, and this one did not hear of it.
    pub(crate) is_doubted: bool,
    /// The key that it is bound to.
    pub(crate) prover: Option<Arc<Prover>>,
    /// The certificate that it is bound to.
    pub(crate) certificate: Option<BoundCertificate>,
}

/// A token for a request that goes out now.
pub(crate) struct Ready {
    pub(crate) token: IssuedToken,
    /// The connections that it must go over; `None`: any.
    pub(crate) connections: Option<Connections>,
}

impl Ready {
    /// # Errors
    /// [`LeftBehind`] for a token of a certificate that is not shown any more.
    pub(crate) fn of(token: IssuedToken) -> Result<Self, LeftBehind> {
        let connections = token.minted.connections()?;
        Ok(Self { token, connections })
    }
}

impl Minted {
    /// The connections that it must go over now; `None`: any.
    ///
    /// # Errors
    /// [`LeftBehind`].
    #[inline]
    pub(crate) fn connections(&self) -> Result<Option<Connections>, LeftBehind> {
        match &self.certificate {
            None => Ok(None),
            Some(certificate) => certificate.connections(),
        }
    }
}

impl IssuedToken {
    /// The token. It is opaque here: its claims are not checked (RFC 6749 section 1.4).
    #[must_use]
    pub fn access_token(&self) -> &AccessToken {
        &self.minted.access_token
    }

    /// `Bearer ...`, or `DPoP ...` for a token that is bound to a key and needs a [proof](Self::dpop_proof); marked sensitive. A
    /// clone of it allocates nothing.
    #[must_use]
    pub fn authorization(&self) -> &HeaderValue {
        &self.minted.authorization
    }

    /// `Bearer`, or `DPoP` for a token that is bound to a key and needs a [proof](Self::dpop_proof): `token_type`, as the issuer has said it.
    #[must_use]
    pub fn token_type(&self) -> &'static str {
        match self.minted.prover {
            Some(_) => "DPoP",
            None => "Bearer",
        }
    }

    /// Whether it is bound to the key or to the certificate of this service (`cnf`), so that nobody else who is given it can use it. Of a
    /// token that cannot be read, only the key is known.
    #[must_use]
    pub fn is_bound(&self) -> bool {
        self.minted.prover.is_some() || self.minted.certificate.is_some()
    }

    /// The header `DPoP` for one request with the token (RFC 9449 section 7.1), `None` for a bearer token. `uri` is absolute: the address
    /// that is really called. Each request needs one of its own. [`BearerLayer`](crate::BearerLayer) does this by itself.
    ///
    /// # Errors
    /// [`TokenError::Proof`] when none can be made.
    pub fn dpop_proof(
        &self,
        method: &Method,
        uri: &Uri,
        now: UnixTime,
    ) -> Result<Option<HeaderValue>, TokenError> {
        let Some(prover) = &self.minted.prover else {
            return Ok(None);
        };
        let token = self.access_token().expose();
        prover.prove(method, uri, Some(token), now).map(Some)
    }

    /// When the issuer said it ends.
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.minted.expires_at
    }

    /// Later tokens of the same service have higher numbers; for
    /// [`renew_rejected`](crate::TokenHandle::renew_rejected).
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.minted.generation
    }

    /// Where it came from.
    #[must_use]
    pub const fn source(&self) -> TokenSource {
        self.source
    }

    /// The same token, which is in memory now.
    pub(crate) fn out_of_memory(mut self) -> Self {
        self.source = TokenSource::Cache;
        self
    }

    /// The token as a tier keeps it.
    pub(crate) fn stored(&self) -> StoredToken {
        StoredToken {
            access_token: self.minted.access_token.clone(),
            moment: self.minted.moment,
            issued_at: self.minted.issued_at,
            expires_at: self.minted.expires_at,
        }
    }

    /// The same token, whose next use finds out whether it was evicted.
    pub(crate) fn doubted(&self) -> Self {
        let minted = &*self.minted;
        let doubted = Minted {
            access_token: minted.access_token.clone(),
            authorization: minted.authorization.clone(),
            lifetime: minted.lifetime.due_now(),
            is_doubted: true,
            prover: minted.prover.clone(),
            certificate: minted.certificate.clone(),
            ..*minted
        };
        Self {
            minted: Arc::new(doubted),
            source: self.source,
        }
    }

    pub(crate) fn phase(&self, now: Now) -> Phase {
        self.minted.lifetime.phase(now)
    }
}

impl fmt::Debug for Minted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Minted")
            .field("expires_at", &self.expires_at)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

/// Two tokens are the same when they are the same text.
impl PartialEq for IssuedToken {
    fn eq(&self, other: &Self) -> bool {
        self.access_token() == other.access_token()
    }
}

/// `Bearer <token>`, hidden in `Debug`, in one allocation. `None` when the token holds a character that no
/// header can.
pub(crate) fn bearer_header(token: &AccessToken) -> Option<HeaderValue> {
    header("Bearer ", token)
}

/// `DPoP <token>`, likewise.
pub(crate) fn dpop_header(token: &AccessToken) -> Option<HeaderValue> {
    header("DPoP ", token)
}

fn header(scheme: &str, token: &AccessToken) -> Option<HeaderValue> {
    let mut text = String::with_capacity(scheme.len() + token.expose().len());
    text.push_str(scheme);
    text.push_str(token.expose());
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// A header value whose clones share one buffer from the first on. The first clone of a fresh buffer
/// allocates its reference count; that is paid here, not in a call.
pub(crate) fn shared(value: HeaderValue) -> HeaderValue {
    drop(value.clone());
    value
}
