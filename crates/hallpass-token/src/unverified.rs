//! A token that has been taken apart, and nothing more.

use std::fmt;
use std::sync::OnceLock;

use crate::algorithm::{Algorithm, Algorithms};
use crate::base64url;
use crate::claims::TokenClaims;
use crate::claims::read::{self, ReadClaims};
use crate::error::{Part, VerifyError};
use crate::header::{Header, Typ};
use crate::jwk::Jwk;
use crate::jwk_set::JwkSet;
use crate::name::{Audience, Issuer, KeyId};

/// A JWS in compact form (RFC 7515 section 7.1) whose signature nobody has checked.
///
/// What it says about itself serves to choose the keys, and to show a token to a person. Nothing else may rest on it.
pub struct UnverifiedToken<'a> {
    text: &'a str,
    /// Header and payload with the dot between: what is signed.
    signed: &'a str,
    header: Header,
    payload: Vec<u8>,
    signature: Vec<u8>,
    issuer: OnceLock<Option<String>>,
}

impl<'a> UnverifiedToken<'a> {
    /// Takes a token apart: size first, then exactly three parts, strict base64url, strict header.
    ///
    /// # Errors
    /// [`VerifyError::TooLarge`] before anything is parsed, then the reasons of its first group, or
    /// [`VerifyError::AlgorithmUnsupported`]. `typ` is left to [`verify`](Self::verify).
    pub fn parse(text: &'a str, max_bytes: usize) -> Result<Self, VerifyError> {
        if text.len() > max_bytes {
            return Err(VerifyError::TooLarge);
        }
        let structure = VerifyError::Malformed(Part::Structure);
        let (header, rest) = text.split_once('.').ok_or(structure)?;
        let (payload, signature) = rest.split_once('.').ok_or(structure)?;
        if signature.contains('.') || header.is_empty() {
            return Err(structure);
        }
        let decode =
            |part| base64url::decode(part).map_err(|_| VerifyError::Malformed(Part::Encoding));
        // The header comes first, so that a token with `none` is told from a damaged one.
        let header = Header::parse(&decode(header)?)?;
        let (payload, signature_bytes) = (decode(payload)?, decode(signature)?);
        if signature_bytes.is_empty() {
            return Err(structure);
        }
        let signed = text
            .get(..text.len() - signature.len() - 1)
            .ok_or(structure)?;
        Ok(Self {
            text,
            signed,
            header,
            payload,
            signature: signature_bytes,
            issuer: OnceLock::new(),
        })
    }

    /// The algorithm that the header claims.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.header.algorithm
    }

    /// The name of the key that the header claims.
    #[must_use]
    pub fn key_id(&self) -> Option<&KeyId> {
        self.header.key_id.as_ref()
    }

    /// Whether the header claims that this is an access token (`typ` is `at+jwt`, RFC 9068 section 2.1).
    #[must_use]
    pub fn states_access_token(&self) -> bool {
        self.header.typ == Typ::AccessToken
    }

    /// The issuer that the claims name, to choose among several. `None` when there is none, or no readable claims.
    pub fn unverified_issuer(&self) -> Option<&str> {
        self.issuer
            .get_or_init(|| read::parse_issuer(&self.payload))
            .as_deref()
    }

    /// The claims, read strictly and compared with nothing: the writer of the token may claim anything.
    ///
    /// # Errors
    /// As [`verify`](Self::verify) for claims that cannot be read.
    pub fn unverified_claims(&self) -> Result<TokenClaims, VerifyError> {
        read::parse(&self.payload)
    }

    pub(crate) fn unverified_claims_naming(
        &self,
        subject_claims: &[Box<str>],
        issuer: Option<&Issuer>,
    ) -> Result<ReadClaims, VerifyError> {
        read::parse_naming(&self.payload, subject_claims, issuer)
    }

    /// The audiences that the claims name, to choose among several policies of one issuer. Empty when there is none,
    /// or no readable claims.
    #[must_use]
    pub fn unverified_audiences(&self) -> Vec<Audience> {
        read::parse_audiences(&self.payload)
    }

    /// The payload as it is.
    #[must_use]
    pub fn unverified_payload(&self) -> &[u8] {
        &self.payload
    }

    /// The decoded header as it is.
    #[must_use]
    pub fn unverified_header(&self) -> Vec<u8> {
        self.signed
            .split_once('.')
            .and_then(|(header, _)| base64url::decode(header).ok())
            .unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    pub(crate) fn typ(&self) -> Typ {
        self.header.typ
    }

    pub(crate) fn verify_signature(
        &self,
        keys: &JwkSet,
        algorithms: Algorithms,
    ) -> Result<(), VerifyError> {
        if !algorithms.contains(self.algorithm()) {
            return Err(VerifyError::AlgorithmNotAllowed);
        }
        let key = keys.find(self.key_id(), self.algorithm())?;
        if self.is_signed_with(key) {
            Ok(())
        } else {
            Err(VerifyError::Signature)
        }
    }

    /// Whether the signature is one of `key`, by the algorithm that the header claims.
    pub(crate) fn is_signed_with(&self, key: &Jwk) -> bool {
        key.verifies(self.algorithm(), self.signed.as_bytes(), &self.signature)
    }

    pub(crate) fn into_payload(self) -> Vec<u8> {
        self.payload
    }
}

impl fmt::Debug for UnverifiedToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnverifiedToken")
            .field("algorithm", &self.algorithm())
            .field("key_id", &self.key_id())
            .finish_non_exhaustive()
    }
}
