//! The `kid`s for which a fetch has just been made in vain.

use std::collections::HashMap;
use std::time::Duration;

use hallpass_token::KeyId;

/// Most `kid`s that are remembered. A caller who invents more only costs others' entries: the cool-down still holds.
const MAX_UNKNOWN_KIDS: usize = 256;
/// How many cool-downs long one is remembered. Not longer: a key may be used moments before it is published.
const REMEMBERED_COOLDOWNS: u32 = 3;

/// Bounded memory of unknown `kid`s.
///
/// The keys come straight from unverified tokens, so the map keeps its keyed hash (SipHash), and the length of a
/// `KeyId` is bounded by its type.
#[derive(Debug, Default)]
pub(super) struct UnknownKids {
    until: HashMap<KeyId, Duration>,
}

impl UnknownKids {
    pub(super) fn contains(&self, kid: &KeyId, now: Duration) -> bool {
        self.until.get(kid).is_some_and(|until| now < *until)
    }

    pub(super) fn remember(&mut self, kid: &KeyId, now: Duration, cooldown: Duration) {
        if self.until.len() >= MAX_UNKNOWN_KIDS {
            self.until.retain(|_, until| now < *until);
        }
        if self.until.len() >= MAX_UNKNOWN_KIDS
            && let Some(first) = self
                .until
                .iter()
                .min_by_key(|(_, until)| **until)
                .map(|(kid, _)| kid.clone())
        {
            self.until.remove(&first);
        }
        self.until.insert(
            kid.clone(),
            now.saturating_add(cooldown.saturating_mul(REMEMBERED_COOLDOWNS)),
        );
    }

    /// Number of entries, for tests.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.until.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_ends_after_three_cooldowns() {
        let (kid, cooldown) = ("a".parse().unwrap(), Duration::from_secs(10));
        let mut unknown = UnknownKids::default();
        unknown.remember(&kid, Duration::from_secs(100), cooldown);
        assert!(unknown.contains(&kid, Duration::from_secs(129)));
        assert!(!unknown.contains(&kid, Duration::from_secs(130)));
    }

    #[test]
    fn no_number_of_kids_makes_it_grow_beyond_its_bound() {
        let mut unknown = UnknownKids::default();
        for number in 0..10_000_u64 {
            let kid = format!("kid-{number}").parse().unwrap();
            unknown.remember(&kid, Duration::from_millis(number), Duration::from_secs(10));
            assert!(unknown.contains(&kid, Duration::from_millis(number)));
        }
        assert!(unknown.len() <= MAX_UNKNOWN_KIDS);
    }
}
