//! Putting a token into a request, with a proof where it is bound to a key (DPoP, RFC 9449 section 7.1).

use std::sync::Arc;

use hallpass_token::UnixTime;
use hallpass_upstream::{Connections, find_header};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Request};

use crate::auth_token_service::issued::Minted;
use crate::error::TokenError;
use crate::prover::{DPOP, Prover, origin};

/// A call with a proof: whose nonce its response may have.
pub(super) struct Proven {
    prover: Arc<Prover>,
    origin: Box<str>,
}

impl Proven {
    /// Remembers the nonce of the response, if it has one.
    pub(super) fn learn(&self, headers: &HeaderMap) {
        self.prover.learn(&self.origin, headers);
    }
}

/// What the request carries from now on, and nothing that came with it. `bound` is the token where it is bound to a key.
///
/// # Errors
/// [`TokenError::Proof`]; the request then carries nothing.
#[inline]
pub(super) fn put<B>(
    request: &mut Request<B>,
    authorization: HeaderValue,
    bound: Option<&Minted>,
    now: impl FnOnce() -> UnixTime,
) -> Result<Option<Box<Proven>>, TokenError> {
    let Some((token, prover)) = bound.and_then(|it| Some((it, it.prover.as_ref()?))) else {
        let headers = request.headers_mut();
        take_proof(headers);
        headers.insert(AUTHORIZATION, authorization);
        return Ok(None);
    };
    take(request.headers_mut());
    let token = token.access_token.expose();
    let origin = origin(request.uri()).ok_or(TokenError::Proof)?;
    // Of this attempt alone: another one, elsewhere or later, gets another.
    let proof = prover.prove(request.method(), request.uri(), Some(token), now())?;
    let headers = request.headers_mut();
    headers.insert(DPOP, proof);
    headers.insert(AUTHORIZATION, authorization);
    let prover = Arc::clone(prover);
    Ok(Some(Box::new(Proven { prover, origin })))
}

/// Over which connections the request goes, where the token is bound to a certificate (RFC 8705 section 3).
#[inline]
pub(super) fn go_over<B>(request: &mut Request<B>, connections: Option<Connections>) {
    if let Some(connections) = connections {
        request.extensions_mut().insert(connections);
    }
}

/// Takes out whatever identity the request carries.
pub(super) fn take(headers: &mut HeaderMap) {
    headers.remove(AUTHORIZATION);
    take_proof(headers);
}

#[inline]
fn take_proof(headers: &mut HeaderMap) {
    if find_header(headers, &DPOP).is_some() {
        headers.remove(DPOP);
    }
}
