//! Client secrets: how a generated and a chosen one are stored and checked.
//!
//! A secret made by [`generate`] has 256 bits, so one SHA-256 digest protects it and a check costs a fraction
//! of a microsecond. A secret that a person chose is stored with argon2id; since that costs milliseconds, the
//! first positive check is remembered under a key that exists only in this process. An HMAC under the same key
//! recognises a secret of the settings, so that a reload does not hash it again.

use std::cell::OnceCell;
use std::fmt;
use std::sync::{Arc, OnceLock};

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use hallpass_token::UnixTime;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::error::Error;

/// What a generated secret starts with, so that secret scanners and people recognise it.
const GENERATED_SECRET_PREFIX: &str = "hallpass_";
/// Entropy of a generated secret, in bytes.
const GENERATED_SECRET_BYTES: usize = 32;
/// The shortest secret that may be configured as generated: 128 bits in hexadecimal.
const MIN_GENERATED_CHARS: usize = 32;
/// Length of a SHA-256 digest.
const DIGEST_BYTES: usize = 32;

/// A new client secret of 256 bits: [`GENERATED_SECRET_PREFIX`] and 43 base64url characters.
pub(crate) fn generate() -> Result<Zeroizing<String>, Error> {
    let mut bytes = Zeroizing::new([0_u8; GENERATED_SECRET_BYTES]);
    random(bytes.as_mut())?;
    let mut secret = Zeroizing::new(String::with_capacity(64));
    secret.push_str(GENERATED_SECRET_PREFIX);
    BASE64URL.encode_string(bytes.as_ref(), &mut secret);
    Ok(secret)
}

/// Whether `secret` has the shape that [`generate`] gives, and so needs no costly hash.
pub(crate) fn is_generated(secret: &str) -> bool {
    secret
        .strip_prefix(GENERATED_SECRET_PREFIX)
        .and_then(|rest| BASE64URL.decode(rest).ok())
        .is_some_and(|bytes| bytes.len() == GENERATED_SECRET_BYTES)
}

/// One live secret of a client. A clone shares what the first one remembers.
#[derive(Clone)]
pub(crate) struct LiveSecret {
    verifier: Verifier,
    /// From this moment on the secret is invalid; `None` for the current one.
    not_after: Option<UnixTime>,
}

/// What is kept instead of the secret.
#[derive(Clone)]
enum Verifier {
    Generated([u8; DIGEST_BYTES]),
    /// Shared by all snapshots with this secret, so that a reload does not lose what was remembered.
    Chosen(Arc<Chosen>),
}

struct Chosen {
    /// The argon2id hash in PHC form.
    phc: Box<str>,
    /// HMAC under the process key of the configured secret that `phc` is the hash of; `None` for a secret of the store.
    hashed_from: Option<hmac::Tag>,
    /// HMAC under the process key of a presented secret, once it was found right.
    remembered: OnceLock<hmac::Tag>,
}

impl LiveSecret {
    /// Hashes `secret` for keeping: a digest when it has the generated shape, else argon2id.
    ///
    /// Costs some 16 ms of one core for a chosen secret: call it off the async threads.
    pub(crate) fn hash(secret: &str) -> Result<Self, Error> {
        if is_generated(secret) {
            return Ok(Self::of_digest(sha256(secret)));
        }
        Ok(Self::of_phc(argon2id(secret)?.into(), None))
    }

    /// [`Self::hash`] of a configured secret, which [`Self::was_hashed_from`] then recognises.
    pub(crate) fn hash_configured(candidate: &Candidate<'_>) -> Result<Self, Error> {
        if is_generated(candidate.secret) {
            return Ok(Self::of_digest(sha256(candidate.secret)));
        }
        let phc = argon2id(candidate.secret)?.into();
        Ok(Self::of_phc(phc, Some(*candidate.tag())))
    }

    /// Whether this is a chosen secret that [`Self::hash_configured`] from `candidate`, in this process.
    pub(crate) fn was_hashed_from(&self, candidate: &Candidate<'_>) -> bool {
        match &self.verifier {
            Verifier::Generated(_) => false,
            Verifier::Chosen(chosen) => chosen
                .hashed_from
                .is_some_and(|tag| tag.as_ref().ct_eq(candidate.tag().as_ref()).into()),
        }
    }

    /// This secret; when it is one of `known`, with what the earlier snapshot remembers of it.
    pub(crate) fn or_known(mut self, known: &[Self]) -> Self {
        let Verifier::Chosen(new) = &self.verifier else {
            return self;
        };
        let kept = known.iter().find_map(|known| match &known.verifier {
            Verifier::Chosen(old) if old.phc == new.phc => Some(Arc::clone(old)),
            Verifier::Chosen(_) | Verifier::Generated(_) => None,
        });
        if let Some(kept) = kept {
            self.verifier = Verifier::Chosen(kept);
        }
        self
    }

    /// Hashes a secret that is configured as generated with one digest; `None` below [`MIN_GENERATED_CHARS`].
    pub(crate) fn digest(secret: &str) -> Option<Self> {
        (secret.len() >= MIN_GENERATED_CHARS).then(|| Self::of_digest(sha256(secret)))
    }

    const fn of_digest(digest: [u8; DIGEST_BYTES]) -> Self {
        Self {
            verifier: Verifier::Generated(digest),
            not_after: None,
        }
    }

    fn of_phc(phc: Box<str>, hashed_from: Option<hmac::Tag>) -> Self {
        let chosen = Chosen {
            phc,
            hashed_from,
            remembered: OnceLock::new(),
        };
        Self {
            verifier: Verifier::Chosen(Arc::new(chosen)),
            not_after: None,
        }
    }

    /// The same secret, invalid from `not_after` on.
    pub(crate) fn until(mut self, not_after: Option<UnixTime>) -> Self {
        self.not_after = not_after;
        self
    }

    /// Whether a check of this secret costs an argon2id run.
    pub(crate) const fn is_costly(&self) -> bool {
        matches!(self.verifier, Verifier::Chosen(_))
    }

    /// Whether the secret is valid at `now`.
    pub(crate) fn is_live(&self, now: UnixTime) -> bool {
        self.not_after.is_none_or(|end| now < end)
    }

    /// Kind and verifier as the store keeps them.
    pub(crate) fn to_stored(&self) -> (&'static str, String) {
        match &self.verifier {
            Verifier::Generated(digest) => ("generated", BASE64URL.encode(digest)),
            Verifier::Chosen(chosen) => ("chosen", chosen.phc.to_string()),
        }
    }

    /// Reads back what [`Self::to_stored`] gave; `None` when it is damaged.
    pub(crate) fn from_stored(kind: &str, verifier: &str) -> Option<Self> {
        match kind {
            "generated" => {
                let digest = BASE64URL.decode(verifier).ok()?.try_into().ok()?;
                Some(Self::of_digest(digest))
            }
            "chosen" => {
                PasswordHash::new(verifier).ok()?;
                Some(Self::of_phc(verifier.into(), None))
            }
            _ => None,
        }
    }

    /// Compares with `candidate` in constant time, without any costly hash.
    ///
    /// `false` for a chosen secret that was not found right before in this process.
    pub(crate) fn matches_cheaply(&self, candidate: &Candidate<'_>) -> bool {
        match &self.verifier {
            Verifier::Generated(digest) => digest.ct_eq(candidate.digest()).into(),
            Verifier::Chosen(chosen) => chosen
                .remembered
                .get()
                .is_some_and(|tag| tag.as_ref().ct_eq(candidate.tag().as_ref()).into()),
        }
    }

    /// Runs argon2id over `candidate`. Costs some 16 ms of one core: call it off the async threads.
    pub(crate) fn matches_costly(&self, candidate: &Candidate<'_>) -> bool {
        match &self.verifier {
            Verifier::Generated(_) => false,
            Verifier::Chosen(chosen) => verify_argon2id(candidate.secret, &chosen.phc),
        }
    }

    /// Remembers that `candidate` is right, so that the next check is cheap.
    pub(crate) fn remember(&self, candidate: &Candidate<'_>) {
        if let Verifier::Chosen(chosen) = &self.verifier {
            // A second positive check of the same hash gives the same tag: the first one may stay.
            let _ = chosen.remembered.set(*candidate.tag());
        }
    }
}

impl fmt::Debug for LiveSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveSecret")
            .field("verifier", &"***")
            .field("not_after", &self.not_after)
            .finish()
    }
}

/// A secret that a caller presented, with its digests made once and only when they are needed.
pub(crate) struct Candidate<'a> {
    secret: &'a str,
    process_key: &'a hmac::Key,
    digest: OnceCell<[u8; DIGEST_BYTES]>,
    tag: OnceCell<hmac::Tag>,
}

impl<'a> Candidate<'a> {
    pub(crate) const fn new(secret: &'a str, process_key: &'a hmac::Key) -> Self {
        Self {
            secret,
            process_key,
            digest: OnceCell::new(),
            tag: OnceCell::new(),
        }
    }

    fn digest(&self) -> &[u8] {
        self.digest.get_or_init(|| sha256(self.secret))
    }

    fn tag(&self) -> &hmac::Tag {
        self.tag
            .get_or_init(|| hmac::sign(self.process_key, self.secret.as_bytes()))
    }
}

/// The key under which positive checks are remembered: random, never leaves the process.
pub(crate) fn process_key() -> Result<hmac::Key, Error> {
    let mut bytes = Zeroizing::new([0_u8; DIGEST_BYTES]);
    random(bytes.as_mut())?;
    Ok(hmac::Key::new(hmac::HMAC_SHA256, bytes.as_ref()))
}

/// A chosen-kind secret that nothing matches, to spend the same time on clients that do not exist.
pub(crate) fn costly_decoy() -> Result<LiveSecret, Error> {
    let mut bytes = Zeroizing::new([0_u8; GENERATED_SECRET_BYTES]);
    random(bytes.as_mut())?;
    let unguessable = Zeroizing::new(BASE64URL.encode(bytes.as_ref()));
    LiveSecret::hash(&unguessable)
}

/// Fills `bytes` from the operating system's generator.
fn random(bytes: &mut [u8]) -> Result<(), Error> {
    aws_lc_rs::rand::fill(bytes).map_err(|_| Error::Internal {
        operation: "drawing random bytes",
    })
}

fn sha256(secret: &str) -> [u8; DIGEST_BYTES] {
    let mut bytes = [0; DIGEST_BYTES];
    let digest = digest::digest(&digest::SHA256, secret.as_bytes());
    bytes.copy_from_slice(digest.as_ref());
    bytes
}

fn argon2id(secret: &str) -> Result<String, Error> {
    // The crate's defaults are the OWASP minimum for argon2id: 19 MiB, two passes, one lane.
    Argon2::default()
        .hash_password(secret.as_bytes())
        .map(|hash| hash.to_string())
        .map_err(|_| Error::Internal {
            operation: "hashing a client secret",
        })
}

fn verify_argon2id(secret: &str, phc: &str) -> bool {
    PasswordHash::new(phc).is_ok_and(|hash| {
        Argon2::default()
            .verify_password(secret.as_bytes(), &hash)
            .is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(live: &LiveSecret, secret: &str, key: &hmac::Key) -> bool {
        live.matches_cheaply(&Candidate::new(secret, key))
    }

    fn matches_after_argon2id(live: &LiveSecret, secret: &str) -> bool {
        live.matches_costly(&Candidate::new(secret, &process_key().unwrap()))
    }

    #[test]
    fn a_generated_secret_is_recognised_by_its_shape() {
        let secret = generate().unwrap();
        assert_eq!(secret.len(), GENERATED_SECRET_PREFIX.len() + 43);
        assert!(is_generated(&secret));
        for person in [
            "InternalSecret123!",
            "hallpass_",
            "hallpass_short",
            &secret[1..],
            &format!("{}A", *secret),
        ] {
            assert!(!is_generated(person), "{person}");
        }
    }

    #[test]
    fn a_generated_secret_is_kept_as_one_digest_and_checked_cheaply() {
        let key = process_key().unwrap();
        let secret = generate().unwrap();
        let live = LiveSecret::hash(&secret).unwrap();
        assert!(!live.is_costly());
        assert!(matches(&live, &secret, &key));
        assert!(!matches(&live, &generate().unwrap(), &key));
        assert!(!matches(&live, "", &key));
    }

    #[test]
    fn a_chosen_secret_is_kept_with_argon2id_and_cheap_only_after_a_positive_check() {
        let key = process_key().unwrap();
        let live = LiveSecret::hash("InternalSecret123!").unwrap();
        assert!(live.is_costly());
        assert!(
            live.to_stored()
                .1
                .starts_with("$argon2id$v=19$m=19456,t=2,p=1$")
        );
        assert!(
            !matches(&live, "InternalSecret123!", &key),
            "nothing is remembered yet"
        );
        assert!(matches_after_argon2id(&live, "InternalSecret123!"));
        assert!(!matches_after_argon2id(&live, "InternalSecret123"));
        live.remember(&Candidate::new("InternalSecret123!", &key));
        assert!(matches(&live, "InternalSecret123!", &key));
        assert!(!matches(&live, "InternalSecret123", &key));
        assert!(
            !matches(&live, "InternalSecret123!", &process_key().unwrap()),
            "the memory ends with the process"
        );
    }

    #[test]
    fn what_is_stored_reads_back_and_damage_does_not() {
        let key = process_key().unwrap();
        let secret = generate().unwrap();
        let (kind, verifier) = LiveSecret::hash(&secret).unwrap().to_stored();
        assert!(matches(
            &LiveSecret::from_stored(kind, &verifier).unwrap(),
            &secret,
            &key
        ));
        let (kind, verifier) = LiveSecret::hash("chosen by me").unwrap().to_stored();
        assert!(matches_after_argon2id(
            &LiveSecret::from_stored(kind, &verifier).unwrap(),
            "chosen by me"
        ));
        for (kind, verifier) in [
            ("generated", "AAAA"),
            ("chosen", "plain text"),
            ("other", ""),
        ] {
            assert!(LiveSecret::from_stored(kind, verifier).is_none());
        }
    }

    #[test]
    fn a_secret_of_the_settings_is_known_again_and_one_read_back_keeps_what_was_remembered() {
        let key = process_key().unwrap();
        let candidate = Candidate::new("chosen by me", &key);
        let configured = LiveSecret::hash_configured(&candidate).unwrap();
        assert!(configured.was_hashed_from(&candidate));
        assert!(!configured.was_hashed_from(&Candidate::new("chosen by you", &key)));
        let other_process = process_key().unwrap();
        assert!(!configured.was_hashed_from(&Candidate::new("chosen by me", &other_process)));
        assert!(
            !matches(&configured, "chosen by me", &key),
            "to recognise a configured secret is not a check of the caller"
        );

        let (kind, verifier) = configured.to_stored();
        let read_back = LiveSecret::from_stored(kind, &verifier).unwrap();
        assert!(!read_back.was_hashed_from(&candidate));
        configured.remember(&candidate);
        let kept = read_back.or_known(std::slice::from_ref(&configured));
        assert!(matches(&kept, "chosen by me", &key));
    }

    #[test]
    fn a_previous_secret_dies_at_its_end() {
        let live = LiveSecret::hash(&generate().unwrap())
            .unwrap()
            .until(Some(UnixTime::from_secs(100)));
        assert!(live.is_live(UnixTime::from_secs(99)));
        assert!(!live.is_live(UnixTime::from_secs(100)));
    }

    #[test]
    fn no_secret_and_no_verifier_is_printed() {
        let live = LiveSecret::hash("InternalSecret123!").unwrap();
        let printed = format!("{live:?}");
        assert!(
            !printed.contains("argon2") && !printed.contains("Internal"),
            "{printed}"
        );
    }
}
