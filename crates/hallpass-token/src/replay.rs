//! Which messages were seen already, for as long as they would still count.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use aws_lc_rs::digest;

use crate::time::UnixTime;

/// How long the messages are that are forgotten together, in seconds.
const GROUP_SECONDS: u64 = 8;
/// Bytes of a name that are kept in memory: two messages that share them are never found.
const DIGEST_BYTES: usize = 16;

/// What a message is called where it must count once: SHA-256 over the parts of its name. Who reads one learns nothing of the
/// message.
///
/// ```
/// use hallpass_token::ReplayName;
///
/// assert_ne!(ReplayName::of(&[b"key", b"jti"]), ReplayName::of(&[b"keyjti", b""]));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReplayName([u8; 32]);

impl ReplayName {
    /// No two lists of parts have one name: each part stands after its length.
    #[must_use]
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in parts {
            let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
            context.update(&length.to_be_bytes());
            context.update(part);
        }
        Self(copied(context.finish().as_ref()))
    }

    /// The digest.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// As many of the bytes as there is room for.
fn copied<const N: usize>(from: &[u8]) -> [u8; N] {
    let mut bytes = [0; N];
    for (to, from) in bytes.iter_mut().zip(from) {
        *to = *from;
    }
    bytes
}

/// Remembers what was shown once, such as the `jti` of a proof (RFC 9449 section 11.1) or of a client assertion (RFC 7523
/// section 3), until it does not count any more by its age. Bounded; nothing that still counts is ever forgotten for room.
///
/// Room is shared out: an owner may have as many as there is room left for. So one has half of `capacity` at most, and
/// whatever some do, who has shown nothing finds room. About 40 bytes a message.
///
/// ```
/// use std::time::Duration;
/// use hallpass_token::{ReplayMemory, ReplayName, Seen, UnixTime};
///
/// let mut memory = ReplayMemory::new(1_000, Duration::from_secs(60));
/// let now = UnixTime::from_secs(1_700_000_000);
/// let name = ReplayName::of(&[b"key", b"jti"]);
/// assert_eq!(memory.see("order-service", &name, now, now), Seen::First);
/// assert_eq!(memory.see("order-service", &name, now, now), Seen::Again);
/// ```
#[derive(Debug)]
pub struct ReplayMemory {
    capacity: usize,
    life: Duration,
    /// By when they were made, in groups of [`GROUP_SECONDS`]. A map per group, so that forgetting needs no walk.
    groups: BTreeMap<u64, Group>,
}

#[derive(Debug, Default)]
struct Group {
    seen: HashSet<[u8; DIGEST_BYTES]>,
    /// How many are whose.
    owners: HashMap<Box<str>, usize>,
}

/// What is known of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Seen {
    /// It was not shown before, and is remembered now.
    First,
    /// It was shown before.
    Again,
    /// It cannot be remembered: its owner has shown as many as it may. It must not count.
    Full,
}

impl ReplayMemory {
    /// For messages that count for `life` after they were made, and at most `capacity` of them.
    #[must_use]
    pub fn new(capacity: usize, life: Duration) -> Self {
        Self {
            capacity,
            life,
            groups: BTreeMap::new(),
        }
    }

    /// Whether the message of this name was seen before; remembers it if not.
    ///
    /// `made_at` is what the message says of itself; its signature, and that it still counts, are for the caller to check
    /// before. `owner` is who has shown it, and is never part of its name.
    pub fn see(
        &mut self,
        owner: &str,
        name: &ReplayName,
        made_at: UnixTime,
        now: UnixTime,
    ) -> Seen {
        self.forget(now);
        let digest: [u8; DIGEST_BYTES] = copied(name.as_bytes());
        if self.groups.values().any(|it| it.seen.contains(&digest)) {
            return Seen::Again;
        }
        let of_owner = |group: &Group| group.owners.get(owner).copied().unwrap_or_default();
        let owned: usize = self.groups.values().map(of_owner).sum();
        // So many owners that take all they can leave one share of the same size free.
        if owned >= self.capacity.saturating_sub(self.len()) {
            return Seen::Full;
        }
        let group = made_at.as_secs() / GROUP_SECONDS;
        let group = self.groups.entry(group).or_default();
        group.seen.insert(digest);
        match group.owners.get_mut(owner) {
            Some(count) => *count += 1,
            None => _ = group.owners.insert(owner.into(), 1),
        }
        Seen::First
    }

    /// How many messages are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.groups.values().map(|group| group.seen.len()).sum()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Forgets the groups whose youngest message counts no more.
    fn forget(&mut self, now: UnixTime) {
        while let Some(oldest) = self.groups.first_entry() {
            let end = oldest.key().saturating_add(1).saturating_mul(GROUP_SECONDS);
            let end = UnixTime::from_secs(end).saturating_add(self.life);
            if end >= now {
                return;
            }
            oldest.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{GROUP_SECONDS, ReplayMemory, ReplayName, Seen};
    use crate::time::UnixTime;

    const LIFE: Duration = Duration::from_secs(60);
    const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

    fn later(seconds: u64) -> UnixTime {
        NOW.saturating_add(Duration::from_secs(seconds))
    }

    #[test]
    fn a_message_is_remembered_as_long_as_it_counts_and_not_much_longer() {
        let mut memory = ReplayMemory::new(100, LIFE);
        for made_at in [NOW, later(3), later(7)] {
            let name = made_at.as_secs().to_be_bytes();
            assert_eq!(
                memory.see("a", &ReplayName::of(&[&name]), made_at, NOW),
                Seen::First
            );
        }
        for made_at in [NOW, later(3), later(7)] {
            let (name, end) = (
                made_at.as_secs().to_be_bytes(),
                made_at.saturating_add(LIFE),
            );
            assert_eq!(
                memory.see("a", &ReplayName::of(&[&name]), made_at, end),
                Seen::Again
            );
        }
        let gone = later(7 + 60 + 2 * GROUP_SECONDS);
        assert_eq!(
            memory.see("a", &ReplayName::of(&[b"new"]), gone, gone),
            Seen::First
        );
        assert_eq!(memory.len(), 1);
    }

    #[test]
    fn a_message_that_says_another_age_is_still_the_same() {
        let mut memory = ReplayMemory::new(100, LIFE);
        assert_eq!(
            memory.see("a", &ReplayName::of(&[b"k", b"1"]), NOW, NOW),
            Seen::First
        );
        assert_eq!(
            memory.see("a", &ReplayName::of(&[b"k", b"1"]), later(30), later(30)),
            Seen::Again
        );
        assert_eq!(
            memory.see("b", &ReplayName::of(&[b"k", b"1"]), NOW, NOW),
            Seen::Again
        );
        assert_eq!(
            memory.see("a", &ReplayName::of(&[b"k1", b""]), NOW, NOW),
            Seen::First
        );
        assert_eq!(
            memory.see("a", &ReplayName::of(&[b"", b"k1"]), NOW, NOW),
            Seen::First
        );
    }

    #[test]
    fn one_owner_cannot_take_the_room_of_all_others() {
        let mut memory = ReplayMemory::new(40, LIFE);
        let mut see = |owner: &str, number: u32, at| {
            memory.see(
                owner,
                &ReplayName::of(&[owner.as_bytes(), &number.to_be_bytes()]),
                at,
                at,
            )
        };
        let seen: Vec<_> = (0..100).map(|number| see("greedy", number, NOW)).collect();
        assert_eq!(seen.iter().filter(|it| **it == Seen::First).count(), 20);
        assert_eq!(seen.last(), Some(&Seen::Full));
        assert_eq!(see("greedy", 0, NOW), Seen::Again, "nothing was forgotten");
        let modest = (0..10).map(|number| see("modest", number, NOW));
        assert!(modest.into_iter().all(|it| it == Seen::First));
        let later = later(60 + 2 * GROUP_SECONDS);
        assert_eq!(see("greedy", 1_000, later), Seen::First);
    }

    #[test]
    fn whatever_some_owners_do_another_one_finds_room_and_nothing_is_forgotten() {
        let mut memory = ReplayMemory::new(100, LIFE);
        for number in 0..200_u32 {
            for owner in ["a", "b", "c"] {
                let name = [owner.as_bytes(), &number.to_be_bytes()];
                memory.see(owner, &ReplayName::of(&name), NOW, NOW);
            }
        }
        let taken = memory.len();
        assert!((75..=76).contains(&taken), "{taken}");
        assert_eq!(
            memory.see("new", &ReplayName::of(&[b"x"]), NOW, NOW),
            Seen::First
        );
        for owner in ["a", "b", "c"] {
            let name = [owner.as_bytes(), &0_u32.to_be_bytes()];
            assert_eq!(
                memory.see(owner, &ReplayName::of(&name), NOW, NOW),
                Seen::Again
            );
        }
        let mut none = ReplayMemory::new(0, LIFE);
        assert_eq!(
            none.see("a", &ReplayName::of(&[b"x"]), NOW, NOW),
            Seen::Full
        );
    }
}
