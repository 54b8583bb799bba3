//! What clients share by where they call.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Weak};

/// Fewer places than these are not looked through for what is gone.
const FEW_PLACES: usize = 32;

/// Values by place, several of a place where clients want different ones, each with a note about who asked for it.
///
/// What attribute and configuration ask for is kept though nobody holds it; all else goes with the last client that holds it.
#[derive(Debug)]
pub(crate) struct SharedByPlace<K, T, N> {
    by_place: HashMap<K, Vec<Entry<T, N>>>,
    /// So many places are looked through when there are so many: before the map grows, at a price that is spread over the
    /// clients that were built since.
    look_through_at: usize,
}

#[derive(Debug)]
struct Entry<T, N> {
    value: Weak<T>,
    /// The same, where it stays though no client holds it.
    kept: Option<Arc<T>>,
    note: N,
}

impl<K, T, N> Default for SharedByPlace<K, T, N> {
    fn default() -> Self {
        Self {
            by_place: HashMap::new(),
            look_through_at: 0,
        }
    }
}

impl<K: Eq + Hash, T, N> SharedByPlace<K, T, N> {
    /// The value at `place` of which `is_same` says that it is the one; else what `make` makes, which is told of the one that was made
    /// last at this place, if somebody still holds it.
    pub(crate) fn get(
        &mut self,
        place: K,
        (note, is_kept): (N, bool),
        is_same: impl Fn(&T) -> bool,
        make: impl FnOnce(Option<&T>) -> T,
    ) -> Arc<T> {
        self.make_room();
        let here = self.by_place.entry(place).or_default();
        here.retain(|entry| !entry.is_gone());
        let same = here.iter_mut().find_map(|entry| {
            let value = entry.value.upgrade()?;
            is_same(&value).then_some((entry, value))
        });
        if let Some((entry, value)) = same {
            entry.note = note;
            if is_kept {
                entry.kept = Some(Arc::clone(&value));
            }
            return value;
        }
        let before = here.iter().rev().find_map(|entry| entry.value.upgrade());
        let value = Arc::new(make(before.as_deref()));
        here.push(Entry {
            value: Arc::downgrade(&value),
            kept: is_kept.then(|| Arc::clone(&value)),
            note,
        });
        value
    }

    /// Forgets those of which `is_wanted` does not say, by their place, value and note, that they are wanted; what is gone is not.
    pub(crate) fn keep_only(&mut self, is_wanted: impl Fn(&K, &T, &N) -> bool) {
        self.retain(|place, entry| {
            let value = entry.value.upgrade();
            value.is_some_and(|value| is_wanted(place, &value, &entry.note))
        });
    }

    /// The same, and what is held by a client is wanted.
    pub(crate) fn forget_unused(&mut self, is_wanted: impl Fn(&K, &T, &N) -> bool) {
        self.retain(|place, entry| {
            let own = usize::from(entry.kept.is_some());
            let is_held = entry.value.strong_count() > own;
            let value = entry.value.upgrade();
            value.is_some_and(|value| is_held || is_wanted(place, &value, &entry.note))
        });
    }

    /// All that somebody holds.
    pub(crate) fn living(&self) -> impl Iterator<Item = (&K, Arc<T>)> {
        self.by_place.iter().flat_map(|(place, entries)| {
            let living = entries.iter().filter_map(|entry| entry.value.upgrade());
            living.map(move |value| (place, value))
        })
    }

    fn make_room(&mut self) {
        if self.by_place.len() < self.look_through_at.max(FEW_PLACES) {
            return;
        }
        self.retain(|_, entry| !entry.is_gone());
        self.look_through_at = self.by_place.len().saturating_mul(2);
    }

    fn retain(&mut self, keep: impl Fn(&K, &Entry<T, N>) -> bool) {
        self.by_place.retain(|place, entries| {
            entries.retain(|entry| keep(place, entry));
            !entries.is_empty()
        });
    }
}

impl<T, N> Entry<T, N> {
    fn is_gone(&self) -> bool {
        self.value.strong_count() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_holds_goes_unless_it_is_kept_and_takes_no_room() {
        let mut shared = SharedByPlace::<u32, u32, ()>::default();
        let kept = shared.get(0, ((), true), |_| true, |_| 7);
        drop(kept);
        for place in 1..10_000 {
            drop(shared.get(place, ((), false), |_| true, |_| place));
            assert!(shared.by_place.len() <= 2 * FEW_PLACES + 2);
        }
        assert_eq!(*shared.get(0, ((), false), |_| true, |_| 8), 7);
        shared.keep_only(|_, _, ()| false);
        assert_eq!(*shared.get(0, ((), false), |_| true, |_| 8), 8);
    }

    #[test]
    fn one_that_takes_the_place_of_another_is_told_of_it() {
        let mut shared = SharedByPlace::<u32, u32, ()>::default();
        let first = shared.get(
            0,
            ((), false),
            |_| false,
            |before| before.map_or(1, |it| it + 1),
        );
        let next = shared.get(
            0,
            ((), false),
            |_| false,
            |before| before.map_or(1, |it| it + 1),
        );
        assert_eq!((*first, *next), (1, 2));
        drop((first, next));
        let again = shared.get(
            0,
            ((), false),
            |_| false,
            |before| before.map_or(1, |it| it + 1),
        );
        assert_eq!(*again, 1);
    }
}
