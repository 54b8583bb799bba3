//! What an issuer has taken back before its end: the entries of its deny-list, and whether one of them denies a token.
//!
//! An entry names nobody: it holds a digest of what it denies. Who holds a token computes the same digests from it.

mod held;

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;
use serde::de::{self, Deserialize, Deserializer};
use serde::{Serialize, Serializer};

use self::held::{Held, HeldEntries};
use crate::base64url;
use crate::claims::TokenClaims;
use crate::name::{ClientId, KeyId};
use crate::time::UnixTime;

const DIGEST_BYTES: usize = 16;

/// What an entry of a deny-list is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RevocationKind {
    /// One token, by its `jti`.
    Token,
    /// The tokens of a client, by `client_id`.
    Client,
    /// The tokens of a subject, by `sub`.
    Subject,
    /// What a key has signed, by `kid`.
    Key,
    /// What a later version denies by. Its digests are those of no token here.
    #[serde(other)]
    Other,
}

impl RevocationKind {
    /// Each that is known.
    pub const EVERY: [Self; 4] = [Self::Token, Self::Client, Self::Subject, Self::Key];

    /// Its name on the wire, in the store and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Client => "client",
            Self::Subject => "subject",
            Self::Key => "key",
            Self::Other => "other",
        }
    }
}

/// What stands on the list instead of a name: the first 16 bytes of SHA-256 over kind, a zero byte, and the name.
///
/// Its text is base64url, 22 characters. Who guesses a name can tell whether it is meant; an identifier that is random, as a
/// `jti` is, cannot be guessed.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RevocationDigest([u8; DIGEST_BYTES]);

/// A text that is no [`RevocationDigest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no digest: 22 characters of base64url")]
pub struct InvalidRevocationDigest;

impl RevocationDigest {
    /// The digest of `name`, which is something else for each kind.
    #[must_use]
    pub fn new(kind: RevocationKind, name: &str) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(kind.as_str().as_bytes());
        context.update(&[0]);
        context.update(name.as_bytes());
        let whole = context.finish();
        let mut half = [0; DIGEST_BYTES];
        for (to, from) in half.iter_mut().zip(whole.as_ref()) {
            *to = *from;
        }
        Self(half)
    }
}

impl fmt::Display for RevocationDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64url::encode(&self.0))
    }
}

impl fmt::Debug for RevocationDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RevocationDigest({self})")
    }
}

impl FromStr for RevocationDigest {
    type Err = InvalidRevocationDigest;

    fn from_str(text: &str) -> Result<Self, InvalidRevocationDigest> {
        base64url::decode_array(text)
            .map(Self)
            .map_err(|_| InvalidRevocationDigest)
    }
}

impl Serialize for RevocationDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RevocationDigest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// One entry of a deny-list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Revocation {
    /// What it is about.
    pub kind: RevocationKind,
    /// Which one.
    pub digest: RevocationDigest,
    /// Only tokens that were issued before this are denied (`iat`, compared strictly; both come of the issuer's clock).
    /// `None`: all of them, also those that are still to come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_before: Option<UnixTime>,
    /// When the entry ends.
    pub ends_at: UnixTime,
}

/// The digests of a token, computed once for as many questions as there will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevocationMarks {
    token: Option<RevocationDigest>,
    client: Option<RevocationDigest>,
    subject: RevocationDigest,
    key: Option<RevocationDigest>,
    issued_at: Option<UnixTime>,
}

impl RevocationMarks {
    /// The marks of a token with these claims, signed with the key of this name.
    #[must_use]
    pub fn of(claims: &TokenClaims, key_id: Option<&KeyId>) -> Self {
        let mark = |kind| move |name: &str| RevocationDigest::new(kind, name);
        let token = claims.token_id.as_ref().map(|id| id.as_str());
        let client = claims.client_id.as_ref().map(|id| id.as_str());
        Self {
            token: token.map(mark(RevocationKind::Token)),
            client: client.map(mark(RevocationKind::Client)),
            subject: mark(RevocationKind::Subject)(claims.subject.as_str()),
            key: key_id.map(|id| mark(RevocationKind::Key)(id.as_str())),
            issued_at: claims.issued_at,
        }
    }

    /// The same of a token that names its client elsewhere than in `client_id`.
    #[must_use]
    pub fn with_client(mut self, client: Option<&ClientId>) -> Self {
        let mark = |id: &ClientId| RevocationDigest::new(RevocationKind::Client, id.as_str());
        self.client = client.map(mark).or(self.client);
        self
    }
}

/// A deny-list: one look-up for each mark of a token, some tens of bytes an entry.
///
/// A clone shares what it has with its origin, and a change copies a small part of it: the next list, with one entry more, costs a
/// few microseconds however long the list is.
///
/// ```
/// use hallpass_token::{
///     Revocation, RevocationDigest, RevocationKind, RevocationList, RevocationMarks, TokenClaims, UnixTime,
/// };
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let now = UnixTime::from_secs(1_700_000_000);
/// let end = UnixTime::from_secs(1_700_000_600);
/// let mut list = RevocationList::default();
/// list.put(&Revocation {
///     kind: RevocationKind::Subject,
///     digest: RevocationDigest::new(RevocationKind::Subject, "order-service"),
///     issued_before: None,
///     ends_at: end,
/// });
/// let claims = TokenClaims::new("internal".parse()?, "order-service".parse()?, "logistics-service".parse()?, end);
/// let marks = RevocationMarks::of(&claims, None);
/// assert_eq!(list.denies(&marks, now), Some(RevocationKind::Subject));
/// assert_eq!(list.denies(&marks, end), None);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct RevocationList {
    held: HeldEntries,
}

const NO_BOUND: u64 = u64::MAX;

impl RevocationList {
    /// Most entries that a list should have: some 50 MB. Who fills one holds to it; [`put`](Self::put) does not.
    pub const MAX_ENTRIES: usize = 1_000_000;

    /// Adds an entry. One that is there already for the same is never weakened: the list denies afterwards what either denied.
    /// Gives whether the list denies more than before.
    pub fn put(&mut self, entry: &Revocation) -> bool {
        self.held.add(entry.digest.0, held_of(entry))
    }

    /// Whether [`put`](Self::put) would change nothing.
    #[must_use]
    pub fn covers(&self, entry: &Revocation) -> bool {
        let held = self.held.get(entry.digest.0);
        held.is_some_and(|held| held.and(held_of(entry)) == held)
    }

    /// Forgets the entries that have ended.
    pub fn forget_ended(&mut self, now: UnixTime) {
        self.held.forget_ended(now.as_secs());
    }

    /// How many entries there are, those included that have ended and were not forgotten yet.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.held.len() == 0
    }

    /// Why a token with these marks is denied at `now`; `None` when it is not.
    #[must_use]
    pub fn denies(&self, marks: &RevocationMarks, now: UnixTime) -> Option<RevocationKind> {
        if self.is_empty() {
            return None;
        }
        let asked = [
            (RevocationKind::Key, marks.key),
            (RevocationKind::Client, marks.client),
            (RevocationKind::Subject, Some(marks.subject)),
            (RevocationKind::Token, marks.token),
        ];
        let denied = |digest: RevocationDigest| {
            let held = self.held.get(digest.0);
            held.is_some_and(|held| denies(held, marks.issued_at, now))
        };
        asked
            .into_iter()
            .find_map(|(kind, digest)| denied(digest?).then_some(kind))
    }

    /// Whether everything about `digest` is denied at `now`, also what is issued later.
    #[must_use]
    pub fn denies_all(&self, digest: &RevocationDigest, now: UnixTime) -> bool {
        let held = self.held.get(digest.0);
        held.is_some_and(|held| held.issued_before == NO_BOUND && denies(held, None, now))
    }
}

fn held_of(entry: &Revocation) -> Held {
    Held {
        issued_before: entry.issued_before.map_or(NO_BOUND, UnixTime::as_secs),
        ends_at: entry.ends_at.as_secs(),
    }
}

fn denies(held: Held, issued_at: Option<UnixTime>, now: UnixTime) -> bool {
    let is_alive = now.as_secs() < held.ends_at;
    // A token that does not say when it was issued could be as old as any.
    is_alive && issued_at.is_none_or(|at| at.as_secs() < held.issued_before)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

    fn claims() -> TokenClaims {
        let end = NOW.saturating_add(Duration::from_secs(600));
        let name = "order-service";
        let mut claims = TokenClaims::new(
            "internal".parse().unwrap(),
            name.parse().unwrap(),
            "logistics-service".parse().unwrap(),
            end,
        );
        claims.client_id = Some("order-client".parse().unwrap());
        claims.token_id = Some("jti-1".parse().unwrap());
        claims.issued_at = Some(NOW);
        claims
    }

    fn entry(kind: RevocationKind, name: &str) -> Revocation {
        Revocation {
            kind,
            digest: RevocationDigest::new(kind, name),
            issued_before: None,
            ends_at: NOW.saturating_add(Duration::from_secs(10)),
        }
    }

    fn list(entry: Revocation) -> RevocationList {
        let mut list = RevocationList::default();
        assert!(list.put(&entry));
        list
    }

    #[test]
    fn a_token_is_denied_by_each_of_its_names_and_by_no_other() {
        let marks = RevocationMarks::of(&claims(), Some(&"kid-1".parse().unwrap()));
        for (kind, name) in [
            (RevocationKind::Token, "jti-1"),
            (RevocationKind::Client, "order-client"),
            (RevocationKind::Subject, "order-service"),
            (RevocationKind::Key, "kid-1"),
        ] {
            assert_eq!(list(entry(kind, name)).denies(&marks, NOW), Some(kind));
            let others = RevocationKind::EVERY.into_iter();
            for other in others.filter(|other| *other != kind) {
                assert_eq!(list(entry(other, name)).denies(&marks, NOW), None);
            }
        }
        assert_eq!(RevocationList::default().denies(&marks, NOW), None);
    }

    #[test]
    fn an_entry_counts_until_its_end_and_for_what_was_issued_before() {
        let mut entry = entry(RevocationKind::Client, "order-client");
        let marks = |issued_at| {
            let mut claims = claims();
            claims.issued_at = issued_at;
            RevocationMarks::of(&claims, None)
        };
        let denies = |entry, issued_at, now| list(entry).denies(&marks(issued_at), now).is_some();
        let second = Duration::from_secs(1);
        assert!(denies(
            entry,
            Some(NOW),
            entry.ends_at.saturating_sub(second)
        ));
        assert!(!denies(entry, Some(NOW), entry.ends_at));
        entry.issued_before = Some(NOW);
        assert!(!denies(entry, Some(NOW), NOW), "strictly before");
        assert!(denies(entry, Some(NOW.saturating_sub(second)), NOW));
        assert!(denies(entry, None, NOW), "nobody knows how old it is");
        assert!(!list(entry).denies_all(&entry.digest, NOW));
        entry.issued_before = None;
        assert!(list(entry).denies_all(&entry.digest, NOW));
        assert!(!list(entry).denies_all(&entry.digest, entry.ends_at));
    }

    #[test]
    fn an_entry_is_never_weakened_by_a_later_one() {
        let long = entry(RevocationKind::Client, "c");
        let mut short = long;
        short.issued_before = Some(NOW);
        short.ends_at = NOW;
        let mut list = list(long);
        assert!(list.covers(&short) && !list.put(&short));
        let longer = Revocation {
            ends_at: long.ends_at.saturating_add(Duration::from_secs(1)),
            ..short
        };
        assert!(!list.covers(&longer) && list.put(&longer));
        assert!(list.denies_all(&long.digest, long.ends_at));
        list.forget_ended(longer.ends_at);
        assert!(list.is_empty());
    }

    #[test]
    fn an_entry_is_written_as_others_can_read_it_and_read_strictly() {
        let mut entry = entry(RevocationKind::Client, "order-service");
        let json = serde_json::to_string(&entry).unwrap();
        let digest = entry.digest.to_string();
        // printf 'client\0order-service' | sha256sum | head -c 32 | xxd -r -p | base64
        assert_eq!(digest, "n5yHYnOL7hXbZ2_o5-Dnbw");
        assert_eq!(
            json,
            format!("{{\"kind\":\"client\",\"digest\":\"{digest}\",\"ends_at\":1700000010}}")
        );
        entry.issued_before = Some(NOW);
        let json = serde_json::to_string(&entry).unwrap();
        assert_eq!(serde_json::from_str::<Revocation>(&json).unwrap(), entry);
        for bad in [&digest[1..], &format!("{digest}="), &"é".repeat(11), ""] {
            assert_eq!(
                bad.parse::<RevocationDigest>(),
                Err(InvalidRevocationDigest)
            );
        }
        let later = json.replace("\"client\"", "\"tenant\"");
        let later: Revocation = serde_json::from_str(&later).unwrap();
        assert_eq!(later.kind, RevocationKind::Other);
    }
}
