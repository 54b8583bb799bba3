//! Verification: what must hold before a token is believed.

use crate::algorithm::Algorithms;
use crate::claims::TokenClaims;
use crate::error::VerifyError;
use crate::jwk_set::JwkSet;
use crate::policy::VerifyPolicy;
use crate::time::UnixTime;
use crate::unverified::UnverifiedToken;

/// The largest JWS that [`verify_jws`] reads, in bytes.
pub const MAX_JWS_BYTES: usize = 64 * 1024;

/// Verifies an access token as RFC 9068 section 4 demands, and more strictly where that leaves room.
///
/// `keys` must be the keys of the policy's issuer. Checked in this order: size, form, header, `typ`, algorithm, key,
/// signature, types of the claims, `iss`, `aud`, `exp`, `nbf`. **Not checked**: `scope`, `act` and `cnf` (what they
/// mean is up to the caller), `iat`, `jti` (no replay check), and whether the token was revoked.
///
/// # Errors
/// [`VerifyError`] with the first reason that was found.
pub fn verify(
    token: &str,
    keys: &JwkSet,
    policy: &VerifyPolicy,
    now: UnixTime,
) -> Result<TokenClaims, VerifyError> {
    UnverifiedToken::parse(token, policy.max_token_bytes())?.verify(keys, policy, now)
}

/// Verifies a JWS in compact form by the same code as [`verify`] does, and returns its payload. Neither `typ` nor
/// claims are looked at, so this alone never authenticates a caller.
///
/// # Errors
/// [`VerifyError`] with the first reason that was found; larger than [`MAX_JWS_BYTES`] is too large.
pub fn verify_jws(
    jws: &str,
    keys: &JwkSet,
    algorithms: Algorithms,
) -> Result<Vec<u8>, VerifyError> {
    let jws = UnverifiedToken::parse(jws, MAX_JWS_BYTES)?;
    jws.verify_signature(keys, algorithms)?;
    Ok(jws.into_payload())
}
