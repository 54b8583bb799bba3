//! Tokens and evictions as they leave this process: sealed under the client's secret.

use hallpass_config::Secret;
use hallpass_token::{AccessToken, Sealer, UnixTime};

use super::moment::Moment;
use crate::internal_token_cache::eviction_notice::EvictionNotice;
use crate::internal_token_cache::{SealedToken, TokenKey};

/// Names the use of the key that tokens are sealed under.
const TOKEN_LABEL: &str = "hallpass token cache v1";
/// Names the use of the key that evictions are sealed under.
const NOTICE_LABEL: &str = "hallpass eviction notice v1";
/// Longest text that is opened: a token of 16 KiB, the most that is taken of an issuer, and its seal.
const MAX_SEALED_BYTES: usize = 24 * 1024;
/// Three numbers stand before the token.
const NUMBER_BYTES: usize = size_of::<u64>();

/// A token and what has to be known of it. Times are wall-clock, because tiers are shared between machines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredToken {
    pub(crate) access_token: AccessToken,
    /// Where it stands among tokens and evictions.
    pub(crate) moment: Moment,
    /// When it was requested.
    pub(crate) issued_at: UnixTime,
    pub(crate) expires_at: UnixTime,
}

/// What is said of evicted tokens: those of this moment and earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Evicted {
    /// All.
    UpTo(Moment),
    /// Those of the secret that the notice is sealed with, because another one took its place.
    OfOldSecret(Moment),
}

/// Seals with the secret of a credential that is in use; opens what was sealed with that one or with those before it. Keys are derived for
/// each use, some microseconds: that happens only where a tier is asked.
#[derive(Debug)]
pub(crate) struct Seals {
    newest: Secret,
    older: Vec<Secret>,
}

/// What was opened, and with which secret.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Opened<T> {
    pub(crate) content: T,
    pub(crate) by_newest: bool,
}

impl Seals {
    pub(crate) const fn new(newest: Secret, older: Vec<Secret>) -> Self {
        Self { newest, older }
    }

    /// `None` when the library could not.
    pub(crate) fn seal(&self, key: &TokenKey, token: &StoredToken) -> Option<SealedToken> {
        let plain = token.to_bytes();
        let sealed = sealer(&self.newest, key, TOKEN_LABEL)?.seal(&plain, &key.to_bytes());
        Some(SealedToken::from(sealed.ok()?))
    }

    /// `None` when it was sealed for another key or by somebody who does not know the secret.
    pub(crate) fn open(&self, key: &TokenKey, sealed: &SealedToken) -> Option<StoredToken> {
        let opened = self.open_as(key, sealed.as_str(), TOKEN_LABEL, StoredToken::from_bytes);
        Some(opened?.content)
    }

    pub(crate) fn notice(&self, key: &TokenKey, evicted: Evicted) -> Option<EvictionNotice> {
        let bytes = key.to_bytes();
        let sealer = sealer(&self.newest, key, NOTICE_LABEL)?;
        let sealed = sealer.seal(&evicted.to_bytes(), &bytes).ok()?;
        Some(EvictionNotice::new(bytes, sealed))
    }

    /// `None` when nobody who knows the secret has made it.
    pub(crate) fn open_notice(
        &self,
        key: &TokenKey,
        notice: &EvictionNotice,
    ) -> Option<Opened<Evicted>> {
        self.open_as(key, notice.sealed(), NOTICE_LABEL, Evicted::from_bytes)
    }

    fn open_as<T>(
        &self,
        key: &TokenKey,
        text: &str,
        label: &str,
        read: impl Fn(&[u8]) -> Option<T>,
    ) -> Option<Opened<T>> {
        if text.len() > MAX_SEALED_BYTES {
            return None;
        }
        let bytes = key.to_bytes();
        let older = self.older.iter().map(|secret| (secret, false));
        let mut secrets = std::iter::once((&self.newest, true)).chain(older);
        secrets.find_map(|(secret, by_newest)| {
            let plain = sealer(secret, key, label)?.open(text, &bytes)?;
            let content = read(&plain)?;
            Some(Opened { content, by_newest })
        })
    }
}

impl StoredToken {
    fn to_bytes(&self) -> Vec<u8> {
        let numbers = [
            self.moment.as_micros(),
            self.issued_at.as_secs(),
            self.expires_at.as_secs(),
        ];
        let mut bytes = Vec::with_capacity(3 * NUMBER_BYTES + self.access_token.expose().len());
        for number in numbers {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes.extend_from_slice(self.access_token.expose().as_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (moment, bytes) = number(bytes)?;
        let (issued_at, bytes) = number(bytes)?;
        let (expires_at, token) = number(bytes)?;
        Some(Self {
            access_token: AccessToken::new(std::str::from_utf8(token).ok()?),
            moment: Moment::from_micros(moment),
            issued_at: UnixTime::from_secs(issued_at),
            expires_at: UnixTime::from_secs(expires_at),
        })
    }
}

impl Evicted {
    fn to_bytes(self) -> Vec<u8> {
        let (kind, moment) = match self {
            Self::UpTo(moment) => (b'e', moment),
            Self::OfOldSecret(moment) => (b's', moment),
        };
        let mut bytes = moment.as_micros().to_be_bytes().to_vec();
        bytes.push(kind);
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (moment, kind) = number(bytes)?;
        let moment = Moment::from_micros(moment);
        match kind {
            b"e" => Some(Self::UpTo(moment)),
            b"s" => Some(Self::OfOldSecret(moment)),
            _ => None,
        }
    }
}

/// The number that `bytes` begin with, and the rest.
fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_at_checked(NUMBER_BYTES)?;
    Some((u64::from_be_bytes(number.try_into().ok()?), rest))
}

/// The salt is whose secret it is: two clients that were given the same secret have two keys.
fn sealer(secret: &Secret, key: &TokenKey, label: &str) -> Option<Sealer> {
    let mut salt = Vec::new();
    for part in [key.issuer(), key.client().as_str()] {
        salt.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        salt.extend_from_slice(part.as_bytes());
    }
    Sealer::derive_from_client_secret(secret.expose(), &salt, label).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(client: &str, audience: &str) -> TokenKey {
        let (client, audience) = (client.parse().unwrap(), audience.parse().unwrap());
        TokenKey::new("i", client, audience, "s".parse().unwrap())
    }

    fn seals(newest: &str, older: Option<&str>) -> Seals {
        Seals::new(
            Secret::from(newest),
            older.map(Secret::from).into_iter().collect(),
        )
    }

    fn token() -> StoredToken {
        StoredToken {
            access_token: AccessToken::new("eyJ-secret"),
            moment: Moment::from_micros(1_234_567),
            issued_at: UnixTime::from_secs(1),
            expires_at: UnixTime::from_secs(601),
        }
    }

    #[test]
    fn a_token_is_opened_by_who_knows_the_secret_and_looks_for_that_key() {
        let orders = key("c", "orders");
        let sealed = seals("one", None).seal(&orders, &token()).unwrap();
        assert!(!sealed.as_str().contains("secret"));
        assert_eq!(seals("one", None).open(&orders, &sealed), Some(token()));
        assert_eq!(seals("two", None).open(&orders, &sealed), None);
        for other in [key("c", "billing"), key("d", "orders")] {
            assert_eq!(seals("one", None).open(&other, &sealed), None, "moved");
        }
        assert!(!format!("{sealed:?} {:?}", seals("one", None)).contains("one"));
    }

    #[test]
    fn the_secret_before_still_opens_and_the_newest_seals() {
        let key = key("c", "orders");
        let rotated = seals("two", Some("one"));
        let old = seals("one", None).seal(&key, &token()).unwrap();
        assert_eq!(rotated.open(&key, &old), Some(token()));
        let new = rotated.seal(&key, &token()).unwrap();
        assert_eq!(seals("two", None).open(&key, &new), Some(token()));
        assert_eq!(seals("one", None).open(&key, &new), None);
    }

    #[test]
    fn a_sealed_token_is_no_notice_and_a_notice_no_token() {
        let (key, seals) = (key("c", "orders"), seals("one", None));
        let token = seals.seal(&key, &token()).unwrap();
        let as_notice = EvictionNotice::new(key.to_bytes(), token.as_str().to_owned());
        assert_eq!(seals.open_notice(&key, &as_notice), None);
        let notice = seals.notice(&key, Evicted::UpTo(Moment::from_micros(7)));
        let as_token = SealedToken::from(notice.unwrap().sealed().to_owned());
        assert_eq!(seals.open(&key, &as_token), None);
    }

    #[test]
    fn a_notice_says_who_may_have_made_it() {
        let key = key("c", "orders");
        let moment = Moment::from_micros(7);
        for evicted in [Evicted::UpTo(moment), Evicted::OfOldSecret(moment)] {
            let notice = seals("one", None).notice(&key, evicted).unwrap();
            let opened = |newest, older| seals(newest, older).open_notice(&key, &notice);
            let content = evicted;
            let by_newest = true;
            assert_eq!(opened("one", None), Some(Opened { content, by_newest }));
            let by_newest = false;
            let rotated = opened("two", Some("one"));
            assert_eq!(rotated, Some(Opened { content, by_newest }));
            assert_eq!(opened("two", None), None);
        }
    }

    #[test]
    fn the_longest_text_is_opened_and_no_longer_one() {
        let (key, seals) = (key("c", "orders"), seals("one", None));
        let sealed = |bytes: usize| {
            let access_token = AccessToken::new("x".repeat(bytes));
            let stored = StoredToken {
                access_token,
                ..token()
            };
            seals.seal(&key, &stored).unwrap()
        };
        let overhead = sealed(18_000).as_str().len() - 24_000;
        let about = (MAX_SEALED_BYTES - overhead) * 3 / 4;
        let mut longest = (about - 4..about + 4).map(sealed);
        let longest = longest.rfind(|sealed| sealed.as_str().len() == MAX_SEALED_BYTES);
        assert!(seals.open(&key, &longest.unwrap()).is_some());
        let mut longer = (about..about + 8).map(sealed);
        let longer = longer.find(|sealed| sealed.as_str().len() > MAX_SEALED_BYTES);
        assert_eq!(seals.open(&key, &longer.unwrap()), None);
    }

    #[test]
    fn texts_of_any_other_kind_are_refused() {
        let (key, seals) = (key("c", "orders"), seals("one", None));
        for text in ["", "AQ", "not base64!", &"A".repeat(MAX_SEALED_BYTES + 1)] {
            assert_eq!(seals.open(&key, &SealedToken::from(text.to_owned())), None);
        }
    }
}
