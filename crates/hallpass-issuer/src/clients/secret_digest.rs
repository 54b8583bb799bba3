//! What stands in a configuration in place of a client's secret: a text from which the secret cannot be read back.
//!
//! Two forms, which say themselves what they are: `$sha256$` and 43 base64url characters for a secret that the issuer
//! generated, and the PHC string of argon2id (`$argon2id$v=19$m=19456,t=2,p=1$...`) for one that a person chose.

use std::fmt;
use std::str::FromStr;

use argon2::Argon2;
use argon2::password_hash::PasswordHasher as _;
use hallpass_config::Secret;

use crate::clients::secret::{LiveSecret, generate, is_generated};
use crate::error::Error;

const SHA256: &str = "$sha256$";
/// Longest text that is looked at, in bytes; ours have some 100.
const MAX_BYTES: usize = 512;

/// The digest of a client secret, as `client-secret-digest` and `hallpass client hash` have it.
///
/// `Display` writes that text and `FromStr` reads it; `Debug` hides it, since who has the digest of a chosen secret can
/// try out guesses.
#[derive(Clone)]
pub struct SecretDigest {
    verifier: Box<str>,
    live: LiveSecret,
}

impl SecretDigest {
    /// The digest of `secret`: SHA-256 when it has the shape of a generated one, else argon2id with 19 MiB, 2 passes and a
    /// random salt, which costs some 16 ms. That the secret is not empty or easy to guess is not checked.
    ///
    /// # Errors
    /// [`Error::Internal`] when there are no random bytes for a salt.
    pub fn of(secret: &Secret) -> Result<Self, Error> {
        let secret = secret.expose();
        let defect = Error::Internal {
            operation: "hashing a client secret",
        };
        let live = if is_generated(secret) {
            LiveSecret::generated(secret)
        } else {
            let hash = Argon2::default().hash_password(secret.as_bytes()).ok();
            hash.and_then(|hash| LiveSecret::from_stored("chosen", &hash.to_string()))
        };
        live.and_then(Self::from_live).ok_or(defect)
    }

    /// A new secret of 256 bits (`hallpass_` and 43 base64url characters) and its digest.
    ///
    /// # Errors
    /// [`Error::Internal`] when there are no random bytes.
    pub fn generate() -> Result<(Secret, Self), Error> {
        let secret = Secret::new(generate()?.as_str());
        let digest = Self::of(&secret)?;
        Ok((secret, digest))
    }

    /// Whether it is the digest of a secret that a person may have chosen.
    #[must_use]
    pub fn is_of_chosen(&self) -> bool {
        self.live.is_costly()
    }

    /// What a presented secret is compared with.
    pub(crate) fn to_live(&self) -> LiveSecret {
        self.live.clone()
    }

    fn from_live(live: LiveSecret) -> Option<Self> {
        let (_kind, verifier) = live.to_stored()?;
        Some(Self {
            verifier: verifier.into(),
            live,
        })
    }
}

impl FromStr for SecretDigest {
    type Err = &'static str;

    /// Refuses an argon2id hash that demands more than 19 MiB or 10 passes: each check of a secret would cost that.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let live = match text.strip_prefix(SHA256) {
            _ if text.len() > MAX_BYTES => None,
            Some(digest) => LiveSecret::from_stored("generated", digest),
            None => LiveSecret::from_stored("chosen", text),
        };
        live.and_then(Self::from_live).ok_or(
            "must be what `hallpass client hash` prints: $sha256$ and 43 base64url characters, or $argon2id$ with \
             v=19, m=19456 and t=10 at most",
        )
    }
}

impl fmt::Display for SecretDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_of_chosen() {
            f.write_str(SHA256)?;
        }
        f.write_str(&self.verifier)
    }
}

impl fmt::Debug for SecretDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GENERATED: &str = "hallpass_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

    #[test]
    fn a_digest_says_its_kind_and_reads_back() {
        let generated = SecretDigest::of(&Secret::new(GENERATED)).unwrap();
        assert_eq!(
            generated.to_string(),
            "$sha256$d19WLl-yhtYfi3_YW4R5rpimc3JdJqrSdDd9dCEu4Tg"
        );
        let chosen = SecretDigest::of(&Secret::new("chosen by me")).unwrap();
        let text = chosen.to_string();
        assert!(
            text.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{text}"
        );
        for digest in [generated, chosen] {
            let read: SecretDigest = digest.to_string().parse().unwrap();
            assert_eq!(read.to_string(), digest.to_string());
            assert_eq!(read.is_of_chosen(), digest.is_of_chosen());
            assert_eq!(format!("{read:?}"), "***");
        }
    }

    #[test]
    fn two_digests_of_one_chosen_secret_differ_by_their_salt() {
        let secret = Secret::new("chosen by me");
        let digest = || SecretDigest::of(&secret).unwrap().to_string();
        assert_ne!(digest(), digest());
    }

    #[test]
    fn a_text_that_is_no_digest_or_costs_too_much_is_refused() {
        let good = SecretDigest::of(&Secret::new("chosen by me")).unwrap();
        let good = good.to_string();
        for bad in [
            String::new(),
            "chosen by me".to_owned(),
            GENERATED.to_owned(),
            "$sha256$".to_owned(),
            "$sha256$d19WLl".to_owned(),
            "$sha256$d19WLl-yhtYfi3_YW4R5rpimc3JdJqrSdDd9dCEu4Tg=".to_owned(),
            good.replace("m=19456", "m=4194304"),
            good.replace("t=2", "t=11"),
            good.replace("argon2id", "argon2i"),
            format!("{{argon2}}{good}"),
            good.repeat(10),
        ] {
            assert!(bad.parse::<SecretDigest>().is_err(), "{bad}");
        }
    }
}
