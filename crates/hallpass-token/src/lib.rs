//! Internal access tokens: claims, keys, JWK sets, strict signing and verification.
//!
//! **Promise.** [`VerifiedClaims`], which only [`verify`] and [`read_introspection`] make, come from a token that the holder of a known private
//! key of the expected issuer signed as an access token for the expected audience, or of which that issuer itself said as much when it was
//! asked, and that was valid at that moment.
//! Everything that RFC 7515, 7517, 7518, 7519, 8725 and 9068 leave to the reader's leniency is refused;
//! `docs/tokens.md` lists it.
//!
//! [`DpopProof`]s, which only [`verify_dpop`] makes, come from the holder of the key that they name, for this request.
//!
//! **What it does not do.** No I/O, no clock (`now` is a parameter), no global state; no JWE, no symmetric keys, no
//! `none`. It fetches no keys (`hallpass-resource` does), remembers no token, asks no deny-list ([`RevocationList`] is what one is made of), and does not decide
//! what a scope, an actor or a confirmation (`cnf`) means. That a proof came before is for its caller to find, with a [`ReplayMemory`].
//!
//! ```
//! use hallpass_token::{Algorithm, JwkSet, SigningKey, TokenClaims, UnixTime, VerifyPolicy, sign, verify};
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let now = UnixTime::from_secs(1_700_000_000);
//! let key = SigningKey::generate(Algorithm::Es256)?;
//! let end = now.saturating_add(Duration::from_secs(600));
//! let mut claims = TokenClaims::new("internal".parse()?, "order-service".parse()?, "logistics-service".parse()?, end);
//! claims.scope = "internal-service".parse()?;
//! let token = sign(&claims, &key, now)?;
//!
//! let keys = JwkSet::new([key.public_jwk()]);
//! let policy = VerifyPolicy::new("internal".parse()?, "logistics-service".parse()?);
//! assert_eq!(*verify(token.expose(), &keys, &policy, now)?, claims);
//! # Ok(())
//! # }
//! ```

mod access_token;
mod algorithm;
mod base64url;
mod bearer;
mod caller_kind;
mod claims;
mod client_assertion;
mod context;
mod dpop;
mod error;
mod header;
mod introspected;
mod introspection;
mod json;
mod jwk;
mod jwk_set;
mod name;
mod policy;
mod replay;
mod revocation;
mod scope;
mod sealed_value;
mod sealing;
mod sign;
mod signing_key;
mod time;
mod unverified;
mod verify;

pub use access_token::AccessToken;
pub use algorithm::{Algorithm, Algorithms, UnknownAlgorithm};
pub use bearer::{BearerSyntaxError, parse_bearer, parse_dpop};
pub use caller_kind::{CallerKind, UnknownCaller};
pub use claims::{Actor, Confirmation, Thumbprint, TokenClaims};
pub use client_assertion::{
    AssertionAudience, AssertionError, AssertionPolicy, AssertionSigner, ClientAssertion,
    JWT_BEARER_ASSERTION, MAX_ASSERTION_BYTES, NobodysKeys, UnverifiedAssertion, VerifiedAssertion,
};
pub use context::SecurityContext;
pub use dpop::{
    DPOP_CLOCK_AHEAD, DPOP_PROOF_LIFE, DpopError, DpopExpectation, DpopKey, DpopNonces, DpopProof,
    DpopRequest, DpopUri, InvalidDpopUri, MAX_DPOP_PROOF_BYTES, verify_dpop,
};
pub use error::{BearerError, Part, VerifyError};
pub use header::TokenType;
pub use introspected::{
    Introspected, IntrospectionFault, read_introspection, says_active, unverified_issuer_of,
};
pub use introspection::{INTROSPECTION_TYPE, sign_introspection};
pub use jwk::{Jwk, JwkError};
pub use jwk_set::{JwkSet, JwkSetError, MAX_JWK_SET_BYTES, SkippedJwk};
pub use name::{Audience, ClientId, InvalidName, Issuer, KeyId, Subject, TokenId};
pub use policy::{DEFAULT_MAX_VERIFY_BYTES, VerifyPolicy};
pub use replay::{ReplayMemory, ReplayName, Seen};
pub use revocation::{
    InvalidRevocationDigest, Revocation, RevocationDigest, RevocationKind, RevocationList,
    RevocationMarks,
};
pub use scope::{InvalidScope, Scope};
pub use sealed_value::{InvalidSealedValue, SealedValue, ValueSealer};
pub use sealing::{Sealer, SealingError};
pub use sign::{SignError, sign, sign_as, sign_within};
pub use signing_key::{KeyError, SigningKey};
pub use time::UnixTime;
pub use unverified::UnverifiedToken;
pub use verify::{VerifiedClaims, verify, verify_jws};
