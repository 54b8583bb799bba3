//! Proofs of possession (DPoP, RFC 9449): a sender shows with each request that it holds the key its token is bound to.
//!
//! A proof is checked here as far as it can be without remembering anything: [`ReplayMemory`](crate::ReplayMemory) and
//! [`DpopNonces`](crate::DpopNonces) do the rest, and comparing its key with the token's `cnf.jkt` is for the caller.

use std::time::Duration;

use aws_lc_rs::digest;

use crate::algorithm::Algorithms;
use crate::claims::Thumbprint;
use crate::name::TokenId;
use crate::time::UnixTime;

mod error;
mod key;
mod nonces;
mod read;
mod uri;

pub use error::DpopError;
pub use key::{DpopKey, DpopRequest};
pub use nonces::DpopNonces;
use read::UnverifiedProof;
pub use uri::{DpopUri, InvalidDpopUri};

/// The longest proof that is read, in bytes: RSA with 4096 bits fits.
pub const MAX_DPOP_PROOF_BYTES: usize = 4 * 1024;
/// How long after its `iat` a proof counts.
pub const DPOP_PROOF_LIFE: Duration = Duration::from_secs(60);
/// How far the clock of a sender may be ahead.
pub const DPOP_CLOCK_AHEAD: Duration = Duration::from_secs(10);

/// What a proof must be for.
#[derive(Debug, Clone, Copy)]
pub struct DpopExpectation<'a> {
    /// The method of the request.
    pub method: &'a str,
    /// The addresses that the request may have been sent to; one fits.
    pub uris: &'a [DpopUri],
    /// The token that came with the request. Without one, at a token endpoint, `ath` is not looked at.
    pub access_token: Option<&'a str>,
    /// The signature algorithms that are taken.
    pub algorithms: Algorithms,
}

/// A proof whose signature and claims were checked. Only [`verify_dpop`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DpopProof {
    thumbprint: Thumbprint,
    id: TokenId,
    issued_at: UnixTime,
    nonce: Option<Box<str>>,
}

impl DpopProof {
    /// The thumbprint of the key that the sender holds (RFC 7638).
    #[must_use]
    pub fn thumbprint(&self) -> Thumbprint {
        self.thumbprint
    }

    /// Its own name (`jti`). A key names no two proofs alike.
    #[must_use]
    pub fn id(&self) -> &TokenId {
        &self.id
    }

    /// When it was made, by the sender's clock.
    #[must_use]
    pub fn issued_at(&self) -> UnixTime {
        self.issued_at
    }

    /// What it repeats of what a server gave.
    #[must_use]
    pub fn nonce(&self) -> Option<&str> {
        self.nonce.as_deref()
    }
}

/// Verifies a proof, the value of the one header `DPoP` (RFC 9449 section 4.3, checks 2 to 9, 11 and the first half of 12).
///
/// **Not checked**: that there is one such header only, that the proof was not shown before
/// ([`ReplayMemory`](crate::ReplayMemory)), that its nonce is the server's ([`DpopNonces`]), and that its key is the one that
/// the token is bound to.
///
/// # Errors
/// [`DpopError`] with the first reason that was found.
///
/// ```
/// use hallpass_token::{
///     Algorithm, Algorithms, DpopError, DpopExpectation, DpopKey, DpopRequest, DpopUri, UnixTime, verify_dpop,
/// };
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let now = UnixTime::from_secs(1_700_000_000);
/// let key = DpopKey::generate(Algorithm::Es256)?;
/// let uri = DpopUri::parse("https://orders.example/orders/7")?;
/// let request = DpopRequest { method: "GET", uri: &uri, access_token: Some("abc"), nonce: None };
/// let proof = key.prove(&request, now)?;
///
/// let uris = [uri.clone()];
/// let expected = DpopExpectation {
///     method: "GET",
///     uris: &uris,
///     access_token: Some("abc"),
///     algorithms: Algorithms::ALL,
/// };
/// assert_eq!(verify_dpop(&proof, &expected, now)?.thumbprint(), key.thumbprint());
/// let another = DpopExpectation { method: "DELETE", ..expected };
/// assert_eq!(verify_dpop(&proof, &another, now), Err(DpopError::Method));
/// # Ok(())
/// # }
/// ```
pub fn verify_dpop(
    proof: &str,
    expected: &DpopExpectation<'_>,
    now: UnixTime,
) -> Result<DpopProof, DpopError> {
    if proof.len() > MAX_DPOP_PROOF_BYTES {
        return Err(DpopError::TooLarge);
    }
    let (claims, thumbprint) = UnverifiedProof::parse(proof, expected.algorithms)?.verify()?;
    if claims.method != expected.method {
        return Err(DpopError::Method);
    }
    let uri = DpopUri::parse(&claims.uri).map_err(|_| DpopError::Uri)?;
    if !expected.uris.contains(&uri) {
        return Err(DpopError::Uri);
    }
    if now > claims.issued_at.saturating_add(DPOP_PROOF_LIFE) {
        return Err(DpopError::TooOld);
    }
    if claims.issued_at > now.saturating_add(DPOP_CLOCK_AHEAD) {
        return Err(DpopError::TooNew);
    }
    if let Some(token) = expected.access_token
        && claims.access_token != Some(access_token_hash(token))
    {
        return Err(DpopError::AccessToken);
    }
    Ok(DpopProof {
        thumbprint,
        id: claims.id,
        issued_at: claims.issued_at,
        nonce: claims.nonce,
    })
}

/// `ath` of a token (RFC 9449 section 4.2).
fn access_token_hash(token: &str) -> Thumbprint {
    let hash = digest::digest(&digest::SHA256, token.as_bytes());
    let mut bytes = [0; 32];
    for (to, from) in bytes.iter_mut().zip(hash.as_ref()) {
        *to = *from;
    }
    Thumbprint(bytes)
}

#[cfg(test)]
mod tests;
