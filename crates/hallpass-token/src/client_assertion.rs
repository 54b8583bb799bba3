//! A JWT by which a client proves who it is (RFC 7523 section 2.2, OpenID Connect Core section 9).

use std::time::Duration;

use crate::algorithm::{Algorithm, Algorithms};
use crate::claims::read;
use crate::error::VerifyError;
use crate::header::Typ;
use crate::jwk_set::JwkSet;
use crate::name::{KeyId, Subject, TokenId};
use crate::time::UnixTime;
use crate::unverified::UnverifiedToken;

mod nobody;
mod signer;

pub use nobody::NobodysKeys;
pub use signer::{AssertionSigner, ClientAssertion};

/// `client_assertion_type` of such a JWT (RFC 7523 section 2.2).
pub const JWT_BEARER_ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The largest assertion that is read, in bytes.
pub const MAX_ASSERTION_BYTES: usize = 8 * 1024;

/// To whom an assertion must be addressed, and how long it may live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssertionPolicy {
    /// The issuer identifier of the authorization server (RFC 8414 section 2).
    pub issuer: Box<str>,
    /// The URL of its token endpoint, which older clients name instead. What names it is told apart
    /// ([`AssertionAudience`]): an assertion for one server can be made to name the endpoint of another, so it is up to
    /// the caller to take it.
    pub token_endpoint: Box<str>,
    /// How far ahead `exp` may be.
    pub max_life: Duration,
    /// How far clocks may be apart.
    pub leeway: Duration,
}

/// How an assertion names the authorization server, as its only audience.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AssertionAudience {
    /// By the issuer identifier, as a string (draft-ietf-oauth-rfc7523bis, FAPI 2.0).
    Issuer,
    /// By the issuer identifier, in an array with no other member.
    IssuerInList,
    /// By the URL of the token endpoint (RFC 7523 section 3).
    TokenEndpoint,
}

/// Why an assertion is not taken. No value carries any part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum AssertionError {
    /// It cannot be read, is of another type, or its algorithm, key or signature do not fit.
    #[error("{0}")]
    Token(VerifyError),
    /// `iss` is not `sub` (RFC 7523 section 3, OpenID Connect Core section 9).
    #[error("iss and sub are not the same")]
    NotSelfIssued,
    /// `aud` is not the authorization server alone.
    #[error("aud is not the issuer identifier alone")]
    Audience,
    /// It has no `jti`, so nobody could tell whether it was used before.
    #[error("jti is missing")]
    NoTokenId,
    /// It has ended.
    #[error("it has ended")]
    Expired,
    /// `nbf` or `iat` are still to come.
    #[error("it is not valid yet")]
    NotYetValid,
    /// It would live longer than is allowed.
    #[error("its exp is too far ahead")]
    TooLong,
}

/// An assertion whose claims fit, and whose signature nobody has checked: whoever wrote it may claim anything.
#[derive(Debug)]
pub struct UnverifiedAssertion<'a> {
    token: UnverifiedToken<'a>,
    subject: Subject,
    audience: AssertionAudience,
    token_id: TokenId,
    expires_at: UnixTime,
}

/// What a client has proven to have signed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifiedAssertion {
    /// Its `sub` and `iss`: the client.
    pub subject: Subject,
    /// How it names the authorization server.
    pub audience: AssertionAudience,
    /// What its header claims and its key is for.
    pub algorithm: Algorithm,
    /// Its `jti`. **Not checked**: whether it was used before.
    pub token_id: TokenId,
    /// Its `exp`.
    pub expires_at: UnixTime,
}

impl<'a> UnverifiedAssertion<'a> {
    /// Reads an assertion and holds its claims against `policy`: size, form, header, `typ` (none, `JWT` or
    /// `client-authentication+jwt`), `iss`, `sub`, `aud`, `jti`, `exp`, `nbf`, `iat`. All this depends on the text
    /// alone, so what it says betrays nothing about any client. **Not checked**: the signature.
    ///
    /// # Errors
    /// [`AssertionError`] with the first reason that was found.
    pub fn parse(
        text: &'a str,
        policy: &AssertionPolicy,
        now: UnixTime,
    ) -> Result<Self, AssertionError> {
        let token =
            UnverifiedToken::parse(text, MAX_ASSERTION_BYTES).map_err(AssertionError::Token)?;
        match token.typ() {
            Typ::Absent | Typ::Jwt | Typ::ClientAuthentication => {}
            Typ::AccessToken | Typ::Other => return Err(AssertionError::Token(VerifyError::Type)),
        }
        let claims = token.unverified_claims().map_err(AssertionError::Token)?;
        if claims.issuer.as_str() != claims.subject.as_str() {
            return Err(AssertionError::NotSelfIssued);
        }
        let is_list = read::has_audience_list(token.unverified_payload());
        let audience = match claims.audience.as_slice() {
            [one] if *one == *policy.issuer && is_list => AssertionAudience::IssuerInList,
            [one] if *one == *policy.issuer => AssertionAudience::Issuer,
            [one] if *one == *policy.token_endpoint => AssertionAudience::TokenEndpoint,
            _ => return Err(AssertionError::Audience),
        };
        let token_id = claims.token_id.ok_or(AssertionError::NoTokenId)?;
        if now >= claims.expires_at.saturating_add(policy.leeway) {
            return Err(AssertionError::Expired);
        }
        let soon = now.saturating_add(policy.leeway);
        let begins = [claims.not_before, claims.issued_at];
        if begins.into_iter().flatten().any(|begin| begin > soon) {
            return Err(AssertionError::NotYetValid);
        }
        if claims.expires_at > soon.saturating_add(policy.max_life) {
            return Err(AssertionError::TooLong);
        }
        Ok(Self {
            token,
            subject: claims.subject,
            audience,
            token_id,
            expires_at: claims.expires_at,
        })
    }

    /// The client that it claims to be of.
    #[must_use]
    pub fn unverified_subject(&self) -> &str {
        self.subject.as_str()
    }

    /// The algorithm that its header claims.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.token.algorithm()
    }

    /// The name of the key that its header claims.
    #[must_use]
    pub fn key_id(&self) -> Option<&KeyId> {
        self.token.key_id()
    }

    /// Checks the signature by a key of the client that it claims to be of.
    ///
    /// # Errors
    /// [`AssertionError::Token`]: no key of `keys` fits, or the signature is not of that key, or `algorithms` does not
    /// have the algorithm.
    pub fn verify(
        &self,
        keys: &JwkSet,
        algorithms: Algorithms,
    ) -> Result<VerifiedAssertion, AssertionError> {
        self.token
            .verify_signature(keys, algorithms)
            .map_err(AssertionError::Token)?;
        Ok(VerifiedAssertion {
            algorithm: self.token.algorithm(),
            subject: self.subject.clone(),
            audience: self.audience,
            token_id: self.token_id.clone(),
            expires_at: self.expires_at,
        })
    }

    /// Does the work of [`verify`](Self::verify) with a key that is nobody's, so that a client that is not there costs
    /// what another costs. The result is thrown away.
    pub fn verify_in_vain(&self, keys: &NobodysKeys) {
        if let Some(key) = keys.find(self.algorithm()) {
            std::hint::black_box(self.token.is_signed_with(key));
        }
    }
}

#[cfg(test)]
mod tests;
