//! The `kid`s that the last fetches did not bring.

use std::collections::HashMap;
use std::time::Duration;

use hallpass_token::KeyId;

/// Most `kid`s that are remembered. A caller who invents more only costs others' entries: the cool-down still holds.
const MAX_UNKNOWN_KIDS: usize = 256;
/// How long one is remembered after the first such fetch: a key may be used moments before it is published.
const FIRST_REMEMBERED: Duration = Duration::from_secs(1);
/// How many cool-downs long one is remembered at most: one after the second such fetch, and one more after each further.
const MAX_REMEMBERED_COOLDOWNS: u32 = 3;

/// Bounded memory of unknown `kid`s.
///
/// The keys come straight from unverified tokens, so the map keeps its keyed hash (SipHash), and the length of a
/// `KeyId` is bounded by its type.
#[derive(Debug, Default)]
pub(super) struct UnknownKids {
    misses: HashMap<KeyId, Miss>,
}

/// The fetches for one `kid` that did not bring it.
#[derive(Clone, Copy, Debug)]
struct Miss {
    fetches: u32,
    until: Duration,
}

impl UnknownKids {
    pub(super) fn contains(&self, kid: &KeyId, now: Duration) -> bool {
        self.misses.get(kid).is_some_and(|miss| now < miss.until)
    }

    pub(super) fn remember(&mut self, kid: &KeyId, now: Duration, cooldown: Duration) {
        let before = self.misses.remove(kid).map_or(0, |miss| miss.fetches);
        let fetches = before.saturating_add(1).min(MAX_REMEMBERED_COOLDOWNS + 1);
        // What ends first makes room: what has ended, before what still holds.
        if self.misses.len() >= MAX_UNKNOWN_KIDS
            && let Some(first) = self
                .misses
                .iter()
                .min_by_key(|(_, miss)| miss.until)
                .map(|(kid, _)| kid.clone())
        {
            self.misses.remove(&first);
        }
        let remembered = match fetches {
            1 => FIRST_REMEMBERED.min(cooldown),
            more => cooldown.saturating_mul(more.saturating_sub(1)),
        };
        let until = now.saturating_add(remembered);
        self.misses.insert(kid.clone(), Miss { fetches, until });
    }

    /// Number of entries, for tests.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.misses.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_ends_after_a_second_then_after_one_cooldown_and_later_after_up_to_three() {
        let (kid, cooldown) = ("a".parse().unwrap(), Duration::from_secs(10));
        let mut unknown = UnknownKids::default();
        for (now, until) in [(100, 101), (101, 111), (111, 131), (131, 161), (161, 191)] {
            unknown.remember(&kid, Duration::from_secs(now), cooldown);
            let just_before = Duration::from_millis(until * 1000 - 1);
            assert!(unknown.contains(&kid, just_before));
            assert!(!unknown.contains(&kid, Duration::from_secs(until)));
        }
    }

    #[test]
    fn no_number_of_kids_makes_it_grow_beyond_its_bound() {
        let mut unknown = UnknownKids::default();
        for number in 0..10_000_u64 {
            let kid = format!("kid-{number}").parse().unwrap();
            unknown.remember(&kid, Duration::from_millis(number), Duration::from_secs(10));
            assert!(unknown.contains(&kid, Duration::from_millis(number)));
        }
        assert_eq!(unknown.len(), MAX_UNKNOWN_KIDS);
    }

    #[test]
    fn where_no_place_is_left_the_kid_that_ends_first_makes_room_and_no_other() {
        let cooldown = Duration::from_secs(10);
        let kid = |number: usize| format!("kid-{number}").parse().unwrap();
        let at = |number: usize| Duration::from_millis(number.try_into().unwrap());
        let mut unknown = UnknownKids::default();
        for number in 0..MAX_UNKNOWN_KIDS {
            unknown.remember(&kid(number), at(number), cooldown);
        }
        // The first one is missed again, so the second one ends first now.
        unknown.remember(&kid(0), at(MAX_UNKNOWN_KIDS), cooldown);
        unknown.remember(&kid(MAX_UNKNOWN_KIDS), at(MAX_UNKNOWN_KIDS + 1), cooldown);
        let left = |number| !unknown.contains(&kid(number), at(MAX_UNKNOWN_KIDS + 1));
        let gone: Vec<_> = (0..=MAX_UNKNOWN_KIDS).filter(|it| left(*it)).collect();
        assert_eq!(gone, [1]);
    }

    #[test]
    fn while_there_is_room_a_kid_that_was_missed_before_is_known_as_such() {
        let (kid, other) = ("a".parse().unwrap(), "b".parse().unwrap());
        let cooldown = Duration::from_secs(10);
        let mut unknown = UnknownKids::default();
        unknown.remember(&kid, Duration::from_secs(100), cooldown);
        unknown.remember(&other, Duration::from_secs(200), cooldown);
        unknown.remember(&kid, Duration::from_secs(200), cooldown);
        assert!(unknown.contains(&kid, Duration::from_secs(209)));
        assert!(!unknown.contains(&other, Duration::from_secs(209)));
    }
}
