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
const ARGON2: &str = "$argon2";
/// What Spring's password encoders write before a PHC string of argon2id.
const ARGON2_OF_SPRING: [&str; 3] = [
    "{argon2@SpringSecurity_v5_8}",
    "{argon2@SpringSecurity_v5_2}",
    "{argon2}",
];
/// What they write before a secret in clear.
const CLEAR_OF_SPRING: &str = "{noop}";
/// What begins other hashes of theirs, with their prefix or without.
const OTHER_HASHES: [&str; 13] = [
    "{bcrypt}",
    "{pbkdf2",
    "{scrypt",
    "{argon2",
    "{sha256}",
    "{SHA-256}",
    "{SHA-1}",
    "{MD5}",
    "{MD4}",
    "{ldap}",
    "$2a$",
    "$2b$",
    "$2y$",
];
const NOT_CHECKED: &str = "is a hash that is not checked here: only argon2id and `$sha256$` are. The client has its secret, so \
    make another digest of it with `hallpass client hash`, or give both a new one with `--generate`";
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

    /// The digest of a random secret that another program has made: SHA-256, whatever its shape. `None` below 32 bytes. How
    /// random it is cannot be checked, and one digest protects only what cannot be guessed.
    #[must_use]
    pub fn of_random(secret: &Secret) -> Option<Self> {
        LiveSecret::generated(secret.expose()).and_then(Self::from_live)
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

    /// What is kept of a live secret; `None` for one of the settings that is in clear there.
    pub(crate) fn from_live(live: LiveSecret) -> Option<Self> {
        let (_kind, verifier) = live.to_stored()?;
        Some(Self {
            verifier: verifier.into(),
            live,
        })
    }
}

impl FromStr for SecretDigest {
    type Err = &'static str;

    /// Refuses an argon2id hash that demands more than 19 MiB or 10 passes: each check of a secret would cost that. One that
    /// Spring's `Argon2PasswordEncoder` made is read with its prefix (`{argon2@SpringSecurity_v5_8}`) and without.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut prefixes = ARGON2_OF_SPRING.iter();
        let text = prefixes
            .find_map(|prefix| text.strip_prefix(prefix))
            .unwrap_or(text);
        if text.starts_with(CLEAR_OF_SPRING) {
            return Err(
                "is a secret in clear (`{noop}`): give it as the secret, without `{noop}`, or make a digest of it with \
                 `hallpass client hash`",
            );
        }
        if OTHER_HASHES.iter().any(|begin| text.starts_with(begin)) {
            return Err(NOT_CHECKED);
        }
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

/// Why a text that is given as a secret in clear is none; `None` for all others. Taken as it stands it would be the secret,
/// and whoever may read it could use it.
pub(crate) fn check_clear(secret: &Secret) -> Option<&'static str> {
    let text = secret.expose();
    if text.starts_with(CLEAR_OF_SPRING) {
        return Some(
            "begins with `{noop}`, which Spring writes before a secret in clear: leave it out",
        );
    }
    if OTHER_HASHES.iter().any(|begin| text.starts_with(begin)) && !is_argon2(text) {
        return Some(NOT_CHECKED);
    }
    (is_argon2(text) || text.starts_with(SHA256))
        .then_some("is a digest of a secret: give it with the key that ends in `-digest`")
}

fn is_argon2(text: &str) -> bool {
    let mut prefixes = ARGON2_OF_SPRING.iter();
    let is_of_spring = prefixes.any(|prefix| text.starts_with(prefix));
    is_of_spring || text.starts_with(ARGON2)
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
            good.repeat(10),
        ] {
            assert!(bad.parse::<SecretDigest>().is_err(), "{bad}");
        }
    }

    /// Made by Spring Security's `Argon2PasswordEncoder.defaultsForSpringSecurity_v5_8()`, except for the salt and the hash.
    #[test]
    fn an_argon2id_hash_of_spring_is_read_with_its_prefix() {
        let hash = "$argon2id$v=19$m=16384,t=2,p=1$aGFsbHBhc3MtZGVjb3k$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        for prefix in ["", "{argon2}", "{argon2@SpringSecurity_v5_8}"] {
            let read: SecretDigest = format!("{prefix}{hash}").parse().unwrap();
            assert_eq!(read.to_string(), hash);
        }
    }

    #[test]
    fn other_forms_of_springs_password_encoders_say_what_to_do() {
        let refused = |text: &str| text.parse::<SecretDigest>().unwrap_err();
        assert!(refused("{noop}hunter2").contains("without `{noop}`"));
        for hash in [
            "{bcrypt}$2a$10$dXJ3SW6G7P50lGmMkkmwe.20cQQubK3.HZWzG3YB1tlRy.fqvM/BG",
            "$2a$10$dXJ3SW6G7P50lGmMkkmwe.20cQQubK3.HZWzG3YB1tlRy.fqvM/BG",
            "{pbkdf2@SpringSecurity_v5_8}0a1b",
            "{scrypt@SpringSecurity_v5_8}$e0801$8bWJ",
        ] {
            assert!(refused(hash).contains("hallpass client hash"), "{hash}");
            let clear = check_clear(&Secret::new(hash)).unwrap();
            assert!(clear.contains("hallpass client hash"), "{hash}");
        }
        let clear = |text: &str| check_clear(&Secret::new(text));
        assert!(clear("{noop}hunter2").unwrap().contains("leave it out"));
        for digest in [
            "$sha256$d19WLl-yhtYfi3_YW4R5rpimc3JdJqrSdDd9dCEu4Tg",
            "$argon2id$v=19$m=16384,t=2,p=1$aGFs$AAAA",
            "{argon2}$argon2id$v=19$m=16384,t=2,p=1$aGFs$AAAA",
        ] {
            assert!(clear(digest).unwrap().contains("`-digest`"), "{digest}");
        }
        for secret in ["hunter2", "$2", "{x}y", "{noop", GENERATED] {
            assert_eq!(clear(secret), None);
        }
    }

    #[test]
    fn a_random_secret_of_another_program_costs_one_digest() {
        let random = Secret::new("0123456789abcdef0123456789abcdef");
        let digest = SecretDigest::of_random(&random).unwrap();
        assert!(digest.to_string().starts_with("$sha256$") && !digest.is_of_chosen());
        assert!(SecretDigest::of_random(&Secret::new("too short")).is_none());
    }
}
