//! How many requests of each of very many are under way, in bounded memory.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::shards::{Key, Shards};

/// A number of requests under way for each name.
///
/// **Bounded**: 65,536 names with requests under way. Where there is no room, new names share one number, so that no number of names makes room for
/// more requests than they would have had. A name that has none under way takes no room.
///
/// ```
/// use std::sync::Arc;
/// use hallpass_upstream::KeyedPlaces;
///
/// let places = Arc::new(KeyedPlaces::new());
/// let one = places.enter(&[b"alice"], 1);
/// assert!(one.is_some());
/// assert!(places.enter(&[b"alice"], 1).is_none());
/// assert!(places.enter(&[b"bob"], 1).is_some());
/// drop(one);
/// assert!(places.enter(&[b"alice"], 1).is_some());
/// ```
pub struct KeyedPlaces {
    /// How many requests of each name are under way; never 0.
    names: Shards<u32>,
    /// Of all names that there is no room for. Relaxed: nothing else depends on it.
    overflow: AtomicU32,
}

/// A request under way, until this is dropped.
#[must_use = "dropped, the request is not under way any more"]
pub struct KeyedPlace {
    of: Arc<KeyedPlaces>,
    /// `None`: among those that share one number.
    key: Option<Key>,
}

impl KeyedPlaces {
    /// Nothing is under way.
    #[must_use]
    pub fn new() -> Self {
        Self {
            names: Shards::new(),
            overflow: AtomicU32::new(0),
        }
    }

    /// One request more of this name, if fewer than `most` are under way. The name is the parts one by one: none of them runs into the next.
    pub fn enter(self: &Arc<Self>, name: &[&[u8]], most: u32) -> Option<KeyedPlace> {
        if most == 0 {
            return None;
        }
        let key = self.names.key(name);
        let entered = self.names.enter(key, |under_way| {
            let is_free = *under_way < most;
            *under_way += u32::from(is_free);
            is_free
        });
        let (is_free, key) = match entered {
            Some(is_free) => (is_free, Some(key)),
            None => (self.enter_overflow(most), None),
        };
        is_free.then(|| KeyedPlace {
            of: Arc::clone(self),
            key,
        })
    }

    fn enter_overflow(&self, most: u32) -> bool {
        let order = Ordering::Relaxed;
        let next = |under_way: u32| (under_way < most).then(|| under_way.saturating_add(1));
        self.overflow.fetch_update(order, order, next).is_ok()
    }

    /// How many names have requests under way that are counted for themselves.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Default for KeyedPlaces {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for KeyedPlace {
    fn drop(&mut self) {
        match self.key {
            Some(key) => self.of.names.leave(key, |under_way| {
                *under_way = under_way.saturating_sub(1);
                *under_way == 0
            }),
            None => {
                self.of.overflow.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }
}

impl fmt::Debug for KeyedPlaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyedPlaces")
    }
}

impl fmt::Debug for KeyedPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyedPlace")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: u32) -> [u8; 4] {
        number.to_be_bytes()
    }

    #[test]
    fn a_name_has_its_places_and_gets_them_back() {
        let places = Arc::new(KeyedPlaces::new());
        let mut held: Vec<_> = (0..3).map_while(|_| places.enter(&[b"a"], 3)).collect();
        assert_eq!(held.len(), 3);
        assert!(places.enter(&[b"a"], 3).is_none());
        assert!(places.enter(&[b"b"], 3).is_some());
        drop(held.pop());
        held.extend(places.enter(&[b"a"], 3));
        assert_eq!(held.len(), 3);
        // A lower limit, as by changed settings, takes nothing away that is under way.
        assert!(places.enter(&[b"a"], 1).is_none());
        drop(held);
        assert!(places.enter(&[b"a"], 0).is_none());
        assert!(places.is_empty());
    }

    #[test]
    fn no_part_of_a_name_runs_into_the_next() {
        let places = Arc::new(KeyedPlaces::new());
        let _held = [
            places.enter(&[b"ab", b"c"], 1).unwrap(),
            places.enter(&[b"a", b"bc"], 1).unwrap(),
            places.enter(&[b"abc"], 1).unwrap(),
            places.enter(&[b"abc", b""], 1).unwrap(),
        ];
        assert_eq!(places.len(), 4);
    }

    #[test]
    fn names_without_room_share_one_number_and_nobody_loses_a_place() {
        let places = Arc::new(KeyedPlaces::new());
        let held: Vec<_> = (0..200_000)
            .filter_map(|number| places.enter(&[&name(number)], 1))
            .collect();
        // Each that found room, and one for all others together.
        assert!(places.len() <= 65_536, "{}", places.len());
        assert_eq!(held.len(), places.len() + 1);
        drop(held);
        assert!(places.is_empty());
        // What was shared has come back too.
        let held: Vec<_> = (0..200_000)
            .filter_map(|number| places.enter(&[&name(number)], 1))
            .collect();
        assert_eq!(held.len(), places.len() + 1);
    }

    #[test]
    fn places_of_many_threads_all_come_back() {
        let places = Arc::new(KeyedPlaces::new());
        std::thread::scope(|scope| {
            for thread in 0..4_u32 {
                let places = Arc::clone(&places);
                scope.spawn(move || {
                    for round in 0..20_000_u32 {
                        let name = name((round + thread) % 7);
                        let _held = places.enter(&[&name], 3);
                    }
                });
            }
        });
        assert!(places.is_empty());
    }
}
