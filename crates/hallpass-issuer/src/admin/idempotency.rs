//! Creations, of clients, of secrets and of keys that take over, that are asked for twice: the same key brings the response of the first time, and nothing is made again,
//! neither while nobody can say whether the first one was.
//!
//! What is remembered has secrets in it that are shown once. It is kept in the memory of this process, and nowhere else: the store has digests
//! of secrets only, and keeping one there for a day, sealed or not, would put it into each of its back-ups. So another instance, and this
//! one after a restart, knows nothing of a key. Nothing is made twice there either, since whoever creates a client says its name: the response
//! is 409, and who has lost the secret lets a new one be made (`POST /admin/v1/clients/{client_id}/secret`). A new secret is of a state of the client
//! (`If-Match`): the response is 412 there, and nobody's secret has ended by the second request. A key that takes over at once does so twice where another process is asked.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{self, Digest};
use http::HeaderMap;
use http::header::{HeaderName, IF_MATCH};

use super::fault::AdminFault;
use super::problem::Problem;

/// The header that names an attempt (draft-ietf-httpapi-idempotency-key-header).
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The longest key, in bytes.
const MAX_KEY_BYTES: usize = 255;
/// For how long a response is remembered, and that one is still to come.
pub(super) const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);
/// Most that are remembered, some megabytes; one that is more makes the oldest response go.
const MOST: usize = 1_024;

/// The responses of creations, each for a day. `R` is what is responded.
#[derive(Debug)]
pub(super) struct Idempotency<R>(Mutex<HashMap<Attempt, Remembered<R>>>);

/// Whose attempt: one administrator sees nothing of another one's by guessing a key.
type Attempt = (String, String);

#[derive(Debug)]
struct Remembered<R> {
    /// Of what was asked for.
    asked: [u8; 32],
    /// By a monotonic clock.
    at: Duration,
    before: Before<R>,
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Before<R> {
    /// This was responded.
    Made(R),
    /// It is under way, or nobody can say whether it was done.
    Open,
}

/// What somebody asks for under a key of his own.
pub(super) struct NamedAttempt {
    key: String,
    asked: Vec<u8>,
}

impl NamedAttempt {
    /// That of a request (POST) that has a key: what is asked for is its path, the state that it is of (`If-Match`), and its body.
    ///
    /// # Errors
    /// [`AdminFault::InvalidRequest`] for several keys, or one that is empty, too long or not printable.
    pub(super) fn of(
        headers: &HeaderMap,
        path: &str,
        body: &[u8],
    ) -> Result<Option<Self>, Problem> {
        let Some(key) = key_of(headers)? else {
            return Ok(None);
        };
        let state = headers.get_all(IF_MATCH).iter();
        let state = state.flat_map(|value| [value.as_bytes(), b"\n"]);
        // None of them has a line feed in it but the body, which comes last.
        let parts = [b"POST ", path.as_bytes(), b"\n"].into_iter();
        let parts = parts.chain(state).chain([&b"\n"[..], body]);
        Ok(Some(Self {
            key,
            asked: parts.flatten().copied().collect(),
        }))
    }

    /// Its name.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// Equal where the same is asked for.
    pub(super) fn asked(&self) -> &[u8] {
        &self.asked
    }
}

/// The key of a request, if it has one.
///
/// # Errors
/// [`AdminFault::InvalidRequest`] for several, or one that is empty, too long or not printable.
fn key_of(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter();
    let key = match (keys.next(), keys.next()) {
        (None, _) => return Ok(None),
        (Some(key), None) => key.to_str().ok(),
        (Some(_), Some(_)) => None,
    };
    let key = key.filter(|key| (1..=MAX_KEY_BYTES).contains(&key.len()));
    match key {
        Some(key) => Ok(Some(key.to_owned())),
        None => Err(Problem::with(
            AdminFault::InvalidRequest,
            "Idempotency-Key is one text of 1 to 255 printable characters",
        )),
    }
}

impl<R> Default for Idempotency<R> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<R: Clone> Idempotency<R> {
    /// What came of the first time that `actor` asked with this key, at `now` of a monotonic clock.
    ///
    /// # Errors
    /// [`AdminFault::IdempotencyKeyReused`] when it asked for something else.
    pub(super) fn find(
        &self,
        (actor, key): (&str, &str),
        asked: &[u8],
        now: Duration,
    ) -> Result<Option<Before<R>>, Problem> {
        let mut known = self.known();
        known.retain(|_, it| now.saturating_sub(it.at) < REMEMBERED);
        let Some(found) = known.get(&(actor.to_owned(), key.to_owned())) else {
            return Ok(None);
        };
        match found.asked == of(asked) {
            true => Ok(Some(found.before.clone())),
            false => Err(AdminFault::IdempotencyKeyReused.into()),
        }
    }

    /// Remembers that an attempt has begun. What is open is not pushed out by others: changes that are under way are few.
    pub(super) fn begin(&self, whose: (&str, &str), asked: &[u8], now: Duration) {
        self.put(whose, asked, (Before::Open, now));
    }

    /// Remembers what was responded.
    pub(super) fn remember(
        &self,
        whose: (&str, &str),
        asked: &[u8],
        (response, now): (R, Duration),
    ) {
        self.put(whose, asked, (Before::Made(response), now));
    }

    /// Nothing was done, and may be tried again.
    pub(super) fn forget(&self, (actor, key): (&str, &str)) {
        self.known().remove(&(actor.to_owned(), key.to_owned()));
    }

    fn put(&self, (actor, key): (&str, &str), asked: &[u8], (before, now): (Before<R>, Duration)) {
        let mut known = self.known();
        let attempt = (actor.to_owned(), key.to_owned());
        if known.len() >= MOST && !known.contains_key(&attempt) {
            let made = known.iter().filter(|(_, it)| !it.is_open());
            let oldest = made.min_by_key(|(_, it)| it.at);
            if let Some(oldest) = oldest.map(|(attempt, _)| attempt.clone()) {
                known.remove(&oldest);
            }
        }
        let remembered = Remembered {
            asked: of(asked),
            at: now,
            before,
        };
        known.insert(attempt, remembered);
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Attempt, Remembered<R>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R> Remembered<R> {
    const fn is_open(&self) -> bool {
        matches!(self.before, Before::Open)
    }
}

fn of(asked: &[u8]) -> [u8; 32] {
    let digest: Digest = digest::digest(&digest::SHA256, asked);
    let mut bytes = [0; 32];
    for (byte, of_digest) in bytes.iter_mut().zip(digest.as_ref()) {
        *byte = *of_digest;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    #[test]
    fn a_key_brings_its_response_for_a_day_to_whoever_used_it_first_and_for_the_same_question() {
        let (table, start) = (Idempotency::default(), Duration::from_secs(1_000));
        let ops = ("ops", "k");
        assert_eq!(table.find(ops, b"a", start).unwrap(), None);
        table.remember(ops, b"a", (1, start));
        let last = start + DAY - Duration::from_secs(1);
        assert_eq!(table.find(ops, b"a", last).unwrap(), Some(Before::Made(1)));
        let reused = table.find(ops, b"b", start).unwrap_err();
        assert_eq!(reused.fault, AdminFault::IdempotencyKeyReused);
        assert_eq!(table.find(("other", "k"), b"b", start).unwrap(), None);
        assert_eq!(table.find(("ops", "other"), b"b", start).unwrap(), None);
        assert_eq!(table.find(ops, b"a", start + DAY).unwrap(), None);
    }

    #[test]
    fn so_many_are_remembered_and_the_oldest_goes() {
        let table = Idempotency::default();
        let key = |number: u64| format!("k{number}");
        let most = u64::try_from(MOST).unwrap();
        for number in 0..=most {
            let now = Duration::from_secs(number);
            table.remember(("ops", &key(number)), b"a", (number, now));
        }
        let now = Duration::from_secs(most);
        let find = |number| table.find(("ops", &key(number)), b"a", now).unwrap();
        let made = |number| Some(Before::Made(number));
        assert_eq!((find(0), find(1), find(most)), (None, made(1), made(most)));
        assert_eq!(table.known().len(), MOST);
    }

    #[test]
    fn what_is_open_stays_so_for_a_day_whatever_else_is_remembered_and_nothing_is_left_of_what_was_not_done()
     {
        let (table, start) = (Idempotency::default(), Duration::from_secs(1_000));
        let ops = ("ops", "open");
        table.begin(ops, b"a", start);
        for number in 0..=MOST {
            let key = format!("k{number}");
            table.remember(("ops", &key), b"a", (number, start + DAY / 2));
        }
        assert_eq!(table.known().len(), MOST);
        let find = |now| table.find(ops, b"a", now).unwrap();
        let last = start + DAY - Duration::from_secs(1);
        assert_eq!(find(last), Some(Before::Open));
        assert!(table.find(ops, b"b", start).is_err());
        assert_eq!(find(start + DAY), None);
        table.begin(ops, b"a", start);
        table.remember(ops, b"a", (7, start));
        assert_eq!(find(start), Some(Before::Made(7)));
        table.begin(ops, b"b", start);
        table.forget(ops);
        assert_eq!(table.find(ops, b"a", start).unwrap(), None);
    }

    #[test]
    fn a_key_is_one_printable_text() {
        let keys = |values: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(
                    IDEMPOTENCY_KEY,
                    http::HeaderValue::from_bytes(value).unwrap(),
                );
            }
            key_of(&headers)
        };
        assert_eq!(keys(&[]).unwrap(), None);
        assert_eq!(keys(&[b"8e03"]).unwrap().as_deref(), Some("8e03"));
        let long = [b'a'; 256];
        for bad in [
            &[&b""[..]][..],
            &[b"a", b"a"],
            &[&long],
            &["\u{e9}".as_bytes()],
        ] {
            assert!(keys(bad).is_err(), "{bad:?}");
        }
    }
}
