//! Verification: what must hold before a token is believed.

use std::ops::Deref;
use std::time::Duration;

use serde::ser::Error;
use serde::{Serialize, Serializer};

use crate::algorithm::Algorithms;
use crate::claims::TokenClaims;
use crate::error::VerifyError;
use crate::header::Typ;
use crate::jwk_set::JwkSet;
use crate::name;
use crate::policy::VerifyPolicy;
use crate::time::UnixTime;
use crate::unverified::UnverifiedToken;

/// The largest JWS that [`verify_jws`] reads, in bytes.
const MAX_JWS_BYTES: usize = 64 * 1024;

/// The claims of a token that was verified: it was signed with a key of its issuer, or the issuer itself has said them when it was asked
/// about the token ([`read_introspection`](crate::read_introspection)), and they fitted a policy at that moment.
///
/// Only verification makes one, so a function that takes one cannot be called with what nobody has checked. Reads as
/// [`TokenClaims`]; a changed copy is [`TokenClaims`] again, and no longer verified. It is a statement about the past:
/// the token may have ended since ([`check`](Self::check)) or have been revoked, and its keys may have been withdrawn.
///
/// Code that comes after verification is tested with `VerifiedClaims::dangerous_unverified`, behind the feature
/// `test-util`.
///
/// `Serialize` gives the claims as they were: without `sub` where the token had none.
#[derive(Debug, Clone, PartialEq)]
pub struct VerifiedClaims {
    claims: TokenClaims,
    states_subject: bool,
    leeway: Option<Duration>,
}

impl VerifiedClaims {
    /// Holds the claims against `policy` once more: `iss`, `aud`, `exp`, `nbf`. For claims that were kept after they
    /// were verified, such as those in a cache. **Not checked**: the signature, which needs the token.
    ///
    /// # Errors
    /// [`VerifyError::Issuer`], [`Audience`](VerifyError::Audience), [`Expired`](VerifyError::Expired) or
    /// [`NotYetValid`](VerifyError::NotYetValid).
    pub fn check(&self, policy: &VerifyPolicy, now: UnixTime) -> Result<(), VerifyError> {
        policy.check(&self.claims, now)
    }

    /// The claims as plain data, such as to make another token of them. They are not verified any more.
    #[must_use]
    pub fn into_claims(self) -> TokenClaims {
        self.claims
    }

    /// Whether the subject stands in `sub`, and not in another claim
    /// ([`VerifyPolicy::with_subject_claims`]).
    #[must_use]
    pub fn states_subject(&self) -> bool {
        self.states_subject
    }

    /// For how long after its end the policy that verified the token took it ([`VerifyPolicy::with_leeway`]). For code
    /// that passes on what was accepted; `None` when no policy verified it.
    #[must_use]
    pub fn leeway(&self) -> Option<Duration> {
        self.leeway
    }

    /// Claims that the issuer of `policy` itself has said, and that were held against it. For [`read_introspection`](crate::read_introspection)
    /// alone.
    pub(crate) fn introspected(
        claims: TokenClaims,
        states_subject: bool,
        policy: &VerifyPolicy,
    ) -> Self {
        Self {
            claims,
            states_subject,
            leeway: Some(policy.leeway()),
        }
    }

    /// The claims of nobody, for [`SecurityContext::placeholder`](crate::SecurityContext::placeholder): a fixed text, no
    /// scope, over since 1970.
    pub(crate) fn of_nobody() -> Self {
        let (issuer, subject, audience) = name::of_nobody();
        let end = UnixTime::from_secs(0);
        Self {
            claims: TokenClaims::new(issuer, subject, audience, end),
            states_subject: true,
            leeway: None,
        }
    }

    /// Calls claims verified that nobody has verified. For tests of what comes after verification; in a service this
    /// would let anybody be anybody.
    #[cfg(any(test, feature = "test-util"))]
    #[must_use]
    pub fn dangerous_unverified(claims: TokenClaims) -> Self {
        Self {
            claims,
            states_subject: true,
            leeway: None,
        }
    }
}

impl Deref for VerifiedClaims {
    type Target = TokenClaims;

    fn deref(&self) -> &TokenClaims {
        &self.claims
    }
}

impl Serialize for VerifiedClaims {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.states_subject {
            return self.claims.serialize(serializer);
        }
        let mut claims = serde_json::to_value(&self.claims).map_err(S::Error::custom)?;
        if let Some(members) = claims.as_object_mut() {
            members.remove("sub");
        }
        claims.serialize(serializer)
    }
}

/// Verifies an access token as RFC 9068 section 4 demands, and more strictly where that leaves room.
///
/// `keys` must be the keys of the policy's issuer. Checked in this order: size, form, header, `typ`, algorithm, key,
/// signature, types of the claims, `iss`, `aud`, `exp`, `nbf`. **Not checked**: `scope`, `act` and `cnf` (what they
/// mean is up to the caller), `iat`, `jti` (no replay check), and whether the token was revoked.
///
/// # Errors
/// [`VerifyError`] with the first reason that was found.
///
/// ```
/// # use hallpass_token::{Algorithm, SigningKey, TokenClaims, UnixTime, sign};
/// use hallpass_token::{JwkSet, VerifyError, VerifyPolicy, verify};
/// # use std::time::Duration;
/// # let now = UnixTime::from_secs(1_700_000_000);
/// # let end = now.saturating_add(Duration::from_secs(600));
/// # let key = SigningKey::generate(Algorithm::Es256)?;
/// # let claims = TokenClaims::new("internal".parse()?, "order-service".parse()?, "logistics-service".parse()?, end);
/// # let token = sign(&claims, &key, now)?;
/// let keys = JwkSet::new([key.public_jwk()]);
/// let ours = VerifyPolicy::new("internal".parse()?, "logistics-service".parse()?);
/// assert_eq!(verify(token.expose(), &keys, &ours, now)?.subject.as_str(), "order-service");
///
/// let for_others = VerifyPolicy::new("internal".parse()?, "billing-service".parse()?);
/// assert_eq!(verify(token.expose(), &keys, &for_others, now), Err(VerifyError::Audience));
/// let later = end.saturating_add(Duration::from_secs(60));
/// assert!(matches!(verify(token.expose(), &keys, &ours, later), Err(VerifyError::Expired { .. })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn verify(
    token: &str,
    keys: &JwkSet,
    policy: &VerifyPolicy,
    now: UnixTime,
) -> Result<VerifiedClaims, VerifyError> {
    UnverifiedToken::parse(token, policy.max_token_bytes())?.verify(keys, policy, now)
}

/// Verifies a JWS in compact form by the same code as [`verify`] does, and returns its payload. Neither `typ` nor
/// claims are looked at, so this alone never authenticates a caller.
///
/// # Errors
/// [`VerifyError`] with the first reason that was found; larger than 64 KiB is too large.
pub fn verify_jws(
    jws: &str,
    keys: &JwkSet,
    algorithms: Algorithms,
) -> Result<Vec<u8>, VerifyError> {
    let jws = UnverifiedToken::parse(jws, MAX_JWS_BYTES)?;
    jws.verify_signature(keys, algorithms)?;
    Ok(jws.into_payload())
}

impl UnverifiedToken<'_> {
    /// Verifies the token: type, algorithm, key, signature, then the claims.
    ///
    /// # Errors
    /// See [`verify`].
    pub fn verify(
        &self,
        keys: &JwkSet,
        policy: &VerifyPolicy,
        now: UnixTime,
    ) -> Result<VerifiedClaims, VerifyError> {
        if self.len() > policy.max_token_bytes() {
            return Err(VerifyError::TooLarge);
        }
        match self.typ() {
            Typ::AccessToken => {}
            Typ::Jwt | Typ::Absent if policy.accepts_untyped() => {}
            Typ::Jwt | Typ::Absent | Typ::ClientAuthentication | Typ::Other => {
                return Err(VerifyError::Type);
            }
        }
        self.verify_signature(keys, policy.algorithms())?;
        let unverified =
            self.unverified_claims_naming(policy.subject_claims(), policy.issuer_of_all())?;
        policy.check(&unverified.claims, now)?;
        Ok(VerifiedClaims {
            claims: unverified.claims,
            states_subject: unverified.states_subject,
            leeway: Some(policy.leeway()),
        })
    }
}
