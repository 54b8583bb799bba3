//! A bounded map that many threads use: in parts with a lock each, which is held for a few instructions.

use std::array;
use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Number of parts.
const PARTS: usize = 16;
/// Most entries of a part. With 8 bytes of key and some of value each, all parts together take a few MiB.
const MOST_IN_PART: usize = 4_096;
/// A part that is full is looked through for idle entries no more often than this: that takes some microseconds.
const LOOK_THROUGH_EVERY: Duration = Duration::from_millis(100);

/// Whose quota it is, as a hash that strangers cannot aim (SipHash, with a key of this process). Of as many names as there is room for, two have the
/// same one in 10,000,000,000 processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key(u64);

/// For keys, which are hashes already.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn write(&mut self, _bytes: &[u8]) {
        debug_assert!(false, "a key is one number");
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[derive(Debug)]
pub(super) struct Shards<V> {
    parts: [Mutex<Part<V>>; PARTS],
    hasher: RandomState,
}

#[derive(Debug)]
struct Part<V> {
    entries: HashMap<Key, V, BuildHasherDefault<AsItIs>>,
    looked_through: Option<Duration>,
}

impl<V> Shards<V> {
    pub(super) fn new() -> Self {
        let part = |_| {
            Mutex::new(Part {
                entries: HashMap::default(),
                looked_through: None,
            })
        };
        Self {
            parts: array::from_fn(part),
            hasher: RandomState::new(),
        }
    }

    /// What `name` is called here.
    pub(super) fn key(&self, name: impl Hash) -> Key {
        Key(self.hasher.hash_one(name))
    }

    /// What `work` makes of the entry of `key`, which begins as `fresh` where there is none; `None` where there is no room for it. Entries
    /// that are `idle` say no more than none.
    pub(super) fn with<R>(
        &self,
        key: Key,
        now: Duration,
        idle: impl Fn(&V) -> bool,
        work: impl FnOnce(Option<&mut V>) -> (R, Option<V>),
    ) -> Option<R> {
        let mut part = self.part(key);
        if let Some(known) = part.entries.get_mut(&key) {
            return Some(work(Some(known)).0);
        }
        if part.entries.len() >= MOST_IN_PART {
            let is_due = part
                .looked_through
                .is_none_or(|at| now.saturating_sub(at) >= LOOK_THROUGH_EVERY);
            if is_due {
                part.looked_through = Some(now);
                part.entries.retain(|_, value| !idle(value));
            }
            if part.entries.len() >= MOST_IN_PART {
                return None;
            }
        }
        let (result, fresh) = work(None);
        if let Some(fresh) = fresh {
            part.entries.insert(key, fresh);
        }
        Some(result)
    }

    /// Takes the entry of `key` away if `is_over` says so of it.
    pub(super) fn leave(&self, key: Key, is_over: impl FnOnce(&mut V) -> bool) {
        let mut part = self.part(key);
        if let Entry::Occupied(mut entry) = part.entries.entry(key)
            && is_over(entry.get_mut())
        {
            entry.remove();
        }
    }

    pub(super) fn len(&self) -> usize {
        let parts = self.parts.iter();
        parts.map(|part| locked(part).entries.len()).sum()
    }

    fn part(&self, key: Key) -> MutexGuard<'_, Part<V>> {
        let [zero, ..] = &self.parts;
        // By bits that no map looks at: the lowest choose its bucket, and the highest are its tag.
        let part = usize::try_from((key.0 >> 32) % PARTS as u64);
        let part = part.ok().and_then(|part| self.parts.get(part));
        locked(part.unwrap_or(zero))
    }
}

impl<V: Default> Shards<V> {
    /// What `work` makes of the entry of `key`, which begins as the default; `None` where there is no room for it. For entries of which each
    /// [is taken away](Self::leave) when its time is over: none is looked for that says no more than none.
    pub(super) fn enter<R>(&self, key: Key, work: impl FnOnce(&mut V) -> R) -> Option<R> {
        let mut part = self.part(key);
        let has_room = part.entries.len() < MOST_IN_PART;
        match part.entries.entry(key) {
            Entry::Occupied(mut entry) => Some(work(entry.get_mut())),
            Entry::Vacant(entry) => has_room.then(|| work(entry.insert(V::default()))),
        }
    }
}

fn locked<V>(part: &Mutex<Part<V>>) -> MutexGuard<'_, Part<V>> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}
