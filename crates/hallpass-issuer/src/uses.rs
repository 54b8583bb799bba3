//! Which secrets are used, and which ways from a client to a service.
//!
//! A token writes nothing. The first use of a secret, or of a way, in a span of time is noted here, in memory; now and then what was noted is written into
//! the store, beside what other instances have written: of two notes of one thing the later counts. What is noted decides nothing.

mod seen;

use std::collections::HashMap;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hallpass_token::{Scope, UnixTime};

use self::seen::{Seen, hash};
use crate::clients::secret_mark::SecretMark;

/// Most secrets, and most ways, that are noted and not yet written. What is beyond them is noted at a later use.
const MAX_NOTED: usize = 10_000;
const SECONDS_PER_DAY: u64 = 86_400;
const SECONDS_PER_MINUTE: u64 = 60;

/// When a secret of a client was used last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SecretUse {
    pub(crate) client_id: String,
    pub(crate) secret: SecretMark,
    pub(crate) used_at: UnixTime,
}

/// When a client got a token for a service with a scope. The times are the begins of days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EdgeUse {
    pub(crate) client_id: String,
    pub(crate) audience: String,
    /// One scope; empty for a token without any.
    pub(crate) scope: String,
    pub(crate) first_used: UnixTime,
    pub(crate) last_used: UnixTime,
}

/// What was used and is not written down yet.
#[derive(Debug, Default)]
pub(crate) struct Uses {
    noted: Mutex<Noted>,
    seen: Seen,
}

#[derive(Debug, Default)]
struct Noted {
    secrets: HashMap<(Box<str>, SecretMark), UnixTime>,
    edges: HashMap<Edge, UnixTime>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Edge {
    client_id: Box<str>,
    audience: Box<str>,
    scope: Box<str>,
}

impl Uses {
    /// A secret was right at `now`. `kept` is what is kept of it; `ends`, whether it has an end. Costs some nanoseconds, but at the first time of a day, or
    /// of a minute for one that ends: whether that is still used is what its owner wants to know.
    pub(crate) fn saw_secret(&self, client_id: &str, (kept, ends): (&[u8], bool), now: UnixTime) {
        let span = match ends {
            true => now.as_secs() / SECONDS_PER_MINUTE,
            false => day_of(now),
        };
        let hash = hash([client_id.as_bytes(), kept], span);
        if !self.seen.is_new(hash) {
            return;
        }
        let mut noted = self.noted();
        let key = (client_id.into(), SecretMark::of_kept(kept));
        if noted.secrets.len() < MAX_NOTED || noted.secrets.contains_key(&key) {
            noted.secrets.insert(key, now);
            self.seen.noted(hash);
        }
    }

    /// A client got a token at `now`. Costs some nanoseconds, but at the first time of a day.
    pub(crate) fn saw_token(
        &self,
        client_id: &str,
        (audience, scope): (&str, &Scope),
        now: UnixTime,
    ) {
        let texts = [client_id, audience, scope.as_str()].map(str::as_bytes);
        let hash = hash(texts, day_of(now));
        if !self.seen.is_new(hash) {
            return;
        }
        let day = UnixTime::from_secs(day_of(now) * SECONDS_PER_DAY);
        let mut noted = self.noted();
        let none = scope.is_empty().then_some("");
        for word in scope.iter().chain(none) {
            let edge = Edge {
                client_id: client_id.into(),
                audience: audience.into(),
                scope: word.into(),
            };
            if noted.edges.len() >= MAX_NOTED && !noted.edges.contains_key(&edge) {
                return;
            }
            noted.edges.insert(edge, day);
        }
        self.seen.noted(hash);
    }

    /// What is to be written down; it is forgotten here once it is said to be written.
    pub(crate) fn take(&self) -> Taken<'_> {
        let Noted { secrets, edges } = mem::take(&mut *self.noted());
        let secrets = secrets
            .into_iter()
            .map(|((client_id, secret), used_at)| SecretUse {
                client_id: client_id.into(),
                secret,
                used_at,
            });
        let edges = edges.into_iter().map(|(edge, day)| EdgeUse {
            client_id: edge.client_id.into(),
            audience: edge.audience.into(),
            scope: edge.scope.into(),
            first_used: day,
            last_used: day,
        });
        Taken {
            uses: self,
            secrets: secrets.collect(),
            edges: edges.collect(),
        }
    }

    /// What was taken and could not be written down. Of more than there is room for the rest is forgotten: they are notes.
    fn put_back(&self, secrets: Vec<SecretUse>, edges: Vec<EdgeUse>) {
        let mut noted = self.noted();
        for secret in secrets {
            let key = (secret.client_id.into(), secret.secret);
            if noted.secrets.len() < MAX_NOTED {
                noted.secrets.entry(key).or_insert(secret.used_at);
            }
        }
        for edge in edges {
            let day = edge.last_used;
            let edge = Edge {
                client_id: edge.client_id.into(),
                audience: edge.audience.into(),
                scope: edge.scope.into(),
            };
            if noted.edges.len() < MAX_NOTED {
                noted.edges.entry(edge).or_insert(day);
            }
        }
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was taken to be written down. Dropped, whether it could not be written or nobody waits for that any more, it is noted again.
#[derive(Debug)]
pub(crate) struct Taken<'u> {
    uses: &'u Uses,
    pub(crate) secrets: Vec<SecretUse>,
    pub(crate) edges: Vec<EdgeUse>,
}

impl Taken<'_> {
    /// All of it was written down.
    pub(crate) fn written(mut self) {
        self.secrets.clear();
        self.edges.clear();
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let (secrets, edges) = (mem::take(&mut self.secrets), mem::take(&mut self.edges));
        self.uses.put_back(secrets, edges);
    }
}

/// The number of the day, since 1970.
const fn day_of(now: UnixTime) -> u64 {
    now.as_secs() / SECONDS_PER_DAY
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::from_secs(seconds)
    }

    /// What is written down then.
    fn written(uses: &Uses) -> (Vec<SecretUse>, Vec<EdgeUse>) {
        let taken = uses.take();
        let all = (taken.secrets.clone(), taken.edges.clone());
        taken.written();
        all
    }

    #[test]
    fn what_was_taken_and_not_written_is_noted_again() {
        let uses = Uses::default();
        uses.saw_secret("a", (b"kept", false), at(1));
        uses.saw_token("a", ("b", &Scope::empty()), at(1));
        // As when a write is given up in the middle.
        drop(uses.take());
        let (secrets, edges) = written(&uses);
        assert_eq!((secrets.len(), edges.len()), (1, 1));
        assert_eq!(written(&uses), (Vec::new(), Vec::new()));
    }

    #[test]
    fn however_often_nothing_can_be_written_no_more_is_kept_than_there_is_room_for() {
        let uses = Uses::default();
        for round in 0..3 {
            let taken = uses.take();
            for number in 0..MAX_NOTED {
                let name = format!("{round}-{number}");
                uses.saw_secret(&name, (b"kept", false), at(1));
                uses.saw_token(&name, ("b", &Scope::empty()), at(1));
            }
            drop(taken);
        }
        let (secrets, edges) = written(&uses);
        assert!(secrets.len() <= MAX_NOTED && edges.len() <= MAX_NOTED);
        assert!(secrets.len() > MAX_NOTED / 2);
    }

    #[test]
    fn a_token_is_noted_once_by_the_day_and_what_was_taken_is_forgotten() {
        let uses = Uses::default();
        let (day, now) = (10 * SECONDS_PER_DAY, 10 * SECONDS_PER_DAY + 7);
        let scope: Scope = "read write".parse().unwrap();
        for _ in 0..3 {
            uses.saw_token("a", ("b", &scope), at(now));
            uses.saw_token("a", ("c", &Scope::empty()), at(now));
        }
        let (_, mut edges) = written(&uses);
        edges.sort_by_key(|edge| (edge.audience.clone(), edge.scope.clone()));
        let told: Vec<_> = edges
            .iter()
            .map(|edge| (edge.audience.as_str(), edge.scope.as_str(), edge.last_used))
            .collect();
        let expected = [
            ("b", "read", at(day)),
            ("b", "write", at(day)),
            ("c", "", at(day)),
        ];
        assert_eq!(told, expected);
        uses.saw_token("a", ("b", &scope), at(now + 60));
        assert_eq!(
            written(&uses),
            (Vec::new(), Vec::new()),
            "known of this day"
        );
        uses.saw_token("a", ("b", &scope), at(now + SECONDS_PER_DAY));
        assert_eq!(written(&uses).1.len(), 2);
        uses.put_back(Vec::new(), edges);
        assert_eq!(
            written(&uses).1.len(),
            3,
            "what was not written is not lost"
        );
    }

    #[test]
    fn a_secret_is_noted_once_a_day_and_one_that_ends_once_a_minute() {
        let uses = Uses::default();
        let saw = |kept: &str, ends, seconds| {
            uses.saw_secret("a", (kept.as_bytes(), ends), at(SECONDS_PER_DAY + seconds));
            written(&uses).0.len()
        };
        assert_eq!((saw("new", false, 0), saw("old", true, 0)), (1, 1));
        assert_eq!((saw("new", false, 59), saw("old", true, 59)), (0, 0));
        assert_eq!((saw("new", false, 60), saw("old", true, 60)), (0, 1));
        assert_eq!(saw("new", false, SECONDS_PER_DAY), 1);
    }

    #[test]
    fn what_is_noted_has_a_bound_and_makes_room_when_it_is_written() {
        let uses = Uses::default();
        for number in 0..=MAX_NOTED {
            uses.saw_secret(&number.to_string(), (b"kept", false), at(1));
            uses.saw_token(&number.to_string(), ("b", &Scope::empty()), at(1));
        }
        let (secrets, edges) = written(&uses);
        assert_eq!((secrets.len(), edges.len()), (MAX_NOTED, MAX_NOTED));
        let last = MAX_NOTED.to_string();
        uses.saw_secret(&last, (b"kept", false), at(2));
        uses.saw_token(&last, ("b", &Scope::empty()), at(2));
        let (secrets, edges) = written(&uses);
        assert_eq!(
            (secrets.len(), edges.len()),
            (1, 1),
            "it was not taken for noted"
        );
    }
}
