//! The key that a service proves its tokens with (DPoP, RFC 9449), and the nonces that it was given.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError};

use hallpass_token::{Algorithm, DpopKey, DpopRequest, DpopUri, UnixTime};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

use crate::error::TokenError;

/// The header of a proof.
pub(crate) const DPOP: HeaderName = HeaderName::from_static("dpop");
/// The header of a nonce.
pub(crate) const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");
/// Servers whose nonces are remembered.
const MAX_SERVERS: usize = 1_024;
/// Longest nonce that is repeated, in bytes.
const MAX_NONCE_BYTES: usize = 512;

/// Whether tokens are bound to a key of this service, so that nobody else can use them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TokenBinding {
    /// To none: whoever has a token can use it.
    #[default]
    None,
    /// To a key (ES256) that is made when the first token is asked for, and never leaves the memory of this process.
    OwnKey,
    /// To this key.
    Key(DpopKey),
}

/// Makes proofs with one key. Clones of its `Arc` share key and nonces.
pub(crate) struct Prover {
    /// Set from the start, or with the first proof.
    key: OnceLock<DpopKey>,
    /// What each server gave last, by its origin. Locked for a look-up, never across an await.
    nonces: Mutex<HashMap<Box<str>, Box<str>>>,
}

impl Prover {
    /// `None` where tokens are bound to no key.
    pub(crate) fn of(binding: &TokenBinding) -> Option<Self> {
        let key = match binding {
            TokenBinding::None => return None,
            TokenBinding::OwnKey => OnceLock::new(),
            TokenBinding::Key(key) => OnceLock::from(key.clone()),
        };
        Some(Self {
            key,
            nonces: Mutex::default(),
        })
    }

    /// The proof for one request, sensitive as the token is. A nonce that its server gave is repeated.
    ///
    /// # Errors
    /// [`TokenError::Proof`] for a request without an absolute address, and when the library has no random numbers.
    pub(crate) fn prove(
        &self,
        method: &Method,
        uri: &Uri,
        access_token: Option<&str>,
        now: UnixTime,
    ) -> Result<HeaderValue, TokenError> {
        let key = self.key().ok_or(TokenError::Proof)?;
        let (scheme, authority) = (uri.scheme_str(), uri.authority());
        let (scheme, authority) = scheme.zip(authority).ok_or(TokenError::Proof)?;
        let address = DpopUri::of_parts(scheme, authority.as_str(), uri.path());
        let address = address.map_err(|_| TokenError::Proof)?;
        let nonce = origin(uri).and_then(|origin| self.nonces().get(&origin).cloned());
        let request = DpopRequest {
            method: method.as_str(),
            uri: &address,
            access_token,
            nonce: nonce.as_deref(),
        };
        let proof = key.prove(&request, now).map_err(|_| TokenError::Proof)?;
        let mut header = HeaderValue::try_from(proof).map_err(|_| TokenError::Proof)?;
        header.set_sensitive(true);
        Ok(header)
    }

    /// Remembers the nonce of a response from `origin`, if it has one. Whether it had.
    pub(crate) fn learn(&self, origin: &str, headers: &HeaderMap) -> bool {
        let Some(nonce) = headers.get(DPOP_NONCE).and_then(|it| it.to_str().ok()) else {
            return false;
        };
        // RFC 9449 section 8.1: what can stand in a JSON text as it is.
        let allowed = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        if nonce.is_empty() || nonce.len() > MAX_NONCE_BYTES || !nonce.bytes().all(allowed) {
            return false;
        }
        let mut nonces = self.nonces();
        if nonces.len() >= MAX_SERVERS && !nonces.contains_key(origin) {
            // Those that are still called give another one with the next response.
            nonces.clear();
        }
        nonces.insert(origin.into(), nonce.into());
        true
    }

    fn key(&self) -> Option<&DpopKey> {
        if self.key.get().is_none() {
            let made = DpopKey::generate(Algorithm::Es256).ok()?;
            // Of two that are made at once the first one stays.
            _ = self.key.set(made);
        }
        self.key.get()
    }

    fn nonces(&self) -> std::sync::MutexGuard<'_, HashMap<Box<str>, Box<str>>> {
        self.nonces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whose nonce it is: scheme, host and port.
pub(crate) fn origin(uri: &Uri) -> Option<Box<str>> {
    let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
    Some(format!("{scheme}://{authority}").into())
}

impl fmt::Debug for Prover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prover").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use hallpass_token::{Algorithms, DpopExpectation, DpopProof, verify_dpop};

    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

    fn proven(prover: &Prover, uri: &'static str) -> DpopProof {
        let uri = Uri::from_static(uri);
        let proof = prover.prove(&Method::GET, &uri, Some("t"), NOW).unwrap();
        assert!(proof.is_sensitive());
        let uris = [DpopUri::parse(&uri.to_string()).unwrap()];
        let expected = DpopExpectation {
            method: "GET",
            uris: &uris,
            access_token: Some("t"),
            algorithms: Algorithms::ALL,
        };
        verify_dpop(proof.to_str().unwrap(), &expected, NOW).unwrap()
    }

    fn with_nonce(nonce: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(DPOP_NONCE, HeaderValue::from_str(nonce).unwrap());
        headers
    }

    #[test]
    fn a_key_of_its_own_is_made_once_and_a_given_one_is_used() {
        let own = Prover::of(&TokenBinding::OwnKey).unwrap();
        let first = proven(&own, "http://a/x?q").thumbprint();
        assert_eq!(proven(&own, "http://b/y").thumbprint(), first);
        let key = DpopKey::generate(Algorithm::EdDsa).unwrap();
        let given = Prover::of(&TokenBinding::Key(key.clone())).unwrap();
        assert_eq!(proven(&given, "http://a/x").thumbprint(), key.thumbprint());
        assert!(Prover::of(&TokenBinding::None).is_none());
    }

    #[test]
    fn a_nonce_is_repeated_to_the_server_that_gave_it_and_to_no_other() {
        let prover = Prover::of(&TokenBinding::OwnKey).unwrap();
        let a = origin(&Uri::from_static("http://a/x")).unwrap();
        assert!(prover.learn(&a, &with_nonce("one")));
        assert_eq!(proven(&prover, "http://a/y").nonce(), Some("one"));
        assert_eq!(proven(&prover, "https://a/y").nonce(), None);
        assert_eq!(proven(&prover, "http://a:81/y").nonce(), None);
        assert!(prover.learn(&a, &with_nonce("two")));
        assert_eq!(proven(&prover, "http://a/y").nonce(), Some("two"));
    }

    #[test]
    fn what_is_no_nonce_is_not_repeated_and_servers_are_forgotten_in_time() {
        let prover = Prover::of(&TokenBinding::OwnKey).unwrap();
        let long = "x".repeat(MAX_NONCE_BYTES + 1);
        for bad in ["", "a b", "a\"b", "a\\b", &long] {
            assert!(!prover.learn("http://a", &with_nonce(bad)), "{bad}");
        }
        assert!(!prover.learn("http://a", &HeaderMap::new()));
        for number in 0..3 * MAX_SERVERS {
            prover.learn(&format!("http://{number}"), &with_nonce("n"));
            assert!(prover.nonces().len() <= MAX_SERVERS);
        }
    }

    #[test]
    fn a_request_that_goes_nowhere_gets_no_proof() {
        let prover = Prover::of(&TokenBinding::OwnKey).unwrap();
        let nowhere = prover.prove(&Method::GET, &Uri::from_static("/x"), None, NOW);
        assert_eq!(nowhere.unwrap_err(), TokenError::Proof);
    }
}
