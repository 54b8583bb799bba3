//! Secrets at rest, such as private keys in a store: AES-256-GCM under a key derived from one that the operator keeps.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use zeroize::Zeroizing;

/// The shortest key material that is accepted: no passphrase a person can remember is safe here.
const MIN_KEY_MATERIAL_BYTES: usize = 32;
/// Length of the salt that makes the derived key belong to one place.
const SALT_BYTES: usize = 16;

/// First byte of everything sealed here, so that another scheme can follow.
const FORMAT: u8 = 1;

/// Seals and opens short secrets. One per place where they are kept.
///
/// Nonces are random, so one key must not seal more than 2^32 times (NIST SP 800-38D section 8.3). What was sealed once
/// opens for ever: neither age nor a later version in the same row is noticed.
///
/// ```
/// use hallpass_token::Sealer;
///
/// # fn main() -> Result<(), hallpass_token::SealingError> {
/// let (material, salt) = (Sealer::generate_key_material()?, Sealer::generate_salt()?);
/// let sealer = Sealer::derive(&material, &salt, "my store v1")?;
/// let sealed = sealer.seal(b"secret", b"row 7")?;
/// assert_eq!(sealer.open(&sealed, b"row 7").unwrap().as_slice(), b"secret");
/// assert!(sealer.open(&sealed, b"row 8").is_none());
/// # Ok(())
/// # }
/// ```
pub struct Sealer {
    key: RandomizedNonceKey,
}

/// Why nothing was sealed. Carries no part of a key or of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum SealingError {
    /// The key material is too short to be safe.
    #[error("the key material has {length} bytes and needs at least {minimum}")]
    KeyTooShort {
        /// Bytes it has.
        length: usize,
        /// Bytes it needs.
        minimum: usize,
    },
    /// The library could not derive the key.
    #[error("deriving the sealing key failed")]
    Derivation,
    /// The library could not seal.
    #[error("sealing failed")]
    Sealing,
    /// The operating system gave no random numbers.
    #[error("drawing random bytes failed")]
    Random,
}

impl Sealer {
    /// Derives the key with HKDF-SHA256 (RFC 5869). `label` names the use, so that two uses of one key material have
    /// two keys; white space around the material does not count.
    ///
    /// # Errors
    /// [`SealingError::KeyTooShort`] below 32 bytes. How random the material is cannot be checked.
    pub fn derive(key_material: &str, salt: &[u8], label: &str) -> Result<Self, SealingError> {
        let material = key_material.trim().as_bytes();
        if material.len() < MIN_KEY_MATERIAL_BYTES {
            return Err(SealingError::KeyTooShort {
                length: material.len(),
                minimum: MIN_KEY_MATERIAL_BYTES,
            });
        }
        Self::from_material(material, salt, label)
    }

    /// The same for the secret of a client, of any length, so that all who know the secret share a key that nobody had to
    /// distribute. White space counts.
    ///
    /// What is sealed is as hard to open as the secret is to guess: whoever has a copy can try secrets without asking
    /// anybody. A generated secret withstands that; one that a person chose may not.
    ///
    /// # Errors
    /// [`SealingError::Derivation`] when the library could not.
    pub fn derive_from_client_secret(
        secret: &str,
        salt: &[u8],
        label: &str,
    ) -> Result<Self, SealingError> {
        Self::from_material(secret.as_bytes(), salt, label)
    }

    fn from_material(material: &[u8], salt: &[u8], label: &str) -> Result<Self, SealingError> {
        let key = derived_bytes(material, salt, label)?;
        let key = RandomizedNonceKey::new(&AES_256_GCM, key.as_ref())
            .map_err(|_| SealingError::Derivation)?;
        Ok(Self { key })
    }

    /// Seals `plain`; the result is base64, and its length tells the length of `plain`. It opens only with the same
    /// `associated_data`, which names where it belongs: moved to another row, it does not open.
    ///
    /// # Errors
    /// [`SealingError::Sealing`] when the library could not.
    pub fn seal(&self, plain: &[u8], associated_data: &[u8]) -> Result<String, SealingError> {
        // Room for the tag from the start: a vector that grows would leave a copy of the plain text behind.
        let mut body = Vec::with_capacity(plain.len() + AES_256_GCM.tag_len());
        body.extend_from_slice(plain);
        let nonce = self
            .key
            .seal_in_place_append_tag(Aad::from(associated_data), &mut body)
            .map_err(|_| SealingError::Sealing)?;
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + body.len());
        sealed.push(FORMAT);
        sealed.extend_from_slice(nonce.as_ref());
        sealed.extend_from_slice(&body);
        Ok(BASE64.encode(sealed))
    }

    /// Opens what [`seal`](Self::seal) made; `None` when it was sealed by another key, with other associated data, or
    /// was altered.
    #[must_use]
    pub fn open(&self, sealed: &str, associated_data: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let mut sealed = Zeroizing::new(BASE64.decode(sealed).ok()?);
        let (head, body) = sealed.split_at_mut_checked(1 + NONCE_LEN)?;
        let (format, nonce) = head.split_first()?;
        if *format != FORMAT {
            return None;
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let plain = self
            .key
            .open_in_place(nonce, Aad::from(associated_data), body)
            .ok()?;
        Some(Zeroizing::new(plain.to_vec()))
    }

    /// Fresh key material for [`derive`](Self::derive): 32 random bytes as base64, wiped when dropped.
    ///
    /// # Errors
    /// [`SealingError::Random`] when the operating system gives no random numbers.
    pub fn generate_key_material() -> Result<Zeroizing<String>, SealingError> {
        let mut bytes = Zeroizing::new([0_u8; 32]);
        random(bytes.as_mut())?;
        Ok(Zeroizing::new(BASE64.encode(bytes.as_ref())))
    }

    /// A fresh salt for [`derive`](Self::derive), 16 bytes. It is kept beside what is sealed and is not a secret.
    ///
    /// # Errors
    /// [`SealingError::Random`] when the operating system gives no random numbers.
    pub fn generate_salt() -> Result<[u8; SALT_BYTES], SealingError> {
        let mut salt = [0_u8; SALT_BYTES];
        random(&mut salt)?;
        Ok(salt)
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(***)")
    }
}

/// 32 bytes that tell nothing of `material`, nor of what other labels give.
pub(crate) fn derived_bytes(
    material: &[u8],
    salt: &[u8],
    label: &str,
) -> Result<Zeroizing<[u8; 32]>, SealingError> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    hkdf::Salt::new(hkdf::HKDF_SHA256, salt)
        .extract(material)
        .expand(&[label.as_bytes()], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(bytes.as_mut()))
        .map_err(|_| SealingError::Derivation)?;
    Ok(bytes)
}

fn random(bytes: &mut [u8]) -> Result<(), SealingError> {
    aws_lc_rs::rand::fill(bytes).map_err(|_| SealingError::Random)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MATERIAL: &str = "0123456789abcdef0123456789abcdef";
    const LABEL: &str = "a test v1";

    #[test]
    fn opens_what_it_sealed() {
        let sealer = Sealer::derive(MATERIAL, b"salt", LABEL).unwrap();
        let sealed = sealer.seal(b"private", b"key a").unwrap();
        assert_eq!(
            sealer.open(&sealed, b"key a").unwrap().as_slice(),
            b"private"
        );
    }

    /// Made by another implementation (pyca/cryptography), so that a store outlives a change of ours.
    #[test]
    fn opens_what_others_sealed_in_this_format() {
        let sealer = Sealer::derive(MATERIAL, b"salt", "hallpass issuer store v1").unwrap();
        let sealed = "AQABAgMEBQYHCAkKC+PJW6rans532FPRhrjqO23jY7enbK/T";
        let plain = sealer.open(sealed, b"key a").unwrap();
        assert_eq!(plain.as_slice(), b"private");
    }

    #[test]
    fn seals_differently_each_time() {
        let sealer = Sealer::derive(MATERIAL, b"salt", LABEL).unwrap();
        assert_ne!(
            sealer.seal(b"x", b"p").unwrap(),
            sealer.seal(b"x", b"p").unwrap()
        );
    }

    #[test]
    fn refuses_another_purpose_another_key_another_salt_and_altered_bytes() {
        let sealer = Sealer::derive(MATERIAL, b"salt", LABEL).unwrap();
        let sealed = sealer.seal(b"private", b"key a").unwrap();
        assert!(sealer.open(&sealed, b"key b").is_none());
        let other = Sealer::derive("another-key-of-at-least-32-bytes!", b"salt", LABEL).unwrap();
        assert!(other.open(&sealed, b"key a").is_none());
        assert!(
            Sealer::derive(MATERIAL, b"pepper", LABEL)
                .unwrap()
                .open(&sealed, b"key a")
                .is_none()
        );
        let other_use = Sealer::derive(MATERIAL, b"salt", "another use v1").unwrap();
        assert!(other_use.open(&sealed, b"key a").is_none());
        for position in 0..sealed.len() {
            let mut altered = sealed.clone().into_bytes();
            altered[position] = if altered[position] == b'A' {
                b'B'
            } else {
                b'A'
            };
            let altered = String::from_utf8(altered).unwrap();
            assert!(sealer.open(&altered, b"key a").is_none(), "byte {position}");
        }
        for short in ["", "AQ", "AQAAAAAAAAAAAAAAAA"] {
            assert!(sealer.open(short, b"key a").is_none());
        }
    }

    #[test]
    fn refuses_a_short_key_and_never_prints_one() {
        let error = Sealer::derive("hunter2", b"salt", LABEL).unwrap_err();
        assert!(matches!(
            error,
            SealingError::KeyTooShort {
                length: 7,
                minimum: 32
            }
        ));
        assert!(!error.to_string().contains("hunter2"));
        assert_eq!(
            format!("{:?}", Sealer::derive(MATERIAL, b"s", LABEL).unwrap()),
            "Sealer(***)"
        );
    }

    #[test]
    fn a_client_secret_of_any_length_seals_and_each_character_of_it_counts() {
        let derive =
            |secret: &str| Sealer::derive_from_client_secret(secret, b"salt", LABEL).unwrap();
        for secret in ["", "x", "InternalSecret123!", MATERIAL] {
            let sealed = derive(secret).seal(b"private", b"key a").unwrap();
            assert!(derive(secret).open(&sealed, b"key a").is_some());
            let other = format!("{secret} ");
            assert!(derive(&other).open(&sealed, b"key a").is_none());
        }
    }

    #[test]
    fn a_generated_key_is_long_enough_and_new_each_time() {
        let one = Sealer::generate_key_material().unwrap();
        assert!(one.len() >= MIN_KEY_MATERIAL_BYTES);
        assert_ne!(*one, *Sealer::generate_key_material().unwrap());
    }
}
