//! A key pair of one of the algorithms, and why none was had.

use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair};

use crate::jwk::Material;

pub(super) enum KeyPair {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(RsaKeyPair),
}

/// Why a private key was not taken. Carries no part of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// No PEM block with a private key in it.
    #[error("no private key in the PEM text (PRIVATE KEY, EC PRIVATE KEY or RSA PRIVATE KEY)")]
    NoPrivateKey,
    /// More than one private key, and nothing says which one is meant.
    #[error("more than one private key in the PEM text")]
    SeveralKeys,
    /// The key is encrypted with a passphrase.
    #[error("the private key is encrypted: decrypt it first")]
    Encrypted,
    /// The text is larger than a key can be.
    #[error("the text is too large for a key")]
    TooLarge,
    /// The text or its encoding is broken.
    #[error("the private key is malformed")]
    Malformed,
    /// The JWK has no private part, or is broken, or is for something else.
    #[error("the JWK cannot sign: {0}")]
    Jwk(crate::jwk::JwkError),
    /// A kind of key that we do not sign with: another curve, RSA below 2048 bits, parts that do not belong together.
    #[error(
        "the private key was refused: not P-256, Ed25519 or RSA of 2048 bits and more, or its parts do not fit"
    )]
    Refused,
    /// The library could not make or write a key.
    #[error("the key could not be made")]
    Generation,
}

impl KeyPair {
    pub(super) fn public_material(&self) -> Option<Material> {
        match self {
            Self::Es256(pair) => {
                let (_, point) = pair.public_key().as_ref().split_first()?;
                let (x, y) = point.split_at_checked(32)?;
                Some(Material::P256 {
                    x: x.try_into().ok()?,
                    y: y.try_into().ok()?,
                })
            }
            Self::EdDsa(pair) => Some(Material::Ed25519 {
                x: pair.public_key().as_ref().try_into().ok()?,
            }),
            Self::Rs256(pair) => {
                let (n, e) = rsa_public_numbers(pair.public_key().as_ref())?;
                Some(Material::Rsa {
                    n: n.to_vec(),
                    e: e.to_vec(),
                })
            }
        }
    }
}

/// Modulus and exponent out of a DER `RSAPublicKey` (RFC 8017 appendix A.1.1), without leading zeros.
fn rsa_public_numbers(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (sequence, _) = der_value(der, 0x30)?;
    let (n, rest) = der_value(sequence, 0x02)?;
    let (e, _) = der_value(rest, 0x02)?;
    Some((
        n.strip_prefix(&[0]).unwrap_or(n),
        e.strip_prefix(&[0]).unwrap_or(e),
    ))
}

/// The value with this tag at the start of `der`, and what follows it.
fn der_value(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (head, rest) = der.split_first_chunk::<2>()?;
    let (length, rest) = match head {
        [found, _] if *found != tag => return None,
        [_, short] if *short < 0x80 => (usize::from(*short), rest),
        [_, long] => {
            let (bytes, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            (
                bytes
                    .iter()
                    .fold(0_usize, |length, byte| (length << 8) | usize::from(*byte)),
                rest,
            )
        }
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::der_value;

    #[test]
    fn a_value_of_der_is_found_by_its_tag_with_lengths_of_each_form() {
        assert_eq!(
            der_value(&[0x02, 1, 7, 9], 0x02),
            Some((&[7][..], &[9][..]))
        );
        assert_eq!(der_value(&[0x30, 1, 7], 0x02), None);
        for length in [0x7f_usize, 0x80, 0xff, 0x0101, 0x0301] {
            let head: &[u8] = match length {
                ..0x80 => &[0x02, 0x7f],
                0x80 => &[0x02, 0x81, 0x80],
                0xff => &[0x02, 0x81, 0xff],
                0x0101 => &[0x02, 0x82, 0x01, 0x01],
                _ => &[0x02, 0x82, 0x03, 0x01],
            };
            let value = vec![5; length];
            let der = [head, &value, &[9]].concat();
            assert_eq!(der_value(&der, 0x02), Some((&*value, &[9][..])), "{length}");
            assert_eq!(der_value(&der[..der.len() - 2], 0x02), None, "cut off");
        }
    }
}
