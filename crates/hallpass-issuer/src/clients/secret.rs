//! Client secrets: how each kind is kept and checked.
//!
//! A secret made by [`generate`] has 256 bits, so one SHA-256 digest protects it wherever it is kept. What a person chose
//! can be guessed by whoever has its hash. In the store, and as a digest of the settings, it is kept with argon2id; since that costs milliseconds, the first
//! positive check is remembered under a key that exists only in this process. A chosen secret that the settings have in clear is never
//! written, so it is kept as that HMAC from the start: whoever reads the memory of an issuer has its signing key and
//! the key of the HMAC as well, and the file with the secret itself lies beside it. Argon2id would cost memory and time, at
//! each start and for each wrong guess, and keep nothing from anybody. Online guesses are the throttle's business.

use std::cell::OnceCell;
use std::fmt;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use hallpass_token::UnixTime;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::clients::argon2id::{self, Buffers};
use crate::clients::secret_mark::SecretMark;
use crate::error::Error;
use crate::uses::Uses;

/// What a generated secret starts with, so that secret scanners and people recognise it.
const GENERATED_SECRET_PREFIX: &str = "hallpass_";
/// Entropy of a generated secret, in bytes.
const GENERATED_SECRET_BYTES: usize = 32;
/// The shortest secret that may be configured as generated: 128 bits in hexadecimal.
const MIN_GENERATED_CHARS: usize = 32;
/// An argon2id hash with a salt and a result that are made up.
const DECOY: &str = "$argon2id$v=19$m=19456,t=2,p=1$aGFsbHBhc3MtZGVjb3k$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
/// Length of a SHA-256 digest and of a tag.
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
    /// SHA-256 of a secret that cannot be guessed.
    Generated([u8; DIGEST_BYTES]),
    /// HMAC under the process key of a chosen secret of the settings. Its bytes alone: a tag has room for longer ones.
    Configured([u8; DIGEST_BYTES]),
    /// A chosen secret of the store; shared by all snapshots that have it, so that a reload does not lose what was remembered.
    Stored(Arc<Stored>),
}

struct Stored {
    /// The argon2id hash in PHC form.
    phc: Box<str>,
    /// HMAC under the process key of a presented secret, once it was found right.
    remembered: OnceLock<hmac::Tag>,
}

impl LiveSecret {
    /// A secret of the settings that a person chose; with the shape that [`generate`] gives it counts as generated.
    pub(crate) fn chosen(candidate: &Candidate<'_>) -> Self {
        Self::from(if is_generated(candidate.secret) {
            Verifier::Generated(*candidate.digest())
        } else {
            Verifier::Configured(digest_of(candidate.tag()))
        })
    }

    /// A secret that is said to be generated; `None` below [`MIN_GENERATED_CHARS`].
    pub(crate) fn generated(secret: &str) -> Option<Self> {
        (secret.len() >= MIN_GENERATED_CHARS).then(|| Verifier::Generated(sha256(secret)).into())
    }

    /// This secret; when it is one of `known`, with what the earlier snapshot remembers of it.
    pub(crate) fn or_known(mut self, known: &[Self]) -> Self {
        let Verifier::Stored(new) = &self.verifier else {
            return self;
        };
        let kept = known.iter().find_map(|known| match &known.verifier {
            Verifier::Stored(old) if old.phc == new.phc => Some(Arc::clone(old)),
            Verifier::Stored(_) | Verifier::Configured(_) | Verifier::Generated(_) => None,
        });
        if let Some(kept) = kept {
            self.verifier = Verifier::Stored(kept);
        }
        self
    }

    /// What is kept of it; `None` for one that the settings have in clear, of which nothing is kept that outlives the process.
    fn kept(&self) -> Option<&[u8]> {
        match &self.verifier {
            Verifier::Generated(digest) => Some(digest),
            Verifier::Stored(stored) => Some(stored.phc.as_bytes()),
            Verifier::Configured(_) => None,
        }
    }

    /// What it is called where its use is noted.
    pub(crate) fn mark(&self) -> Option<SecretMark> {
        self.kept().map(SecretMark::of_kept)
    }

    /// It was right at `now`, for this client.
    pub(crate) fn note_use(&self, client_id: &str, now: UnixTime, uses: &Uses) {
        if let Some(kept) = self.kept() {
            uses.saw_secret(client_id, (kept, self.not_after.is_some()), now);
        }
    }

    /// The same secret, invalid from `not_after` on.
    pub(crate) fn until(mut self, not_after: Option<UnixTime>) -> Self {
        self.not_after = not_after;
        self
    }

    /// Whether a check of this secret may cost an argon2id run.
    pub(crate) const fn is_costly(&self) -> bool {
        matches!(self.verifier, Verifier::Stored(_))
    }

    /// Whether this is a chosen secret of the store that was not found right yet in this process.
    pub(crate) fn is_unproven(&self) -> bool {
        match &self.verifier {
            Verifier::Generated(_) | Verifier::Configured(_) => false,
            Verifier::Stored(stored) => stored.remembered.get().is_none(),
        }
    }

    /// Whether the secret is valid at `now`.
    pub(crate) fn is_live(&self, now: UnixTime) -> bool {
        self.not_after.is_none_or(|end| now < end)
    }

    /// Kind and verifier as the store keeps them; `None` for a secret of the settings, which is never stored.
    pub(crate) fn to_stored(&self) -> Option<(&'static str, String)> {
        match &self.verifier {
            Verifier::Generated(digest) => Some(("generated", BASE64URL.encode(digest))),
            Verifier::Stored(stored) => Some(("chosen", stored.phc.to_string())),
            Verifier::Configured(_) => None,
        }
    }

    /// Reads back what [`Self::to_stored`] gave; `None` when it is damaged, or costs more than a check may.
    pub(crate) fn from_stored(kind: &str, verifier: &str) -> Option<Self> {
        match kind {
            "generated" => {
                let digest = BASE64URL.decode(verifier).ok()?.try_into().ok()?;
                Some(Verifier::Generated(digest).into())
            }
            "chosen" if argon2id::is_usable(verifier) => Some(Self::from_phc(verifier)),
            _ => None,
        }
    }

    fn from_phc(phc: &str) -> Self {
        let stored = Stored {
            phc: phc.into(),
            remembered: OnceLock::new(),
        };
        Verifier::Stored(Arc::new(stored)).into()
    }

    /// Whether this is a generated secret, and `candidate` is it. In constant time.
    pub(crate) fn matches_generated(&self, candidate: &Candidate<'_>) -> bool {
        let (own, is_generated) = match &self.verifier {
            Verifier::Generated(digest) => (digest, true),
            // The same work for every kind.
            Verifier::Configured(_) | Verifier::Stored(_) => (&[0; DIGEST_BYTES], false),
        };
        let same = bool::from(own.ct_eq(candidate.digest()));
        same && is_generated
    }

    /// Compares a chosen secret with `candidate` in constant time, without any costly hash.
    ///
    /// `false` for one of the store that was not found right before in this process.
    pub(crate) fn matches_chosen(&self, candidate: &Candidate<'_>) -> bool {
        let tag = match &self.verifier {
            Verifier::Generated(_) => None,
            Verifier::Configured(tag) => Some(tag.as_slice()),
            Verifier::Stored(stored) => stored.remembered.get().map(AsRef::as_ref),
        };
        let own = tag.unwrap_or(&[0; DIGEST_BYTES]);
        let same = bool::from(own.ct_eq(candidate.tag().as_ref()));
        same && tag.is_some()
    }

    /// Runs argon2id over `candidate`. Costs some 16 ms of one core: call it off the async threads.
    pub(crate) fn matches_costly(&self, candidate: &Candidate<'_>, buffers: &Buffers) -> bool {
        match &self.verifier {
            Verifier::Generated(_) | Verifier::Configured(_) => false,
            Verifier::Stored(stored) => buffers.verify(candidate.secret, &stored.phc),
        }
    }

    /// Remembers that `candidate` is right, so that the next check is cheap.
    pub(crate) fn remember(&self, candidate: &Candidate<'_>) {
        if let Verifier::Stored(stored) = &self.verifier {
            // A second positive check of the same hash gives the same tag: the first one may stay.
            let _ = stored.remembered.set(*candidate.tag());
        }
    }

    /// A chosen secret as the store has it.
    #[cfg(test)]
    pub(crate) fn stored(secret: &str) -> Self {
        use argon2::password_hash::PasswordHasher as _;
        let hash = argon2::Argon2::default().hash_password(secret.as_bytes());
        Self::from_phc(&hash.unwrap().to_string())
    }
}

impl From<Verifier> for LiveSecret {
    fn from(verifier: Verifier) -> Self {
        Self {
            verifier,
            not_after: None,
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

    fn digest(&self) -> &[u8; DIGEST_BYTES] {
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

/// Stands in for the secrets of a client that does not exist; with `costly`, checked by argon2id.
///
/// It need not be secret: where there is no client, the result of a comparison is not looked at.
pub(crate) fn decoy(costly: bool) -> LiveSecret {
    if costly {
        LiveSecret::from_phc(DECOY)
    } else {
        Verifier::Generated([0; DIGEST_BYTES]).into()
    }
}

/// Fills `bytes` from the operating system's generator.
fn random(bytes: &mut [u8]) -> Result<(), Error> {
    aws_lc_rs::rand::fill(bytes).map_err(|_| Error::Internal {
        operation: "drawing random bytes",
    })
}

fn sha256(secret: &str) -> [u8; DIGEST_BYTES] {
    digest_of(&digest::digest(&digest::SHA256, secret.as_bytes()))
}

/// Of a digest or a tag of SHA-256, which has so many bytes.
fn digest_of(made: &impl AsRef<[u8]>) -> [u8; DIGEST_BYTES] {
    let mut bytes = [0; DIGEST_BYTES];
    bytes.copy_from_slice(made.as_ref());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(live: &LiveSecret, secret: &str, key: &hmac::Key) -> bool {
        let candidate = Candidate::new(secret, key);
        live.matches_generated(&candidate) || live.matches_chosen(&candidate)
    }

    fn matches_after_argon2id(live: &LiveSecret, secret: &str) -> bool {
        let key = process_key().unwrap();
        live.matches_costly(&Candidate::new(secret, &key), &Buffers::default())
    }

    fn new_generated() -> (Zeroizing<String>, LiveSecret) {
        let secret = generate().unwrap();
        let live = LiveSecret::generated(&secret).unwrap();
        (secret, live)
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
    fn every_bit_of_a_generated_secret_is_drawn() {
        let draw = |_| {
            let secret = generate().unwrap();
            let text = secret.strip_prefix(GENERATED_SECRET_PREFIX).unwrap();
            BASE64URL.decode(text).unwrap()
        };
        let draws: Vec<Vec<u8>> = (0..64).map(draw).collect();
        for place in 0..GENERATED_SECRET_BYTES {
            // A bit that is drawn is the same in all of them once in 2^63 runs.
            let bytes = || draws.iter().map(|bytes| bytes[place]);
            assert_eq!(bytes().fold(0, |all, byte| all | byte), u8::MAX);
            assert_eq!(bytes().fold(u8::MAX, |all, byte| all & byte), 0);
        }
    }

    #[test]
    fn of_a_generated_secret_its_sha256_is_kept_and_nothing_else() {
        let live = LiveSecret::generated("hallpass_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
        assert_eq!(
            live.unwrap().to_stored(),
            Some((
                "generated",
                "d19WLl-yhtYfi3_YW4R5rpimc3JdJqrSdDd9dCEu4Tg".to_owned()
            ))
        );
    }

    #[test]
    fn each_kind_of_secret_and_each_decoy_costs_the_same_hashes() {
        let key = process_key().unwrap();
        let chosen = LiveSecret::chosen(&Candidate::new("chosen by me", &key));
        let kinds = [
            new_generated().1,
            chosen,
            LiveSecret::stored("chosen by me"),
            decoy(false),
            decoy(true),
        ];
        for live in kinds {
            let candidate = Candidate::new("wrong", &key);
            assert!(!live.matches_generated(&candidate));
            assert!(candidate.digest.get().is_some() && candidate.tag.get().is_none());
            assert!(!live.matches_chosen(&candidate));
            assert!(candidate.tag.get().is_some());
        }
    }

    #[test]
    fn a_generated_secret_is_kept_as_one_digest_and_checked_cheaply() {
        let key = process_key().unwrap();
        let (secret, live) = new_generated();
        assert!(!live.is_costly());
        assert!(matches(&live, &secret, &key));
        assert!(!matches(&live, &generate().unwrap(), &key));
        assert!(!matches(&live, "", &key));
    }

    #[test]
    fn a_chosen_secret_of_the_store_is_kept_with_argon2id_and_cheap_only_after_a_positive_check() {
        let key = process_key().unwrap();
        let live = LiveSecret::stored("InternalSecret123!");
        assert!(live.is_costly());
        assert!(
            live.to_stored()
                .unwrap()
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
        let (secret, live) = new_generated();
        let (kind, verifier) = live.to_stored().unwrap();
        assert!(matches(
            &LiveSecret::from_stored(kind, &verifier).unwrap(),
            &secret,
            &key
        ));
        let (kind, verifier) = LiveSecret::stored("chosen by me").to_stored().unwrap();
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
    fn a_chosen_secret_of_the_settings_costs_no_hash_is_never_stored_and_ends_with_the_process() {
        let key = process_key().unwrap();
        let live = LiveSecret::chosen(&Candidate::new("chosen by me", &key));
        assert!(!live.is_costly());
        assert!(matches(&live, "chosen by me", &key));
        assert!(!matches(&live, "chosen by you", &key));
        assert!(!matches(&live, "chosen by me", &process_key().unwrap()));
        assert!(live.to_stored().is_none());
    }

    #[test]
    fn one_read_back_keeps_what_was_remembered() {
        let key = process_key().unwrap();
        let candidate = Candidate::new("chosen by me", &key);
        let before = LiveSecret::stored("chosen by me");
        let (kind, verifier) = before.to_stored().unwrap();
        before.remember(&candidate);
        let read_back = LiveSecret::from_stored(kind, &verifier).unwrap();
        assert!(!matches(&read_back, "chosen by me", &key));
        let kept = read_back.or_known(std::slice::from_ref(&before));
        assert!(matches(&kept, "chosen by me", &key));
    }

    #[test]
    fn one_that_was_replaced_lends_nothing_to_its_successor() {
        let key = process_key().unwrap();
        let before = LiveSecret::stored("chosen by me");
        before.remember(&Candidate::new("chosen by me", &key));
        let changed = LiveSecret::stored("chosen later").or_known(std::slice::from_ref(&before));
        assert!(!matches(&changed, "chosen by me", &key));
        assert!(!matches_after_argon2id(&changed, "chosen by me"));
        assert!(matches_after_argon2id(&changed, "chosen later"));
    }

    #[test]
    fn the_decoys_match_nothing_and_the_costly_one_costs_a_run() {
        let key = process_key().unwrap();
        for costly in [false, true] {
            assert_eq!(decoy(costly).is_costly(), costly);
            assert!(!matches(&decoy(costly), "", &key));
        }
        assert!(argon2id::is_usable(DECOY));
        assert!(!matches_after_argon2id(&decoy(true), ""));
    }

    #[test]
    fn a_previous_secret_dies_at_its_end() {
        let live = new_generated().1.until(Some(UnixTime::from_secs(100)));
        assert!(live.is_live(UnixTime::from_secs(99)));
        assert!(!live.is_live(UnixTime::from_secs(100)));
    }

    #[test]
    fn no_secret_and_no_verifier_is_printed() {
        let live = LiveSecret::stored("InternalSecret123!");
        let printed = format!("{live:?}");
        assert!(
            !printed.contains("argon2") && !printed.contains("Internal"),
            "{printed}"
        );
    }
}
