//! The addresses of one service.

use std::sync::Arc;

use super::instance::Instance;
use super::member::Member;

/// The instances of one service with a weight and more each; shared, because every call reads them.
///
/// A discovery that watches its source hands out clones of the same list until the source changes: comparing two clones
/// costs one comparison of pointers.
#[derive(Clone, Debug)]
pub struct Instances {
    members: Arc<[Member]>,
}

impl Instances {
    /// Weight of an instance that was given none.
    pub const DEFAULT_WEIGHT: u32 = 1;

    /// No instance.
    #[must_use]
    pub fn none() -> Self {
        Self::from_iter::<[Instance; 0]>([])
    }

    /// The instances, in the order of the source.
    pub fn iter(&self) -> impl Iterator<Item = &Instance> {
        self.members.iter().map(|member| &member.instance)
    }

    /// The instances with their weights: an instance of weight 2 gets twice the calls of one of weight 1, and one of
    /// weight 0 only those that nobody else can take.
    pub fn weighted(&self) -> impl Iterator<Item = (&Instance, u32)> {
        self.members
            .iter()
            .map(|member| (&member.instance, member.weight))
    }

    /// The instances with all that is known of them.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}

/// With [`Instances::DEFAULT_WEIGHT`].
impl From<Instance> for Member {
    fn from(instance: Instance) -> Self {
        Self::new(instance, Instances::DEFAULT_WEIGHT)
    }
}

impl FromIterator<Member> for Instances {
    fn from_iter<I: IntoIterator<Item = Member>>(members: I) -> Self {
        Self {
            members: members.into_iter().collect(),
        }
    }
}

/// Of which nothing more is known.
impl FromIterator<(Instance, u32)> for Instances {
    fn from_iter<I: IntoIterator<Item = (Instance, u32)>>(instances: I) -> Self {
        instances
            .into_iter()
            .map(|(instance, weight)| Member::new(instance, weight))
            .collect()
    }
}

/// Each with [`Instances::DEFAULT_WEIGHT`].
impl FromIterator<Instance> for Instances {
    fn from_iter<I: IntoIterator<Item = Instance>>(instances: I) -> Self {
        instances.into_iter().map(Member::from).collect()
    }
}

/// The same instances in the same order, with the same weights and all else that is known of them.
impl PartialEq for Instances {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.members, &other.members) || self.members == other.members
    }
}

impl Eq for Instances {}
