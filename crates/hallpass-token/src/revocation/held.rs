//! What a deny-list holds, by digest, in a form whose copies share what is alike in both.
//!
//! Requests read one copy while the next is made. So a copy with one more entry costs the same however many there are: digests are
//! spread evenly, by their first bits, over 64 branches of 64 leaves each, and only the leaf that changes is made anew, with the
//! way to it. With a million entries a leaf has some 250 of 32 bytes.

use std::array;
use std::iter;
use std::sync::Arc;

const BRANCHES: usize = 64;
const LEAVES: usize = 64;
/// The bits of a byte that choose among so many.
const CHOICE: u8 = 63;

pub(super) type DigestBytes = [u8; 16];

/// What is denied of one digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// `u64::MAX` when every token is denied.
    pub(super) issued_before: u64,
    pub(super) ends_at: u64,
}

impl Held {
    /// What denies whatever one of both denies.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            issued_before: self.issued_before.max(other.issued_before),
            ends_at: self.ends_at.max(other.ends_at),
        }
    }
}

/// A map from digests. To clone it copies 64 pointers.
#[derive(Clone, Debug, Default)]
pub(super) struct HeldEntries {
    /// None before the first entry.
    branches: Vec<Arc<Branch>>,
    length: usize,
}

#[derive(Clone, Debug)]
struct Branch {
    leaves: [Arc<Leaf>; LEAVES],
    /// No entry ends earlier; [`u64::MAX`] without entries.
    first_end: u64,
}

#[derive(Clone, Debug)]
struct Leaf {
    /// In the order of their digests.
    slots: Vec<(u128, Held)>,
    /// As of a branch.
    first_end: u64,
}

impl HeldEntries {
    pub(super) const fn len(&self) -> usize {
        self.length
    }

    pub(super) fn get(&self, digest: DigestBytes) -> Option<Held> {
        let (branch, leaf) = place(digest);
        let leaf = self.branches.get(branch)?.leaves.get(leaf)?;
        let slot = leaf.find(u128::from_be_bytes(digest)).ok()?;
        leaf.slots.get(slot).map(|(_, held)| *held)
    }

    /// Adds what is denied of `digest` to what is there. Gives whether anything is denied that was not before.
    pub(super) fn add(&mut self, digest: DigestBytes, new: Held) -> bool {
        let before = self.get(digest);
        let held = before.map_or(new, |before| before.and(new));
        if before == Some(held) {
            return false;
        }
        if self.branches.is_empty() {
            // One that they all share until they differ.
            let empty = Arc::new(Branch::empty());
            self.branches = iter::repeat_n(empty, BRANCHES).collect();
        }
        let (branch, leaf) = place(digest);
        if let Some(branch) = self.branches.get_mut(branch) {
            // Copied when another list has it too.
            let branch = Arc::make_mut(branch);
            branch.first_end = branch.first_end.min(held.ends_at);
            if let Some(leaf) = branch.leaves.get_mut(leaf) {
                Arc::make_mut(leaf).put(u128::from_be_bytes(digest), held);
            }
        }
        self.length += usize::from(before.is_none());
        true
    }

    /// Forgets what has ended at `now`, and looks at those leaves alone where something may have.
    pub(super) fn forget_ended(&mut self, now: u64) {
        for branch in &mut self.branches {
            if branch.first_end <= now {
                let forgotten = Arc::make_mut(branch).forget_ended(now);
                self.length = self.length.saturating_sub(forgotten);
            }
        }
    }
}

impl Branch {
    fn empty() -> Self {
        let leaf = Arc::new(Leaf {
            slots: Vec::new(),
            first_end: u64::MAX,
        });
        Self {
            leaves: array::from_fn(|_| Arc::clone(&leaf)),
            first_end: u64::MAX,
        }
    }

    fn forget_ended(&mut self, now: u64) -> usize {
        let mut forgotten = 0;
        self.first_end = u64::MAX;
        for leaf in &mut self.leaves {
            if leaf.first_end <= now {
                forgotten += Arc::make_mut(leaf).forget_ended(now);
            }
            self.first_end = self.first_end.min(leaf.first_end);
        }
        forgotten
    }
}

impl Leaf {
    fn find(&self, digest: u128) -> Result<usize, usize> {
        self.slots
            .binary_search_by_key(&digest, |(known, _)| *known)
    }

    fn put(&mut self, digest: u128, held: Held) {
        self.first_end = self.first_end.min(held.ends_at);
        match self.find(digest) {
            Ok(slot) => {
                if let Some(slot) = self.slots.get_mut(slot) {
                    slot.1 = held;
                }
            }
            Err(slot) => self.slots.insert(slot, (digest, held)),
        }
    }

    fn forget_ended(&mut self, now: u64) -> usize {
        let before = self.slots.len();
        self.slots.retain(|(_, held)| now < held.ends_at);
        let ends = self.slots.iter().map(|(_, held)| held.ends_at);
        self.first_end = ends.min().unwrap_or(u64::MAX);
        before.saturating_sub(self.slots.len())
    }
}

/// The branch and the leaf of a digest.
fn place(digest: DigestBytes) -> (usize, usize) {
    let [first, second, ..] = digest;
    (usize::from(first & CHOICE), usize::from(second & CHOICE))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    /// Few digests, some of which share a leaf.
    fn digest(number: u8) -> DigestBytes {
        let mut digest = [0; 16];
        digest[0] = number % 3;
        digest[1] = 192 + number % 5;
        digest[15] = number;
        digest
    }

    #[derive(Clone, Debug)]
    enum Step {
        Add(u8, Held),
        Forget(u64),
        Keep,
    }

    fn step() -> impl Strategy<Value = Step> {
        let bound = prop_oneof![Just(u64::MAX), 0_u64..20];
        let held = (bound, 0_u64..100).prop_map(|(issued_before, ends_at)| Held {
            issued_before,
            ends_at,
        });
        prop_oneof![
            8 => (0_u8..40, held).prop_map(|(number, held)| Step::Add(number, held)),
            1 => (0_u64..100).prop_map(Step::Forget),
            1 => Just(Step::Keep),
        ]
    }

    type Model = HashMap<u8, Held>;

    fn assert_same(entries: &HeldEntries, model: &Model) {
        assert_eq!(entries.len(), model.len());
        for number in 0..=u8::MAX {
            assert_eq!(entries.get(digest(number)), model.get(&number).copied());
        }
    }

    proptest! {
        #[test]
        fn it_holds_what_a_plain_map_holds_and_earlier_copies_stay_as_they_were(
            steps in prop::collection::vec(step(), 0..300),
        ) {
            let (mut entries, mut model) = (HeldEntries::default(), Model::new());
            let mut kept = Vec::new();
            for step in steps {
                match step {
                    Step::Add(number, held) => {
                        let both = model.get(&number).map_or(held, |before| before.and(held));
                        let is_more = model.insert(number, both) != Some(both);
                        prop_assert_eq!(entries.add(digest(number), held), is_more);
                    }
                    Step::Forget(now) => {
                        entries.forget_ended(now);
                        model.retain(|_, held| now < held.ends_at);
                    }
                    Step::Keep => kept.push((entries.clone(), model.clone())),
                }
                prop_assert_eq!(entries.len(), model.len());
            }
            assert_same(&entries, &model);
            kept.iter().for_each(|(entries, model)| assert_same(entries, model));
        }
    }

    /// How many leaves of `one` the `other` does not share.
    fn leaves_of_its_own(one: &HeldEntries, other: &HeldEntries) -> usize {
        let leaves = |entries: &HeldEntries| -> Vec<Arc<Leaf>> {
            let branches = entries.branches.iter();
            branches.flat_map(|it| it.leaves.iter().cloned()).collect()
        };
        let pairs = leaves(one).into_iter().zip(leaves(other));
        pairs.filter(|(a, b)| !Arc::ptr_eq(a, b)).count()
    }

    #[test]
    fn a_change_of_one_entry_makes_one_leaf_anew_however_many_there_are() {
        let held = |ends_at| Held {
            issued_before: u64::MAX,
            ends_at,
        };
        let spread = |number: u32| {
            let digest =
                aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &number.to_be_bytes());
            DigestBytes::try_from(&digest.as_ref()[..16]).unwrap()
        };
        let mut entries = HeldEntries::default();
        for number in 0..20_000 {
            entries.add(spread(number), held(100));
        }
        let largest = entries.branches.iter().flat_map(|it| it.leaves.iter());
        let largest = largest.map(|leaf| leaf.slots.len()).max().unwrap();
        assert!(largest < 30, "spread evenly: {largest}");
        let before = entries.clone();
        assert!(!entries.add(spread(7), held(50)));
        entries.forget_ended(99);
        assert_eq!(leaves_of_its_own(&entries, &before), 0, "nothing is new");
        assert!(entries.add(spread(20_000), held(10)));
        assert_eq!(leaves_of_its_own(&entries, &before), 1);
        let before = entries.clone();
        entries.forget_ended(10);
        assert_eq!(leaves_of_its_own(&entries, &before), 1);
        assert_eq!((before.len(), entries.len()), (20_001, 20_000));
    }
}
