//! Which verifiers have fetched which keys, by the name that each gives itself when it asks for the key set.
//!
//! A name proves nothing: it shows an operator who would break when a new key signed now, and holds back a key that awaits
//! adoption. Nobody is let in or kept out by it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hallpass_token::UnixTime;
use http::{HeaderMap, HeaderName, Uri};

/// The header that names a verifier; ours send it.
const HEADER: HeaderName = HeaderName::from_static("hallpass-verifier");
/// The query parameter that names a verifier: for those whose key URL is all that can be set.
const PARAMETER: &str = "verifier";
/// The longest name, in bytes.
const MAX_NAME_BYTES: usize = 100;
/// Most verifiers remembered; the one that was not seen for longest makes place.
const MAX_VERIFIERS: usize = 1_000;
/// How far what is stored may stay behind when nothing has changed but the time.
const STORED_BEHIND: Duration = Duration::from_secs(60);

/// The verifiers that were seen.
#[derive(Debug, Default)]
pub(crate) struct Verifiers(Mutex<HashMap<Box<str>, Seen>>);

/// What is known of one verifier.
#[derive(Clone, Debug)]
struct Seen {
    at: UnixTime,
    kids: Arc<[Box<str>]>,
    /// When it was stored last, if its keys are those that were stored then.
    stored_at: Option<UnixTime>,
}

/// A verifier as it is shown and stored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verifier {
    /// The name that it gave itself.
    pub name: String,
    /// When it last fetched the key set, in seconds since 1970.
    pub seen_at: u64,
    /// The keys of the set that it has.
    pub key_ids: Vec<String>,
}

/// The name in a request for the key set, if it can be one: letters, digits and `.` `_` `-` `:` `/` `@`.
pub(crate) fn name_in<'r>(headers: &'r HeaderMap, uri: &'r Uri) -> Option<&'r str> {
    let header = headers.get(HEADER).and_then(|name| name.to_str().ok());
    let parameter = || {
        let pairs = uri.query()?.split('&');
        let mut values = pairs.filter_map(|pair| pair.split_once('='));
        values.find_map(|(key, value)| (key == PARAMETER).then_some(value))
    };
    let is_name = |name: &&str| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:/@".contains(&byte);
        (1..=MAX_NAME_BYTES).contains(&name.len()) && name.bytes().all(is_plain)
    };
    header.or_else(parameter).filter(is_name)
}

impl Verifiers {
    /// Verifiers as they were stored.
    pub(crate) fn of(stored: Vec<Verifier>) -> Self {
        let verifiers = Self::default();
        verifiers.learn(stored);
        verifiers
    }

    /// Takes what another issuer has stored, of those that asked it last.
    pub(crate) fn learn(&self, stored: Vec<Verifier>) {
        let mut known = self.known();
        for verifier in stored {
            let at = UnixTime::from_secs(verifier.seen_at);
            let before = known.get(verifier.name.as_str());
            // Of those beyond, each issuer knows the ones that it has seen itself.
            let has_place = before.is_some() || known.len() < MAX_VERIFIERS;
            // Of the same second what is stored is not older, unless what was seen here is not written yet.
            let is_later =
                |before: &Seen| before.at > at || before.at == at && before.stored_at.is_none();
            if !has_place || before.is_some_and(is_later) {
                continue;
            }
            let seen = Seen {
                at,
                kids: verifier.key_ids.into_iter().map(Box::from).collect(),
                stored_at: Some(at),
            };
            known.insert(verifier.name.into(), seen);
        }
    }

    /// `name` has the keys `kids` since `now`.
    pub(crate) fn saw(&self, name: &str, kids: &Arc<[Box<str>]>, now: UnixTime) {
        let mut known = self.known();
        if let Some(seen) = known.get_mut(name) {
            if seen.kids != *kids {
                seen.kids = Arc::clone(kids);
                seen.stored_at = None;
            }
            seen.at = now;
            return;
        }
        if known.len() >= MAX_VERIFIERS {
            let oldest = known.iter().min_by_key(|(_, seen)| seen.at);
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                known.remove(&oldest);
            }
        }
        let seen = Seen {
            at: now,
            kids: Arc::clone(kids),
            stored_at: None,
        };
        known.insert(name.into(), seen);
    }

    /// Whether every verifier that was seen at `since` or later has the key `kid`.
    pub(crate) fn all_have(&self, kid: &str, since: UnixTime) -> bool {
        self.without(kid, since) == 0
    }

    /// How many of those that were seen at `since` or later do not have the key `kid`.
    pub(crate) fn without(&self, kid: &str, since: UnixTime) -> usize {
        let known = self.known();
        let live = known.values().filter(|seen| seen.at >= since);
        live.filter(|seen| !seen.kids.iter().any(|known| &**known == kid))
            .count()
    }

    /// Those of which the store does not know enough; they count as stored from now on. `seen_before` are forgotten.
    pub(crate) fn take_unsaved(&self, seen_before: UnixTime) -> Vec<Verifier> {
        let mut known = self.known();
        known.retain(|_, seen| seen.at >= seen_before);
        let is_behind = |seen: &Seen| {
            let stored = seen.stored_at.map(|at| at.saturating_add(STORED_BEHIND));
            stored.is_none_or(|fresh_until| fresh_until <= seen.at)
        };
        let unsaved = known.iter_mut().filter(|(_, seen)| is_behind(seen));
        let unsaved = unsaved.map(|(name, seen)| {
            seen.stored_at = Some(seen.at);
            Verifier {
                name: name.to_string(),
                seen_at: seen.at.as_secs(),
                key_ids: seen.kids.iter().map(ToString::to_string).collect(),
            }
        });
        unsaved.collect()
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Box<str>, Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kids(names: &[&str]) -> Arc<[Box<str>]> {
        names.iter().map(|name| Box::from(*name)).collect()
    }

    fn at(seconds: u64) -> UnixTime {
        UnixTime::from_secs(seconds)
    }

    #[test]
    fn a_name_comes_by_header_or_by_query_and_is_plain() {
        let name = |header: Option<&str>, uri: &str| {
            let mut headers = HeaderMap::new();
            if let Some(header) = header {
                headers.insert(HEADER, header.parse().unwrap());
            }
            name_in(&headers, &uri.parse().unwrap()).map(str::to_owned)
        };
        let jwks = "/oauth2/jwks";
        assert_eq!(
            name(Some("service-order"), jwks),
            Some("service-order".into())
        );
        assert_eq!(
            name(None, "/oauth2/jwks?a=b&verifier=ns/pod:1"),
            Some("ns/pod:1".into())
        );
        assert_eq!(name(Some("h"), "/oauth2/jwks?verifier=q"), Some("h".into()));
        for bad in ["", "a b", "caf\u{e9}", "<b>", &"x".repeat(101)] {
            assert_eq!(name(Some(bad), jwks), None, "{bad}");
        }
        assert_eq!(name(None, "/oauth2/jwks?verifier="), None);
        assert_eq!(name(None, jwks), None);
    }

    #[test]
    fn all_have_a_key_when_each_that_still_asks_has_fetched_it() {
        let verifiers = Verifiers::default();
        assert!(verifiers.all_have("new", at(0)), "nobody waits for nobody");
        verifiers.saw("gone", &kids(&["old"]), at(10));
        verifiers.saw("a", &kids(&["old"]), at(100));
        verifiers.saw("b", &kids(&["old", "new"]), at(100));
        assert!(!verifiers.all_have("new", at(50)));
        let without = |since| verifiers.without("new", at(since));
        assert_eq!((without(0), without(50), without(101)), (2, 1, 0));
        verifiers.saw("a", &kids(&["old", "new"]), at(120));
        assert!(verifiers.all_have("new", at(50)));
        assert!(
            !verifiers.all_have("new", at(0)),
            "one that is gone is not asked for"
        );
    }

    #[test]
    fn what_is_stored_follows_a_change_at_once_and_the_time_now_and_then() {
        let verifiers = Verifiers::default();
        let unsaved = || verifiers.take_unsaved(at(0)).len();
        verifiers.saw("a", &kids(&["old"]), at(100));
        assert_eq!((unsaved(), unsaved()), (1, 0));
        verifiers.saw("a", &kids(&["old"]), at(159));
        assert_eq!(unsaved(), 0);
        verifiers.saw("a", &kids(&["old"]), at(160));
        assert_eq!(unsaved(), 1);
        verifiers.saw("a", &kids(&["new"]), at(161));
        assert_eq!(unsaved(), 1);
        assert_eq!(verifiers.take_unsaved(at(162)), []);
        assert!(verifiers.all_have("any", at(0)), "forgotten");
    }

    #[test]
    fn of_what_another_issuer_has_seen_the_later_counts() {
        let verifiers = Verifiers::default();
        verifiers.saw("a", &kids(&["old"]), at(100));
        let stored = |seen_at, kid: &str| {
            vec![Verifier {
                name: "a".to_owned(),
                seen_at,
                key_ids: vec![kid.to_owned()],
            }]
        };
        verifiers.learn(stored(99, "new"));
        assert!(verifiers.all_have("old", at(0)));
        verifiers.learn(stored(100, "new"));
        assert!(verifiers.all_have("old", at(0)), "it is not written yet");
        assert_eq!(verifiers.take_unsaved(at(0)).len(), 1);
        verifiers.learn(stored(100, "new"));
        assert!(verifiers.all_have("new", at(0)));
        assert_eq!(verifiers.take_unsaved(at(0)), [], "the store has it");
    }

    #[test]
    fn strangers_cannot_fill_the_memory() {
        let verifiers = Verifiers::default();
        for number in 0..=MAX_VERIFIERS {
            let seconds = u64::try_from(number).unwrap();
            verifiers.saw(&format!("v{number}"), &kids(&["k"]), at(seconds));
        }
        let known = verifiers.known();
        assert_eq!(known.len(), MAX_VERIFIERS);
        assert!(!known.contains_key("v0"), "the oldest made place");
    }
}
