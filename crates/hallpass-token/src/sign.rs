//! Issuing: claims and a private key become a token.

use serde_json::Value;

use crate::access_token::AccessToken;
use crate::base64url;
use crate::claims::{MAX_ACTOR_DEPTH, TokenClaims};
use crate::header::TokenType;
use crate::json::MAX_JSON_DEPTH;
use crate::signing_key::SigningKey;
use crate::time::UnixTime;

/// The largest token that is issued by default, in bytes. Headers of common servers end at 8 KiB, all of them together.
const DEFAULT_MAX_TOKEN_BYTES: usize = 4 * 1024;

/// Why no token was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The claims end at `now` or before, or begin at their end.
    #[error("the token would have no life")]
    NoLife,
    /// Not exactly one audience.
    #[error("a token is for exactly one audience, not {count}")]
    AudienceCount {
        /// How many there are.
        count: usize,
    },
    /// More actors behind one another than four.
    #[error("more than {MAX_ACTOR_DEPTH} actors behind one another")]
    ActorDepth,
    /// An extra claim has the name of a claim with a field of its own, or is `scp`, which readers take for a scope.
    #[error("an extra claim has a reserved name")]
    ReservedClaim,
    /// A claim that [`verify`](crate::verify()) would refuse: a time beyond [`UnixTime::MAX`], or an extra claim that is
    /// nested too deeply.
    #[error("a claim is outside the limits that verifiers hold it to")]
    OutOfRange,
    /// Over the size budget. Lists of roles and groups are the usual reason.
    #[error("the token would have {bytes} bytes, more than {limit}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The budget.
        limit: usize,
    },
    /// The library could not sign.
    #[error("the signature could not be made")]
    Signing,
}

/// Makes a token of `claims`, at most 4 KiB long: a JWS in compact form with the header
/// `typ: at+jwt`, `alg` and `kid` (RFC 9068 section 2.1).
///
/// # Errors
/// [`SignError`] when the claims would make no sound token.
///
/// ```
/// use std::time::Duration;
/// use hallpass_token::{Algorithm, SigningKey, TokenClaims, UnixTime, sign};
///
/// let key = SigningKey::generate(Algorithm::Es256)?;
/// let now = UnixTime::from_secs(1_700_000_000);
/// let end = now.saturating_add(Duration::from_secs(600));
/// let mut claims = TokenClaims::new("internal".parse()?, "order-service".parse()?, "logistics-service".parse()?, end);
/// claims.scope = "internal-service".parse()?;
/// let token = sign(&claims, &key, now)?;
/// assert_eq!(token.expose().split('.').count(), 3);
/// assert!(!format!("{token:?}").contains(token.expose()), "it is not shown by accident");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn sign(
    claims: &TokenClaims,
    key: &SigningKey,
    now: UnixTime,
) -> Result<AccessToken, SignError> {
    sign_as(claims, key, TokenType::AccessToken, now)
}

/// [`sign`] with another `typ` in the header, for verifiers that refuse `at+jwt`.
///
/// # Errors
/// As [`sign`].
pub fn sign_as(
    claims: &TokenClaims,
    key: &SigningKey,
    token_type: TokenType,
    now: UnixTime,
) -> Result<AccessToken, SignError> {
    write(claims, key, token_type, now, DEFAULT_MAX_TOKEN_BYTES)
}

/// [`sign`] with another size budget, in bytes.
///
/// # Errors
/// As [`sign`].
pub fn sign_within(
    claims: &TokenClaims,
    key: &SigningKey,
    now: UnixTime,
    limit: usize,
) -> Result<AccessToken, SignError> {
    write(claims, key, TokenType::AccessToken, now, limit)
}

fn write(
    claims: &TokenClaims,
    key: &SigningKey,
    token_type: TokenType,
    now: UnixTime,
    limit: usize,
) -> Result<AccessToken, SignError> {
    check(claims, now)?;
    // A member that is not JSON cannot occur: keys are strings and numbers finite.
    let json = serde_json::to_vec(claims).map_err(|_| SignError::Signing)?;
    let header = key.encoded_header(token_type);
    let bytes = header.len()
        + base64url::encoded_len(json.len())
        + base64url::encoded_len(key.signature_len())
        + 2;
    if bytes > limit {
        return Err(SignError::TooLarge { bytes, limit });
    }
    let mut token = String::with_capacity(bytes);
    token.push_str(header);
    token.push('.');
    base64url::encode_onto(&json, &mut token);
    let signature = key.sign(token.as_bytes()).map_err(|_| SignError::Signing)?;
    token.push('.');
    base64url::encode_onto(&signature, &mut token);
    Ok(AccessToken::new(token))
}

fn check(claims: &TokenClaims, now: UnixTime) -> Result<(), SignError> {
    let count = claims.audience.len();
    if count != 1 {
        return Err(SignError::AudienceCount { count });
    }
    if claims.expires_at <= now
        || claims
            .not_before
            .is_some_and(|begin| begin >= claims.expires_at)
    {
        return Err(SignError::NoLife);
    }
    if claims
        .actor
        .as_ref()
        .is_some_and(|actor| actor.depth() > MAX_ACTOR_DEPTH)
    {
        return Err(SignError::ActorDepth);
    }
    if claims
        .extra
        .keys()
        .any(|name| TokenClaims::is_reserved(name) || name == "scp")
    {
        return Err(SignError::ReservedClaim);
    }
    let times = [Some(claims.expires_at), claims.not_before, claims.issued_at];
    let too_late = times.into_iter().flatten().any(|time| time > UnixTime::MAX);
    // The claims are level 1, so that what stands in them begins at level 2.
    if too_late || claims.extra.values().any(|value| !fits(value, 2)) {
        return Err(SignError::OutOfRange);
    }
    Ok(())
}

/// Whether an array or object that stands at `level` is within [`MAX_JSON_DEPTH`].
fn fits(value: &Value, level: usize) -> bool {
    match value {
        Value::Array(items) => {
            level <= MAX_JSON_DEPTH && items.iter().all(|item| fits(item, level + 1))
        }
        Value::Object(members) => {
            level <= MAX_JSON_DEPTH && members.values().all(|member| fits(member, level + 1))
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests;
