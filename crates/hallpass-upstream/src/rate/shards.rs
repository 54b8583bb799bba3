//! A bounded map that many threads use: in parts with a lock each, which is held for a few instructions.

use std::array;
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Number of parts.
const PARTS: usize = 16;
/// Most entries of a part. With 16 bytes of key and some of value each, all parts together take a few MiB.
const MOST_IN_PART: usize = 4_096;
/// A part that is full is looked through for idle entries no more often than this: that takes some microseconds.
const LOOK_THROUGH_EVERY: Duration = Duration::from_millis(100);

/// Whose quota it is, as a hash that strangers cannot aim.
pub(super) type Key = [u8; 16];

#[derive(Debug)]
pub(super) struct Shards<V> {
    parts: [Mutex<Part<V>>; PARTS],
    hasher: [RandomState; 2],
}

#[derive(Debug)]
struct Part<V> {
    entries: HashMap<Key, V>,
    looked_through: Option<Duration>,
}

impl<V> Shards<V> {
    pub(super) fn new() -> Self {
        let part = |_| {
            Mutex::new(Part {
                entries: HashMap::new(),
                looked_through: None,
            })
        };
        Self {
            parts: array::from_fn(part),
            hasher: [RandomState::new(), RandomState::new()],
        }
    }

    /// What `name` is called here.
    pub(super) fn key(&self, name: &[u8]) -> Key {
        let [one, other] = &self.hasher;
        let halves = [one.hash_one(name), other.hash_one(name)];
        let mut key = Key::default();
        for (place, byte) in key
            .iter_mut()
            .zip(halves.iter().flat_map(|it| it.to_ne_bytes()))
        {
            *place = byte;
        }
        key
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

    pub(super) fn len(&self) -> usize {
        let parts = self.parts.iter();
        parts.map(|part| locked(part).entries.len()).sum()
    }

    fn part(&self, key: Key) -> MutexGuard<'_, Part<V>> {
        let [first, ..] = key;
        let [zero, ..] = &self.parts;
        let part = self.parts.get(usize::from(first) % PARTS);
        locked(part.unwrap_or(zero))
    }
}

fn locked<V>(part: &Mutex<Part<V>>) -> MutexGuard<'_, Part<V>> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}
