//! All keys that the token service knows.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::entry::{CLOCK_DIFFERENCE, Entry};
use super::moment::Moment;
use crate::internal_token_cache::TokenKey;
use crate::internal_token_cache::eviction_notice::EvictionNotice;

/// Notices for keys that are not known here which are remembered, in case one of them is asked for in the next moment: a tier may still hold its
/// evicted token then.
const MAX_UNCLAIMED: usize = 64;

/// One entry per key, at most a stated number that nobody holds.
///
/// Entries that a [`TokenHandle`](crate::TokenHandle) or a running request holds do not count: they stay,
/// because two entries for one key could make two requests at once. So the map is as large as the number
/// of handles that the program made, plus the limit.
#[derive(Debug)]
pub(crate) struct Entries(Mutex<LockedEntries>);

/// All entries, while nobody else makes one or takes one's place.
#[derive(Debug)]
pub(crate) struct LockedEntries {
    limit: usize,
    by_key: HashMap<TokenKey, Arc<Entry>>,
    uses: u64,
    /// The last eviction of an entry that is not here any more. It holds for each new one, so that it is not forgotten with
    /// its entry; the price is one request more for a token that a tier may have.
    evicted_at: Option<Moment>,
    /// The last notices for keys that were not here, and when they came.
    unclaimed: VecDeque<(TokenKey, EvictionNotice, Moment)>,
}

impl Entries {
    pub(crate) fn new(limit: usize) -> Self {
        Self(Mutex::new(LockedEntries {
            limit: limit.max(1),
            by_key: HashMap::new(),
            uses: 0,
            evicted_at: None,
            unclaimed: VecDeque::new(),
        }))
    }

    /// For a few instructions, never across an await.
    pub(crate) fn lock(&self) -> MutexGuard<'_, LockedEntries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LockedEntries {
    /// The entry of `key`; `make` makes it when the key is new.
    pub(crate) fn get_or_make(
        &mut self,
        key: &TokenKey,
        make: impl FnOnce() -> Entry,
    ) -> Arc<Entry> {
        self.uses += 1;
        let now = self.uses;
        let entry = match self.by_key.get(key) {
            Some(entry) => Arc::clone(entry),
            None => {
                self.make_room();
                let entry = Arc::new(make());
                entry.takes_nothing_until(self.evicted_at);
                let notices = self.unclaimed.iter().filter(|(of, ..)| of == key);
                for (_, notice, came) in notices {
                    entry.heeds(notice, *came);
                }
                self.by_key.insert(key.clone(), Arc::clone(&entry));
                entry
            }
        };
        entry.last_use.store(now, Ordering::Relaxed);
        entry
    }

    /// No entry that is made from now on takes a token out of a tier that was issued before `now`.
    pub(crate) fn evicted_unknown(&mut self, now: Moment) {
        self.evicted_at = self.evicted_at.max(Some(now));
    }

    /// The entry that a notice is for. Where there is none, the one that is made next will know of it.
    pub(crate) fn noticed(
        &mut self,
        key: &TokenKey,
        notice: &EvictionNotice,
        now: Moment,
    ) -> Option<Arc<Entry>> {
        let entry = self.by_key.get(key).cloned();
        if entry.is_none() {
            if self.unclaimed.len() >= MAX_UNCLAIMED
                && let Some((.., came)) = self.unclaimed.pop_front()
            {
                // It may have been the one true notice in a flood of others: no entry that is made from now on takes what it may
                // have been about.
                self.evicted_unknown(came.saturating_add(CLOCK_DIFFERENCE));
            }
            self.unclaimed.push_back((key.clone(), notice.clone(), now));
        }
        entry
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Arc<Entry>> {
        self.by_key.values().cloned().collect()
    }

    /// Retires each entry that `successor` finds another one for, and those that it finds none for.
    pub(crate) fn replace(
        &mut self,
        limit: usize,
        successor: impl Fn(&Arc<Entry>) -> Option<Arc<Entry>>,
    ) {
        self.limit = limit.max(1);
        self.by_key.retain(|_, entry| {
            let next = successor(entry);
            if let Some(next) = &next
                && Arc::ptr_eq(next, entry)
            {
                return true;
            }
            entry.retire();
            match next {
                Some(next) => {
                    next.last_use
                        .store(entry.last_use.load(Ordering::Relaxed), Ordering::Relaxed);
                    *entry = next;
                    true
                }
                None => {
                    self.evicted_at = self.evicted_at.max(entry.evicted_at());
                    false
                }
            }
        });
    }

    /// Scans only when the map is full, and then drops a quarter, so that a stream of new keys pays for
    /// one scan in many.
    fn make_room(&mut self) {
        let limit = self.limit;
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
        // More than a quarter where the limit has become smaller.
        let goes = last_uses.len() - limit + limit / 4;
        let youngest_to_go = last_uses.get(goes).copied().unwrap_or_default();
        self.by_key.retain(|_, entry| {
            let last_use = entry.last_use.load(Ordering::Relaxed);
            let stays = Arc::strong_count(entry) > 1 || last_use > youngest_to_go;
            if !stays {
                self.evicted_at = self.evicted_at.max(entry.evicted_at());
            }
            stays
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth_token_service::obtain::{Obtain as _, Scripted};
    use crate::auth_token_service::seals::Evicted;

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
        entries.lock().get_or_make(&key(audience), make)
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
            assert!(entries.lock().by_key.len() <= 9);
        }
        assert!(Arc::ptr_eq(&held, &entry(&entries, "held")));
    }

    #[test]
    fn the_least_recently_used_quarter_makes_room_when_the_map_is_full_and_not_before() {
        let entries = Entries::new(8);
        let audiences = ["a", "b", "c", "d", "e", "f", "g", "h"];
        for audience in audiences {
            entry(&entries, audience);
        }
        assert_eq!(entries.lock().by_key.len(), 8);
        entry(&entries, "a");
        entry(&entries, "new");
        let locked = entries.lock();
        let left = |audience: &&str| locked.by_key.contains_key(&key(audience));
        let left: Vec<_> = audiences.into_iter().filter(left).collect();
        // Two, and the one whose place the new one takes.
        assert_eq!(left, ["a", "e", "f", "g", "h"]);
        assert_eq!(locked.by_key.len(), 6);
    }

    #[test]
    fn an_eviction_is_known_after_its_entry_had_to_make_room() {
        let entries = Entries::new(1);
        let at = Moment::from_micros(7);
        entry(&entries, "a").evict(at);
        assert_eq!(entry(&entries, "b").evicted_at(), Some(at));
        assert_eq!(entry(&entries, "a").evicted_at(), Some(at));
    }

    #[test]
    fn an_eviction_of_an_entry_that_stays_is_no_other_entrys() {
        let entries = Entries::new(4);
        for audience in ["a", "b", "c", "d"] {
            entry(&entries, audience);
        }
        entry(&entries, "d").evict(Moment::from_micros(7));
        assert_eq!(entry(&entries, "e").evicted_at(), None);
        assert_eq!(entries.lock().by_key.len(), 3);
    }

    #[test]
    fn an_eviction_of_an_unknown_key_holds_for_each_entry_that_is_made_later() {
        let entries = Entries::new(4);
        let before = entry(&entries, "before");
        let (early, late) = (Moment::from_micros(5), Moment::from_micros(7));
        entries.lock().evicted_unknown(late);
        entries.lock().evicted_unknown(early);
        assert_eq!(entry(&entries, "after").evicted_at(), Some(late));
        assert_eq!(before.evicted_at(), None);
    }

    #[test]
    fn the_last_64_notices_for_unknown_keys_are_remembered_and_one_before_them_counts_for_all() {
        let (entries, source) = (Entries::new(1_000), Scripted::default());
        let at = Moment::from_micros(7);
        let hears = |audience: &str| {
            let key = key(audience);
            let notice = source.seals().notice(&key, Evicted::UpTo(at)).unwrap();
            assert!(entries.lock().noticed(&key, &notice, at).is_none());
        };
        for number in 0..64 {
            hears(&format!("a{number}"));
        }
        assert_eq!(entry(&entries, "other").evicted_at(), None);
        assert_eq!(entry(&entries, "a0").evicted_at(), Some(at));
        hears("a64");
        let latest = Some(at.saturating_add(CLOCK_DIFFERENCE));
        assert_eq!(entry(&entries, "a1").evicted_at(), latest);
        assert_eq!(entry(&entries, "another").evicted_at(), latest);
    }

    #[test]
    fn a_smaller_limit_holds_from_the_next_new_key_on() {
        let entries = Entries::new(100);
        for number in 0..100 {
            entry(&entries, &format!("audience-{number}"));
        }
        entries.lock().replace(8, |entry| Some(Arc::clone(entry)));
        entry(&entries, "new");
        assert!(entries.lock().by_key.len() <= 8);
    }

    #[test]
    fn an_entry_that_another_replaces_is_retired_and_found_no_more() {
        let entries = Entries::new(8);
        let (kept, old) = (entry(&entries, "kept"), entry(&entries, "old"));
        entries.lock().replace(8, |entry| {
            Some(entry)
                .filter(|entry| entry.key == key("kept"))
                .cloned()
        });
        assert!(old.is_retired() && !kept.is_retired());
        assert!(Arc::ptr_eq(&kept, &entry(&entries, "kept")));
        assert!(!Arc::ptr_eq(&old, &entry(&entries, "old")));
    }
}
