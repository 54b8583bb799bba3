//! Requests for certificates (PKCS#10, RFC 2986), read strictly.
//!
//! Of a request only its key counts, and that whoever has sent it has the private one: the signature over all of it. Subject and
//! extensions are what somebody wishes for and are not even read: names come of a registration.

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P256_SHA512_ASN1, ECDSA_P384_SHA256_ASN1,
    ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA512_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, UnparsedPublicKey,
    VerificationAlgorithm,
};
use rustls::pki_types::pem::{PemObject as _, SectionKind};

use crate::der::{SEQUENCE, strict_element};

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
/// `[0] IMPLICIT`, the attributes.
const ATTRIBUTES: u8 = 0xa0;

/// Contents of `AlgorithmIdentifier` of keys (RFC 5480 section 2.1.1, RFC 8410 section 3, RFC 3279 section 2.3.1).
const EC_P256: &[u8] =
    b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
const EC_P384: &[u8] = b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22";
const ED_25519: &[u8] = b"\x06\x03\x2b\x65\x70";
const RSA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
/// And of signatures (RFC 5758 section 3.2, RFC 4055 section 5).
const ECDSA_SHA256: &[u8] = b"\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02";
const ECDSA_SHA384: &[u8] = b"\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03";
const ECDSA_SHA512: &[u8] = b"\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x04";
const RSA_SHA256: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00";
const RSA_SHA384: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c\x05\x00";
const RSA_SHA512: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d\x05\x00";

/// 65537, the one exponent that is taken: all tools write it, and small ones let signatures be made up.
const RSA_EXPONENT: &[u8] = &[1, 0, 1];
/// Bits of the modulus of an RSA key.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2_048..=4_096;

/// `keytool -certreq` and old tools write the label so (RFC 7468 section 7).
const OLD_LABEL: &str = " NEW CERTIFICATE REQUEST-----";
const LABEL: &str = " CERTIFICATE REQUEST-----";

/// What kind a key is that a certificate is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RequestedKey {
    /// ECDSA on P-256 (secp256r1).
    P256,
    /// ECDSA on P-384 (secp384r1).
    P384,
    /// Ed25519 (RFC 8032).
    Ed25519,
    /// RSA of 2048 to 4096 bits with the exponent 65537.
    Rsa,
}

/// A request for a certificate whose sender has proven that it has the private key.
///
/// **Not checked**: who has sent it, what the request calls itself, and whether the key is one that somebody else knows as well.
///
/// ```
/// use hallpass_tls::{CsrFault, SigningRequest};
///
/// assert_eq!(SigningRequest::read(b"none").unwrap_err(), CsrFault::NoRequest);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct SigningRequest {
    key: RequestedKey,
    public_key: Vec<u8>,
}

/// Why a request for a certificate is not taken. No text holds anything of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CsrFault {
    /// It is longer than [`SigningRequest::MAX_BYTES`].
    #[error("is longer than {} bytes", SigningRequest::MAX_BYTES)]
    TooLarge,
    /// A section of PEM has no end, or is not base64.
    #[error("is not whole PEM text: a section has no end, or is not base64")]
    NotPem,
    /// No section `CERTIFICATE REQUEST`.
    #[error("holds no `-----BEGIN CERTIFICATE REQUEST-----`, as `openssl req -new` writes it")]
    NoRequest,
    /// More than the one request stands in it.
    #[error("holds more than one request for a certificate")]
    Several,
    /// A private key stands beside it, which is none any more.
    #[error(
        "holds a private key, which somebody else has seen now: make another one, and send the request alone"
    )]
    PrivateKey,
    /// It is no PKCS#10 of version 1 in DER.
    #[error("is not a request of PKCS#10 in DER (RFC 2986)")]
    Malformed,
    /// The key is of another kind, or not a sound one.
    #[error(
        "has a key that is none of P-256, P-384, Ed25519 or RSA of 2048 to 4096 bits (exponent 65537)"
    )]
    Key,
    /// The signature is by an algorithm that does not fit the key, or is not taken.
    #[error(
        "is signed by another algorithm than SHA-256, SHA-384 or SHA-512 with the key that it has"
    )]
    Algorithm,
    /// The private key of the request has not signed it.
    #[error("is not signed by the private key of the public one in it")]
    Signature,
}

impl SigningRequest {
    /// Longest request that is read, PEM included: one of an RSA key of 4096 bits with a dozen names has 2,500 bytes.
    pub const MAX_BYTES: usize = 8 * 1024;

    /// The one request in PEM text, which may have explanations around it, and whose signature holds.
    ///
    /// # Errors
    /// [`CsrFault`].
    pub fn read(pem: &[u8]) -> Result<Self, CsrFault> {
        if pem.len() > Self::MAX_BYTES {
            return Err(CsrFault::TooLarge);
        }
        let text = std::str::from_utf8(pem).map_err(|_| CsrFault::NotPem)?;
        let text = text.replace(OLD_LABEL, LABEL);
        let mut request = None;
        for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(text.as_bytes()) {
            match section.map_err(|_| CsrFault::NotPem)? {
                (SectionKind::Csr, der) if request.is_none() => request = Some(der),
                (SectionKind::Csr, _) => return Err(CsrFault::Several),
                (
                    SectionKind::PrivateKey
                    | SectionKind::RsaPrivateKey
                    | SectionKind::EcPrivateKey,
                    _,
                ) => return Err(CsrFault::PrivateKey),
                _ => {}
            }
        }
        Self::from_der(&request.ok_or(CsrFault::NoRequest)?)
    }

    /// The same of a request in DER.
    ///
    /// # Errors
    /// [`CsrFault`].
    pub fn from_der(der: &[u8]) -> Result<Self, CsrFault> {
        if der.len() > Self::MAX_BYTES {
            return Err(CsrFault::TooLarge);
        }
        let parts = Parts::of(der).ok_or(CsrFault::Malformed)?;
        let key = RequestedKey::of(parts.key_algorithm, parts.public_key).ok_or(CsrFault::Key)?;
        let algorithm = key
            .verified_by(parts.signed_by)
            .ok_or(CsrFault::Algorithm)?;
        UnparsedPublicKey::new(algorithm, parts.public_key)
            .verify(parts.signed, parts.signature)
            .map_err(|_| CsrFault::Signature)?;
        Ok(Self {
            key,
            public_key: parts.public_key.to_vec(),
        })
    }

    /// What kind of key it is.
    #[must_use]
    pub const fn key(&self) -> RequestedKey {
        self.key
    }

    /// The public key, as the bits of `subjectPublicKey` have it (RFC 5280 section 4.1.2.7): an uncompressed point, the 32 bytes of
    /// Ed25519, or `RSAPublicKey` in DER.
    #[must_use]
    pub fn public_key(&self) -> &[u8] {
        &self.public_key
    }
}

/// A public key is no secret, but long.
impl fmt::Debug for SigningRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningRequest")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl RequestedKey {
    /// Its kind, when `public_key` is sound as far as its form says.
    fn of(algorithm: &[u8], public_key: &[u8]) -> Option<Self> {
        // Compressed points are read by few.
        let is_point = |coordinate: usize| {
            public_key.first() == Some(&4) && public_key.len() == 1 + 2 * coordinate
        };
        let (key, is_sound) = match algorithm {
            EC_P256 => (Self::P256, is_point(32)),
            EC_P384 => (Self::P384, is_point(48)),
            ED_25519 => (Self::Ed25519, public_key.len() == 32),
            RSA => (Self::Rsa, is_sound_rsa(public_key).is_some()),
            _ => return None,
        };
        is_sound.then_some(key)
    }

    fn verified_by(self, algorithm: &[u8]) -> Option<&'static dyn VerificationAlgorithm> {
        Some(match (self, algorithm) {
            (Self::P256, ECDSA_SHA256) => &ECDSA_P256_SHA256_ASN1,
            (Self::P256, ECDSA_SHA384) => &ECDSA_P256_SHA384_ASN1,
            (Self::P256, ECDSA_SHA512) => &ECDSA_P256_SHA512_ASN1,
            (Self::P384, ECDSA_SHA256) => &ECDSA_P384_SHA256_ASN1,
            (Self::P384, ECDSA_SHA384) => &ECDSA_P384_SHA384_ASN1,
            (Self::P384, ECDSA_SHA512) => &ECDSA_P384_SHA512_ASN1,
            (Self::Ed25519, ED_25519) => &ED25519,
            (Self::Rsa, RSA_SHA256) => &RSA_PKCS1_2048_8192_SHA256,
            (Self::Rsa, RSA_SHA384) => &RSA_PKCS1_2048_8192_SHA384,
            (Self::Rsa, RSA_SHA512) => &RSA_PKCS1_2048_8192_SHA512,
            _ => return None,
        })
    }
}

/// `RSAPublicKey` (RFC 8017 appendix A.1.1).
fn is_sound_rsa(public_key: &[u8]) -> Option<()> {
    let content = only(public_key, SEQUENCE)?;
    let (modulus, rest) = next(content, INTEGER)?;
    let exponent = only(rest, INTEGER)?;
    // Positive, and of the fewest bytes: a zero stands before a first bit that is set.
    let modulus = match modulus {
        [0, rest @ ..] if rest.first().is_some_and(|first| *first >= 0x80) => rest,
        [first, ..] if (1..0x80).contains(first) => modulus,
        _ => return None,
    };
    let unused = modulus.first()?.leading_zeros();
    let bits = (modulus.len() * 8).checked_sub(usize::try_from(unused).ok()?)?;
    (RSA_BITS.contains(&bits) && exponent == RSA_EXPONENT).then_some(())
}

/// What of a request is looked at.
struct Parts<'c> {
    /// `certificationRequestInfo`, its tag and length included: what is signed.
    signed: &'c [u8],
    key_algorithm: &'c [u8],
    public_key: &'c [u8],
    signed_by: &'c [u8],
    signature: &'c [u8],
}

impl<'c> Parts<'c> {
    /// RFC 2986 section 4.
    fn of(der: &'c [u8]) -> Option<Self> {
        let request = only(der, SEQUENCE)?;
        let (info, after) = next(request, SEQUENCE)?;
        let signed = request.get(..request.len().checked_sub(after.len())?)?;
        let (signed_by, after) = next(after, SEQUENCE)?;
        let signature = whole_bytes(only(after, BIT_STRING)?)?;

        let (version, rest) = next(info, INTEGER)?;
        let (_subject, rest) = next(rest, SEQUENCE)?;
        let (key, rest) = next(rest, SEQUENCE)?;
        let _attributes = only(rest, ATTRIBUTES)?;
        let (key_algorithm, rest) = next(key, SEQUENCE)?;
        let public_key = whole_bytes(only(rest, BIT_STRING)?)?;
        (version == [0]).then_some(Self {
            signed,
            key_algorithm,
            public_key,
            signed_by,
            signature,
        })
    }
}

/// The content of the first element, which has this tag, and what follows.
fn next(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, content, rest) = strict_element(der)?;
    (found == tag).then_some((content, rest))
}

/// The same, with nothing behind it.
fn only(der: &[u8], tag: u8) -> Option<&[u8]> {
    let (content, rest) = next(der, tag)?;
    rest.is_empty().then_some(content)
}

/// The content of a `BIT STRING` of whole bytes.
fn whole_bytes(bits: &[u8]) -> Option<&[u8]> {
    let (unused, bytes) = bits.split_first()?;
    (*unused == 0).then_some(bytes)
}
