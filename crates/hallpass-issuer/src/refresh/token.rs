//! A refresh token: the name of its family, 64 random bits with an HMAC of as many, and a secret of 256 bits.
//!
//! The first secret of a family is random. Each further one is an HMAC of the one before it, under a key that only the issuer
//! has: so the same token gives the same successor, whoever computes it and how often, and no successor is stored anywhere.

use std::fmt;

use aws_lc_rs::{constant_time, digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use zeroize::Zeroizing;

use crate::error::Error;

const FAMILY_BYTES: usize = 16;
/// Those of them that are random; the others are an HMAC of them, so that a name which is made up is told without the store.
const RANDOM_FAMILY_BYTES: usize = 8;
const SECRET_BYTES: usize = 32;
/// Characters of a token: 48 bytes in base64url, each of which is written in one way only.
const TOKEN_CHARS: usize = 64;

/// Which family a token belongs to. Without a secret it is of no use, but whoever shows it to the issuer with a wrong one ends the
/// family: it stands in no log.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct FamilyId([u8; FAMILY_BYTES]);

/// A refresh token; `Debug` hides it.
#[derive(Clone)]
pub(crate) struct RefreshToken {
    pub(crate) family: FamilyId,
    secret: Zeroizing<[u8; SECRET_BYTES]>,
}

/// SHA-256 of a secret. The secret has 256 bits, so nobody finds it by trying.
#[derive(Clone, Copy)]
pub(crate) struct SecretDigest([u8; SECRET_BYTES]);

impl FamilyId {
    /// A new name. `names` is the key that tells names of this issuer from others.
    fn generate(names: &hmac::Key) -> Result<Self, Error> {
        let mut bytes = [0; FAMILY_BYTES];
        let (random, mac) = bytes.split_at_mut(RANDOM_FAMILY_BYTES);
        fill(random)?;
        for (to, from) in mac.iter_mut().zip(hmac::sign(names, random).as_ref()) {
            *to = *from;
        }
        Ok(Self(bytes))
    }

    /// Whether an issuer with the key `names` has made this name up. Nobody else can, and each request for one that was made up
    /// elsewhere would cost the store a look.
    pub(crate) fn was_made_with(&self, names: &hmac::Key) -> bool {
        let (random, mac) = self.0.split_at(RANDOM_FAMILY_BYTES);
        let right = hmac::sign(names, random);
        let (right, _) = right.as_ref().split_at(mac.len());
        constant_time::verify_slices_are_equal(mac, right).is_ok()
    }

    /// What stands for it in logs: who reads them must not be able to end the family.
    pub(crate) fn alias(&self) -> String {
        let digest = digest::digest(&digest::SHA256, &self.0);
        let (start, _) = digest.as_ref().split_at(12);
        BASE64URL.encode(start)
    }

    /// Reads what `Display` writes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        BASE64URL.decode(text).ok()?.try_into().ok().map(Self)
    }
}

impl fmt::Display for FamilyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64URL.encode(self.0))
    }
}

impl fmt::Debug for FamilyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FamilyId({})", self.alias())
    }
}

impl RefreshToken {
    /// The first token of a new family. `names` is the key of the names of families.
    ///
    /// # Errors
    /// [`Error::Internal`] without random numbers.
    pub(crate) fn generate(names: &hmac::Key) -> Result<Self, Error> {
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        fill(secret.as_mut_slice())?;
        Ok(Self {
            family: FamilyId::generate(names)?,
            secret,
        })
    }

    /// `None` for what cannot be a refresh token of this issuer, such as an access token.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() != TOKEN_CHARS {
            return None;
        }
        let bytes = Zeroizing::new(BASE64URL.decode(text).ok()?);
        let (family, secret) = bytes.split_at_checked(FAMILY_BYTES)?;
        Some(Self {
            family: FamilyId(family.try_into().ok()?),
            secret: Zeroizing::new(secret.try_into().ok()?),
        })
    }

    /// The token as it is sent.
    pub(crate) fn to_text(&self) -> Zeroizing<String> {
        let bytes = Zeroizing::new([self.family.0.as_slice(), self.secret.as_slice()].concat());
        Zeroizing::new(BASE64URL.encode(bytes.as_slice()))
    }

    pub(crate) fn digest(&self) -> SecretDigest {
        let digest = digest::digest(&digest::SHA256, self.secret.as_slice());
        let mut bytes = [0; SECRET_BYTES];
        for (to, from) in bytes.iter_mut().zip(digest.as_ref()) {
            *to = *from;
        }
        SecretDigest(bytes)
    }

    /// The token that comes after this one.
    pub(crate) fn successor(&self, key: &hmac::Key) -> Self {
        let mut context = hmac::Context::with_key(key);
        context.update(&self.family.0);
        context.update(self.secret.as_slice());
        let tag = context.sign();
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        for (to, from) in secret.iter_mut().zip(tag.as_ref()) {
            *to = *from;
        }
        Self {
            family: self.family,
            secret,
        }
    }
}

fn fill(bytes: &mut [u8]) -> Result<(), Error> {
    aws_lc_rs::rand::fill(bytes).map_err(|_| Error::Internal {
        operation: "drawing random bytes",
    })
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshToken(***)")
    }
}

impl SecretDigest {
    /// Reads what `Display` writes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        BASE64URL.decode(text).ok()?.try_into().ok().map(Self)
    }
}

impl PartialEq for SecretDigest {
    fn eq(&self, other: &Self) -> bool {
        constant_time::verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl fmt::Display for SecretDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64URL.encode(self.0))
    }
}

impl fmt::Debug for SecretDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretDigest(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(bytes: &[u8]) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, bytes)
    }

    fn generate() -> RefreshToken {
        RefreshToken::generate(&key(b"names")).unwrap()
    }

    #[test]
    fn the_name_of_a_family_is_known_for_one_of_this_issuer_and_no_other_is() {
        let family = generate().family;
        assert!(family.was_made_with(&key(b"names")));
        assert!(!family.was_made_with(&key(b"others")));
        for index in 0..FAMILY_BYTES {
            let mut other = family;
            other.0[index] ^= 1;
            assert!(!other.was_made_with(&key(b"names")), "{index}");
        }
    }

    #[test]
    fn a_token_is_read_as_it_was_written_and_nothing_else_is_one() {
        let token = generate();
        let text = token.to_text();
        let read = RefreshToken::parse(&text).unwrap();
        assert_eq!(read.family, token.family);
        assert_eq!(*read.to_text(), *text);
        assert_eq!(read.digest(), token.digest());
        let standard = "+".repeat(64);
        for bad in ["", &text[1..], &format!("{}A", *text), &standard, "a.b.c"] {
            assert!(RefreshToken::parse(bad).is_none(), "{bad}");
        }
        let other = generate();
        assert!(other.family != token.family && other.digest() != token.digest());
    }

    #[test]
    fn a_successor_depends_on_token_family_and_key_alone() {
        let token = generate();
        let next = token.successor(&key(b"one"));
        assert_eq!(next.family, token.family);
        assert_eq!(next.digest(), token.successor(&key(b"one")).digest());
        assert_ne!(next.digest(), token.digest());
        assert_ne!(next.digest(), token.successor(&key(b"two")).digest());
        let elsewhere = RefreshToken {
            family: generate().family,
            secret: token.secret.clone(),
        };
        assert_ne!(next.digest(), elsewhere.successor(&key(b"one")).digest());
    }

    #[test]
    fn no_debug_text_shows_what_could_be_sent() {
        let token = generate();
        let shown = format!("{token:?} {:?} {:?}", token.family, token.digest());
        assert!(!shown.contains(&token.to_text()[..22]), "{shown}");
        assert!(!shown.contains(&token.digest().to_string()), "{shown}");
        assert!(shown.contains(&token.family.alias()), "{shown}");
    }
}
