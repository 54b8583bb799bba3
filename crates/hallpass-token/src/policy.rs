//! What a token must say to be for us.

use std::time::Duration;

use crate::algorithm::Algorithms;
use crate::claims::TokenClaims;
use crate::error::VerifyError;
use crate::name::{Audience, Issuer};
use crate::time::UnixTime;

/// The largest token that is verified by default, in bytes: twice what we issue, for foreign issuers.
pub const DEFAULT_MAX_VERIFY_BYTES: usize = 8 * 1024;

/// How far clocks may be apart by default.
const DEFAULT_LEEWAY: Duration = Duration::from_secs(10);

/// The conditions of one issuer's tokens. One policy belongs to one issuer.
///
/// ```
/// use std::time::Duration;
/// use hallpass_token::{Algorithm, VerifyPolicy};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let policy = VerifyPolicy::new("internal".parse()?, "order-service".parse()?)
///     .with_algorithms(Algorithm::Es256.into())
///     .with_leeway(Duration::from_secs(5));
/// # let _ = policy;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct VerifyPolicy {
    issuer: Issuer,
    audiences: Vec<Audience>,
    algorithms: Algorithms,
    leeway: Duration,
    max_token_bytes: usize,
    untyped: bool,
    subject_claims: Vec<Box<str>>,
    any_issuer: bool,
}

impl VerifyPolicy {
    /// Tokens of `issuer` for `audience`, with every algorithm of [`Algorithms::ALL`], a leeway of
    /// 10 s and at most 8 KiB ([`DEFAULT_MAX_VERIFY_BYTES`]) long.
    #[must_use]
    pub fn new(issuer: Issuer, audience: Audience) -> Self {
        Self::for_audiences(issuer, vec![audience])
    }

    /// The same for several audiences, one of which a token must name. Without any, it takes no token.
    #[must_use]
    pub fn for_audiences(issuer: Issuer, audiences: Vec<Audience>) -> Self {
        Self {
            issuer,
            audiences,
            algorithms: Algorithms::ALL,
            leeway: DEFAULT_LEEWAY,
            max_token_bytes: DEFAULT_MAX_VERIFY_BYTES,
            untyped: false,
            subject_claims: Vec::new(),
            any_issuer: false,
        }
    }

    /// Takes tokens for these audiences too. One that fits is enough.
    #[must_use]
    pub fn with_audiences(mut self, audiences: impl IntoIterator<Item = Audience>) -> Self {
        self.audiences.extend(audiences);
        self
    }

    /// Takes these algorithms only. The set of keys limits them further.
    #[must_use]
    pub fn with_algorithms(mut self, algorithms: Algorithms) -> Self {
        self.algorithms = algorithms;
        self
    }

    /// Takes a token this long before `nbf` and after `exp`, in whole seconds. Seconds to a few minutes are sensible.
    #[must_use]
    pub fn with_leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// Takes tokens up to this length in bytes.
    #[must_use]
    pub fn with_max_token_bytes(mut self, bytes: usize) -> Self {
        self.max_token_bytes = bytes;
        self
    }

    /// Takes tokens whose `typ` is `JWT` or absent, as Spring Authorization Server and Keycloak write them.
    ///
    /// Dangerous: an ID token of the same issuer for the same audience then passes as an access token
    /// (RFC 8725 section 2.8). Any other `typ` is still refused.
    #[must_use]
    pub fn dangerous_accept_untyped(mut self) -> Self {
        self.untyped = true;
        self
    }

    /// Takes tokens without `sub` too, and takes the first of these claims that such a token has (as a text) for its
    /// subject. Some issuers leave `sub` out of the tokens of services. RFC 9068 section 2.2 demands it, so by default
    /// such a token is refused.
    #[must_use]
    pub fn with_subject_claims<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.subject_claims = names.into_iter().map(Box::from).collect();
        self
    }

    /// Takes tokens whatever `iss` they have, also none: the claims that verification gives then have the issuer of this policy.
    /// For tokens whose keys alone say whose they are, such as JWT-SVIDs of SPIFFE.
    ///
    /// Dangerous: keys that a second issuer shares verify its tokens too. **Not checked**: whether the issuer may speak of the
    /// subject.
    #[must_use]
    pub fn dangerous_any_issuer(mut self) -> Self {
        self.any_issuer = true;
        self
    }

    /// The issuer whose tokens these are.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// The audiences, one of which a token must name.
    #[must_use]
    pub fn audiences(&self) -> &[Audience] {
        &self.audiences
    }

    /// The allowed algorithms.
    #[must_use]
    pub fn algorithms(&self) -> Algorithms {
        self.algorithms
    }

    /// How far clocks may be apart.
    #[must_use]
    pub fn leeway(&self) -> Duration {
        self.leeway
    }

    /// The largest token in bytes.
    #[must_use]
    pub fn max_token_bytes(&self) -> usize {
        self.max_token_bytes
    }

    /// Whether `typ` may be `JWT` or absent.
    #[must_use]
    pub fn accepts_untyped(&self) -> bool {
        self.untyped
    }

    /// The claims that name the subject of a token without `sub`.
    pub(crate) fn subject_claims(&self) -> &[Box<str>] {
        &self.subject_claims
    }

    /// What stands in the place of `iss`, if that does not count.
    pub(crate) fn issuer_of_all(&self) -> Option<&Issuer> {
        self.any_issuer.then_some(&self.issuer)
    }

    /// Holds claims against this policy: `iss`, `aud`, `exp`, `nbf`. Their signature is for the caller to check.
    pub(crate) fn check(&self, claims: &TokenClaims, now: UnixTime) -> Result<(), VerifyError> {
        if claims.issuer != self.issuer {
            return Err(VerifyError::Issuer);
        }
        if !claims
            .audience
            .iter()
            .any(|audience| self.audiences.contains(audience))
        {
            return Err(VerifyError::Audience);
        }
        if now >= claims.expires_at.saturating_add(self.leeway) {
            let ago = now.duration_since(claims.expires_at);
            return Err(VerifyError::Expired { ago });
        }
        if let Some(begin) = claims
            .not_before
            .filter(|begin| now.saturating_add(self.leeway) < *begin)
        {
            let ahead = begin.duration_since(now);
            return Err(VerifyError::NotYetValid { ahead });
        }
        Ok(())
    }
}
