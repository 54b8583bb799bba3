//! Which of the values that somebody chooses count for themselves: a few of each, in bounded memory.

use std::fmt;
use std::time::Duration;

use super::keyed::Quota;
use super::shards::{Key, Shards};

/// For quotas by a value that callers choose: which values of a name have a quota of their own.
///
/// **Bounded**: the first [`MOST`](Self::MOST) values of a name that are in use at a time, and 65,536 names. Whoever invents values gets that many quotas for
/// them and no more; all others of that name are to share one. A value is forgotten when its quota is whole again, so that it has lost nothing then.
///
/// ```
/// use std::time::Duration;
/// use hallpass_upstream::{KeyedValues, Quota};
///
/// let quota = Quota { count: 1, per: Duration::from_secs(1), burst: 1 };
/// let values = KeyedValues::new(quota);
/// let now = Duration::from_secs(5);
/// let own = (0..100_u8).filter(|it| values.has_its_own(b"alice", &[*it], now)).count();
/// assert_eq!(own, KeyedValues::MOST);
/// assert!(values.has_its_own(b"alice", &[0], now), "one of the first");
/// assert!(values.has_its_own(b"bob", b"x", now));
/// ```
pub struct KeyedValues {
    /// After so long a value that was not used has its whole quota again.
    forget_after: Duration,
    names: Shards<Vec<Known>>,
}

#[derive(Clone, Copy)]
struct Known {
    value: Key,
    used: Duration,
}

impl KeyedValues {
    /// Values of one name that have a quota of their own at a time.
    pub const MOST: usize = 16;

    /// For values with this quota each.
    #[must_use]
    pub fn new(quota: Quota) -> Self {
        Self {
            forget_after: quota.ahead(),
            names: Shards::new(),
        }
    }

    /// Whether `value` of `name`, which is used `now`, has a quota of its own. `now` is of a monotonic clock.
    pub fn has_its_own(&self, name: &[u8], value: &[u8], now: Duration) -> bool {
        let key = self.names.key(name);
        let value = self.names.key(value);
        let is_over = |it: &Known| now.saturating_sub(it.used) >= self.forget_after;
        let idle = |known: &Vec<Known>| known.iter().all(is_over);
        let used = Known { value, used: now };
        let taken = self.names.with(key, now, idle, |known| {
            let Some(known) = known else {
                return (true, Some(vec![used]));
            };
            let mut all = known.iter_mut();
            if let Some(own) = all.find(|it| it.value == value) {
                own.used = now;
                return (true, None);
            }
            if known.len() >= Self::MOST {
                known.retain(|it| !is_over(it));
            }
            let has_room = known.len() < Self::MOST;
            if has_room {
                known.push(used);
            }
            (has_room, None)
        });
        // Without room for the name its values share the quota of those beyond the first.
        taken.unwrap_or(false)
    }
}

impl fmt::Debug for KeyedValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedValues")
            .field("forget_after", &self.forget_after)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn values() -> KeyedValues {
        KeyedValues::new(Quota {
            count: 1,
            per: SECOND,
            burst: 10,
        })
    }

    fn own(of: &KeyedValues, name: &[u8], values: std::ops::Range<u32>, now: Duration) -> usize {
        let has = |it: &u32| of.has_its_own(name, &it.to_be_bytes(), now);
        values.filter(has).count()
    }

    #[test]
    fn whoever_invents_values_has_a_few_and_keeps_them_while_they_are_used() {
        let values = values();
        let mut now = SECOND * 100;
        assert_eq!(own(&values, b"a", 0..100_000, now), KeyedValues::MOST);
        assert_eq!(own(&values, b"b", 0..3, now), 3);
        // Not whole yet: others stay without.
        now += SECOND * 9;
        assert_eq!(own(&values, b"a", 0..4, now), 4);
        assert_eq!(own(&values, b"a", 50..60, now), 0);
        // Those that were not used since then are whole again, and make room.
        now += SECOND;
        assert_eq!(own(&values, b"a", 50..90, now), KeyedValues::MOST - 4);
        assert_eq!(own(&values, b"a", 0..4, now), 4);
    }

    #[test]
    fn names_without_room_have_no_values_of_their_own() {
        let values = values();
        let has = |it: &u32| values.has_its_own(&it.to_be_bytes(), b"v", SECOND);
        let own = (0..200_000).filter(has).count();
        assert!(own <= 65_536 && own > 60_000, "{own}");
    }
}
