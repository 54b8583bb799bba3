//! All keys that the token service knows.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use super::entry::Entry;
use crate::internal_token_cache::TokenKey;

/// One entry per key, at most a stated number that nobody holds.
///
/// Entries that a [`TokenHandle`](crate::TokenHandle) or a running request holds do not count: they stay,
/// because two entries for one key could make two requests at once. So the map is as large as the number
/// of handles that the program made, plus the limit.
#[derive(Debug)]
pub(crate) struct Entries {
    limit: usize,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    by_key: HashMap<TokenKey, Arc<Entry>>,
    uses: u64,
}

impl Entries {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit: limit.max(1),
            known: Mutex::default(),
        }
    }

    /// The entry of `key`; `make` makes it when the key is new.
    pub(crate) fn get_or_make(&self, key: &TokenKey, make: impl FnOnce() -> Entry) -> Arc<Entry> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.uses += 1;
        let now = known.uses;
        let entry = match known.by_key.get(key) {
            Some(entry) => Arc::clone(entry),
            None => {
                known.make_room(self.limit);
                let entry = Arc::new(make());
                known.by_key.insert(key.clone(), Arc::clone(&entry));
                entry
            }
        };
        entry.last_use.store(now, Ordering::Relaxed);
        entry
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.known.lock().unwrap().by_key.len()
    }
}

impl Known {
    /// Scans only when the map is full, and then drops a quarter, so that a stream of new keys pays for
    /// one scan in many.
    fn make_room(&mut self, limit: usize) {
        if self.by_key.len() < limit {
            return;
        }
        let idle = self
            .by_key
            .values()
            .filter(|entry| Arc::strong_count(entry) == 1);
        let mut last_uses: Vec<u64> = idle
            .map(|entry| entry.last_use.load(Ordering::Relaxed))
            .collect();
        if last_uses.len() < limit {
            return;
        }
        last_uses.sort_unstable();
        let youngest_to_go = last_uses.get(limit / 4).copied().unwrap_or_default();
        self.by_key.retain(|_, entry| {
            Arc::strong_count(entry) > 1 || entry.last_use.load(Ordering::Relaxed) > youngest_to_go
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth_token_service::obtain::Scripted;

    fn key(audience: &str) -> TokenKey {
        TokenKey::new(
            "i",
            "c".parse().unwrap(),
            audience.parse().unwrap(),
            "".parse().unwrap(),
        )
    }

    fn entry(entries: &Entries, audience: &str) -> Arc<Entry> {
        let make = || Entry::new(key(audience), Arc::new(Scripted::default()), true);
        entries.get_or_make(&key(audience), make)
    }

    #[test]
    fn one_key_has_one_entry() {
        let entries = Entries::new(4);
        assert!(Arc::ptr_eq(&entry(&entries, "a"), &entry(&entries, "a")));
    }

    #[test]
    fn a_stream_of_new_keys_does_not_grow_the_map_and_held_entries_stay() {
        let entries = Entries::new(8);
        let held = entry(&entries, "held");
        for number in 0..1_000 {
            entry(&entries, &format!("audience-{number}"));
            assert!(entries.len() <= 9);
        }
        assert!(Arc::ptr_eq(&held, &entry(&entries, "held")));
    }
}
